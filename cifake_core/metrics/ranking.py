"""How well scores rank fakes above reals, for many small groups of fakes against the same reals, quickly.

Area under the ROC curve and average precision depend only on where the reals lie between the fakes, so the bootstrap
draws fakes and counts of reals between them (a multinomial) instead of images: a thousand groups take seconds.
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.errors import BadInput
from cifake_core.metrics.intervals import UNDEFINED, Estimate, percentile

RESAMPLES = 200


@dataclass(frozen=True)
class Ranking:
    """Both numbers with their intervals, and the bootstrap draws behind them for averages over groups."""

    auc: Estimate
    average_precision: Estimate  # as if there were as many reals as fakes
    auc_draws: np.ndarray  # float64 (RESAMPLES,)
    average_precision_draws: np.ndarray


def ranking(fakes: np.ndarray, reals: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Ranking:
    """Scores of fakes (m,) against scores of reals (n,), higher = more fake; undefined if either is empty.

    Average precision is that of Park and Owens 2025, whose groups pair each fake with a real: reals are weighted to the
    number of fakes. We differ: all reals count instead of a random m of them, which leaves the mean and takes the noise.
    """
    fakes, reals = np.asarray(fakes, np.float64), np.asarray(reals, np.float64)
    if not (np.isfinite(fakes).all() and np.isfinite(reals).all()):
        raise BadInput("Some scores are not finite numbers; the detector is broken, fit it again.")
    if not len(fakes) or not len(reals):
        return Ranking(UNDEFINED, UNDEFINED, np.full(resamples, np.nan), np.full(resamples, np.nan))
    values, of_fakes = np.unique(fakes, return_counts=True)
    values, of_fakes = values[::-1], of_fakes[::-1]  # highest first
    above, below = _places(values, np.sort(reals))
    between = np.diff(np.stack([above, below], axis=1).ravel(), prepend=0, append=len(reals))  # above v1, at v1, above v2, …
    random = np.random.default_rng(seed)
    fake_draws = random.multinomial(len(fakes), of_fakes / len(fakes), size=resamples)
    real_draws = random.multinomial(len(reals), between / len(reals), size=resamples)
    auc, precision = _curve(of_fakes[None], between[None])
    auc_draws, precision_draws = _curve(fake_draws, real_draws)
    return Ranking(percentile(auc[0], auc_draws), percentile(precision[0], precision_draws), auc_draws, precision_draws)


def _places(values: np.ndarray, reals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each value: how many reals lie above it, and how many at it or above."""
    n = len(reals)
    return n - np.searchsorted(reals, values, side="right"), n - np.searchsorted(reals, values, side="left")


def _curve(fakes: np.ndarray, between: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC (ties count half) and average precision at equal numbers: counts (B, v) and (B, 2v + 1) → two arrays (B,)."""
    m, n = fakes.sum(axis=1, keepdims=True), between.sum(axis=1, keepdims=True)
    passed = np.cumsum(between, axis=1)
    above, at_or_above = passed[:, 0:-1:2], passed[:, 1::2]  # of each value
    auc = (fakes * (n - (above + at_or_above) / 2)).sum(axis=1) / (m * n)[:, 0]
    found, accused = np.cumsum(fakes, axis=1) / m, at_or_above / n
    with np.errstate(invalid="ignore"):
        precision = np.nan_to_num(found / (found + accused))
    return auc, (fakes * precision).sum(axis=1) / m[:, 0]


def macro(
    draws: list[np.ndarray], values: list[float], clusters: list[str] | None = None, resamples: int = 1000, seed: int = 0
) -> Estimate:
    """The unweighted mean over groups, its interval over groups and images: groups are drawn, then one draw of each.

    `clusters`: of each group, where groups of one cluster are not independent: clusters are drawn whole (cluster
    bootstrap). One group's or one cluster's interval is that of its images alone.
    """
    known = [(value, draw) for value, draw in zip(values, draws, strict=True) if value is not None]
    if not known:
        return UNDEFINED
    if clusters is not None:
        kept = [cluster for cluster, value in zip(clusters, values, strict=True) if value is not None]
        return _clustered(known, kept, resamples, seed)
    table = np.stack([draw for _, draw in known])  # (groups, draws)
    random = np.random.default_rng(seed)
    groups = random.integers(len(table), size=(resamples, len(table)))
    which = random.integers(table.shape[1], size=groups.shape)
    return percentile(float(np.mean([value for value, _ in known])), table[groups, which].mean(axis=1))


def _clustered(known: list[tuple[float, np.ndarray]], clusters: list[str], resamples: int, seed: int) -> Estimate:
    table, (names, member) = np.stack([draw for _, draw in known]), np.unique(clusters, return_inverse=True)
    random = np.random.default_rng(seed)
    times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)[:, member]  # (resamples, groups)
    which = random.integers(table.shape[1], size=times.shape)
    drawn = table[np.arange(len(table)), which]
    return percentile(float(np.mean([value for value, _ in known])), (times * drawn).sum(axis=1) / times.sum(axis=1))
