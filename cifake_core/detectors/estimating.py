"""How long a launch will take, before it is launched: each different cell is trained for a moment on this machine.

The moment is a few hundred images, long enough to time and no longer, in as many processes at once as the launch will
use, because processes slow one another. A cell's time is then linear: images its epochs see × its pace, plus scoring the
validation images and saving after each epoch, plus scoring once at the end. Paces are kept in the workspace for this
machine. Early stopping can only make it shorter.
Measured error: see `benchmarks/RESULTS.md` (python benchmarks/training_cost.py).
"""

import heapq
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from cifake_core.detectors import runs, trainable, workers
from cifake_core.detectors.grid import TrainGrid
from cifake_core.detectors.request import TrainSettings
from cifake_core.errors import BadInput, CifakeError
from cifake_core.images.image_set import ImageSet
from cifake_core.progress import Progress
from cifake_core.settings import Settings
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

_PACES = ".paces.json"  # in the folder of runs
_FIRST_IMAGES = 256  # of the first attempt to time a cell
_LONG_ENOUGH_S = 0.5  # an epoch shorter than this is timed again with four times the images
_EPOCHS = 4  # of each attempt; the first warms up, the median of the others counts


@dataclass(frozen=True)
class Pace:
    """What training one cell costs on this machine, in seconds."""

    learn_s: float  # a training image in one epoch
    save_s: float  # saving an epoch
    score_s: float  # scoring an image, of validation after each epoch or at the end
    start_s: float  # until the first image is seen: the process, torch, the images' checksums

    def unit_s(self, epochs: int, seen: float, scored: int) -> float:
        """Of so many epochs that see so many images together, with so many images scored in all."""
        return seen * self.learn_s + epochs * self.save_s + scored * self.score_s


@dataclass(frozen=True)
class EstimateTraining(TrainGrid):
    """The same request as TrainGrid; running it trains nothing to keep, and tells how long TrainGrid would take."""

    def run(self, context: Context) -> dict:
        """See `estimate`; measures what is not known yet."""
        image_set = ImageSet.open(context.workspace, self.dataset)
        image_set.training_data()  # refused here as the training itself would be
        asked = self.trainings()
        crew = workers.crew_for(len(asked), self.workers, workers.gpus())
        known = _known(context.workspace, crew)
        missing = [unit for unit in _one_a_cell(asked) if _key(unit) not in known]
        fresh = _measured(context, image_set, missing, crew) if missing else {}
        if fresh:
            _keep(context.workspace, crew, {**known, **fresh})
        found = estimate(context.workspace, self)
        if found is None:
            raise BadInput("None of these cells could be timed on this machine; take smaller networks or batches.")
        return {**found, "measured": len(fresh)}


def estimate(workspace: Workspace, step: TrainGrid) -> dict | None:
    """{"seconds", "workers", "threads", "cells": [{"topology", "seed", "seconds", "state"}…]} from paces known; else None.

    `seconds` of the grid is the time on the clock, with cells handed to the workers in their order. A finished cell
    takes none, an interrupted one what is left of it. Light: nothing is measured and torch is not loaded.
    """
    image_set, asked = ImageSet.open(workspace, step.dataset), step.trainings()
    crew = workers.crew_for(len(asked), step.workers, workers.gpus())
    known = _known(workspace, crew)
    if any(_key(unit) not in known for unit in asked):
        return None
    half_done = {one.id: len(one.history) for one in runs.unfinished(workspace)}
    cells = [_cell(workspace, image_set, unit, known[_key(unit)], half_done) for unit in asked]
    start = max((known[_key(unit)].start_s for unit in asked), default=0.0)
    work = [cell["seconds"] for cell in cells]
    total = start + makespan(work, crew.workers) if any(work) else 0.0
    return {"dataset": step.dataset, "seconds": round(total, 2), **asdict(crew), "cells": cells}


def _cell(
    workspace: Workspace, image_set: ImageSet, unit: TrainSettings, pace: Pace, half_done: dict[str, int]
) -> dict:
    identity = runs.run_id(image_set.digest, unit)
    said = {"topology": unit.topology, "seed": unit.seed}
    if (workspace.runs / identity / artifacts.RECORD).exists():
        return {**said, "seconds": 0.0, "state": "finished"}
    rows, done = image_set.record["rows"], half_done.get(identity, 0)
    held_out = round(0.1 * rows["train"])
    left = max(0, unit.epochs - done)
    seen = trainable.recipe(unit.topology).images_seen(rows["train"] - held_out, unit.epochs) * left / unit.epochs
    seconds = pace.unit_s(left, seen, (left + 1) * held_out + rows.get("test", 0))
    return {**said, "seconds": round(seconds, 2), "state": "interrupted" if done else "new"}


