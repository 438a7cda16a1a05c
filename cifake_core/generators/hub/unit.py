"""One model, sampled in a process of its own: fetched, checked, loaded, its images made batch by batch, the outcome written.

Whatever the model does to this process, the one that started it goes on.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from cifake_core.errors import CifakeError
from cifake_core.generators.hub import faults
from cifake_core.generators.hub.faults import Outcome, State
from cifake_core.generators.hub.models import HubModel
from cifake_core.orphans import end_with_starter
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

if TYPE_CHECKING:
    from cifake_core.generators.shards import Shards

_LOOK_S = 0.05  # between two looks at the memory


@dataclass(frozen=True)
class Unit:
    """What a process is given: a model, what to make of it and where to put it. Plain values, so that it can be sent."""

    model: HubModel
    folder: str  # of its shards and its outcome
    home: str  # of the workspace
    cache: str
    endpoint: str | None
    prompts: tuple[tuple[str, int, int, str], ...]  # class ("" = unknown), index, seed, prompt
    steps: int
    guidance: float
    size: int
    batch: int
    device: str
    memory_gb: float  # the model may take beyond what the program itself takes; 0 = no limit
    attempt: int


def work(unit: Unit) -> None:
    """The whole life of the process. Never raises: what goes wrong is the outcome."""
    end_with_starter()
    if unit.device:
        os.environ["CIFAKE_DEVICE"] = unit.device
    began = time.monotonic()

    def tell(outcome: Outcome) -> None:
        seconds = round(time.monotonic() - began, 2)
        faults.write(Path(unit.folder), replace(outcome, seconds=seconds, attempts=unit.attempt))

    try:
        outcome = _sampled(unit, tell)
    except Exception as error:  # anything a stranger's model raises is its outcome, not ours
        outcome = faults.told(unit.model.id, error)
    tell(outcome)


def _sampled(unit: Unit, tell: Callable[[Outcome], None]) -> Outcome:
    from cifake_core import hardware
    from cifake_core.generators import defects, pipelines
    from cifake_core.generators.generating import Generate
    from cifake_core.generators.painting import Painter, Request, automatic_batch

    source = pipelines.find(Workspace(Path(unit.home)), unit.model.generator, Path(unit.cache), unit.endpoint)
    requests = [Request(*prompt) for prompt in unit.prompts]
    manner = Generate("unit", unit.model.generator, steps=unit.steps, guidance=unit.guidance, size=unit.size).manner(
        source
    )
    size = unit.batch or min(automatic_batch(source), 50)
    batches = [requests[start : start + size] for start in range(0, len(requests), size)]
    shards = _shards(Path(unit.folder), size)
    missing = [number for number in range(len(batches)) if number not in shards]
    variant = f"{source.pipeline}, {str(hardware.sampling_dtype(hardware.chosen_device())).removeprefix('torch.')}"
    if missing:
        import diffusers

        getattr(diffusers, source.pipeline)  # loaded now: what the program takes itself is not the model's
        classes = tuple(dict.fromkeys(request.class_name for request in requests))
        with _limited_memory(unit, tell):
            painter = Painter(source, manner, len(batches[0]), classes, lambda message: None)
            for number in missing:
                shards.add(number, painter.paint(batches[number]), keep_originals=False)
                defects.check_hope(shards.defects, shards.usable, source.title)
        variant += f" on {painter.device.type}, batch {painter.batch}"
    if not shards.usable:
        raise defects.nothing_usable(shards.defects, source.title)
    return Outcome(unit.model.id, State.COMPLETED.value, images=shards.usable, variant=variant, defects=shards.defects.as_dict())


def _shards(folder: Path, batch: int) -> "Shards":
    """The finished batches; those of another batch size hold other images under the same numbers, and go."""
    from cifake_core.generators.shards import Shards

    record = folder / "batch.json"
    if _recorded(record) != batch:
        for file in folder.glob("[0-9]*.parquet"):
            file.unlink()
        artifacts.write_json(record, {"batch": batch})
    return Shards(folder)


def _recorded(record: Path) -> int | None:
    """The batch size of a record; None where there is none that can be read."""
    try:
        return artifacts.read_json(record)["batch"]
    except (CifakeError, KeyError, TypeError):
        return None


@contextmanager
def _limited_memory(unit: Unit, tell: Callable[[Outcome], None]) -> Iterator[None]:
    """So that one model cannot take the machine down: what the process holds in the block is watched, and too much ends it.

    Watched, not refused by the system: an allocation that fails inside a library's thread can leave the others waiting for it
    for ever. Between two looks a model may go beyond by what the machine can fill in 50 ms.
    """
    process, over = psutil.Process(), threading.Event()

    def held() -> int:
        memory = process.memory_info()
        return memory.rss - memory.shared  # pages of a mapped file can be given back at any time

    most = held() + unit.memory_gb * 1e9

    def look() -> None:
        if held() > most:
            reason = f"It took more than the {unit.memory_gb:g} GB that --memory-gb allows; allow more, or fewer images at a time with --batch."
            try:
                tell(faults.fault(unit.model.id, "memory", reason))
            finally:
                os._exit(1)  # the model's own code may be deep in a library; nothing else ends it at once

    def watch() -> None:
        while not over.wait(_LOOK_S):
            look()

    if unit.memory_gb:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
        if unit.memory_gb:
            look()  # what was held at the end was held: the same verdict however fast the machine is
    finally:
        over.set()
