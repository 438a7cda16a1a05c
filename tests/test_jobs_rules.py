"""The rules of jobs one by one, in one process and without waiting: order, wishes, retries, signals, times, how each end is recorded."""

import errno
import signal
import time
from pathlib import Path

import pytest

from cifake_core.errors import BadInput, Cancelled, Conflict
from cifake_core.jobs import claims, launching, ledger, locks, places, processes, queue, recovery, runner, worker
from cifake_core.jobs.database import opened
from cifake_core.jobs.monitor import Monitor
from cifake_core.jobs.states import State, Wish
from cifake_core.store.workspace import Workspace
from tests.rehearsing import states_of, submit


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    """A workspace in which no process is ever started or signalled."""
    monkeypatch.setattr(launching, "ensure_workers", lambda *_: 0)
    monkeypatch.setattr(processes, "signal_attempt", lambda *_: 0)
    return Workspace(tmp_path / "home")


def claimed(workspace: Workspace, name: str = "one", slot: int = 0, limit: int = 8):
    """A submitted and claimed job, its worker's slot held for as long as the test runs."""
    submit(workspace, name, start=False)
    locks.take(places.slot_lock(workspace, slot))
    return claims.claim(workspace, slot, limit)


@pytest.fixture(autouse=True)
def _let_go():
    yield
    for path in list(locks._held):
        locks.Lock(Path(path)).release()


def read(workspace: Workspace, job_id: str):
    return queue._read(workspace, job_id)


# ---- who goes first


def test_the_oldest_job_goes_first_and_one_that_crashed_after_all_others(workspace):
    for name in "abc":
        submit(workspace, name, start=False)
    first = claims.claim(workspace, 0, 1)
    assert first.title == "Rehearse a"
    claims.crashed(workspace, first.id, first.token, "It died")
    order = []
    for _ in range(3):
        job = claims.claim(workspace, 0, 1)
        order.append(job.title[-1])
        claims.finish(workspace, job.id, job.token, {})
    assert order == ["b", "c", "a"]


def test_among_crashed_jobs_the_one_with_fewer_crashes_goes_first(workspace):
    for name, crashes in (("a", 2), ("b", 1)):
        submit(workspace, name, start=False)
        for _ in range(crashes):
            with opened(workspace, write=True) as connection:
                connection.execute("UPDATE jobs SET crashes = crashes + 1 WHERE title = ?", (f"Rehearse {name}",))
    assert claims.claim(workspace, 0, 1).title == "Rehearse b"


def test_a_claim_begins_a_new_attempt_with_a_new_token(workspace):
    first = claimed(workspace)
    assert (first.state, first.attempts, first.token, first.pid) == (State.RUNNING, 1, 1, None)
    claims.adopt(workspace, first.id, first.token, 4711)
    assert read(workspace, first.id).pid == 4711
    claims.crashed(workspace, first.id, first.token, "It died")
    second = claims.claim(workspace, 0, 1)
    assert (second.attempts, second.token, second.pid, second.started_at) == (2, 2, None, first.started_at)


# ---- how it ends


@pytest.mark.parametrize(
    ("wish", "by_itself", "state"),
    [(None, False, State.QUEUED), (None, True, State.CANCELLED), (Wish.CANCEL, False, State.CANCELLED), (Wish.PAUSE, False, State.PAUSED)],
)
def test_a_step_that_left_is_what_the_user_wished_and_queued_again_if_the_machine_asked(workspace, wish, by_itself, state):
    job = claimed(workspace)
    if wish:
        {Wish.CANCEL: queue.cancel, Wish.PAUSE: queue.pause}[wish](workspace, job.id)
    assert claims.stopped(workspace, job.id, job.token, by_itself=by_itself)
    found = read(workspace, job.id)
    assert (found.state, found.wish) == (state, None)
    assert found.is_final == (found.finished_at is not None) == (state == State.CANCELLED)


@pytest.mark.parametrize(
    ("wish", "done", "state"),
    [(None, 0, State.QUEUED), (Wish.CANCEL, 0, State.CANCELLED), (Wish.PAUSE, 0, State.PAUSED)],
)
def test_a_process_that_died_leaves_the_job_as_the_user_wished_it(workspace, wish, done, state):
    job = claimed(workspace)
    if wish:
        {Wish.CANCEL: queue.cancel, Wish.PAUSE: queue.pause}[wish](workspace, job.id)
    assert claims.crashed(workspace, job.id, job.token, "It died") == state
    assert read(workspace, job.id).state == state


