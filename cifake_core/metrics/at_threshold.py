"""The metrics that depend on the threshold, from the four counts alone: fast enough for a slider.

Drawing images within each label makes the number of fakes found and of reals cleared two independent binomials, so the
bootstrap of images can be drawn from the counts, without touching an image. It does not know scores.
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.metrics.intervals import Estimate, percentile, share

DRAWS = 4000  # the interval's ends then move by less than a tenth of its width from seed to seed
NAMES = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1")


@dataclass(frozen=True)
class Confusion:
    """Counts at one threshold."""

    tn: int
    fp: int
    fn: int
    tp: int

    @property
    def n(self) -> int:
        return self.tn + self.fp + self.fn + self.tp

    def rows(self) -> list[list[int]]:
        """[[tn, fp], [fn, tp]]: truth down, verdict across, real first."""
        return [[self.tn, self.fp], [self.fn, self.tp]]


def at_threshold(counts: Confusion, draws: int = DRAWS, seed: int = 0) -> dict[str, Estimate]:
    """Accuracy, balanced accuracy, precision, recall, specificity and F1 with 95 % intervals, in the order of NAMES.

    Shares have exact intervals; F1 and balanced accuracy have the percentile bootstrap's, drawn from the counts.
    """
    fakes, reals = counts.tp + counts.fn, counts.tn + counts.fp
    random = np.random.default_rng(seed)
    tp = random.binomial(fakes, counts.tp / fakes if fakes else 0, draws)
    tn = random.binomial(reals, counts.tn / reals if reals else 0, draws)
    return {
        "accuracy": share(counts.tn + counts.tp, counts.n),
        "balanced_accuracy": percentile(
            _balanced(counts.tp, counts.tn, fakes, reals), _balanced(tp, tn, fakes, reals)
        ),
        "precision": share(counts.tp, counts.tp + counts.fp),
        "recall": share(counts.tp, fakes),
        "specificity": share(counts.tn, reals),
        "f1": percentile(_f1(counts.tp, counts.tn, fakes, reals), _f1(tp, tn, fakes, reals)),
    }


def _balanced(tp, tn, fakes: int, reals: int) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.float64(tp) / fakes + np.float64(tn) / reals) / 2 if fakes and reals else np.float64(np.nan)


def _f1(tp, tn, fakes: int, reals: int) -> np.ndarray:
    """2·tp / (2·tp + fp + fn), with fp = reals − tn and fn = fakes − tp."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return 2 * np.float64(tp) / (np.float64(tp) + reals - tn + fakes)
