"""Metrics of one run on one part of its image set, from the predictions stored with the run. Nothing is scored again."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cifake_core import CLASS_NAMES
from cifake_core.detectors.runs import Run
from cifake_core.errors import Damaged
from cifake_core.images.image_set import ImageSet
from cifake_core.metrics import scores
from cifake_core.metrics.intervals import Estimate, share
from cifake_core.metrics.scores import Confusion
from cifake_core.store.workspace import Workspace


@dataclass(frozen=True)
class Evaluation:
    """All numbers of a run on a split at one threshold."""

    run: str
    split: str
    threshold: float
    n: int
    metrics: dict[str, Estimate]
    confusion: Confusion
    by_class: dict[str, Estimate]  # accuracy, by class name

    def as_dict(self) -> dict:
        """What `evaluate --json` prints."""
        return {
            "run": self.run,
            "split": self.split,
            "n": self.n,
            "threshold": self.threshold,
            "metrics": {name: estimate.as_dict() for name, estimate in self.metrics.items()},
            "confusion": self.confusion.rows(),
            "by_class": {name: estimate.as_dict() for name, estimate in self.by_class.items()},
        }


def predictions(workspace: Workspace, run: Run, split: str = "test") -> pd.DataFrame:
    """The manifest of that part with columns logit, fake_probability, verdict and outcome added; one row an image.

    Raises Damaged if the run's predictions are not of this image set's images.
    """
    manifest = ImageSet.open(workspace, run.dataset).manifest(split)  # not the part: its pixels would be checked, 300 MB for validation
    table = run.predictions(split)
    if not np.array_equal(table["image_id"].to_numpy(), manifest["image_id"].to_numpy()):
        raise Damaged(
            f"The predictions of {run.id} are not of the images now in {run.dataset!r}; train it again on this image set."
        )
    return with_verdicts(manifest.assign(logit=table["logit"]))


def with_verdicts(table: pd.DataFrame, threshold: float = 0.5) -> pd.DataFrame:
    """The table with fake_probability, verdict (1 = fake) and outcome (TP, FP, TN, FN) at that threshold."""
    verdict = scores.verdicts(table["logit"].to_numpy(), threshold)
    right = verdict == table["label"].to_numpy()
    outcome = np.where(right, np.where(verdict == 1, "TP", "TN"), np.where(verdict == 1, "FP", "FN"))
    return table.assign(
        fake_probability=scores.fake_probability(table["logit"].to_numpy()), verdict=verdict, outcome=outcome
    )


def evaluate(
    workspace: Workspace, run: Run, split: str = "test", threshold: float = 0.5, resamples: int = scores.RESAMPLES
) -> Evaluation:
    """Every metric of `scores.DEFINITIONS` with its 95 % interval, the confusion matrix, and accuracy by class."""
    table = predictions(workspace, run, split)
    logits, labels = table["logit"].to_numpy(np.float64), table["label"].to_numpy()
    by_class = scores.accuracy_by_group(logits, labels, table["class_label"].to_numpy(), threshold)
    return Evaluation(
        run=run.id,
        split=split,
        threshold=threshold,
        n=len(table),
        metrics=scores.evaluate(logits, labels, threshold, resamples),
        confusion=scores.confusion(logits, labels, threshold),
        by_class={class_name(label): estimate for label, estimate in by_class.items()},
    )


def group_columns(manifest: pd.DataFrame, most: int = 50) -> list[str]:
    """Columns one can group by: "class" first, then those of the manifest with 2 to `most` different values."""
    skipped = {
        "label",
        "split",
        "class_label",
        "logit",
        "fake_probability",
        "verdict",
        "outcome",
        "image_id",
        "provenance",
    }
    named = [name for name in manifest.columns if name not in skipped]
    return ["class", *(name for name in named if 2 <= manifest[name].nunique(dropna=False) <= most)]


def by_group(scored, column: str, threshold: float = 0.5) -> list[dict]:
    """One row a value of the column and label: group, truth, n, and value, low, high of the share judged right.

    `scored` is a `Scored`; `column` one of `group_columns`. A value nobody gave is called "not said".
    """
    words = group_words(scored, column)
    right = scored.verdicts(threshold) == scored.labels
    rows = []
    for word in np.unique(words):
        for label, truth in enumerate(("real", "fake")):
            inside = (words == word) & (scored.labels == label)
            if inside.any():
                found = share(int(right[inside].sum()), int(inside.sum()))
                rows.append({"group": str(word), "truth": truth, "n": int(inside.sum()), **found.as_dict()})
    return rows


def group_words(scored, column: str) -> np.ndarray:
    """(n,) the value of that column for each image as text, "not said" where nobody gave one. `scored` is a `Scored`."""
    if column == "class":
        return np.array([class_name(int(label)) for label in scored.class_labels])
    return scored.manifest[column].astype("string").fillna("").replace("", "not said").to_numpy(dtype=str)


def class_name(label: int) -> str:
    """ "airplane" … "truck", or "unknown" for −1."""
    return CLASS_NAMES[label] if 0 <= label < len(CLASS_NAMES) else "unknown"