def test_a_cancel_that_comes_too_late_leaves_the_job_done(workspace):
    job = claimed(workspace)
    queue.cancel(workspace, job.id)
    assert claims.finish(workspace, job.id, job.token, {"units": 3})
    found = read(workspace, job.id)
    assert (found.state, found.result, found.error, found.fraction) == (State.DONE, {"units": 3}, None, 1.0)
    assert queue.cancel(workspace, job.id).state == State.DONE


class FakeMonitor:
    def __init__(self, asked_to_stop=False, lost=False):
        self.asked_to_stop, self.lost = asked_to_stop, lost

    def tell_last(self):
        pass


@pytest.mark.parametrize(
    ("monitor", "error", "state", "says"),
    [
        (FakeMonitor(), None, State.DONE, None),
        (FakeMonitor(asked_to_stop=True), None, State.DONE, None),
        (FakeMonitor(asked_to_stop=True), Cancelled("stopped"), State.QUEUED, None),
        (FakeMonitor(asked_to_stop=True), SystemExit(143), State.QUEUED, None),
        (FakeMonitor(), Cancelled("by itself"), State.CANCELLED, None),
        (FakeMonitor(asked_to_stop=True), BadInput("No."), State.FAILED, "No."),
        (FakeMonitor(), BadInput("No."), State.FAILED, "No."),
        (FakeMonitor(), SystemExit(3), State.FAILED, "unexpected error"),
        (FakeMonitor(lost=True), None, State.RUNNING, None),
    ],
)
def test_each_end_of_a_step_is_recorded_as_what_it_was(workspace, monitor, error, state, says):
    job = claimed(workspace)
    runner._record(workspace, job, monitor, {"a": 1}, error)
    found = read(workspace, job.id)
    assert found.state == state
    assert found.result == ({"a": 1} if state == State.DONE else None)
    assert (says in found.error) if says else found.error is None


def test_a_failed_job_is_final_and_keeps_its_error_until_it_is_retried(workspace):
    job = claimed(workspace)
    claims.report(workspace, job.id, job.token, done=2, total=5, message="two", remaining_s=9.0)
    claims.fail(workspace, job.id, job.token, "It cannot be done.")
    found = read(workspace, job.id)
    assert (found.state, found.error, found.done, found.estimate_s) == (State.FAILED, "It cannot be done.", 2, None)
    assert claims.claim(workspace, 0, 8) is None
    again = queue.retry(workspace, job.id, start=False)
    assert (again.state, again.error, again.attempts, again.done, again.total, again.message) == (State.QUEUED, None, 0, 0, 0, "")
    assert again.elapsed_s == 0


def test_a_job_that_failed_by_crashes_has_three_attempts_again_after_a_retry(workspace):
    job = claimed(workspace)
    for _ in range(2):
        claims.crashed(workspace, job.id, job.token, "It died")
        job = claims.claim(workspace, 0, 8)
    assert claims.crashed(workspace, job.id, job.token, "It died") == State.FAILED
    queue.retry(workspace, job.id, start=False)
    job = claims.claim(workspace, 0, 8)
    assert claims.crashed(workspace, job.id, job.token, "It died") == State.QUEUED


def test_a_retry_while_an_equal_job_is_active_gives_that_one(workspace):
    first = submit(workspace, start=False)
    queue.cancel(workspace, first.id)
    second = submit(workspace, start=False)
    assert queue.retry(workspace, first.id, start=False).id == second.id
    assert read(workspace, first.id).state == State.CANCELLED
    assert queue.retry(workspace, second.id, start=False).state == State.QUEUED  # active already: nothing happens
    job = claims.claim(workspace, 0, 8)
    claims.finish(workspace, job.id, job.token, {})
    with pytest.raises(Conflict, match="done and cannot be retried"):
        queue.retry(workspace, job.id, start=False)


# ---- wishes


