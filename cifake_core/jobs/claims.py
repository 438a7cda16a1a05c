"""What a worker may write: claim a job, report on it, end it. Every write after the claim carries the fencing token.

It knows the rules of retrying; it does not know processes or signals.
"""

import json
import time

from cifake_core.jobs import ledger
from cifake_core.jobs.database import opened
from cifake_core.jobs.states import Job, State, Wish
from cifake_core.store.workspace import Workspace

MOST_CRASHES = 3  # in a row without progress; then the job is poison and fails

# A crashed job lets the healthy ones go first. An equal job that is still being stopped must end before its twin begins.
_CLAIM = """
UPDATE jobs SET state = 'running', wish = NULL, token = token + 1, attempts = attempts + 1, mark = done, slot = :slot,
    pid = NULL, remaining_s = NULL, started_monotonic = :monotonic, updated_monotonic = :monotonic,
    started_at = COALESCE(started_at, :now), error = NULL
WHERE seq = (
    SELECT seq FROM jobs AS waiting WHERE state = 'queued'
    AND (SELECT count(*) FROM jobs WHERE state = 'running') < :limit
    AND NOT EXISTS (SELECT 1 FROM jobs AS twin WHERE twin.state = 'running'
                    AND twin.kind = waiting.kind AND twin.arguments = waiting.arguments)
    ORDER BY crashes, seq LIMIT 1)
RETURNING *
"""


class Lost(Exception):
    """The job was given to somebody else, ended or deleted: this worker must stop and write nothing."""


def claim(workspace: Workspace, slot: int, limit: int) -> Job | None:
    """The next queued job, now running and this worker's; None if there is none or `limit` jobs run already."""
    with opened(workspace, write=True) as connection:
        found = connection.execute(
            _CLAIM, {"slot": slot, "limit": limit, "monotonic": time.monotonic(), "now": time.time()}
        ).fetchone()
        if found is None:
            return None
        ledger.record_event(connection, found["id"], found["token"], State.RUNNING, f"attempt {found['attempts']}")
        return ledger.as_job(found)


def adopt(workspace: Workspace, job_id: str, token: int, pid: int) -> Job:
    """The process that will run the job says who it is; raises Lost if it comes too late."""
    with opened(workspace, write=True) as connection:
        found = connection.execute(
            "UPDATE jobs SET pid = ? WHERE id = ? AND token = ? AND state = 'running' RETURNING *", (pid, job_id, token)
        ).fetchone()
        if found is None:
            raise Lost(job_id)
        return ledger.as_job(found)


def report(
    workspace: Workspace, job_id: str, token: int, *, done: int, total: int, message: str, remaining_s: float | None
) -> None:
    """Writes progress; raises Lost."""
    with opened(workspace, write=True) as connection:
        changed = connection.execute(
            "UPDATE jobs SET done = ?, total = ?, message = ?, remaining_s = ?, updated_monotonic = ? "
            "WHERE id = ? AND token = ? AND state = 'running'",
            (done, total, message, remaining_s, time.monotonic(), job_id, token),
        )
        if changed.rowcount == 0:
            raise Lost(job_id)


def wish(workspace: Workspace, job_id: str, token: int) -> tuple[Wish | None, float]:
    """What the user wants of the running job, and for how many seconds already; raises Lost."""
    with opened(workspace) as connection:
        found = connection.execute(
            "SELECT wish, wish_monotonic FROM jobs WHERE id = ? AND token = ? AND state = 'running'", (job_id, token)
        ).fetchone()
    if found is None:
        raise Lost(job_id)
    if found["wish"] is None:
        return None, 0.0
    return Wish(found["wish"]), time.monotonic() - found["wish_monotonic"]


def finish(workspace: Workspace, job_id: str, token: int, result: dict) -> bool:
    """Done, with its result. A cancel that comes too late changes nothing. False if the job was lost."""
    text = json.dumps(result)
    with opened(workspace, write=True) as connection:
        return ledger.move(
            connection, job_id, State.DONE, since=State.RUNNING, token=token, until=time.monotonic(), result=text, crashes=0
        )


def fail(workspace: Workspace, job_id: str, token: int, error: str) -> bool:
    """An error of the step itself is final: the same settings would fail again. False if the job was lost."""
    with opened(workspace, write=True) as connection:
        return ledger.move(
            connection, job_id, State.FAILED, since=State.RUNNING, token=token, until=time.monotonic(), error=error, note=error
        )


def stopped(workspace: Workspace, job_id: str, token: int, *, by_itself: bool = False) -> bool:
    """The step left because it was asked to: cancelled or paused by the user's wish.

    Without a wish it was the machine that asked (shutdown), or the user took the wish back: the job queues again.
    `by_itself`: nobody asked, the step cancelled its own work.
    """
    with opened(workspace, write=True) as connection:
        asked = ledger.row(connection, job_id)["wish"]
        to = {Wish.CANCEL: State.CANCELLED, Wish.PAUSE: State.PAUSED}.get(asked, State.CANCELLED if by_itself else State.QUEUED)
        return ledger.move(
            connection, job_id, to, since=State.RUNNING, token=token, until=time.monotonic(), note="stopped as asked"
        )


def crashed(workspace: Workspace, job_id: str, token: int, how: str) -> State | None:
    """The process is gone and left the job running: what becomes of it. None if another settled it already.

    A job that got further than the attempt before is healthy and begins its count anew.
    """
    with opened(workspace, write=True) as connection:
        found = connection.execute(
            "SELECT * FROM jobs WHERE id = ? AND token = ? AND state = 'running'", (job_id, token)
        ).fetchone()
        if found is None:
            return None
        crashes = 1 if found["done"] > found["mark"] else found["crashes"] + 1
        asked = {Wish.CANCEL: State.CANCELLED, Wish.PAUSE: State.PAUSED}.get(found["wish"])
        columns: dict[str, object] = {"crashes": crashes}
        to = asked or (State.FAILED if crashes >= MOST_CRASHES else State.QUEUED)
        if to == State.FAILED:
            columns["error"] = f"{how} {crashes} times without getting further; read its log, then change the settings or retry."
        ledger.move(connection, job_id, to, since=State.RUNNING, token=token, note=how, **columns)
        return to


def release_slot(workspace: Workspace, slot: int) -> None:
    """The new holder of a slot's lock disowns what the last holder left, so that its jobs are judged by their own locks."""
    with opened(workspace, write=True) as connection:
        connection.execute("UPDATE jobs SET slot = NULL WHERE slot = ? AND state = 'running'", (slot,))
