"""Processes that sample one model each: started, watched, ended. It knows units and exit codes, not what a unit does.

They are forked from one process that has loaded torch and diffusers once: on a 2 GHz core that is 7 s a model saved.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cifake_core.generators.hub import faults
from cifake_core.generators.hub.unit import Unit, work

_POLL_S, _PATIENCE_S = 0.2, 10.0
_LOADED = [
    "cifake_core.generators.hub.unit",
    "cifake_core.generators.painting",
    "cifake_core.generators.generating",
    "diffusers",
    "transformers",
]


@dataclass
class _Running:
    unit: Unit
    process: multiprocessing.process.BaseProcess
    began: float


class Crew:
    """Up to `size` units at a time. Leaving the block ends whatever still runs."""

    def __init__(self, size: int, timeout_s: float) -> None:
        self.size, self.timeout_s = size, timeout_s
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(_LOADED)
        self.running: list[_Running] = []

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_error: object) -> None:
        for one in self.running:
            _end(one.process)

    @property
    def free(self) -> int:
        return self.size - len(self.running)

    def start(self, unit: Unit) -> None:
        Path(unit.folder).mkdir(parents=True, exist_ok=True)
        (Path(unit.folder) / faults.OUTCOME).unlink(missing_ok=True)
        process = self.context.Process(target=work, args=(unit,), daemon=True)
        process.start()
        self.running.append(_Running(unit, process, time.monotonic()))

    def ended(self, tick: Callable[[], None]) -> list[tuple[Unit, faults.Outcome]]:
        """The units that have ended since, each with its outcome; waits a moment if none has. `tick` may raise."""
        tick()
        time.sleep(_POLL_S)
        done = []
        for one in list(self.running):
            late = time.monotonic() - one.began > self.timeout_s
            if one.process.is_alive() and not late:
                continue
            if late:
                _end(one.process)
            one.process.join()
            self.running.remove(one)
            done.append((one.unit, _outcome(one, late, self.timeout_s)))
        return done


def _outcome(one: _Running, late: bool, timeout_s: float) -> faults.Outcome:
    folder, name, code = Path(one.unit.folder), one.unit.model.id, one.process.exitcode
    found = faults.read(folder, name)
    if found.state != faults.State.WAITING:
        return found
    if late:
        found = faults.late(name, timeout_s)
    elif code == -signal.SIGKILL:
        found = faults.fault(name, "killed", "Its process was killed from outside, most often because memory ran out.")
    else:
        sign = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        found = faults.fault(name, "crashed", f"Its process ended without a word ({sign}).")
    found = faults.Outcome(
        **{**vars(found), "attempts": one.unit.attempt, "seconds": round(time.monotonic() - one.began, 2)}
    )
    faults.write(folder, found)
    return found


def _end(process: multiprocessing.process.BaseProcess) -> None:
    process.terminate()
    process.join(_PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()
