"""Means over images with bootstrap intervals, many at once. Pure arrays; it knows no maps and no networks.

Source: Efron 1979, percentile bootstrap over images, resampled within each label; the same resamples serve every
measure, so that a difference of two measures of the same images is a paired one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from cifake_core.metrics.intervals import UNDEFINED, Estimate, bootstrap_counts, percentile

RESAMPLES = 1000
_NUMBERS = 20_000_000  # of the table of resamples at most: 80 MB


@dataclass(frozen=True)
class Mean:
    """A mean over n images with its 95 % interval."""

    estimate: Estimate
    n: int

    def as_dict(self) -> dict:
        return {**self.estimate.as_dict(), "n": self.n}

    @property
    def above(self) -> bool:
        """Whether the whole interval lies above nought."""
        return self.estimate.low is not None and self.estimate.low > 0

    @property
    def below(self) -> bool:
        return self.estimate.high is not None and self.estimate.high < 0


class Resampled:
    """The resamples of one set of images, drawn once."""

    def __init__(self, labels: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> None:
        fitting = max(200, min(resamples, _NUMBERS // max(len(labels), 1)))
        self._counts = bootstrap_counts(np.asarray(labels), min(resamples, fitting), seed)  # (B, n)

    def mean(self, values: np.ndarray, where: np.ndarray | None = None) -> Mean:
        """The mean of values (n,) over the images `where` is true; values that are not numbers are left out."""
        return self.means(np.asarray(values, float)[:, None], where)[0]

    def means(self, values: np.ndarray, where: np.ndarray | None = None) -> list[Mean]:
        """The mean of each column of values (n, m)."""
        usable = np.isfinite(values)
        if where is not None:
            usable &= where[:, None]
        filled = np.where(usable, values, 0).astype(np.float32)
        totals = self._counts @ filled  # (B, m)
        weights = self._counts @ usable.astype(np.float32)
        n = usable.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            resampled = totals / weights
            value = np.where(usable, values, 0).sum(0) / n
        return [
            Mean(percentile(value[i], resampled[:, i]) if n[i] else UNDEFINED, int(n[i])) for i in range(values.shape[1])
        ]

    def ranked(self, higher: np.ndarray, lower: np.ndarray) -> "Area":
        """How often a number of `higher` (n,) exceeds one of `lower` (n,), ties half; what is not a number is left out.

        With the scores of fakes as `higher` and of reals as `lower` it is the area under the ROC curve.
        """
        up, down = np.flatnonzero(np.isfinite(higher)), np.flatnonzero(np.isfinite(lower))
        if not len(up) or not len(down):
            return Area(float("nan"), np.full(len(self._counts), np.nan), 0)
        order = down[np.argsort(lower[down])]
        ends = [np.searchsorted(lower[order], higher[up], side) for side in ("left", "right")]
        draws = [_area(part[:, up], part[:, order], ends) for part in np.array_split(self._counts, -(-len(self._counts) // 50))]
        once = np.ones((1, len(self._counts[0])), np.float32)
        return Area(float(_area(once[:, up], once[:, order], ends)[0]), np.concatenate(draws), len(np.union1d(up, down)))

    def ranked_by(self, scores: np.ndarray, labels: np.ndarray) -> "Area":
        """Area under the ROC curve of scores (n,) for labels (n,), 1 = fake."""
        return self.ranked(np.where(labels == 1, scores, np.nan), np.where(labels == 0, scores, np.nan))


@dataclass(frozen=True)
class Area:
    """An area under a curve and its bootstrap draws; differences and means of areas of the same resamples are paired."""

    value: float  # not a number where nothing could be ranked
    draws: np.ndarray  # (B,)
    n: int

    def __sub__(self, other: "Area") -> "Area":
        return Area(self.value - other.value, self.draws - other.draws, min(self.n, other.n))

    def mean_with(self, other: "Area") -> "Area":
        return Area((self.value + other.value) / 2, (self.draws + other.draws) / 2, min(self.n, other.n))

    def as_dict(self) -> dict:
        return Mean(percentile(self.value, self.draws), self.n).as_dict()


def _area(higher: np.ndarray, lower: np.ndarray, ends: list[np.ndarray]) -> np.ndarray:
    """Counts (B, m) and counts of ascending numbers (B, k), of which `ends` (m,) lie below and at or below → (B,)."""
    passed = np.cumsum(np.pad(lower, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    beaten = (passed[:, ends[0]] + passed[:, ends[1]]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (higher * beaten).sum(1) / (higher.sum(1) * passed[:, -1])


def auc(logits: np.ndarray, labels: np.ndarray) -> Mean:
    """Area under the ROC curve with DeLong's 95 % interval (DeLong et al. 1988, eq. 3 and 5); undefined for one label.

    It asks what the scores know, not where the threshold lies: a treatment that shifts every logit leaves it alone.
    """
    fake, real = logits[labels == 1], logits[labels == 0]
    n1, n0 = len(fake), len(real)
    if n1 < 2 or n0 < 2:
        return Mean(UNDEFINED, n0 + n1)
    ranks = rankdata(np.concatenate([fake, real]))
    by_fake = (ranks[:n1] - rankdata(fake)) / n0  # share of reals each fake is scored above
    by_real = 1 - (ranks[n1:] - rankdata(real)) / n1
    value = float(by_fake.mean())
    reach = norm.ppf(0.975) * float(np.sqrt(by_fake.var(ddof=1) / n1 + by_real.var(ddof=1) / n0))
    return Mean(Estimate(value, max(value - reach, 0.0), min(value + reach, 1.0)), n0 + n1)