def test_a_wish_keeps_its_age_and_a_pause_never_replaces_a_cancel(workspace, monkeypatch):
    job = claimed(workspace)
    now = time.monotonic()
    queue.cancel(workspace, job.id)
    monkeypatch.setattr(time, "monotonic", lambda: now + 50)
    queue.cancel(workspace, job.id)
    queue.pause(workspace, job.id)
    asked, age_s = claims.wish(workspace, job.id, job.token)
    assert (asked, age_s) == (Wish.CANCEL, pytest.approx(50, abs=2))
    assert queue.resume(workspace, job.id, start=False).wish == Wish.CANCEL  # only a pause can be taken back


def test_a_paused_job_is_cancelled_at_once(workspace):
    job = submit(workspace, start=False)
    queue.pause(workspace, job.id)
    assert queue.cancel(workspace, job.id).state == State.CANCELLED


def test_a_cancel_replaces_a_pause_and_a_pause_can_be_taken_back(workspace):
    job = claimed(workspace)
    assert claims.wish(workspace, job.id, job.token) == (None, 0.0)
    queue.pause(workspace, job.id)
    assert queue.resume(workspace, job.id, start=False).wish is None
    queue.pause(workspace, job.id)
    assert queue.cancel(workspace, job.id).wish == Wish.CANCEL


@pytest.mark.parametrize(
    ("wish", "age_s", "sent"),
    [
        (None, 0.0, None), (Wish.CANCEL, 7.9, None), (Wish.CANCEL, 8.1, signal.SIGTERM), (Wish.PAUSE, 8.1, signal.SIGTERM),
        (Wish.CANCEL, 12.9, signal.SIGTERM), (Wish.CANCEL, 13.1, signal.SIGKILL),
    ],
)  # fmt: skip
def test_an_old_wish_is_urged_first_politely_then_for_good(workspace, monkeypatch, wish, age_s, sent):
    signals = []
    monkeypatch.setattr(claims, "wish", lambda *_: (wish, age_s))
    monkeypatch.setattr(processes, "signal_attempt", lambda job, token, number: signals.append((job, token, number)))
    assert recovery.urge(workspace, "job", 3) == sent
    assert signals == ([("job", 3, sent)] if sent else [])


def test_a_state_and_its_event_are_written_together_or_not_at_all(workspace, monkeypatch):
    waiting, job = submit(workspace, "waiting", start=False), claimed(workspace)
    job, other = (job, waiting) if job.id != waiting.id else (job, submit(workspace, start=False))
    before = [(read(workspace, one.id), states_of(workspace, one.id)) for one in (job, other)]

    def broken(*_):
        raise RuntimeError("the disk went away")

    monkeypatch.setattr(ledger, "record_event", broken)
    monkeypatch.setattr(recovery, "reap", lambda *_: 0)
    for call in (
        lambda: claims.claim(workspace, 0, 8),
        lambda: claims.finish(workspace, job.id, job.token, {}),
        lambda: claims.fail(workspace, job.id, job.token, "No."),
        lambda: claims.stopped(workspace, job.id, job.token),
        lambda: claims.crashed(workspace, job.id, job.token, "It died"),
        lambda: queue.cancel(workspace, other.id),
        lambda: queue.pause(workspace, other.id),
        lambda: submit(workspace, "third", start=False),
    ):
        with pytest.raises(RuntimeError):
            call()
    after = [(read(workspace, one.id), states_of(workspace, one.id)) for one in (job, other)]
    assert [(one.state, one.token, one.error, states) for one, states in after] == [(one.state, one.token, one.error, states) for one, states in before]
    assert len(queue.jobs(workspace)) == 2


# ---- who is alive


def test_a_running_job_is_alive_while_its_process_or_its_worker_holds_a_lock(workspace):
    job = claimed(workspace, slot=2)
    assert recovery.alive(workspace, job.id, 2)
    assert not recovery.alive(workspace, job.id, 1)
    assert not recovery.alive(workspace, job.id, None)
    with locks.take(places.job_lock(workspace, job.id)):
        assert recovery.alive(workspace, job.id, None)


def test_reaping_settles_the_dead_alone_ends_their_children_and_starts_what_waits(workspace, monkeypatch):
    living, dead = claimed(workspace, "living", slot=0), claimed(workspace, "dead", slot=1)
    locks.Lock(places.slot_lock(workspace, 1).absolute()).release()
    signals, started = [], []
    monkeypatch.setattr(processes, "signal_attempt", lambda *sent: signals.append(sent))
    monkeypatch.setattr(launching, "ensure_workers", lambda *_: started.append(1))
    assert recovery.reap(workspace) == 1
    assert signals == [(dead.id, dead.token, signal.SIGKILL)]
    assert (read(workspace, living.id).state, read(workspace, dead.id).state) == (State.RUNNING, State.QUEUED)
    assert started == [1]
    assert recovery.reap(workspace) == 0
    assert started == [1]


