"""Finds running jobs whose process is gone and settles them; finishes off those that ignore the user's wish.

Judged by locks, never by a clock or a pid. Anybody may call it, at any time, as often as they like: pages and the
command line on every listing, workers while they wait.
"""

import signal

from cifake_core.jobs import claims, launching, locks, places, processes
from cifake_core.jobs.database import opened
from cifake_core.store.workspace import Workspace

TERM_AFTER_S = 8.0  # since the wish: politely
KILL_AFTER_S = 13.0  # for good; the user was promised 20, and a machine that others use, too, may be late by seconds


def reap(workspace: Workspace) -> int:
    """Settles every running job that nobody runs; returns how many. What queues again is started again."""
    if not workspace.database.exists():
        return 0
    with opened(workspace) as connection:
        rows = connection.execute("SELECT id, token, slot FROM jobs WHERE state = 'running'").fetchall()
    settled = 0
    for row in rows:
        if alive(workspace, row["id"], row["slot"]):
            _hurry(workspace, row["id"], row["token"], row["slot"])
            continue
        processes.signal_attempt(row["id"], row["token"], signal.SIGKILL)  # children that outlived it
        settled += claims.crashed(workspace, row["id"], row["token"], processes.described(None)) is not None
    if settled:
        launching.ensure_workers(workspace)
    return settled


def alive(workspace: Workspace, job_id: str, slot: int | None) -> bool:
    """The job's process holds its lock, or its worker lives and is about to start or to settle it."""
    if locks.held(places.job_lock(workspace, job_id)):
        return True
    return slot is not None and locks.held(places.slot_lock(workspace, slot))


def _hurry(workspace: Workspace, job_id: str, token: int, slot: int | None) -> None:
    """The last resort for a job whose worker is gone, too: normally the worker has done this already."""
    if slot is not None and locks.held(places.slot_lock(workspace, slot)):
        return
    try:
        urge(workspace, job_id, token)
    except claims.Lost:
        return


def urge(workspace: Workspace, job_id: str, token: int) -> signal.Signals | None:
    """Sends what the age of the user's wish calls for; returns it. Raises Lost if the job is no longer this attempt's."""
    asked, age_s = claims.wish(workspace, job_id, token)
    if asked is None or age_s < TERM_AFTER_S:
        return None
    number = signal.SIGKILL if age_s >= KILL_AFTER_S else signal.SIGTERM
    processes.signal_attempt(job_id, token, number)
    return number
