"""What a detector says of images it was not tested on: their probabilities of fake, and how many it flags, by class.

It says nothing of accuracy: a set of fakes alone has none.
"""

from dataclasses import dataclass

import numpy as np

from cifake_core import CLASS_NAMES
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.scoring import logits_of, on_device
from cifake_core.metrics.intervals import Estimate, share

THRESHOLD = 0.5


@dataclass(frozen=True)
class Classified:
    """One detector's answers to some images."""

    fake_probability: np.ndarray  # float64 (n,)
    flagged: Estimate  # share called fake, with its 95 % interval
    flagged_count: int
    by_class: dict[str, tuple[int, int]]  # class → called fake, of how many; classes without images left out


def classify(detector: Detector, pixels: np.ndarray, class_labels: np.ndarray, threshold: float = THRESHOLD) -> Classified:
    """Answers to pixels uint8 (n, 3, 32, 32) of those classes (n,), -1 = unknown. The network is left as it was found."""
    with detector.lock:
        logits = logits_of(detector.network, on_device(pixels, detector.device))
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    called = probability >= threshold
    words = {**dict(enumerate(CLASS_NAMES)), -1: "unknown"}
    by_class = {
        word: (int(called[class_labels == number].sum()), int((class_labels == number).sum()))
        for number, word in words.items()
        if (class_labels == number).any()
    }
    return Classified(probability, share(int(called.sum()), len(called)), int(called.sum()), by_class)