def test_a_worker_s_job_is_urged_by_others_only_when_the_worker_is_gone(workspace, monkeypatch):
    job = claimed(workspace, slot=0)
    urged = []
    monkeypatch.setattr(recovery, "urge", lambda *_: urged.append(1))
    with locks.take(places.job_lock(workspace, job.id)):
        recovery.reap(workspace)
        assert not urged
        locks.Lock(places.slot_lock(workspace, 0).absolute()).release()
        recovery.reap(workspace)
        assert urged == [1]


def test_a_new_holder_of_a_slot_disowns_what_the_last_one_left(workspace):
    job, other = claimed(workspace, slot=0), claimed(workspace, "two", slot=1)
    claims.release_slot(workspace, 0)
    with opened(workspace) as connection:
        slots = dict(connection.execute("SELECT id, slot FROM jobs").fetchall())
    assert slots == {job.id: None, other.id: 1}


# ---- workers


def test_as_many_workers_start_as_there_is_work_and_free_slots(tmp_path, monkeypatch):
    workspace, started = Workspace(tmp_path / "home"), []

    class Started:
        def poll(self):
            return None

    def detached(_workspace, arguments, _log, _environment):
        started.append(int(arguments[-1]))
        return Started()

    monkeypatch.setattr(launching, "_detached", detached)
    with opened(workspace, write=True) as connection:
        connection.execute("INSERT INTO settings VALUES ('workers', '3')")
    assert launching.ensure_workers(workspace) == 0
    submit(workspace, "a", start=False)
    submit(workspace, "b", start=False)
    assert launching.work(workspace) == 2
    with locks.take(places.slot_lock(workspace, 0)):
        assert launching.ensure_workers(workspace) == 2
        assert started == [1, 2]
        submit(workspace, "c", start=False)
        submit(workspace, "d", start=False)
        assert launching.ensure_workers(workspace) == 2  # one of three slots is held
        for _ in range(4):
            claims.claim(workspace, 0, 9)
        assert launching.work(workspace) == 0  # all run, and their worker holds its slot
    assert launching.work(workspace) == 1  # they run, but nobody attends them


def test_a_worker_ends_when_its_slot_is_no_longer_allowed_or_nothing_waits(workspace, monkeypatch):
    attended = []

    def attend(_workspace, job):
        attended.append(job.title[-1])
        claims.finish(workspace, job.id, job.token, {})

    monkeypatch.setattr(worker, "attend", attend)
    for name in "ab":
        submit(workspace, name, start=False)
    worker._work_off(workspace, slot=1)  # one worker is allowed, and this is the second
    assert attended == []
    with locks.take(places.slot_lock(workspace, 0)):
        worker._work_off(workspace, slot=0)
    assert attended == ["a", "b"]


def test_a_worker_that_is_told_to_end_leaves_its_job_queued_without_a_crash(workspace, monkeypatch):
    job = claimed(workspace)
    signals = []

    class Process:
        returncode = -15

        def wait(self, timeout=None):
            return self.returncode

    def told(*_):
        raise worker._Terminated

    monkeypatch.setattr(launching, "start_attempt", lambda *_: Process())
    monkeypatch.setattr(worker, "_watch", told)
    monkeypatch.setattr(processes, "signal_attempt", lambda _job, _token, number: signals.append(number))
    with pytest.raises(worker._Terminated):
        worker.attend(workspace, job)
    assert signals == [signal.SIGTERM, signal.SIGKILL]
    assert read(workspace, job.id).state == State.QUEUED
    with opened(workspace) as connection:
        assert connection.execute("SELECT crashes FROM jobs").fetchone()[0] == 0


def test_an_attempt_that_died_is_settled_by_its_worker(workspace, monkeypatch):
    job = claimed(workspace)

    class Process:
        returncode = -9

    monkeypatch.setattr(launching, "start_attempt", lambda *_: Process())
    monkeypatch.setattr(worker, "_watch", lambda *_: None)
    worker.attend(workspace, job)
    assert read(workspace, job.id).state == State.QUEUED
    assert "SIGKILL" in queue.events(workspace, job.id)[-1]["note"]
    assert states_of(workspace, job.id) == ["queued", "running", "queued"]


