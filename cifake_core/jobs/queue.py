"""What pages and the command line do with jobs: submit, look, cancel, pause, resume, retry, delete, read the log.

Each call is one short transaction; nothing is kept in memory, so it makes no difference which process asks.
"""

import json
import re
import secrets
import shutil
import sqlite3
import time

from cifake_core.errors import BadInput, Conflict
from cifake_core.jobs import launching, ledger, places, recovery, registry
from cifake_core.jobs.database import opened
from cifake_core.jobs.states import ACTIVE, FINAL, Job, State, Wish
from cifake_core.progress import Progress, silent
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace

_MOST_WORKERS = 64
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")  # terminal colours, stray control characters


def submit(workspace: Workspace, kind: str, arguments: dict, *, title: str, start: bool = True) -> Job:
    """The queued job. An equal one that is queued, running or paused is returned (and resumed) instead of a second.

    Raises BadInput before anything is queued if the step refuses its settings. `start=False` leaves it to the next
    call that starts workers. Paths in the arguments must be absolute: the worker has its own working directory.
    """
    text = _checked(kind, arguments)
    with opened(workspace, write=True) as connection:
        job_id = _active_twin(connection, kind, text)
        if job_id is None:
            job_id = f"{kind}-{secrets.token_hex(4)}"
            connection.execute(
                "INSERT INTO jobs (id, kind, title, arguments, state, created_at) VALUES (?, ?, ?, ?, 'queued', ?)",
                (job_id, kind, title, text, time.time()),
            )
            ledger.record_event(connection, job_id, 0, State.QUEUED, "submitted")
        else:
            _wake(connection, ledger.row(connection, job_id))
    return _started(workspace, job_id, start)


def run_here(workspace: Workspace, kind: str, arguments: dict, on_progress: Progress = silent) -> dict:
    """Runs the step in this process and returns its result; for the command line and tests. No job is recorded."""
    return registry.step(kind, json.loads(_checked(kind, arguments))).run(Context(workspace, on_progress))


def jobs(workspace: Workspace, limit: int = 100, states: frozenset[State] | None = None) -> list[Job]:
    """The newest first. Jobs whose process died are settled before, and go on where they were."""
    recovery.reap(workspace)
    wanted = ", ".join(f"'{state}'" for state in (frozenset(State) if states is None else states))
    with opened(workspace) as connection:
        rows = connection.execute(f"SELECT * FROM jobs WHERE state IN ({wanted}) ORDER BY seq DESC LIMIT ?", (limit,))
        return [ledger.as_job(found) for found in rows.fetchall()]


def job(workspace: Workspace, job_id: str) -> Job:
    """Raises NotFound."""
    recovery.reap(workspace)
    return _read(workspace, job_id)


def cancel(workspace: Workspace, job_id: str) -> Job:
    """A waiting job ends at once, a running one within 20 seconds; a finished one stays as it is."""
    with opened(workspace, write=True) as connection:
        ledger.row(connection, job_id)
        if not ledger.move(connection, job_id, State.CANCELLED, since=frozenset({State.QUEUED, State.PAUSED})):
            connection.execute(
                "UPDATE jobs SET wish = 'cancel', wish_monotonic = ? WHERE id = ? AND state = 'running' AND wish IS NOT 'cancel'",
                (time.monotonic(), job_id),
            )
    return job(workspace, job_id)


def pause(workspace: Workspace, job_id: str) -> Job:
    """Stops the job until `resume`; its process ends within 20 seconds. Raises Conflict if it is over already."""
    with opened(workspace, write=True) as connection:
        _must_be(connection, job_id, ACTIVE, "paused")
        if not ledger.move(connection, job_id, State.PAUSED, since=State.QUEUED):
            connection.execute(
                "UPDATE jobs SET wish = 'pause', wish_monotonic = ? WHERE id = ? AND state = 'running' AND wish IS NULL",
                (time.monotonic(), job_id),
            )
    return job(workspace, job_id)


def resume(workspace: Workspace, job_id: str, *, start: bool = True) -> Job:
    """Queues a paused job again; it continues where it was. Raises Conflict if it is over already."""
    with opened(workspace, write=True) as connection:
        _wake(connection, _must_be(connection, job_id, ACTIVE, "resumed"))
    return _started(workspace, job_id, start)


