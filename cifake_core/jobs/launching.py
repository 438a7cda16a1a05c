"""Starts processes: a worker where jobs wait and none attends, and a worker's process for one job.

Both are detached: own session, no terminal, output to a log file. It does not know what they do.
"""

import os
import subprocess
import sys
from pathlib import Path

import cifake_core
from cifake_core.jobs import ledger, locks, places, processes
from cifake_core.jobs.database import opened
from cifake_core.jobs.states import Job, State
from cifake_core.store.workspace import Workspace

_started: list[subprocess.Popen] = []  # looked at on the next call, so that ended ones do not stay as zombies


def ensure_workers(workspace: Workspace, environment: dict[str, str] | None = None) -> int:
    """Starts as many workers as there is work for and free slots; returns how many it started."""
    _started[:] = [process for process in _started if process.poll() is None]
    with opened(workspace) as connection:
        slots = range(ledger.setting(connection, "workers", 1))
    free = [slot for slot in slots if not locks.held(places.slot_lock(workspace, slot))]
    chosen = free[: work(workspace)] if free else []
    for slot in chosen:
        arguments = ["cifake_core.jobs.worker", "--slot", str(slot)]
        _started.append(_detached(workspace, arguments, places.worker_log(workspace), environment or dict(os.environ)))
    return len(chosen)


def work(workspace: Workspace) -> int:
    """How many workers could be busy: one for each queued job, and one for running jobs whose worker is gone."""
    with opened(workspace) as connection:
        queued = connection.execute("SELECT count(*) FROM jobs WHERE state = ?", (State.QUEUED,)).fetchone()[0]
        slots = [row["slot"] for row in connection.execute("SELECT slot FROM jobs WHERE state = 'running'").fetchall()]
    unattended = any(slot is None or not locks.held(places.slot_lock(workspace, slot)) for slot in slots)
    return queued + unattended


def start_attempt(workspace: Workspace, job: Job) -> subprocess.Popen:
    """The process that runs the claimed job; its prints and warnings go to the job's log."""
    arguments = ["cifake_core.jobs.runner", "--job", job.id, "--token", str(job.token)]
    environment = {**os.environ, processes.MARK: processes.mark(job.id, job.token)}
    return _detached(workspace, arguments, places.log(workspace, job.id), environment)


def _detached(workspace: Workspace, arguments: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen:
    log.parent.mkdir(parents=True, exist_ok=True)
    home = workspace.home.absolute()
    if "worker" in arguments[0]:
        environment.pop(processes.MARK, None)  # a worker started by a job's process is no part of that job
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments, "--home", str(home)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=Path(cifake_core.__file__).parents[1],  # where `-m` finds the package
            env={**environment, "CIFAKE_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        )
