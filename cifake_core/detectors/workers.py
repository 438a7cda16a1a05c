"""Many trainings at once on one machine: one process each, so that one that dies takes no other with it.

Measured on 2 cores with AVX2, `32x2-64x1`: one process with 2 threads trains 2,133 images/s, two processes with one
thread each 3,687 together. It knows units of work and their cost, not what a training is.
"""

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cifake_core.errors import Cancelled
from cifake_core.orphans import end_with_starter
from cifake_core.outcomes import Meter, Outcome, attempt
from cifake_core.progress import Progress
from cifake_core.settings import Settings

MEMORY_A_WORKER = 1.5e9  # bytes: torch, 90,000 images of 32 px as uint8, and a network of the grid with its optimizer
_POLL_S = 0.5


@dataclass(frozen=True)
class Crew:
    """How many processes work, and how many CPU threads each has."""

    workers: int
    threads: int


def crew_for(units: int, asked: int = 0, gpus: int = 0) -> Crew:
    """One worker a GPU, else as many as cores, memory and units allow; `asked` > 0 decides instead.

    It depends on the number of units asked for, not of those left: a grid that is resumed splits its threads as before,
    which it must for equal results (the order of sums depends on the number of threads).
    """
    cores = Settings.from_environment().threads or os.cpu_count() or 1
    fitting = max(1, int(psutil.virtual_memory().total * 0.8 / MEMORY_A_WORKER))
    workers = asked or gpus or min(cores, fitting)
    workers = max(1, min(workers, units))
    return Crew(workers, max(1, cores // workers))


def gpus() -> int:
    """How many GPUs trainings may use at once; 0 means the CPU does it.

    torch is asked only where a driver is: loading it costs the process that hands out the work half a gigabyte.
    """
    asked = Settings.from_environment().device
    if asked == "cpu" or not (Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi")):
        return 0
    import torch

    return torch.cuda.device_count() if asked == "auto" else int(torch.cuda.is_available())


def run_all(
    work: Callable[[Any, Progress], Any], units: Sequence[Any], costs: Sequence[int], crew: Crew, on_progress: Progress
) -> list[Outcome]:
    """work(unit, on_progress) for each unit; `work` must be importable in another process (a module's function, partial).

    Order of the outcomes is that of the units. A CifakeError of a unit, or the death of its process, is its reason.
    Cancelled raised by on_progress stops all and is raised on. With one worker it runs in this process.
    """
    meter = Meter(costs, on_progress)
    if crew.workers == 1:
        return [_here(work, unit, meter, number) for number, unit in enumerate(units)]
    outcomes: dict[int, Outcome] = {}
    _in_processes(work, list(enumerate(units)), crew, meter, outcomes)
    for number, unit in enumerate(units):  # the pool broke: what is left is tried one by one, to name the culprit
        if number not in outcomes:
            _in_processes(work, [(number, unit)], Crew(1, crew.threads), meter, outcomes)
            outcomes.setdefault(number, Outcome(unit, reason=_DIED))
    return [outcomes[number] for number in range(len(units))]


_DIED = "Its process was killed, most often because memory ran out; take a smaller network or batch, or fewer workers."


def _here(work: Callable, unit: Any, meter: Meter, number: int) -> Outcome:
    def on_progress(done: int, total: int, message: str) -> None:
        meter.shares[number] = min(done / max(1, total), 1.0)
        meter.report(f"{message} ({meter.finished()})")

    outcome = attempt(work, unit, on_progress)
    meter.shares[number] = 1.0
    meter.report(meter.finished())
    return outcome


def _in_processes(
    work: Callable, numbered: list[tuple[int, Any]], crew: Crew, meter: Meter, outcomes: dict[int, Outcome]
) -> None:
    """Fills `outcomes` for the units that ended; those of a broken pool are left out."""
    context = multiprocessing.get_context("spawn")  # fork after torch has started threads, or with CUDA, hangs
    shares, stop = context.Array("d", len(meter.costs)), context.Event()
    with ProcessPoolExecutor(crew.workers, context, _start, (shares, stop, crew.threads)) as pool:
        futures: dict[Future, int] = {pool.submit(_there, work, n, unit): n for n, unit in numbered}
        try:
            for future in _as_they_end(futures, shares, meter):
                if not isinstance(future.exception(), BrokenProcessPool):
                    outcomes[futures[future]] = future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _as_they_end(futures: dict[Future, int], shares: Any, meter: Meter) -> Iterator[Future]:
    waiting = set(futures)
    while waiting:
        ended, waiting = wait(waiting, timeout=_POLL_S, return_when="FIRST_COMPLETED")
        meter.shares[:] = [max(old, new) for old, new in zip(meter.shares, shares[:], strict=True)]
        for future in ended:
            meter.shares[futures[future]] = 1.0
        meter.report(meter.finished())
        yield from ended


_shared: dict[str, Any] = {}  # of a worker process: what its parent gave it at the start


def _start(shares: Any, stop: Any, threads: int) -> None:
    end_with_starter()
    from cifake_core import hardware

    hardware.use_threads(threads)
    _shared.update(shares=shares, stop=stop)


def _there(work: Callable, number: int, unit: Any) -> Outcome:
    def on_progress(done: int, total: int, _message: str) -> None:
        if _shared["stop"].is_set():
            raise Cancelled("Stopped.")
        _shared["shares"][number] = done / max(1, total)

    return attempt(work, unit, on_progress)
