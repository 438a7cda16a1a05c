"""A run's scores of one part of its image set as plain arrays, read once and then only looked at.

A page keeps one of these and asks it anew for every threshold; nothing here reads a file after `scored`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cifake_core.detectors.runs import Run
from cifake_core.evaluation import evaluating
from cifake_core.images.duplicates import seen_in
from cifake_core.images.image_set import ImageSet
from cifake_core.metrics import scores
from cifake_core.metrics.scores import Confusion
from cifake_core.store.workspace import Workspace

OUTCOMES = ("TN", "FP", "FN", "TP")  # OUTCOMES[2·label + verdict]


@dataclass(frozen=True)
class Scored:
    """n images with a run's scores; the same order in every field. Arrays are for reading only."""

    run: Run
    split: str
    logits: np.ndarray  # float64 (n,)
    labels: np.ndarray  # int8 (n,), 1 = fake
    class_labels: np.ndarray  # int8 (n,), -1 = unknown
    image_ids: np.ndarray  # str (n,)
    doubles: np.ndarray  # bool (n,): pixel-identical to a training image, or to another image of this part
    manifest: pd.DataFrame
    pixels: np.ndarray  # uint8 (n, 3, 32, 32)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(n,) probability that the image is fake."""
        return scores.fake_probability(self.logits)

    @cached_property
    def _ordered(self) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities of the reals and of the fakes, rising."""
        return tuple(np.sort(self.probabilities[self.labels == label]) for label in (0, 1))

    @cached_property
    def generators(self) -> np.ndarray:
        """(n,) the generator of each image, "" for photographs and where nobody said."""
        return self.manifest["generator"].fillna("").to_numpy(dtype=object)

    @cached_property
    def classes(self) -> tuple[int, ...]:
        """The class labels that occur, rising; -1 = unknown."""
        return tuple(np.unique(self.class_labels).tolist())

    @cached_property
    def generator_names(self) -> tuple[str, ...]:
        """The generators that occur, by name."""
        return tuple(sorted({str(name) for name in pd.unique(self.generators) if name}))

    @cached_property
    def group_columns(self) -> tuple[str, ...]:
        """What the images can be grouped by: `evaluating.group_columns`."""
        return tuple(evaluating.group_columns(self.manifest))

    def verdicts(self, threshold: float) -> np.ndarray:
        """(n,) 1 where the probability of fake is at least the threshold."""
        return (self.probabilities >= threshold).astype(np.int8)

    def outcomes(self, threshold: float) -> np.ndarray:
        """(n,) TP, FP, TN or FN of each image."""
        return np.array(OUTCOMES)[2 * self.labels + self.verdicts(threshold)]

    def confusion(self, threshold: float, rows: np.ndarray | slice = slice(None)) -> Confusion:
        """Counts at that threshold, of all images (two binary searches) or of some rows (indices or mask)."""
        if isinstance(rows, slice) and rows == slice(None):
            tn, fn = (int(np.searchsorted(ordered, threshold, side="left")) for ordered in self._ordered)
            return Confusion(tn=tn, fp=len(self._ordered[0]) - tn, fn=fn, tp=len(self._ordered[1]) - fn)
        cell = 2 * self.labels[rows] + (self.probabilities[rows] >= threshold)
        tn, fp, fn, tp = np.bincount(cell, minlength=4).tolist()
        return Confusion(tn=tn, fp=fp, fn=fn, tp=tp)


def scored(workspace: Workspace, run: Run, split: str = "test") -> Scored:
    """The scores stored with a run, checked against the images they are of. Raises Damaged or NotFound."""
    table = evaluating.predictions(workspace, run, split)
    image_set = ImageSet.open(workspace, run.dataset)
    ids = table["image_id"].to_numpy(dtype=object)
    return Scored(
        run=run,
        split=split,
        logits=table["logit"].to_numpy(np.float64),
        labels=table["label"].to_numpy(np.int8),
        class_labels=table["class_label"].to_numpy(np.int8),
        image_ids=ids,
        doubles=_doubles(image_set, split, ids),
        manifest=table,
        pixels=image_set.part(split).pixels,
    )


def _doubles(image_set: ImageSet, split: str, ids: np.ndarray) -> np.ndarray:
    twice = pd.Series(ids).duplicated(keep=False).to_numpy()
    if split != "test" or not image_set.has("train"):
        return twice
    return twice | seen_in(ids, image_set.manifest("train+validation")["image_id"])
