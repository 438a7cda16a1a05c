"""Rows and moves: the one place where a job's state is written. It does not know who asks or why.

Every move names the states it may start from and, for a worker, the fencing token it was given: a worker that was
replaced meanwhile changes nothing. Each move leaves one event in the same transaction.
"""

import json
import sqlite3
import time
from datetime import UTC, datetime

from cifake_core.errors import NotFound
from cifake_core.jobs.states import FINAL, MOVES, Job, State, Wish


def row(connection: sqlite3.Connection, job_id: str) -> sqlite3.Row:
    found = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if found is None:
        raise NotFound(f"There is no job {job_id[:80]!r}; it may have been deleted, list the jobs again.")
    return found


def move(
    connection: sqlite3.Connection, job_id: str, to: State, *, since: frozenset[State] | State, token: int | None = None,
    note: str = "", until: float | None = None, **columns: object,
) -> bool:  # fmt: skip
    """Moves the job if it is in one of `since` (and still has this token); False if it is not, and nothing is written.

    `until`: the monotonic second to which a running job worked; without it, its last sign of life.
    """
    since = frozenset({since}) if isinstance(since, State) else since
    assert all(to in MOVES[state] for state in since), f"{since} → {to} is no move"
    now = time.time()
    columns = {"finished_at": now if to in FINAL else None, "wish": None, "wish_monotonic": None, **columns, "state": to}
    if State.RUNNING in since:
        columns = {"slot": None, "pid": None, "remaining_s": None, **columns}
    places = ", ".join(f"{name} = :{name}" for name in columns)
    states = ", ".join(f"'{state}'" for state in since)
    # the time of this attempt is added to what was spent before, in the same statement that ends it
    spent = (
        ", spent_s = spent_s + max(0, COALESCE(COALESCE(:until, updated_monotonic) - started_monotonic, 0))"
        ", started_monotonic = NULL"
    )
    changed = connection.execute(
        f"UPDATE jobs SET {places}{spent if State.RUNNING in since else ''} "
        f"WHERE id = :id AND state IN ({states}) AND (:fence IS NULL OR token = :fence) RETURNING token",
        {**columns, "id": job_id, "fence": token, "until": until},
    ).fetchone()
    if changed is None:
        return False
    record_event(connection, job_id, changed["token"], to, note)
    return True


def record_event(connection: sqlite3.Connection, job_id: str, token: int, state: State, note: str) -> None:
    connection.execute(
        "INSERT INTO events (job, at, token, state, note) VALUES (?, ?, ?, ?, ?)", (job_id, time.time(), token, state, note)
    )


def as_job(found: sqlite3.Row) -> Job:
    now = time.monotonic()
    running = found["state"] == State.RUNNING and found["started_monotonic"] is not None
    this_attempt = max(0.0, now - found["started_monotonic"]) if running else 0.0
    remaining = found["remaining_s"] if running else None
    if remaining is not None:
        remaining = max(0.0, remaining - max(0.0, now - found["updated_monotonic"]))
    return Job(
        **{name: found[name] for name in ("id", "kind", "title", "done", "total", "message", "attempts", "error", "pid", "token")},
        arguments=json.loads(found["arguments"]),
        state=State(found["state"]),
        created_at=_utc(found["created_at"]),
        started_at=_utc(found["started_at"]),
        finished_at=_utc(found["finished_at"]),
        result=json.loads(found["result"]) if found["result"] is not None else None,
        estimate_s=remaining,
        elapsed_s=found["spent_s"] + this_attempt,
        wish=Wish(found["wish"]) if found["wish"] else None,
    )


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def setting(connection: sqlite3.Connection, name: str, default: int) -> int:
    found = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return default if found is None else int(found["value"])
