"""Fréchet and kernel distance between two clouds of features. Pure functions; both are 0 for equal distributions.

Heusel et al. 2017 (FID) and Bińkowski et al. 2018 (KID). We differ: features are those of a classifier of the reals at hand,
not of Inception on ImageNet, so figures compare with each other here, not with published ones.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigvalsh

from cifake_core.metrics.intervals import Estimate

_RESAMPLES = 50
_Z = 1.959963985  # the 97.5 % point of the normal distribution


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½) of features (n, d) and (m, d) (Heusel et al. 2017, eq. 6).

    The trace of the root is the sum of the roots of the eigenvalues of Σ₁^½ Σ₂ Σ₁^½, which is symmetric. Biased upwards
    for few images, so compare only figures of equally many.
    """
    gap = one.mean(axis=0) - other.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(cloud, rowvar=False)) for cloud in (one, other))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = eigvalsh(root @ second @ root)
    return float(gap @ gap + np.trace(first) + np.trace(second) - 2 * np.sqrt(np.maximum(shared, 0)).sum())


def frechet_estimate(one: np.ndarray, other: np.ndarray, seed: int = 0) -> Estimate:
    """Fréchet distance ± 1.96 bootstrap standard errors, both clouds resampled (Efron 1979).

    Not a percentile interval: a resample repeats images, which raises the distance of every replicate.
    """
    random, value = np.random.default_rng(seed), frechet(one, other)
    drawn = [
        frechet(one[random.integers(len(one), size=len(one))], other[random.integers(len(other), size=len(other))])
        for _ in range(_RESAMPLES)
    ]
    spread = _Z * float(np.std(drawn, ddof=1))
    return Estimate(value, max(value - spread, 0.0), value + spread)


@dataclass(frozen=True)
class Kernel:
    """The unbiased squared kernel distance: its mean over subsets of both clouds, and how much the subsets differ."""

    value: float  # can be a little below 0
    spread: float  # standard deviation over the subsets
    subsets: int
    size: int  # images of each cloud in a subset


def kernel(one: np.ndarray, other: np.ndarray, subsets: int = 50, size: int = 1000, seed: int = 0) -> Kernel:
    """Mean over random subsets of `mmd2` (Bińkowski et al. 2018, section 4); a subset is no larger than half a cloud."""
    random = np.random.default_rng(seed)
    size = min(size, max(len(one) // 2, 2), max(len(other) // 2, 2))
    drawn = [
        mmd2(one[random.choice(len(one), size, replace=False)], other[random.choice(len(other), size, replace=False)])
        for _ in range(subsets)
    ]
    return Kernel(float(np.mean(drawn)), float(np.std(drawn, ddof=1)), subsets, size)


def mmd2(one: np.ndarray, other: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) with the kernel (x·y / d + 1)³, n images each."""
    n, d = one.shape
    if other.shape != one.shape or n < 2:
        raise ValueError(f"clouds of {one.shape} and {other.shape}; give equally many, at least two of each")
    within = [(cloud @ cloud.T / d + 1) ** 3 for cloud in (one, other)]
    across = (one @ other.T / d + 1) ** 3
    inside = sum((k.sum() - np.trace(k)) / (n * (n - 1)) for k in within)
    return float(inside - 2 * across.mean())
