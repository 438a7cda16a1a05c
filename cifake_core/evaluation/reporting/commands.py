"""The commands that repeat a result, as one would type them. Names of strangers are quoted for the shell."""

import shlex

from cifake_core.detectors.runs import Run, of_todays_preset
from cifake_core.images.image_set import ImageSet

_PROGRAM = ("python", "-m", "cifake_core")


def to_repeat(run: Run, image_set: ImageSet, split: str, threshold: float) -> list[str]:
    """From the files to the report: import, train, evaluate, audit, robustness, report."""
    settings = run.record["settings"]
    shown = [] if threshold == 0.5 else ["--threshold", f"{threshold:g}"]
    train = [
        "train", "--dataset", run.dataset, "--topology", settings["topology"], "--seeds", settings["seed"],
        "--epochs", settings["epochs"], "--batch-size", settings["batch_size"],
        "--learning-rate", settings["learning_rate"], "--patience", settings["patience"],
    ]  # fmt: skip
    changed = [] if of_todays_preset(run) else [f"# {run.topology} has other numbers in this version: the next command trains another network"]
    return [
        *_import(image_set),
        *changed,
        _line(*train),
        _line("evaluate", "--run", run.id, "--split", split, *shown),
        _line("audit", "--dataset", run.dataset),
        _line("robustness", "--run", run.id, "--split", split, *shown),
        _line("report", "--run", run.id, "--split", split, *shown, "--out", f"{run.id}.html"),
    ]


def _import(image_set: ImageSet) -> list[str]:
    """Nothing for a set that was generated or drawn here: there are no files to import."""
    files = [file["name"] for file in (image_set.record.get("source") or {}).get("files", ())]
    if not files:
        return []
    treatment = image_set.record.get("treatment") or {}
    options = [f"--{name}" for name in ("resize", "jpeg") if treatment.get(name)]
    return [_line("import", *files, "--name", image_set.name, *options)]


def _line(*words: object) -> str:
    return shlex.join([*_PROGRAM, *map(str, words)])
