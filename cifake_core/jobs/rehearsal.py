"""A job that only rehearses: it counts, fails, crashes or refuses to leave on request.

With it the tests, and anybody on their own machine (`jobs rehearse`), see that real processes keep what the jobs
promise. It makes one empty file a unit in `jobs/rehearsal/<name>` and touches nothing else.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cifake_core.errors import BadInput, Cancelled
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace, checked_name


class Ending(StrEnum):
    """What happens after the last unit."""

    WELL = "well"  # returns its result
    REFUSAL = "refusal"  # raises a sentence for the user
    BUG = "bug"  # raises an unexpected error
    SEGFAULT = "segfault"  # dies as a fault in native code does
    STUBBORN = "stubborn"  # ignores progress, cancel and SIGTERM for an hour
    CHILD = "child"  # starts a process that lives for an hour, reports it, and waits to be stopped


@dataclass(frozen=True)
class Rehearsal:
    """`units` pieces of work of `unit_s` seconds each; those done by an earlier attempt are kept."""

    name: str
    units: int = 3  # 0 to 10,000
    unit_s: float = 0.0  # 0 to 3,600
    ending: str = Ending.WELL

    def __post_init__(self) -> None:
        checked_name(self.name)
        if not 0 <= self.units <= 10_000 or not 0 <= self.unit_s <= 3600:
            raise BadInput(f"{self.units} units of {self.unit_s} s cannot be rehearsed; take 0–10,000 of 0–3,600 s.")
        if self.ending not in tuple(Ending):
            raise BadInput(f"The ending {self.ending!r} is unknown; take one of {', '.join(Ending)}.")

    def run(self, context: Context) -> dict:
        folder = place(context.workspace, self.name)
        folder.mkdir(parents=True, exist_ok=True)
        made = 0
        for unit in range(self.units):
            made += self._unit(folder / f"unit-{unit}")
            context.on_progress(unit + 1, self.units, f"unit {unit + 1}")
        self._end(context)
        return {"units": len(list(folder.glob("unit-*"))), "made_by_last_attempt": made}

    def _unit(self, file: Path) -> bool:
        if file.exists():
            return False
        time.sleep(self.unit_s)
        file.touch(exist_ok=False)  # an error here would mean that two processes did the same unit
        return True

    def _end(self, context: Context) -> None:
        match Ending(self.ending):
            case Ending.WELL:
                return
            case Ending.REFUSAL:
                raise BadInput("The rehearsal was asked to fail; nothing is wrong.")
            case Ending.BUG:
                raise ZeroDivisionError("rehearsed")
            case Ending.SEGFAULT:
                os.kill(os.getpid(), signal.SIGSEGV)
            case Ending.STUBBORN:
                self._stay(context)
            case Ending.CHILD:
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
                while True:
                    context.on_progress(self.units, self.units, "child started")
                    time.sleep(0.05)

    def _stay(self, context: Context) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        until = time.monotonic() + 3600
        while time.monotonic() < until:
            try:
                context.on_progress(self.units, self.units, "will not leave")
            except Cancelled:
                pass
            time.sleep(0.05)


def place(workspace: Workspace, name: str) -> Path:
    return workspace.jobs / "rehearsal" / name
