"""What a report says, as plain values: gathered from what is stored. Nothing is trained, scored or drawn here.

The JSON beside a report is exactly this.
"""

import numpy as np

from cifake_core.detectors import runs
from cifake_core.detectors.runs import Run
from cifake_core.errors import NotFound
from cifake_core.evaluation import (
    calibrating,
    comparing,
    curves,
    deduplicated,
    evaluating,
    reference,
    robustness,
    thresholds,
)
from cifake_core.evaluation.audit import auditing
from cifake_core.evaluation.over_seeds import other_seeds
from cifake_core.evaluation.reporting import commands, explained
from cifake_core.evaluation.scored import Scored, scored
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE
from cifake_core.metrics import scores
from cifake_core.store.workspace import Workspace


def contents(
    workspace: Workspace, run: Run, split: str = "test", threshold: float = 0.5, resamples: int = scores.RESAMPLES
) -> tuple[dict, Scored]:
    """Everything the report says, JSON-able, and the scores its figures are drawn from. Raises NotFound or Damaged.

    Those of `figures_of`, and headline, definitions, robustness, audit (None where they were not made), training, images,
    commands, created_at, versions.
    """
    image_set = ImageSet.open(workspace, run.dataset)
    view = scored(workspace, run, split)
    found = {
        **figures_of(workspace, run, split, threshold, resamples),
        "definitions": scores.DEFINITIONS,
        "robustness": _study(workspace, run, split),
        "audit": auditing.stored(workspace, image_set),
        "explanations": explained.of_run(workspace, run.id, split),
        "training": _training(run),
        "images": _images(image_set),
        "commands": commands.to_repeat(run, image_set, split, threshold),
        "created_at": runs.now(),
        "versions": runs.versions(),
    }
    return {"headline": headline(found), **found}, view


def figures_of(
    workspace: Workspace, run: Run, split: str = "test", threshold: float = 0.5, resamples: int = scores.RESAMPLES
) -> dict:
    """All figures of a run, JSON-able: what `evaluate --json` prints. Raises NotFound or Damaged.

    Keys: run, dataset, split, n, threshold, paper_accuracy, metrics, confusion, by_class, by_generator, groups (share of
    reals and of fakes right for each value of every column that has few), thresholds, calibration, without_duplicates, seeds, curves (roc,
    precision_recall, histogram, reliability and coverage as columns).
    """
    image_set = ImageSet.open(workspace, run.dataset)
    view = scored(workspace, run, split)
    both = split == "test" and image_set.has("test")
    return {
        **evaluating.evaluate(workspace, run, split, threshold, resamples).as_dict(),
        "dataset": run.dataset,
        "paper_accuracy": reference.paper_accuracy(image_set) if split == "test" else None,
        "by_generator": _by_generator(view, threshold),
        "groups": {name: evaluating.by_group(view, name, threshold) for name in evaluating.group_columns(view.manifest)},
        "thresholds": _thresholds(workspace, run, view) if both else [],
        "calibration": calibrating.calibration(workspace, run, resamples).as_dict() if both else None,
        "without_duplicates": _without_duplicates(workspace, run, threshold, resamples) if both else None,
        "seeds": other_seeds(workspace, run, split),
        "curves": curves.drawn(view.probabilities, view.labels, threshold),
    }


def against(workspace: Workspace, run: Run, other: Run, split: str = "test", threshold: float = 0.5) -> dict:
    """Two runs on the same images, JSON-able: what `evaluate --against` adds. Raises BadInput, NotFound or Damaged.

    Keys: other, those of `Comparison.as_dict`, and differences (run minus other, with paired 95 % intervals).
    """
    first, second = (scored(workspace, one, split) for one in (run, other))
    found = comparing.compare(first, second, threshold)
    differences = comparing.paired_differences(first, second, threshold)
    return {"other": other.id, **found.as_dict(), "differences": {name: e.as_dict() for name, e in differences.items()}}


def headline(found: dict) -> str:
    """The one sentence of a report."""
    accuracy = found["metrics"]["accuracy"]
    mark = found["paper_accuracy"]
    beside = f" The paper reports {mark:.2%} for its best cell." if mark else ""
    one = "" if found["seeds"] else " This is one seed: another may differ by more than the interval says."
    return (
        f"{accuracy['value']:.2%} of {found['n']:,} {found['split']} images are told right (95 % interval {accuracy['low']:.2%} – "
        f"{accuracy['high']:.2%}, for the choice of images).{beside}{one}"
    )


def _thresholds(workspace: Workspace, run: Run, test: Scored) -> list[dict]:
    """Name, value, meaning, oracle and the accuracy there, of each threshold worth offering."""
    validation = scored(workspace, run, "validation")
    half = calibrating.calibrator(workspace, run).threshold
    chosen = thresholds.choices((validation.probabilities, validation.labels), (test.probabilities, test.labels), half)
    return [
        {
            "name": choice.name,
            "value": choice.value,
            "meaning": choice.meaning,
            "oracle": choice.oracle,
            "accuracy": scores.accuracy(test.logits, test.labels, choice.value).as_dict(),
        }
        for choice in chosen
    ]


def _by_generator(view: Scored, threshold: float) -> dict[str, dict]:
    """Share of each generator's fakes that is called fake, with n; empty where nobody said who made them."""
    fakes = (view.labels == FAKE) & (view.generators != "")
    found = scores.accuracy_by_group(view.logits[fakes], view.labels[fakes], view.generators[fakes].astype(str), threshold)
    counts = dict(zip(*np.unique(view.generators[fakes].astype(str), return_counts=True), strict=True))
    return {name: {**estimate.as_dict(), "n": int(counts[name])} for name, estimate in found.items()}


def _without_duplicates(workspace: Workspace, run: Run, threshold: float, resamples: int) -> dict | None:
    try:
        return deduplicated.without_duplicates(workspace, run, threshold, resamples).as_dict()
    except NotFound:  # a set without a train split was never trained on here
        return None


def _study(workspace: Workspace, run: Run, split: str) -> dict | None:
    """The study of that split with the most images and rows; of equal ones the newest."""
    found = [study for study in robustness.studies(workspace, run.id) if study["split"] == split]
    return max(found, key=lambda study: (study["n"], len(study["rows"])), default=None)


def _training(run: Run) -> dict:
    shown = ("settings", "parameters", "best_epoch", "epochs", "duration_s", "hardware", "precision", "versions", "created_at")
    return {**{name: run.record.get(name) for name in shown}, "recipe": run.recipe, "history": run.history(), "sha256": run.record["sha256"]}


def _images(image_set: ImageSet) -> dict:
    shown = ("name", "kind", "note", "digest", "counts", "duplicates", "formats", "source", "treatment", "created_at")
    return {name: image_set.record.get(name) for name in shown}
