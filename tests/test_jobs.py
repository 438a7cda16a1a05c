"""The rules of jobs: states, claims, fencing, the database and its doubts, all in one process."""

import os
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from cifake_core.errors import BadInput, Conflict, Damaged, NotFound, Refused
from cifake_core.jobs import claims, database, launching, ledger, locks, places, queue, recovery
from cifake_core.jobs.pace import Pace, onward
from cifake_core.jobs.states import FINAL, MOVES, State
from cifake_core.store.workspace import Workspace
from tests.rehearsing import end_all, states_of, submit


@pytest.fixture
def workspace(tmp_path):
    home = Workspace(tmp_path / "home")
    yield home
    end_all(home)


def test_a_job_goes_through_the_states_of_the_table_and_no_others():
    assert MOVES[State.QUEUED] == {State.RUNNING, State.PAUSED, State.CANCELLED}
    assert MOVES[State.DONE] == frozenset()
    assert {State.DONE, State.FAILED, State.CANCELLED} == FINAL
    assert all(State.RUNNING in MOVES[state] for state in State if state == State.QUEUED)
    assert not any(State.RUNNING in MOVES[state] for state in State if state != State.QUEUED)


def test_a_move_the_table_does_not_know_is_refused(workspace):
    job = submit(workspace, start=False)
    with database.opened(workspace, write=True) as connection, pytest.raises(AssertionError):
        ledger.move(connection, job.id, State.DONE, since=State.QUEUED)


def test_what_the_step_refuses_is_never_queued(workspace):
    with pytest.raises(BadInput, match="ending"):
        submit(workspace, ending="applause")
    with pytest.raises(BadInput, match="no job of kind"):
        queue.submit(workspace, "os:system", {}, title="x")
    with pytest.raises(BadInput, match="plain numbers"):
        queue.submit(workspace, "rehearsal", {"name": object()}, title="x")
    assert queue.jobs(workspace) == []


