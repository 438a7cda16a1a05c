"""Helpers of the job tests: submit a rehearsal, wait for what should happen, end what a failed test left.

A limit in seconds is one for the program, not for the machine: a look that came late because the machine stood still
(a virtual one may, for seconds) counts as `_LATE_S` at most.
"""

import time
from collections.abc import Iterator

import psutil

from cifake_core.jobs import queue
from cifake_core.jobs.states import Job, State
from cifake_core.store.workspace import Workspace

_TICK_S = 0.05
_LATE_S = 0.5


def end_all(workspace: Workspace) -> None:
    """Kills what a failed test may have left, recognised by its workspace."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("CIFAKE_HOME") == str(workspace.home):
                process.kill()
        except (psutil.Error, OSError):
            continue


def submit(workspace: Workspace, name: str = "one", start: bool = True, **arguments) -> Job:
    return queue.submit(workspace, "rehearsal", {"name": name, **arguments}, title=f"Rehearse {name}", start=start)


def until(workspace: Workspace, job_id: str, *states: State, seconds: float = 20.0) -> Job:
    looks = _looks(seconds)
    while (job := queue.job(workspace, job_id)).state not in states:
        assert next(looks, False), f"{job} after {seconds} s; log: {queue.log_tail(workspace, job_id)}"
    return job


def until_true(condition, seconds: float = 20.0):
    looks = _looks(seconds)
    while not (value := condition()):
        assert next(looks, False), "not in time"
    return value


def _looks(seconds: float) -> Iterator[bool]:
    """One more look each tick, until `seconds` are over."""
    before = time.monotonic()
    while seconds > 0:
        yield True
        time.sleep(_TICK_S)
        now = time.monotonic()
        seconds -= min(now - before, _LATE_S)
        before = now


def states_of(workspace: Workspace, job_id: str) -> list[str]:
    return [event["state"] for event in queue.events(workspace, job_id)]
