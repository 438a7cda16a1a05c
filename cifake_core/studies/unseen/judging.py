"""What a detector's scores say of each generator: AUC, average precision, accuracy, recall at a fixed false-positive rate.

Macro averages weigh every generator alike (Park and Owens 2025), pooled values every image. Thresholds for a wanted
false-positive rate come from reals that were neither learned from nor judged on. It does not know how scores came about.
"""

from dataclasses import dataclass

import numpy as np

from cifake_core.metrics.at_threshold import at_threshold
from cifake_core.metrics.intervals import share
from cifake_core.metrics.ranking import Ranking, macro, ranking
from cifake_core.metrics.scores import Confusion

FALSE_POSITIVE_RATE = 0.05  # of the threshold that recall is stated at
MEASURES = {
    "auc": "AUC",
    "average_precision": "average precision, as many reals as fakes",
    "accuracy": "accuracy at probability 0.5, as many reals as fakes",
    "recall": f"fakes found at the threshold that accuses {FALSE_POSITIVE_RATE:.0%} of reals",
}


@dataclass(frozen=True)
class Scores:
    """Logits of one fitted detector for a whole pool: every fake, whether it was learned from or not, and two parts of the reals."""

    fakes: np.ndarray  # float32 (n,)
    threshold_reals: np.ndarray
    test_reals: np.ndarray

    @property
    def threshold(self) -> float:
        """The logit above which FALSE_POSITIVE_RATE of the threshold reals lie."""
        return float(np.quantile(self.threshold_reals, 1 - FALSE_POSITIVE_RATE))


@dataclass(frozen=True)
class Judged:
    """One group of fakes against all test reals."""

    numbers: dict  # n, and for each of MEASURES {"value", "low", "high"}
    ranking: Ranking

    def as_dict(self) -> dict:
        return self.numbers


def judge(scores: Scores, rows: np.ndarray) -> Judged:
    """The fakes at those rows against the test reals."""
    fakes, reals, threshold = scores.fakes[rows], scores.test_reals, scores.threshold
    ranked = ranking(fakes, reals)
    found = int((fakes >= threshold).sum())
    half = Confusion(tn=int((reals < 0).sum()), fp=int((reals >= 0).sum()), fn=int((fakes < 0).sum()), tp=int((fakes >= 0).sum()))
    numbers = {
        "n": len(fakes),
        "auc": ranked.auc.as_dict(),
        "average_precision": ranked.average_precision.as_dict(),
        "accuracy": at_threshold(half)["balanced_accuracy"].as_dict(),  # of equal numbers, it is the accuracy
        "recall": share(found, len(fakes)).as_dict(),
        "recall_at_half": share(half.tp, len(fakes)).as_dict(),
    }
    return Judged(numbers, ranked)


def summary(scores: Scores, groups: dict[str, np.ndarray], sources: dict[str, str] | None = None) -> dict:
    """{"generators": {name: numbers}, "macro": {measure: estimate}, "pooled": numbers, "false_positives": …} of some groups of rows.

    "false_positives": the share of test reals accused at the threshold, and at probability 0.5. `sources`: generator →
    source, where known: intervals of macro averages then draw sources, not generators.
    """
    judged = {name: judge(scores, rows) for name, rows in groups.items()}
    pooled = judge(scores, np.concatenate(list(groups.values())))
    reals = scores.test_reals
    return {
        "generators": {name: one.numbers for name, one in judged.items()},
        "macro": macro_of(list(judged.values()), [sources[name] for name in judged] if sources else None),
        "pooled": pooled.numbers,
        "n_reals": len(reals),
        "false_positives": {
            "at_threshold": share(int((reals >= scores.threshold).sum()), len(reals)).as_dict(),
            "at_half": share(int((reals >= 0).sum()), len(reals)).as_dict(),
        },
    }


def macro_of(judged: list[Judged], sources: list[str] | None = None) -> dict:
    """Unweighted means over generators; intervals of AUC and average precision cover generators (or their sources) and images."""
    found = {
        "auc": macro([one.ranking.auc_draws for one in judged], [one.ranking.auc.value for one in judged], sources),
        "average_precision": macro(
            [one.ranking.average_precision_draws for one in judged], [one.ranking.average_precision.value for one in judged], sources
        ),
    }
    for name in ("accuracy", "recall", "recall_at_half"):
        values = [one.numbers[name]["value"] for one in judged]
        found[name] = macro([np.array([value]) for value in values], values, sources)  # an interval over generators
    return {name: estimate.as_dict() for name, estimate in found.items()} | {"n": len(judged)}
