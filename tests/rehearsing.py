"""Helpers of the job tests: submit a rehearsal, wait for what should happen, end what a failed test left."""

import time

import psutil

from cifake_core.jobs import queue
from cifake_core.jobs.states import Job, State
from cifake_core.store.workspace import Workspace


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
    end = time.monotonic() + seconds
    while (job := queue.job(workspace, job_id)).state not in states:
        assert time.monotonic() < end, f"{job} after {seconds} s; log: {queue.log_tail(workspace, job_id)}"
        time.sleep(0.05)
    return job


def until_true(condition, seconds: float = 20.0):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)
    return value


def states_of(workspace: Workspace, job_id: str) -> list[str]:
    return [event["state"] for event in queue.events(workspace, job_id)]
