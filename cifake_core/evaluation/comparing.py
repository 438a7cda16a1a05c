"""Two runs on the same images: is one better, and where do they disagree?

Source: McNemar 1947, the exact form (binomial test on the disagreements). It does not know pages or files.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, norm

from cifake_core.errors import BadInput
from cifake_core.evaluation.scored import Scored
from cifake_core.metrics.intervals import CONFIDENCE, Estimate


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
