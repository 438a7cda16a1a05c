"""One model, sampled in a process of its own: fetched, checked, loaded, its images made batch by batch, the outcome written.

Whatever the model does to this process, the one that started it goes on.
"""

import os
import resource
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from cifake_core.generators.hub import faults
from cifake_core.generators.hub.faults import Outcome, State
from cifake_core.generators.hub.models import HubModel
from cifake_core.store.workspace import Workspace


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
    threading.Thread(target=_die_with_parent, args=(os.getppid(),), daemon=True).start()
    if unit.device:
        os.environ["CIFAKE_DEVICE"] = unit.device
    folder, began = Path(unit.folder), time.monotonic()
    try:
        outcome = _sampled(unit, folder)
    except Exception as error:  # anything a stranger's model raises is its outcome, not ours
        outcome = faults.told(unit.model.id, error)
    faults.write(folder, replace(outcome, seconds=round(time.monotonic() - began, 2), attempts=unit.attempt))


def _sampled(unit: Unit, folder: Path) -> Outcome:
    from cifake_core import hardware
    from cifake_core.generators import pipelines
    from cifake_core.generators.generating import Generate
    from cifake_core.generators.painting import Painter, Request, automatic_batch
    from cifake_core.generators.shards import Shards

    source = pipelines.find(Workspace(Path(unit.home)), unit.model.generator, Path(unit.cache), unit.endpoint)
    requests = [Request(*prompt) for prompt in unit.prompts]
    manner = Generate("unit", unit.model.generator, steps=unit.steps, guidance=unit.guidance, size=unit.size).manner(
        source
    )
    size = unit.batch or min(automatic_batch(source), 50)
    batches = [requests[start : start + size] for start in range(0, len(requests), size)]
    shards = Shards(folder)
    missing = [number for number in range(len(batches)) if number not in shards]
    variant = f"{source.pipeline}, {str(hardware.sampling_dtype(hardware.chosen_device())).removeprefix('torch.')}"
    if missing:
        import diffusers

        getattr(diffusers, source.pipeline)  # loaded now: what the program takes itself is not the model's
        _limit_memory(unit.memory_gb)
        classes = tuple(dict.fromkeys(request.class_name for request in requests))
        painter = Painter(source, manner, len(batches[0]), classes, lambda message: None)
        for number in missing:
            shards.add(number, painter.paint(batches[number]), keep_originals=False)
        variant += f" on {painter.device.type}, batch {painter.batch}"
    return Outcome(unit.model.id, State.COMPLETED.value, images=shards.images, variant=variant)


def _limit_memory(gigabytes: float) -> None:
    """So that one model cannot take the machine down: an allocation beyond fails, and the batch is halved."""
    if gigabytes:
        taken = next(
            int(line.split()[1]) * 1024
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("VmData")
        )
        most = taken + int(gigabytes * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _die_with_parent(parent: int) -> None:
    """Nobody waits for the images of a process whose parent was killed; the next start makes them."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