def makespan(seconds: Sequence[float], workers: int) -> float:
    """Time on the clock when each free worker takes the next piece of work in order."""
    free_at = [0.0] * max(1, workers)
    for piece in seconds:
        heapq.heapreplace(free_at, free_at[0] + piece)
    return max(free_at)


def _one_a_cell(asked: Sequence[TrainSettings]) -> list[TrainSettings]:
    return list({_key(unit): unit for unit in reversed(asked)}.values())[::-1]


def _key(unit: TrainSettings) -> str:
    """What decides a pace besides the machine: all settings but those that only decide how often or with which numbers."""
    free = ("seed", "epochs", "patience", "learning_rate")
    asked = {**asdict(unit), **runs.preset_of(unit.topology)}
    return " ".join(f"{name}={value}" for name, value in asked.items() if name not in free)


def _machine(crew: workers.Crew) -> str:
    """Told without loading torch, so that a page can ask."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    device = Settings.from_environment().device
    return f"{platform.node()} {os.cpu_count()} cores {device} torch {torch} {crew.workers}x{crew.threads}"


def _known(workspace: Workspace, crew: workers.Crew) -> dict[str, Pace]:
    try:
        kept = artifacts.read_json(workspace.runs / _PACES).get(_machine(crew), {})
        return {key: Pace(**pace) for key, pace in kept.items()}
    except (CifakeError, TypeError, AttributeError):  # none yet, or of another version
        return {}


def _keep(workspace: Workspace, crew: workers.Crew, paces: dict[str, Pace]) -> None:
    try:
        everything = artifacts.read_json(workspace.runs / _PACES)
    except CifakeError:
        everything = {}
    everything[_machine(crew)] = {key: asdict(pace) for key, pace in paces.items()}
    artifacts.write_json(workspace.runs / _PACES, everything)


def _measured(context: Context, image_set: ImageSet, units: list[TrainSettings], crew: workers.Crew) -> dict[str, Pace]:
    """Paces by key; a cell that cannot be timed (it does not fit, say) is left out: the grid will name it."""
    at_once = units * -(-crew.workers // len(units)) if len(units) < crew.workers else units  # no process is alone
    started = time.time()
    outcomes = workers.run_all(
        partial(_time_unit, context.workspace, image_set.name, image_set.digest, crew.threads),
        at_once,
        [trainable.cost(unit.topology) for unit in at_once],
        crew,
        lambda done, total, _: context.on_progress(done, total, "Timing each cell for a moment"),
    )
    timed = [(outcome.unit, *outcome.result) for outcome in outcomes if outcome.result]
    start_s = max(0.0, min((began for _, began, _ in timed), default=started) - started)
    return {_key(unit): replace(pace, start_s=round(start_s, 3)) for unit, _, pace in timed}


def _time_unit(
    workspace: Workspace, dataset: str, digest: str, threads: int, unit: TrainSettings, on_progress: Progress
) -> tuple[float, Pace]:
    """When the first image could be seen (UNIX seconds), and the pace. Runs in a worker's process."""
    from cifake_core import hardware
    from cifake_core.detectors import scoring, training, units

    hardware.use_threads(threads)
    _, data = units.opened(workspace, dataset, digest)
    began, images = time.time(), min(_FIRST_IMAGES, len(data.train))
    while True:
        few, short = units.sample(data, images), replace(unit, epochs=_EPOCHS, patience=0)
        with tempfile.TemporaryDirectory() as folder:
            clock = time.perf_counter()
            state = training.fit(few, short, Path(folder))
            whole_s = time.perf_counter() - clock
        on_progress(1, 2, unit.topology)
        lasting = [epoch.duration_s for epoch in state.history]
        epoch_s = median(epoch.duration_s for epoch in state.history[1:] if epoch.images == len(few.train))
        if epoch_s >= _LONG_ENOUGH_S or images == len(data.train):
            break
        images = min(4 * images, len(data.train))
    device = next(state.network.parameters()).device
    pixels, passes = scoring.on_device(few.train.pixels, device), []
    for _ in range(2):  # the first prepares what batches of a new size need: on few images it would count many times over
        clock = time.perf_counter()
        scoring.logits_of(state.network, pixels)
        passes.append(time.perf_counter() - clock)
    score_s = passes[1] / images
    learn_s = max(0.0, epoch_s - len(few.validation) * score_s) / images
    return began, Pace(learn_s, max(0.0, whole_s - sum(lasting)) / _EPOCHS, score_s, 0.0)
