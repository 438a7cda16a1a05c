"""A run judged twice: on all test images, and without those that lie pixel by pixel in its training data."""

from dataclasses import dataclass

import numpy as np

from cifake_core.detectors.runs import Run
from cifake_core.errors import Refused
from cifake_core.evaluation import evaluating
from cifake_core.images.duplicates import seen_in
from cifake_core.images.image_set import ImageSet
from cifake_core.metrics import scores
from cifake_core.metrics.intervals import Estimate
from cifake_core.store.workspace import Workspace


@dataclass(frozen=True)
class Deduplicated:
    """The same run and threshold on all images and on those it cannot have seen."""

    n: int
    n_seen: int  # test images with an identical one in the official train split
    accuracy_seen: Estimate  # undefined if there is none
    everything: dict[str, Estimate]  # every metric of scores.DEFINITIONS, all test images
    unseen: dict[str, Estimate]  # the same without the seen ones

    @property
    def change(self) -> float:
        """Accuracy without the seen images minus accuracy with them; negative: they flattered the run."""
        return self.unseen["accuracy"].value - self.everything["accuracy"].value

    @property
    def meaning(self) -> str:
        """One sentence."""
        if not self.n_seen:
            return "No test image lies in the training data, so both figures are the same."
        before, after = self.everything["accuracy"].value, self.unseen["accuracy"].value
        inside = self.unseen["accuracy"].low <= before <= self.unseen["accuracy"].high
        size = "within" if inside else "more than"
        return (
            f"Without the {self.n_seen:,} test images that also lie in train, accuracy is {after:.2%} instead of {before:.2%} "
            f"({100 * self.change:+.2f} points), {size} the interval of either figure."
        )

    def as_dict(self) -> dict:
        """For `evaluate --json`, under "without_duplicates"."""
        return {
            "n": self.n,
            "n_seen": self.n_seen,
            "n_unseen": self.n - self.n_seen,
            "accuracy_seen": self.accuracy_seen.as_dict(),
            "with": {name: estimate.as_dict() for name, estimate in self.everything.items()},
            "without": {name: estimate.as_dict() for name, estimate in self.unseen.items()},
            "accuracy_change": self.change,
            "meaning": self.meaning,
        }


def without_duplicates(
    workspace: Workspace, run: Run, threshold: float = 0.5, resamples: int = scores.RESAMPLES
) -> Deduplicated:
    """Both figures on the test split. Validation is never inside train: identical images stay on one side there.

    Raises NotFound without test predictions, Refused if every test image lies in train.
    """
    table = evaluating.predictions(workspace, run, "test")
    train = ImageSet.open(workspace, run.dataset).manifest("train+validation")["image_id"]
    seen = seen_in(table["image_id"].to_numpy(), train)
    return judged_twice(table["logit"].to_numpy(np.float64), table["label"].to_numpy(), seen, threshold, resamples)


def judged_twice(
    logits: np.ndarray, labels: np.ndarray, seen: np.ndarray, threshold: float = 0.5, resamples: int = scores.RESAMPLES
) -> Deduplicated:
    """logits, labels and seen (bool) are (n,); see `without_duplicates`."""
    if seen.all():
        raise Refused("Every test image also lies in train, so nothing is left to judge by; import other test images.")
    everything = scores.evaluate(logits, labels, threshold, resamples)
    unseen = scores.evaluate(logits[~seen], labels[~seen], threshold, resamples) if seen.any() else everything
    return Deduplicated(
        n=len(labels),
        n_seen=int(seen.sum()),
        accuracy_seen=scores.accuracy(logits[seen], labels[seen], threshold),
        everything=everything,
        unseen=unseen,
    )
