"""The step that audits an image set, and where its result is kept: once for the same files, whoever asks.

Expected on CIFAKE: 920 / 378 / 38 identical pairs; files alone about 55 %, 16 spectrum numbers about 79 %, all numbers
about 87 % accuracy; 56 s of processor time (Xeon, 2.8 GHz), 41 s by the clock on two cores. Command: `python -m cifake_core audit --dataset cifake`.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cifake_core.errors import Conflict
from cifake_core.evaluation.audit import balance, baselines, files, meaning, originals, portraits, repeats
from cifake_core.images import statistics
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import LABELS, SPLITS
from cifake_core.progress import Progress
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace, checked_name

VERSION = 3  # of what an audit measures; a change here makes every audit anew
RESULT = "audit.json"


@dataclass(frozen=True)
class AuditImages:
    """Measure what could tell real from fake besides the picture, and what is in a set twice."""

    dataset: str

    def __post_init__(self) -> None:
        checked_name(self.dataset)

    def run(self, context: Context) -> dict:
        """The audit, from the workspace if the same files were audited before. See `measured` for what is in it."""
        image_set = ImageSet.open(context.workspace, self.dataset)
        there = stored(context.workspace, image_set)
        if there is not None:
            return there
        result = measured(image_set, context.on_progress)
        folder = audit_folder(context.workspace, image_set)
        try:
            with artifacts.whole_folder(folder) as building:
                artifacts.write_json(building / RESULT, result)
                artifacts.write_record(building, {"dataset": image_set.name, "version": VERSION}, [RESULT])
        except Conflict:  # somebody else measured the same meanwhile; theirs is the same
            pass
        return stored(context.workspace, image_set) or result


def audit_folder(workspace: Workspace, image_set: ImageSet) -> Path:
    """Where the audit of these files lies: the name is for the eye, the digest is of all files of the set."""
    asked = json.dumps({"files": image_set.record["sha256"], "version": VERSION}, sort_keys=True)
    return workspace.home / "audits" / f"{image_set.name[:60]}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"


def stored(workspace: Workspace, image_set: ImageSet) -> dict | None:
    """The audit of these files if it was made, else None. Raises Damaged."""
    folder = audit_folder(workspace, image_set)
    if not (folder / artifacts.RECORD).exists():
        return None
    return artifacts.read_json(artifacts.verify(folder, RESULT))


def measured(image_set: ImageSet, on_progress: Progress) -> dict:
    """Everything an audit says, JSON-able: dataset, digest, counts, and the sections duplicates, near_duplicates, files,
    originals, baselines (metadata, sizes, spectrum, statistics), spectrum, colour, balance. Each section has a "meaning", one sentence.

    The sections are described where they are made: repeats, files, originals, baselines, portraits, balance.
    """
    splits = [split for split in SPLITS if image_set.has(split)]
    pixels = [image_set.pixels(split) for split in splits]
    manifest = _manifest(image_set, splits)
    labels = manifest["label"].to_numpy()
    step = _Stages(on_progress, len(manifest), 5)
    exact = repeats.exact(manifest)
    nearly = repeats.nearly(manifest, pixels, step.next())
    facts = _facts(image_set, splits, step.next())
    spectrum, colour = statistics.statistics(pixels, step.next())
    curves = portraits.colour_curves(pixels, labels, step.next())
    table = files.table_by_label(facts, labels)
    before = originals.originals(manifest)
    sizes = originals.by_label(before, labels)
    found = _baselines(manifest, labels, facts, before, spectrum, colour, step.next())
    power = portraits.spectrum_curves(spectrum, labels)
    evenness = balance.balance(manifest)
    counts = {word: int((labels == label).sum()) for label, word in enumerate(LABELS)}
    vivid = _mean_saturation(colour, labels)
    return {
        "dataset": image_set.name,
        "digest": image_set.digest,
        "version": VERSION,
        "counts": counts,
        "duplicates": {**exact, "meaning": meaning.of_exact(exact)},
        "near_duplicates": {**nearly, "meaning": meaning.of_nearly(nearly)},
        "files": {"rows": table, "meaning": meaning.of_files(table)},
        "originals": {**sizes, "meaning": meaning.of_originals(sizes), "metadata_meaning": meaning.of_original_files(sizes["metadata"])},
        "baselines": found,
        "spectrum": {**power, "meaning": meaning.of_spectrum(power)},
        "colour": {**curves, "mean_saturation": vivid, "meaning": meaning.of_colour(vivid, curves, counts)},
        "balance": {**evenness, "meaning": meaning.of_balance(evenness)},
    }


class _Stages:
    """Several passes over the same images as one progress."""

    def __init__(self, on_progress: Progress, images: int, stages: int) -> None:
        self._tell, self._images, self._stages, self._number = on_progress, images, stages, -1

    def next(self) -> Progress:
        self._number += 1
        before = self._number * self._images

        def on_progress(done: int, total: int, message: str) -> None:
            self._tell(before + done * self._images // max(total, 1), self._stages * self._images, message)

        return on_progress


def _manifest(image_set: ImageSet, splits: list[str]) -> pd.DataFrame:
    """All images, train first, with their row in the official split."""
    parts = [image_set.manifest("test" if split == "test" else "train+validation") for split in splits]
    return pd.concat([part.assign(row=np.arange(len(part))) for part in parts], ignore_index=True)


def _facts(image_set: ImageSet, splits: list[str], on_progress: Progress) -> pd.DataFrame:
    totals = image_set.record["rows"]
    found, done = [], 0
    for split in splits:
        found.append(files.file_facts(image_set, split, _from(on_progress, done, sum(totals.values()))))
        done += totals[split]
    return pd.concat(found, ignore_index=True)


def _from(on_progress: Progress, done: int, total: int) -> Progress:
    return lambda more, _total, message: on_progress(done + more, total, message)


def _baselines(
    manifest: pd.DataFrame,
    labels: np.ndarray,
    facts: pd.DataFrame,
    before: pd.DataFrame,
    spectrum: np.ndarray,
    colour: np.ndarray,
    on_progress: Progress,
) -> dict:
    """{"split": how images were divided, "metadata", "sizes", "spectrum", "statistics": see `baselines.baseline`, with "meaning"}."""
    fit, judge, how = baselines.halves(manifest["split"].to_numpy(), manifest["image_id"].to_numpy())
    rings = slice(0, statistics.RINGS)
    size = facts[["bytes"]].to_numpy(np.float32)
    everything = np.concatenate([spectrum, colour, size], axis=1)
    names = (*statistics.SPECTRUM_NAMES, *statistics.COLOUR_NAMES, "file size")
    fits = {
        "metadata": (lambda: baselines.metadata_baseline(facts, labels, fit, judge), "the files' size, format and tables"),
        "sizes": (lambda: baselines.size_baseline(before, labels, fit, judge), "the original sizes"),
        "spectrum": (
            lambda: baselines.baseline(spectrum[:, rings], statistics.SPECTRUM_NAMES[rings], labels, fit, judge),
            f"{statistics.RINGS} numbers of the spectrum",
        ),
        "statistics": (
            lambda: baselines.baseline(everything, names, labels, fit, judge),
            f"{len(names)} numbers of spectrum, colour and size",
        ),
    }
    made = {}
    for number, (name, (fitted, what)) in enumerate(fits.items()):
        on_progress(number, len(fits), "Fitting classifiers that cannot see the picture")
        made[name] = _with_meaning(fitted(), what)
    on_progress(len(fits), len(fits), "Audit finished")
    return {"split": how, **made}


def _with_meaning(result: dict | None, what: str) -> dict:
    return {**(result or {}), "meaning": meaning.of_baseline(result, what)}


def _mean_saturation(colour: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    column = colour[:, statistics.COLOUR_NAMES.index("saturation mean")]
    return {
        word: float(column[labels == label].mean(dtype=np.float64))
        for label, word in enumerate(LABELS)
        if (labels == label).any()
    }
