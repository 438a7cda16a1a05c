"""How alike two heatmaps of the same images are: correlation of their pixels, and how far apart their hottest places lie.

Made for heatmaps of one method with feature maps after the ReLU and before it, which papers and tools do not always tell
apart (`benchmarks/before_and_after_relu.py`, docs/results/before-and-after-relu.md).
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.explanations.faithfulness import correlation
from cifake_core.metrics.intervals import Estimate, percentile, share

NEAR = 3  # pixels between two hottest places that count as the same place
_RESAMPLES = 2000


@dataclass(frozen=True)
class Agreement:
    """Over the n images both of whose heatmaps prefer some place."""

    correlation: Estimate  # median over images of Pearson's r of the pixels
    same_place: Estimate  # share of images whose hottest places lie within NEAR pixels
    n: int

    def as_dict(self) -> dict:
        return {"correlation": self.correlation.as_dict(), "same_place": self.same_place.as_dict(), "n": self.n}


def agreement(one: np.ndarray, other: np.ndarray, seed: int = 0) -> Agreement:
    """Of heatmaps (n, H, W), in the same order of images. Intervals: bootstrap over images for the median, exact for the share."""
    r = correlation(one.reshape(len(one), -1), other.reshape(len(other), -1))
    usable = np.isfinite(r)
    r, n = r[usable], int(usable.sum())
    near = np.hypot(*(hottest(one[usable]) - hottest(other[usable])).T) <= NEAR
    resampled = np.median(r[np.random.default_rng(seed).integers(n, size=(_RESAMPLES, n))], axis=1) if n else np.zeros(0)
    return Agreement(percentile(float(np.median(r)) if n else np.nan, resampled), share(int(near.sum()), n), n)


def hottest(heat: np.ndarray) -> np.ndarray:
    """(n, 2) float: row and column of each heatmap's maximum; the middle of all pixels that share it."""
    rows, columns = np.mgrid[: heat.shape[1], : heat.shape[2]]
    top = heat >= heat.max((1, 2), keepdims=True)
    return np.stack([(top * axis).sum((1, 2)) / top.sum((1, 2)) for axis in (rows, columns)], axis=1)
