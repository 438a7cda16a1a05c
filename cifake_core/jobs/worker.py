"""A worker: takes one slot of the workspace, claims jobs until none is left, and gives each to a process of its own.

`python -m cifake_core.jobs.worker --home HOME [--slot N]`. It stays light (no torch), so it survives what kills the job:
it sees the signal, settles the job and goes on with the next. It does not know what steps do.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from cifake_core.errors import CifakeError
from cifake_core.jobs import claims, launching, ledger, locks, places, processes, recovery
from cifake_core.jobs.database import opened
from cifake_core.jobs.states import Job
from cifake_core.store.workspace import Workspace

_TICK_S = 0.25  # how often it looks after its job
_REAP_EVERY_S = 2.0  # how often it looks after the jobs of others
_PATIENCE_S = 120.0  # how long it waits for a database that cannot be written before it gives up
_log = logging.getLogger(__name__)


class _Terminated(BaseException):
    """SIGTERM: the machine shuts down or somebody ends the worker."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cifake_core.jobs.worker", description="Runs the queued jobs of a workspace.")
    parser.add_argument("--home", type=Path, required=True, help="the workspace, CIFAKE_HOME")
    parser.add_argument("--slot", type=int, default=0, help="which of the workspace's workers this is")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(process)d: %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        work(Workspace(given.home.absolute()), given.slot)
    except _Terminated:
        return 128 + signal.SIGTERM
    except CifakeError as error:
        _log.error("%s", error)
        return 1
    return 0


def _terminated(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough, the rest is orderly
    raise _Terminated


def work(workspace: Workspace, slot: int) -> None:
    """Holds the slot until there is nothing to do. Returns at once if another worker holds it."""
    while True:
        lock = locks.take(places.slot_lock(workspace, slot))
        if lock is None:
            return
        with lock:
            _patiently(claims.release_slot, workspace, slot)
            _work_off(workspace, slot)
        # whoever submitted a job just now may have seen the slot held: look once more after letting go
        if slot >= _workers(workspace) or not launching.work(workspace):
            return


def _work_off(workspace: Workspace, slot: int) -> None:
    while slot < (limit := _patiently(_workers, workspace)):
        _patiently(recovery.reap, workspace)
        job = _patiently(claims.claim, workspace, slot, limit)
        if job is not None:
            attend(workspace, job)
        elif not _patiently(launching.work, workspace):
            return
        else:
            time.sleep(_TICK_S)  # all allowed jobs run already, or an equal job is being stopped


def attend(workspace: Workspace, job: Job) -> None:
    """Runs the claimed job in its process, urges it when the user wants it stopped, settles it if it died."""
    try:
        process = launching.start_attempt(workspace, job)
    except OSError as error:  # no process or no log file to be had
        _patiently(claims.crashed, workspace, job.id, job.token, f"The job's process could not be started ({error.strerror})")
        time.sleep(1.0)
        return
    try:
        _watch(workspace, job, process)
    except _Terminated:
        processes.signal_attempt(job.id, job.token, signal.SIGTERM)
        _wait(process, recovery.TERM_AFTER_S)
        processes.signal_attempt(job.id, job.token, signal.SIGKILL)
        process.wait()
        claims.stopped(workspace, job.id, job.token)
        raise
    processes.signal_attempt(job.id, job.token, signal.SIGKILL)  # children it left behind
    outcome = _patiently(claims.crashed, workspace, job.id, job.token, processes.described(process.returncode))
    if outcome is not None:
        _log.warning("%s: %s; now %s", job.id, processes.described(process.returncode), outcome)


def _watch(workspace: Workspace, job: Job, process: subprocess.Popen) -> None:
    reaped = time.monotonic()
    while not _wait(process, _TICK_S):
        try:
            recovery.urge(workspace, job.id, job.token)
            if time.monotonic() - reaped > _REAP_EVERY_S:
                reaped = time.monotonic()
                recovery.reap(workspace)
        except claims.Lost:
            if not _wait(process, recovery.TERM_AFTER_S):  # it ended its job just now, or must not go on
                processes.signal_attempt(job.id, job.token, signal.SIGKILL)
        except CifakeError as error:  # a full disk or a locked database must not cost the job its watcher
            _log.warning("%s", error)


def _wait(process: subprocess.Popen, seconds: float) -> bool:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _workers(workspace: Workspace) -> int:
    with opened(workspace) as connection:
        return ledger.setting(connection, "workers", 1)


def _patiently(call, *arguments):
    """The call's value; a database that cannot be written for a while (full disk) is waited for."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return call(*arguments)
        except CifakeError as error:
            if time.monotonic() > until:
                raise
            _log.warning("%s", error)
            time.sleep(1.0)


if __name__ == "__main__":
    os.setpriority(os.PRIO_PROCESS, 0, max(5, os.getpriority(os.PRIO_PROCESS, 0)))  # pages come first
    sys.exit(main())