def test_twenty_clicks_at_once_start_one_job(workspace):
    seen: list[str] = []
    clicks = [threading.Thread(target=lambda: seen.append(submit(workspace, start=False).id)) for _ in range(20)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert len(seen) == 20
    assert len(set(seen)) == 1
    assert len(queue.jobs(workspace)) == 1
    assert submit(workspace, "two", start=False).id not in seen


def test_an_equal_job_may_start_again_once_the_first_is_being_cancelled_but_not_beside_it(workspace):
    first = submit(workspace, start=False)
    claims.claim(workspace, slot=0, limit=4)
    with locks.take(places.slot_lock(workspace, 0)):
        queue.cancel(workspace, first.id)
        second = submit(workspace, start=False)
        assert second.id != first.id
        assert claims.claim(workspace, slot=1, limit=4) is None  # the first has not ended yet
        claims.stopped(workspace, first.id, token=1)
        assert claims.claim(workspace, slot=1, limit=4).id == second.id


def test_a_waiting_job_is_cancelled_paused_and_resumed_at_once(workspace):
    job = submit(workspace, start=False)
    assert queue.pause(workspace, job.id).state == State.PAUSED
    assert claims.claim(workspace, 0, 1) is None
    assert queue.resume(workspace, job.id, start=False).state == State.QUEUED
    cancelled = queue.cancel(workspace, job.id)
    assert cancelled.state == State.CANCELLED
    assert cancelled.finished_at is not None
    assert queue.cancel(workspace, job.id) == cancelled  # a second click changes nothing
    with pytest.raises(Conflict, match="cancelled and cannot be paused"):
        queue.pause(workspace, job.id)
    assert queue.retry(workspace, job.id, start=False).state == State.QUEUED
    assert states_of(workspace, job.id) == ["queued", "paused", "queued", "cancelled", "queued"]


def test_submitting_a_paused_job_resumes_it(workspace):
    job = submit(workspace, start=False)
    queue.pause(workspace, job.id)
    assert submit(workspace, start=False).id == job.id
    assert queue.job(workspace, job.id).state == State.QUEUED


def test_never_more_jobs_run_than_allowed(workspace):
    for name in ("a", "b", "c"):
        submit(workspace, name, start=False)
    assert claims.claim(workspace, 0, limit=2).title == "Rehearse a"
    assert claims.claim(workspace, 1, limit=2).title == "Rehearse b"
    assert claims.claim(workspace, 2, limit=2) is None


def test_a_stale_worker_can_write_nothing(workspace):
    job = submit(workspace, start=False)
    old = claims.claim(workspace, 0, 1)
    assert claims.crashed(workspace, job.id, old.token, "It died") == State.QUEUED
    new = claims.claim(workspace, 0, 1)
    assert (old.token, new.token, new.attempts) == (1, 2, 2)
    before = queue._read(workspace, job.id)
    with pytest.raises(claims.Lost):
        claims.report(workspace, job.id, old.token, done=9, total=9, message="stale", remaining_s=None)
    with pytest.raises(claims.Lost):
        claims.adopt(workspace, job.id, old.token, pid=1)
    assert not claims.finish(workspace, job.id, old.token, {"stale": True})
    assert not claims.fail(workspace, job.id, old.token, "stale")
    assert not claims.stopped(workspace, job.id, old.token)
    assert claims.crashed(workspace, job.id, old.token, "stale") is None
    after = queue._read(workspace, job.id)
    assert (after.state, after.done, after.result, after.error) == (before.state, 0, None, None)
    assert claims.finish(workspace, job.id, new.token, {"fresh": True})
    assert queue._read(workspace, job.id).result == {"fresh": True}


def test_three_crashes_without_progress_fail_a_job_but_progress_starts_the_count_anew(workspace):
    job = submit(workspace, start=False)
    for done, outcome in [(0, "queued"), (0, "queued"), (2, "queued"), (2, "queued"), (2, "failed")]:
        claimed = claims.claim(workspace, 0, 1)
        if done > claimed.done:
            claims.report(workspace, job.id, claimed.token, done=done, total=9, message="", remaining_s=None)
        assert claims.crashed(workspace, job.id, claimed.token, "It died") == outcome
    failed = queue.job(workspace, job.id)
    assert failed.error.startswith("It died 3 times without getting further")
    assert failed.attempts == 5


def test_a_changed_clock_reaps_nobody(workspace, monkeypatch):
    submit(workspace, start=False)
    job = claims.claim(workspace, 0, 1)
    now = time.time()
    with locks.take(places.job_lock(workspace, job.id)):
        for shift_s in (86_400, -86_400):
            monkeypatch.setattr(time, "time", lambda shift_s=shift_s: now + shift_s)
            assert recovery.reap(workspace) == 0
            read = queue.job(workspace, job.id)
            assert read.state == State.RUNNING
            assert 0 <= read.elapsed_s < 60
    monkeypatch.undo()
    monkeypatch.setattr(launching, "ensure_workers", lambda *_: 0)
    assert recovery.reap(workspace) == 1
    assert queue.job(workspace, job.id).state == State.QUEUED


def test_a_lock_is_seen_by_its_own_process_and_freed_with_its_holder(tmp_path):
    path = tmp_path / "lock"
    assert not locks.held(path)
    with locks.take(path):
        assert locks.held(path)
        assert locks.held(path)  # asking did not drop it
        assert locks.take(path, wait_s=0) is None
        probe = "import sys; from pathlib import Path; from cifake_core.jobs import locks; print(locks.held(Path(sys.argv[1])))"
        seen = subprocess.run([sys.executable, "-c", probe, str(path)], capture_output=True, text=True, check=True)
        assert seen.stdout.strip() == "True"
    assert not locks.held(path)


def test_run_here_gives_the_result_and_records_no_job(workspace):
    seen = []
    result = queue.run_here(workspace, "rehearsal", {"name": "here", "units": 2}, lambda *told: seen.append(told))
    assert result == {"units": 2, "made_by_last_attempt": 2}
    assert seen == [(1, 2, "unit 1"), (2, 2, "unit 2")]
    assert queue.jobs(workspace) == []


def test_finished_jobs_are_deleted_with_their_files_and_active_ones_are_not(workspace):
    ids = [submit(workspace, name, start=False).id for name in "abcd"]
    for job_id in ids[:3]:
        queue.cancel(workspace, job_id)
        places.scratch(workspace, job_id).mkdir(parents=True)
    with pytest.raises(Conflict, match="queued and cannot be deleted"):
        queue.delete(workspace, ids[3])
    assert queue.prune(workspace, keep=1) == 2
    assert [job.id for job in queue.jobs(workspace)] == [ids[3], ids[2]]  # newest first
    assert not places.folder(workspace, ids[0]).exists()
    with pytest.raises(NotFound, match="no job"):
        queue.job(workspace, ids[0])
    with pytest.raises(NotFound):
        queue.log_tail(workspace, "../../etc/passwd")


def test_the_log_tail_is_short_plain_text_whatever_the_file_holds(workspace):
    job = submit(workspace, start=False)
    path = places.log(workspace, job.id)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 200_000 + b"\nfirst\n\x1b[31mred\x1b[0m \xff\x00\n 10%\r 50%\r100%\nlast\n")
    assert queue.log_tail(workspace, job.id) == "first\nred �\n100%\nlast"
    assert queue.log_tail(workspace, job.id, lines=1) == "last"


