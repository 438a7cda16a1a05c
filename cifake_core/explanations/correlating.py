"""Rank correlation of a network's logit with measures of the images, with intervals, over all images and within a label.

Source: Spearman 1904. Over all images a measure goes with the logit wherever fakes and reals differ in it, whether the
network uses it or not; within one label only what moves the logit of like images is left. Still a correlation, no cause.
Pure arrays.
"""

import numpy as np
from scipy.stats import rankdata

from cifake_core.metrics.intervals import UNDEFINED, Estimate, bootstrap_counts, percentile

RESAMPLES = 500


def rank_correlations(logits: np.ndarray, measures: np.ndarray, labels: np.ndarray, seed: int = 0) -> list[Estimate]:
    """Spearman's ρ of logits (n,) with each column of measures (n, m), and its percentile bootstrap interval.

    We differ: ranks are taken once, not in every resample; ties share their mean rank. A column that is constant, or
    fewer than 3 images, give no number.
    """
    n = len(logits)
    if n < 3:
        return [UNDEFINED] * measures.shape[1]
    y = _standardised(rankdata(logits))
    columns = np.stack([_standardised(rankdata(column)) for column in measures.T], 1)  # (n, m)
    counts = bootstrap_counts(labels, RESAMPLES, seed)  # (B, n)
    resampled = _weighted(counts, y, columns)
    value = (columns * y[:, None]).mean(0)
    varies = columns.any(0) & y.any()
    return [percentile(float(value[i]), resampled[:, i]) if varies[i] else UNDEFINED for i in range(len(value))]


def _standardised(ranks: np.ndarray) -> np.ndarray:
    off, spread = ranks - ranks.mean(), ranks.std()
    return (off / spread if spread > 0 else off * 0).astype(np.float32)


def _weighted(counts: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Pearson's correlation (B, m) of y (n,) and x (n, m), each image counted as often as a resample drew it."""
    total = counts.sum(1, keepdims=True)
    mean_x, mean_y = counts @ x / total, (counts @ y)[:, None] / total
    both = counts @ (x * y[:, None]) / total - mean_x * mean_y
    spread_x = counts @ (x**2) / total - mean_x**2
    spread_y = (counts @ (y**2))[:, None] / total - mean_y**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return both / np.sqrt(spread_x * spread_y)
