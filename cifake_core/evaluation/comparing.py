"""Two runs on the same images: is one better, and where do they disagree?

Source: McNemar 1947, the exact form (binomial test on the disagreements); DeLong, DeLong and Clarke-Pearson 1988 for AUC. It does not know pages or files.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, norm, rankdata

from cifake_core.errors import BadInput
from cifake_core.evaluation.scored import Scored
from cifake_core.metrics.at_threshold import DRAWS
from cifake_core.metrics.intervals import CONFIDENCE, Estimate, percentile
from cifake_core.metrics.scores import cross_entropy


@dataclass(frozen=True)
class Comparison:
    """Verdicts of two runs on n images, at one threshold."""

    both_right: int
    only_first: int  # images only the first run gets right
    only_second: int
    both_wrong: int
    p_value: float  # two-sided: chance of so uneven disagreements between runs that are equally good
    difference: Estimate  # accuracy of the first minus that of the second
    rows: np.ndarray  # (m,): rows of the first run's part where the verdicts differ

    @property
    def n(self) -> int:
        return self.both_right + self.only_first + self.only_second + self.both_wrong

    def as_dict(self) -> dict:
        """Counts, McNemar's p-value and the difference of accuracy; without the rows."""
        counts = {name: getattr(self, name) for name in ("n", "both_right", "only_first", "only_second", "both_wrong", "p_value")}
        return {**counts, "accuracy_difference": self.difference.as_dict()}


def compare(first: Scored, second: Scored, threshold: float = 0.5) -> Comparison:
    """Raises BadInput if the runs were not scored on the same images."""
    if not np.array_equal(first.image_ids, second.image_ids):
        raise BadInput(
            f"{first.run.id} and {second.run.id} were tested on different images; choose two runs of the same image set."
        )
    right, other = (s.verdicts(threshold) == s.labels for s in (first, second))
    only_first, only_second = int((right & ~other).sum()), int((~right & other).sum())
    return Comparison(
        both_right=int((right & other).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int((~right & ~other).sum()),
        p_value=mcnemar(only_first, only_second),
        difference=paired_difference(only_first, only_second, len(first)),
        rows=np.flatnonzero(right != other),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value; 1 without a disagreement."""
    total = only_first + only_second
    return float(binomtest(only_first, total).pvalue) if total else 1.0


def paired_difference(only_first: int, only_second: int, n: int) -> Estimate:
    """(b − c) / n with its 95 % interval, normal approximation for paired shares: variance (b + c − (b − c)²/n) / n²."""
    difference = (only_first - only_second) / n
    spread = np.sqrt(only_first + only_second - (only_first - only_second) ** 2 / n) / n
    reach = float(norm.ppf(0.5 + CONFIDENCE / 2) * spread)
    return Estimate(difference, difference - reach, difference + reach)


def paired_differences(
    first: Scored, second: Scored, threshold: float = 0.5, resamples: int = DRAWS, seed: int = 0
) -> dict[str, Estimate]:
    """First minus second with 95 % intervals that keep the images paired; both `Scored` of the same images.

    accuracy, balanced_accuracy, precision, recall, specificity, f1: paired bootstrap within each label, drawn from the
    counts of the four joint verdicts, which is the same and takes milliseconds. auc: DeLong et al. 1988. loss and brier:
    normal interval of the mean paired difference.
    """
    labels = first.labels
    found = _verdict_differences(first, second, threshold, resamples, seed)
    if 0 < labels.sum() < len(labels):
        found["auc"] = delong_difference(first.logits, second.logits, labels)
    losses = [cross_entropy(s.logits, labels) for s in (first, second)]
    errors = [(s.probabilities - labels) ** 2 for s in (first, second)]
    found["loss"], found["brier"] = (_mean_difference(a - b, labels) for a, b in (losses, errors))
    return found


def _verdict_differences(
    first: Scored, second: Scored, threshold: float, resamples: int, seed: int
) -> dict[str, Estimate]:
    joint = 2 * first.verdicts(threshold) + second.verdicts(threshold)  # 0 … 3
    counts = np.stack([np.bincount(joint[first.labels == label], minlength=4) for label in (0, 1)])
    random = np.random.default_rng(seed)
    drawn = [random.multinomial(row.sum(), row / max(row.sum(), 1), size=resamples) for row in counts]
    exact, replicates = (_of_joint(*(np.atleast_2d(part) for part in parts)) for parts in (counts, drawn))
    return {name: percentile(float(exact[name][0]), replicates[name]) for name in exact}


def _of_joint(reals: np.ndarray, fakes: np.ndarray) -> dict[str, np.ndarray]:
    """Differences from counts (B, 4) of joint verdicts, 2·first + second, of the reals and of the fakes."""
    per_run = []
    for called in ((2, 3), (1, 3)):  # the joint verdicts in which the first, the second says fake
        fp, tp = reals[:, called].sum(axis=1), fakes[:, called].sum(axis=1)
        n_reals, n_fakes = reals.sum(axis=1), fakes.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            recall, specificity = tp / n_fakes, 1 - fp / n_reals
            per_run.append(
                {
                    "accuracy": (tp + n_reals - fp) / (n_reals + n_fakes),
                    "balanced_accuracy": (recall + specificity) / 2,
                    "precision": tp / (tp + fp),
                    "recall": recall,
                    "specificity": specificity,
                    "f1": 2 * tp / (tp + fp + n_fakes),
                }
            )
    return {name: per_run[0][name] - per_run[1][name] for name in per_run[0]}


def delong_difference(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> Estimate:
    """AUC of the first scores minus that of the second on the same images, interval from DeLong et al. 1988; both labels needed."""
    aucs, of_fakes, of_reals = zip(*(_placements(scores, labels) for scores in (first, second)), strict=True)
    gaps = [parts[0] - parts[1] for parts in (of_fakes, of_reals)]
    variance = sum(float(gap.var(ddof=1)) / len(gap) for gap in gaps if len(gap) > 1)
    difference, reach = aucs[0] - aucs[1], float(norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(variance))
    return Estimate(float(difference), float(difference - reach), float(difference + reach))


def _placements(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """AUC; for each fake the share of reals below it; for each real the share of fakes above it (ties count half)."""
    fakes, reals = scores[labels == 1], scores[labels == 0]
    everywhere = rankdata(np.concatenate([fakes, reals]))
    of_fakes = (everywhere[: len(fakes)] - rankdata(fakes)) / len(reals)
    of_reals = 1 - (everywhere[len(fakes) :] - rankdata(reals)) / len(fakes)
    return float(of_fakes.mean()), of_fakes, of_reals


def _mean_difference(values: np.ndarray, labels: np.ndarray) -> Estimate:
    """Mean of paired differences (n,); the variance is summed within each label, as the label balance is fixed."""
    parts = [values[labels == label] for label in (0, 1)]
    variance = sum(len(part) * float(part.var(ddof=1)) for part in parts if len(part) > 1) / len(values) ** 2
    mean, reach = float(values.mean()), float(norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(variance))
    return Estimate(mean, mean - reach, mean + reach)