def test_the_estimate_of_a_steady_pace_is_the_remaining_units_over_it():
    pace = Pace()
    assert pace.remaining_s(100) is None
    for second in range(11):
        pace.see(second * 2, float(second))  # two units a second
    assert pace.remaining_s(100) == pytest.approx((100 - 20) / 2)


def test_units_skipped_after_a_resume_are_soon_forgotten():
    pace = Pace()
    for done in range(41):
        pace.see(done, done * 1e-3)  # forty finished cells, skipped within 40 ms
    assert pace.remaining_s(100) is None
    for cell in range(1, 21):
        pace.see(40 + cell, 10.0 * cell)  # then ten seconds each
    assert pace.remaining_s(100) == pytest.approx(40 * 10, rel=0.2)


def test_shown_progress_never_goes_back():
    assert onward(3, 10, (0, 0)) == (3, 10)
    assert onward(3, 10, (5, 10)) == (5, 10)
    assert onward(0, 20, (5, 10)) == (10, 20)  # half was shown, half it stays
    assert onward(0, 0, (5, 10)) == (5, 10)
    assert onward(30, 20, (5, 10)) == (20, 20)


@pytest.mark.parametrize("content", [b"", b"this is no database " * 100], ids=["empty", "garbage"])
def test_a_damaged_database_is_refused_until_the_user_puts_it_aside(workspace, content):
    workspace.home.mkdir()
    workspace.database.write_bytes(content)
    for call in (lambda: queue.jobs(workspace), lambda: submit(workspace, start=False)):
        with pytest.raises(Damaged, match=r"lab\.sqlite, is damaged"):
            call()
    assert workspace.database.read_bytes() == content
    aside = database.quarantine(workspace)
    assert aside.read_bytes() == content
    assert queue.jobs(workspace) == []


def test_a_database_with_a_torn_page_is_refused(workspace, monkeypatch):
    for n in range(40):
        submit(workspace, f"n{n}", start=False)
    with workspace.database.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096 * 3))
    monkeypatch.setattr(database, "_checked", set())  # as a new process sees it
    with pytest.raises(Damaged), database.opened(workspace):
        pass  # found at the first opening, before anything is read


def test_a_newer_or_foreign_database_is_refused_and_left_as_it_is(workspace):
    submit(workspace, start=False)
    connection = sqlite3.connect(workspace.database)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Refused, match="format 99"):
        queue.jobs(workspace)
    with pytest.raises(Refused):
        database.quarantine(workspace)
    connection = sqlite3.connect(workspace.database)
    connection.execute("PRAGMA application_id = 1")
    connection.close()
    with pytest.raises(Refused, match="not made by CIFAKE Lab"):
        queue.jobs(workspace)


def test_a_sound_database_is_not_put_aside(workspace):
    submit(workspace, start=False)
    with pytest.raises(Conflict, match="sound"):
        database.quarantine(workspace)


def test_the_journal_is_no_wal_where_sqlite_can_corrupt_it(workspace):
    submit(workspace, start=False)
    with database.opened(workspace) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    assert mode == ("wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "delete")


def test_workers_are_between_one_and_sixty_four(workspace):
    assert queue.workers(workspace) == 1
    queue.set_workers(workspace, 4)
    assert queue.workers(workspace) == 4
    with pytest.raises(BadInput):
        queue.set_workers(workspace, 0)


def test_the_jobs_load_without_torch_and_streamlit():
    code = "import sys, cifake_core.jobs.queue; print([m for m in ('torch', 'streamlit', 'numpy', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
