"""How unusual 74 plain statistics of a picture are among a dataset's images: jointly, and in their most extreme ones.

The statistics are spectrum and colour (images/statistics.py). Each is first brought to normal scores by its training
quantiles, linearly continued beyond them, so that a flat picture or noise lies far out and not at an end of a rank.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from cifake_core.images.statistics import statistics

_LEVELS = np.concatenate([[0.001, 0.003], np.linspace(0.01, 0.99, 61), [0.997, 0.999]])  # of the stored quantiles
_SHRINKAGE = 0.05  # of the covariance towards a multiple of the identity
_EXTREMES = 4  # statistics whose mean deviation is the second score


@dataclass(frozen=True)
class Appearance:
    """Fitted on training images; D = 74 statistics."""

    quantiles: np.ndarray  # float32 (65, D)
    mean: np.ndarray  # float32 (D,), of the normal scores
    precision: np.ndarray  # float32 (D, D)

    @staticmethod
    def fitted(images: np.ndarray) -> "Appearance":
        """From images uint8 (n, 3, H, W)."""
        found = described(images)
        quantiles = np.quantile(found, _LEVELS, axis=0).astype(np.float32)
        scores = normal_scores(found, quantiles)
        covariance = np.cov(scores.T)
        even = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        precision = np.linalg.inv((1 - _SHRINKAGE) * covariance + _SHRINKAGE * even)
        return Appearance(quantiles, scores.mean(0).astype(np.float32), precision.astype(np.float32))

    def scores(self, images: np.ndarray) -> np.ndarray:
        """float (n, 2): Mahalanobis distance, and the mean deviation of the most extreme statistics; both in units of spread."""
        found = normal_scores(described(images), self.quantiles)
        off = found - self.mean
        jointly = np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", off, self.precision, off), 0))
        return np.column_stack([jointly, np.sort(np.abs(found), axis=1)[:, -_EXTREMES:].mean(1)])


def described(images: np.ndarray) -> np.ndarray:
    """float32 (n, 74) of images uint8 (n, 3, H, W)."""
    return np.concatenate(statistics([images]), axis=1)


def normal_scores(found: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """(n, D): where each value lies among the quantiles, as a normal deviate; beyond the last one in units of the middle's spread."""
    levels = norm.ppf(_LEVELS)
    low, high = quantiles[0], quantiles[-1]
    spread = (quantiles[-3] - quantiles[2]) / (levels[-3] - levels[2])  # between the 1 % and the 99 % quantile
    spread = np.maximum(spread, 1e-3 * np.maximum(np.abs(high), 1))
    inside = np.column_stack([np.interp(column, quantile, levels) for column, quantile in zip(found.T, quantiles.T, strict=True)])
    return inside + np.minimum(found - low, 0) / spread + np.maximum(found - high, 0) / spread
