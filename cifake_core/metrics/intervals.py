"""95 % intervals: exact for shares of counted images, bootstrap over images for everything else.

Source: Clopper and Pearson (1934) for shares; Efron (1979), percentile bootstrap, for the rest. Images are resampled
within each label, because the label balance of a test set is fixed by design.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval. All three are None where the number is undefined (no image to count)."""

    value: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict:
        return {"value": self.value, "low": self.low, "high": self.high}


UNDEFINED = Estimate(None, None, None)


def share(hits: int, total: int) -> Estimate:
    """The share hits / total with its exact (Clopper–Pearson) interval; undefined for total = 0."""
    if total == 0:
        return UNDEFINED
    tail = (1 - CONFIDENCE) / 2  # the ends are quantiles of beta distributions; betaincinv is 100 × faster than a test object
    low = betaincinv(hits, total - hits + 1, tail) if hits > 0 else 0.0
    high = betaincinv(hits + 1, total - hits, 1 - tail) if hits < total else 1.0
    return Estimate(hits / total, float(low), float(high))


def percentile(value: float, resampled: np.ndarray) -> Estimate:
    """The value with the percentile interval of its bootstrap replicates (any shape, NaN replicates dropped)."""
    usable = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or usable.size == 0:
        return UNDEFINED
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(usable, [tail, 100 - tail])
    return Estimate(float(value), float(low), float(high))


def bootstrap_counts(labels: np.ndarray, resamples: int, seed: int = 0) -> np.ndarray:
    """How often each image is drawn in each resample: float32 (resamples, N); each row sums to N within each label."""
    random = np.random.default_rng(seed)
    counts = np.zeros((resamples, labels.size), dtype=np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        drawn = random.integers(rows.size, size=(resamples, rows.size), dtype=np.int32)
        offsets = np.arange(resamples, dtype=np.int64)[:, None] * rows.size
        flat = np.bincount((drawn + offsets).ravel(), minlength=resamples * rows.size)
        counts[:, rows] = flat.reshape(resamples, rows.size)
    return counts
