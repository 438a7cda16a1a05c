"""The process of one attempt at one job: runs the step and records how it ended.

`python -m cifake_core.jobs.runner --home HOME --job ID --token N`, started by a worker. Its output is the job's log.
It does not know retries or other jobs.
"""

import argparse
import errno
import faulthandler
import json
import logging
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from cifake_core.errors import Cancelled, CifakeError
from cifake_core.jobs import claims, launching, ledger, locks, places, registry
from cifake_core.jobs.database import opened
from cifake_core.jobs.monitor import Monitor
from cifake_core.jobs.states import Job
from cifake_core.settings import Settings
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace

_NICE = 5  # pages stay quick while a grid trains
_PATIENCE_S = 60.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_log = logging.getLogger("job")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cifake_core.jobs.runner", description="Runs one claimed job.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--token", type=int, required=True)
    given = parser.parse_args(arguments)
    workspace = Workspace(given.home.absolute())
    born_with = dict(os.environ)
    _settle_in(workspace)
    lock = locks.take(places.job_lock(workspace, given.job), wait_s=5.0)
    if lock is None:
        _log.error("Another process runs this job.")
        return 1
    try:
        job = claims.adopt(workspace, given.job, given.token, os.getpid())
    except claims.Lost:
        _log.error("The job was given to another process.")
        return 1
    run(workspace, job)
    lock.release()
    _patiently(lambda: launching.ensure_workers(workspace, born_with))  # in case the worker is gone
    return 0


def run(workspace: Workspace, job: Job) -> None:
    """Runs the claimed job's step and writes its one final state, unless the job was lost meanwhile."""
    _log.info("%s, attempt %d", job.title, job.attempts)
    scratch = places.scratch(workspace, job.id)
    scratch.mkdir(parents=True, exist_ok=True)
    monitor = Monitor(workspace, job)
    signal.signal(signal.SIGTERM, _leave_on_signal(monitor))
    error: BaseException | None = None
    result: dict = {}
    with monitor:
        try:
            result = registry.step(job.kind, job.arguments).run(Context(workspace, monitor.on_progress, scratch))
            json.dumps(result)
        except BaseException as raised:  # SystemExit of the signal's handler included: every end is recorded
            error = raised
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here on only the end is recorded
    _patiently(lambda: _record(workspace, job, monitor, result, error))


def _record(workspace: Workspace, job: Job, monitor: Monitor, result: dict, error: BaseException | None) -> None:
    monitor.tell_last()
    if monitor.lost:
        _log.error("The job was given to another process; what this one found is not recorded.")
    elif error is None:
        recorded = claims.finish(workspace, job.id, job.token, result)
        _log.info("done" if recorded else "The job was given to another process; its result is not recorded.")
    elif monitor.asked_to_stop and isinstance(error, Cancelled | SystemExit):
        claims.stopped(workspace, job.id, job.token)
        _log.info("stopped as asked")
    elif isinstance(error, Cancelled):
        claims.stopped(workspace, job.id, job.token, by_itself=True)
        _log.info("%s", error)
    else:
        _log.error("%s", "".join(traceback.format_exception(error)).rstrip())
        claims.fail(workspace, job.id, job.token, sentence(error))


def sentence(error: BaseException) -> str:
    """What a user reads about the error; the traceback is in the log."""
    if isinstance(error, CifakeError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full; free some space, then retry the job."
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "The memory is used up; take a smaller batch or fewer jobs at once, then retry."
    return f"The job stopped at an unexpected error ({type(error).__name__}); its log has the details."


def _leave_on_signal(monitor: Monitor) -> Callable[..., None]:
    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough; a second must not break the tidying up
        monitor.ask_to_stop()
        raise SystemExit(128 + signal.SIGTERM)  # passes `except Exception` on its way

    return leave


def _settle_in(workspace: Workspace) -> None:
    """Low priority, a share of the threads, native crashes explained in the log and no core files."""
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    logging.raiseExceptions = False  # a log that cannot be written stops no work
    threads = _threads(workspace)
    if threads:
        os.environ["CIFAKE_THREADS"] = str(threads)
        os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))  # read when numpy and torch load, later


def _threads(workspace: Workspace) -> int:
    """CIFAKE_THREADS; without it, several workers share the cores. 0 = all cores."""
    given = Settings.from_environment().threads
    with opened(workspace) as connection:
        workers = ledger.setting(connection, "workers", 1)
    return given or (max(1, (os.cpu_count() or 1) // workers) if workers > 1 else 0)


def _patiently(call: Callable[[], object]) -> None:
    """A database that cannot be written for a while is waited for; in the end the worker settles the job."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            call()
            return
        except CifakeError as error:
            _log.warning("%s", error)
            if time.monotonic() > until:
                return
            time.sleep(1.0)


if __name__ == "__main__":
    sys.exit(main())
