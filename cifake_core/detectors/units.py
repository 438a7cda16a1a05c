"""One unit of a grid: the run for some settings, trained, tested once and stored whole, or taken as it is."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors.torch import save_file

from cifake_core import hardware
from cifake_core.detectors import probing, runs, scoring, training, wishes
from cifake_core.detectors.ood import storing
from cifake_core.detectors.ood.check import Check
from cifake_core.detectors.request import TrainSettings
from cifake_core.detectors.runs import Run
from cifake_core.detectors.state import Epoch, State
from cifake_core.errors import Refused
from cifake_core.images.image_set import ImageSet, Part, TrainingData
from cifake_core.metrics import scores
from cifake_core.progress import Progress
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace


def train_unit(
    workspace: Workspace, dataset: str, digest: str, threads: int, settings: TrainSettings, on_progress: Progress
) -> str:
    """One unit of a grid in whatever process it is called: the id of the run for these settings."""
    hardware.use_threads(threads)
    image_set, data = opened(workspace, dataset, digest)
    return train_run(workspace, image_set, data, settings, on_progress).id


@lru_cache(maxsize=1)
def opened(workspace: Workspace, dataset: str, _digest: str) -> tuple[ImageSet, TrainingData]:
    """A worker reads its images once, however many networks it trains."""
    image_set = ImageSet.open(workspace, dataset)
    return image_set, image_set.training_data()


def sample(data: TrainingData, images: int) -> TrainingData:
    """So many training images drawn at random, and a ninth as many for validation: what a cell is timed on."""

    def some(part: Part, count: int) -> Part:
        chosen = np.random.default_rng(0).permutation(len(part))[: max(1, count)]
        return replace(
            part,
            labels=part.labels[chosen],
            class_labels=part.class_labels[chosen],
            image_ids=part.image_ids[chosen],
            manifest=part.manifest.iloc[chosen],
            rows=part.rows[chosen],
        )

    return TrainingData(some(data.train, images), some(data.validation, images // 9))


def train_run(
    workspace: Workspace, image_set: ImageSet, data: TrainingData, settings: TrainSettings, on_progress: Progress
) -> Run:
    """The run for these settings: the one that is there, or a new one trained, tested once and stored whole."""
    identity = runs.run_id(image_set.digest, settings)
    folder, work = workspace.runs / identity, runs.unfinished_folder(workspace, identity)
    with _alone(work, on_progress):
        if not (folder / artifacts.RECORD).exists():
            started = time.perf_counter()
            probe = probing.Recorder(work, data.validation)
            heard = wishes.obeying(workspace, identity, settings.topology, on_progress)
            history = _LiveHistory(work)
            try:
                state = training.fit(data, settings, work, heard, history.write, probe.look)
            except Refused:
                if wishes.wish(workspace, identity) == "cancel":
                    shutil.rmtree(work, ignore_errors=True)
                raise
            seen = probing.gathered(work, len(state.history))
            earlier = state.history[: len(state.history) - history.written]  # of an attempt that was interrupted
            duration_s = time.perf_counter() - started + sum(epoch.duration_s for epoch in earlier)
            check = storing.fitted(workspace, image_set, data, state.network, lambda _done, _total, message: heard(1, 1, message))
            _store(folder, image_set, data, settings, state, seen, check, duration_s)
        shutil.rmtree(work, ignore_errors=True)
    return runs.open_run(workspace, identity)


@contextmanager
def _alone(work: Path, on_progress: Progress) -> Iterator[None]:
    """Two jobs that ask for the same run do not train it twice: the second waits for the first."""
    work.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work.parent / f"{work.name}.lock")
    while not lock.is_locked:
        try:
            lock.acquire(timeout=1)
        except Timeout:
            on_progress(0, 1, f"{work.name} is being trained by another job; waiting for it")
    try:
        yield
    finally:
        lock.release()


class _LiveHistory:
    """Lets a page draw the curves while the training goes on, and counts the epochs of this attempt."""

    def __init__(self, work: Path) -> None:
        self._file, self.written = work / runs.HISTORY, 0

    def write(self, history: list[Epoch]) -> None:
        """After every epoch, with all of them so far."""
        self.written += 1
        artifacts.write_json(self._file, {"epochs": [asdict(epoch) for epoch in history]})


def _store(
    folder: Path,
    image_set: ImageSet,
    data: TrainingData,
    settings: TrainSettings,
    state: State,
    seen: probing.Probe | None,
    check: Check,
    duration_s: float,
) -> None:
    """Tests the finished network, the only place that reads the test split, and writes the run's folder whole."""
    device = next(state.network.parameters()).device
    precision = hardware.fast_precision(device) if settings.precision == "auto" else settings.precision
    record = {
        "id": folder.name,
        "dataset": image_set.name,
        "dataset_digest": image_set.digest,
        "settings": asdict(settings),
        **runs.preset_of(settings.topology),
        "parameters": sum(p.numel() for p in state.network.parameters()),
        "best_epoch": state.best.epoch,
        "validation_loss": state.best.validation_loss,
        "epochs": len(state.history),
        "duration_s": round(duration_s, 3),
        "hardware": hardware.description(device),
        "precision": precision,
        "versions": runs.versions(),
        "created_at": runs.now(),
    }
    with artifacts.whole_folder(folder) as building:
        save_file(
            {name: value.cpu().contiguous() for name, value in state.best_weights.items()}, building / runs.WEIGHTS
        )
        artifacts.write_json(building / runs.HISTORY, {"epochs": [asdict(epoch) for epoch in state.history]})
        files = [runs.WEIGHTS, runs.HISTORY]
        if seen is not None:  # absent where the first epochs were trained by a version that kept none
            probing.save(building, seen)
            files.append(probing.PROBE)
        check.save(building / storing.FILE)
        files.append(storing.FILE)
        parts = {"validation": data.validation}
        if image_set.has("test"):
            parts["test"] = image_set.part("test")
        for split, part in parts.items():
            record[split] = _predict(building, split, part, state, device)
            files.append(runs.predictions_file(split))
        artifacts.write_record(building, record, files)


def _predict(folder: Path, split: str, part: Part, state: State, device: torch.device) -> dict:
    logits = scoring.logits_of(state.network, scoring.on_device(part.pixels, device))
    runs.write_predictions(folder, split, part.image_ids, logits)
    found = scores.accuracy(logits, part.labels)
    return {"n": len(logits), "accuracy": found.value, "low": found.low, "high": found.high}
