"""Between a running step and the database: a thread that writes progress, listens for the user's wish and keeps the log.

`on_progress` itself only notes a value and looks at a flag, so a step may call it in its innermost loop. The thread is
also the job's own executioner when it ignores the wish and no worker is left to urge it. It does not know what runs.
"""

import logging
import os
import signal
import threading
import time

from cifake_core.errors import Cancelled, CifakeError
from cifake_core.jobs import claims, recovery
from cifake_core.jobs.pace import Pace, onward
from cifake_core.jobs.states import Job
from cifake_core.store.workspace import Workspace

_TICK_S = 0.25
_LOG_EVERY_S = 1.0
_KILL_MYSELF_AFTER_S = recovery.KILL_AFTER_S + 0.5  # the worker goes first: it sees the end
_log = logging.getLogger("job")


class Monitor:
    """A context: while it is open, the job's row follows `on_progress` at most four times a second."""

    def __init__(self, workspace: Workspace, job: Job) -> None:
        self._workspace, self._job = workspace, job
        self._told = (job.done, job.total, job.message)  # what the row shows
        self._now: tuple[int, int, str] | None = None  # what the step said last
        self._pace = Pace()
        self._logged = ("", -_LOG_EVERY_S)
        self._stop = threading.Event()  # the step must leave
        self._over = threading.Event()  # the step has left
        self._thread = threading.Thread(target=self._follow, name="monitor", daemon=True)
        self.lost = False  # another attempt owns the job now

    @property
    def asked_to_stop(self) -> bool:
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def on_progress(self, done: int, total: int, message: str) -> None:
        """What the step calls; raises Cancelled once it must leave."""
        self._now = int(done), int(total), str(message)
        self._pace.see(int(done), time.monotonic())
        if self._stop.is_set():
            raise Cancelled(f"{self._job.title} was stopped at {done} of {total}.")

    def __enter__(self) -> "Monitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def tell_last(self) -> None:
        """What the step said last, after the thread has ended; raises CifakeError while it cannot be written."""
        try:
            self._tell(final=True)
        except claims.Lost:
            self.lost = True

    def _follow(self) -> None:
        while not self._over.wait(_TICK_S):
            self._beat()

    def _beat(self) -> None:
        try:
            self._tell()
            asked, age_s = claims.wish(self._workspace, self._job.id, self._job.token)
        except claims.Lost:
            self.lost = True
            self._stop.set()
            return
        except CifakeError as error:  # a full disk or a busy database: the work goes on, the next beat tells more
            _log.warning("%s", error)
            return
        if asked is not None:
            self._stop.set()
        if age_s >= _KILL_MYSELF_AFTER_S:
            self._end_group()

    def _tell(self, final: bool = False) -> None:
        if self._now is None:
            return
        done, total, message = self._now
        self._write_log(done, total, message, final)
        shown = (*onward(done, total, self._told[:2]), message)
        if shown != self._told:
            remaining_s = self._pace.remaining_s(total)
            claims.report(
                self._workspace, self._job.id, self._job.token,
                done=shown[0], total=shown[1], message=message, remaining_s=remaining_s,
            )  # fmt: skip
            self._told = shown

    def _write_log(self, done: int, total: int, message: str, final: bool) -> None:
        said, at = self._logged
        if message != said and (final or time.monotonic() - at >= _LOG_EVERY_S):
            self._logged = message, time.monotonic()
            _log.info("%d of %d: %s", done, total, message)

    def _end_group(self) -> None:
        _log.error("The step did not leave when it was asked to; its processes are killed.")
        claims.stopped(self._workspace, self._job.id, self._job.token)
        os.killpg(os.getpgrp(), signal.SIGKILL)
