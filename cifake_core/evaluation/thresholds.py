"""From which probability on an image is called fake: ways to choose, each saying where it was chosen.

A threshold chosen on the images it is then judged by flatters; such a one is marked as an oracle. It does not know pages.
"""

from dataclasses import dataclass

import numpy as np

STEPS = np.round(np.arange(1, 1000) / 1000, 3)  # what a slider offers; a chosen threshold is one of these
FALSE_POSITIVE_RATE = 0.05  # of the fixed-rate choice: at most this share of reals called fake on validation


@dataclass(frozen=True)
class Threshold:
    """A named threshold."""

    name: str
    value: float  # in (0, 1)
    meaning: str  # one sentence
    oracle: bool = False  # chosen by looking at the images it is judged by


def choices(
    validation: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], calibrated: float = 0.5
) -> tuple[Threshold, ...]:
    """The thresholds worth offering. Each pair is (probabilities (n,), labels (n,)), 1 = fake.

    `calibrated`: the network's own probability at which its calibrated one is one half, where its calibrator moves it.
    """
    rate = f"{FALSE_POSITIVE_RATE:.0%}"
    return (
        Threshold("0.5", 0.5, "What the network was trained for: fake when fake is the likelier label."),
        *_of_calibrator(calibrated),
        Threshold(
            "Most accurate",
            most_accurate(*validation),
            "The threshold with the highest accuracy on the validation images, which neither training nor test use.",
        ),
        Threshold(
            f"False alarms ≤ {rate}",
            lowest_with_rate(*validation),
            f"The lowest threshold at which at most {rate} of the real validation images are called fake.",
        ),
        Threshold(
            "Oracle",
            most_accurate(*test),
            "The best threshold in hindsight, chosen on the test images themselves: an upper bound nobody could have used.",
            oracle=True,
        ),
    )


def _of_calibrator(calibrated: float) -> tuple[Threshold, ...]:
    value = float(STEPS[np.argmin(np.abs(STEPS - calibrated))])
    if value == 0.5:
        return ()
    meaning = "Where the probability calibrated on validation images is one half: the verdict that Try an image gives."
    return (Threshold("Calibrated 0.5", value, meaning),)


def most_accurate(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The step with the most right verdicts; of equal ones, the one nearest to 0.5."""
    found, false_alarms = _called_fake(probabilities, labels)
    right = found + (labels == 0).sum() - false_alarms
    best = STEPS[right == right.max()]
    return float(best[np.argmin(np.abs(best - 0.5))])


def lowest_with_rate(probabilities: np.ndarray, labels: np.ndarray, rate: float = FALSE_POSITIVE_RATE) -> float:
    """The lowest step at which at most that share of reals is called fake; the highest step if there is none."""
    _, false_alarms = _called_fake(probabilities, labels)
    allowed = false_alarms <= rate * (labels == 0).sum() + 1e-9
    return float(STEPS[np.argmax(allowed)]) if allowed.any() else float(STEPS[-1])


def _called_fake(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At each step, how many fakes and how many reals are called fake: two arrays (999,)."""
    counts = []
    for label in (1, 0):
        ordered = np.sort(probabilities[labels == label])
        counts.append(ordered.size - np.searchsorted(ordered, STEPS, side="left"))
    return counts[0], counts[1]
