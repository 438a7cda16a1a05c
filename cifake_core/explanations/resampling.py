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
