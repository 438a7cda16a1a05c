"""The same cell trained from other seeds: how much of a probability is the network's luck.

Networks that differ in nothing but the seed are asked about the same image; the interval is Student's t over their
logits, each calibrated for its own network, turned into probabilities at the end. It knows no pages.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import t

from cifake_core.detectors import runs
from cifake_core.detectors.runs import Run
from cifake_core.metrics.intervals import CONFIDENCE
from cifake_core.store.workspace import Workspace


@dataclass(frozen=True)
class Spread:
    """Probabilities of fake of one image by n networks."""

    probabilities: tuple[float, ...]  # n, one a seed
    value: float  # of the mean logit
    low: float | None  # None for a single seed: nothing is known of the spread
    high: float | None

    @property
    def n(self) -> int:
        return len(self.probabilities)

    @property
    def disagree(self) -> bool:
        """Whether some seeds say fake and others real."""
        return len({p >= 0.5 for p in self.probabilities}) > 1


def same_cell(workspace: Workspace, run: Run) -> list[Run]:
    """All runs on the same data with the same settings but for the seed, itself among them, by seed."""
    same = [other for other in runs.runs(workspace) if other.request == run.request]
    return sorted({other.seed: other for other in [*same, run]}.values(), key=lambda other: other.seed)


def spread(logits: np.ndarray) -> Spread:
    """From logits (n,), one a seed and each already calibrated."""
    logits = np.asarray(logits, np.float64)
    mean, low, high = float(logits.mean()), None, None
    if len(logits) > 1:
        reach = t.ppf((1 + CONFIDENCE) / 2, len(logits) - 1) * logits.std(ddof=1) / np.sqrt(len(logits))
        low, high = float(expit(mean - reach)), float(expit(mean + reach))
    return Spread(tuple(expit(logits).tolist()), float(expit(mean)), low, high)