def retry(workspace: Workspace, job_id: str, *, start: bool = True) -> Job:
    """Queues a failed or cancelled job again from a clean record. If an equal job is active, that one is returned."""
    with opened(workspace, write=True) as connection:
        found = _must_be(connection, job_id, frozenset(State) - {State.DONE}, "retried")
        if found["state"] in FINAL:
            twin = _active_twin(connection, found["kind"], found["arguments"])
            if twin is None:
                fresh = {"attempts": 0, "crashes": 0, "done": 0, "total": 0, "message": "", "error": None, "started_at": None}
                since = frozenset({State.FAILED, State.CANCELLED})
                ledger.move(connection, job_id, State.QUEUED, since=since, note="retried", spent_s=0, **fresh)
            job_id = twin or job_id
    return _started(workspace, job_id, start)


def delete(workspace: Workspace, job_id: str) -> None:
    """Forgets a finished job and removes its log and previews; what it made stays. Raises Conflict while it is active."""
    with opened(workspace, write=True) as connection:
        _must_be(connection, job_id, FINAL, "deleted")
        connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
    shutil.rmtree(places.folder(workspace, job_id), ignore_errors=True)


def prune(workspace: Workspace, keep: int = 200) -> int:
    """Deletes the oldest finished jobs but the newest `keep`; returns how many."""
    finished = jobs(workspace, limit=1_000_000, states=FINAL)[max(keep, 0) :]
    for old in finished:
        try:
            delete(workspace, old.id)
        except Conflict:  # retried meanwhile
            continue
    return len(finished)


def events(workspace: Workspace, job_id: str) -> list[dict]:
    """What happened to the job, oldest first: {"at" (UNIX seconds), "state", "note"}."""
    with opened(workspace) as connection:
        ledger.row(connection, job_id)
        rows = connection.execute("SELECT at, state, note FROM events WHERE job = ? ORDER BY seq", (job_id,)).fetchall()
    return [dict(found) for found in rows]


def log_tail(workspace: Workspace, job_id: str, lines: int = 50, most_bytes: int = 65_536) -> str:
    """The last lines of the job's log, plain text however long or odd the file is; empty if it wrote none yet."""
    _read(workspace, job_id)
    try:
        with places.log(workspace, job_id).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most_bytes))
            text = file.read(most_bytes).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    shown = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]  # a progress bar's last state
    if size > most_bytes:
        shown = shown[1:]  # cut in the middle
    return "\n".join(_CONTROL.sub("", line) for line in shown[-lines - 1 :]).strip("\n")


def workers(workspace: Workspace) -> int:
    """How many jobs may run at once in this workspace."""
    with opened(workspace) as connection:
        return ledger.setting(connection, "workers", 1)


def set_workers(workspace: Workspace, count: int) -> None:
    """Takes effect at the next claim; running jobs go on. Raises BadInput outside [1, 64]."""
    if not 1 <= count <= _MOST_WORKERS:
        raise BadInput(f"{count} workers cannot be set; take 1 to {_MOST_WORKERS}.")
    with opened(workspace, write=True) as connection:
        connection.execute("INSERT OR REPLACE INTO settings (name, value) VALUES ('workers', ?)", (str(count),))
    launching.ensure_workers(workspace)


def _checked(kind: str, arguments: dict) -> str:
    """The arguments as the text that is stored, after the step itself has accepted what will be read back from it."""
    try:
        text = json.dumps(arguments, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"The settings of a {kind} job must be plain numbers, texts and lists ({error}).") from error
    registry.step(kind, json.loads(text))
    return text


def _active_twin(connection: sqlite3.Connection, kind: str, arguments: str) -> str | None:
    found = connection.execute(
        "SELECT id FROM jobs WHERE kind = ? AND arguments = ? AND (state IN ('queued', 'paused')"
        " OR (state = 'running' AND wish IS NOT 'cancel'))",
        (kind, arguments),
    ).fetchone()
    return None if found is None else found["id"]


def _wake(connection: sqlite3.Connection, found: sqlite3.Row) -> None:
    """Ends a pause, or takes back the wish for one."""
    ledger.move(connection, found["id"], State.QUEUED, since=State.PAUSED, note="resumed")
    connection.execute("UPDATE jobs SET wish = NULL, wish_monotonic = NULL WHERE id = ? AND wish = ?", (found["id"], Wish.PAUSE))


def _must_be(connection: sqlite3.Connection, job_id: str, states: frozenset[State], what: str) -> sqlite3.Row:
    found = ledger.row(connection, job_id)
    if found["state"] not in states:
        raise Conflict(f"The job {found['title']!r} is {found['state']} and cannot be {what}; list the jobs again.")
    return found


def _started(workspace: Workspace, job_id: str, start: bool) -> Job:
    if start:
        launching.ensure_workers(workspace)
    return _read(workspace, job_id)


def _read(workspace: Workspace, job_id: str) -> Job:
    with opened(workspace) as connection:
        return ledger.as_job(ledger.row(connection, job_id))