# ---- progress and time


def test_a_monitor_stops_the_step_on_a_wish_and_when_the_job_is_anothers(workspace):
    job = claimed(workspace)
    monitor = Monitor(workspace, job)
    monitor.on_progress(1, 4, "one")
    monitor._beat()
    shown = read(workspace, job.id)
    assert (shown.done, shown.total, shown.message) == (1, 4, "one")
    assert not monitor.asked_to_stop
    queue.cancel(workspace, job.id)
    monitor._beat()
    assert (monitor.asked_to_stop, monitor.lost) == (True, False)
    with pytest.raises(Cancelled, match="stopped at 2 of 4"):
        monitor.on_progress(2, 4, "two")
    monitor.tell_last()
    assert read(workspace, job.id).done == 2
    claims.crashed(workspace, job.id, job.token, "It died")
    replaced = Monitor(workspace, job)
    replaced.on_progress(3, 4, "three")
    replaced._beat()
    assert (replaced.asked_to_stop, replaced.lost) == (True, True)


def test_shown_progress_starts_where_the_last_attempt_ended(workspace):
    job = claimed(workspace)
    claims.report(workspace, job.id, job.token, done=3, total=4, message="three", remaining_s=None)
    claims.crashed(workspace, job.id, job.token, "It died")
    monitor = Monitor(workspace, claims.claim(workspace, 0, 8))
    monitor.on_progress(1, 4, "again")
    monitor._beat()
    assert (read(workspace, job.id).done, read(workspace, job.id).message) == (3, "again")


def test_the_time_of_all_attempts_adds_up_and_an_estimate_runs_down(workspace, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    job = claimed(workspace)
    clock[0] += 30
    claims.report(workspace, job.id, job.token, done=1, total=4, message="", remaining_s=90.0)
    clock[0] += 10
    shown = read(workspace, job.id)
    assert (shown.elapsed_s, shown.estimate_s) == (40, 80)
    claims.crashed(workspace, job.id, job.token, "It died")  # its last sign of life was at 30 s
    assert (read(workspace, job.id).elapsed_s, read(workspace, job.id).estimate_s) == (30, None)
    clock[0] += 500  # waits
    again = claims.claim(workspace, 0, 8)
    clock[0] += 5
    claims.finish(workspace, job.id, again.token, {})
    assert read(workspace, job.id).elapsed_s == 35


# ---- requests and words


def test_the_same_settings_in_another_order_are_the_same_job(workspace):
    one = queue.submit(workspace, "rehearsal", {"name": "x", "units": 2}, title="x", start=False)
    other = queue.submit(workspace, "rehearsal", {"units": 2, "name": "x"}, title="y", start=False)
    assert one.id == other.id
    assert queue.submit(workspace, "rehearsal", {"units": 3, "name": "x"}, title="x", start=False).id != one.id


def test_a_running_job_is_found_again_by_an_equal_request(workspace):
    job = claimed(workspace)
    assert submit(workspace, start=False).id == job.id


def test_jobs_are_listed_newest_first_of_the_states_asked_for(workspace):
    ids = [submit(workspace, name, start=False).id for name in "abc"]
    queue.pause(workspace, ids[1])
    assert [job.id for job in queue.jobs(workspace)] == ids[::-1]
    assert [job.id for job in queue.jobs(workspace, limit=2)] == [ids[2], ids[1]]
    assert [job.id for job in queue.jobs(workspace, states=frozenset({State.PAUSED}))] == [ids[1]]


def test_each_kind_of_end_is_said_in_its_own_words():
    assert processes.described(None).endswith("disappeared")
    assert "exit code 3" in processes.described(3)
    assert "SIGKILL, often for want of memory" in processes.described(-9)
    assert "SIGSEGV, a fault in native code" in processes.described(-11)
    assert runner.sentence(BadInput("Take another.")) == "Take another."
    assert "disk is full" in runner.sentence(OSError(errno.ENOSPC, "full"))
    assert "memory is used up" in runner.sentence(MemoryError())
    assert "unexpected error (KeyError)" in runner.sentence(KeyError("x"))
    assert "unexpected error (OSError)" in runner.sentence(OSError(errno.EIO, "io"))
