"""Jobs under fire: many workers, many kills, steps that will not leave. Slow; each promise with real processes."""

import os
import random
import signal
import time
from collections import Counter

import psutil
import pytest

from cifake_core.jobs import database, processes, queue, recovery, rehearsal
from cifake_core.jobs.states import FINAL, Job, State
from cifake_core.store.workspace import Workspace
from tests.rehearsing import end_all, states_of, submit, until, until_true

pytestmark = pytest.mark.slow
FINALS = {str(state) for state in FINAL}


@pytest.fixture
def workspace(tmp_path):
    home = Workspace(tmp_path / "home")
    yield home
    end_all(home)


def assert_sound(workspace: Workspace) -> None:
    with database.opened(workspace) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def not_over(seen: list[Job]) -> list[Job]:
    return [job for job in seen if not job.is_final]


def assert_each_done_once(workspace: Workspace, ids: list[str], units: int) -> None:
    for job_id in ids:
        job = queue.job(workspace, job_id)
        name = job.arguments["name"]
        assert job.state == State.DONE, (job, queue.events(workspace, job_id))
        assert len(list(rehearsal.place(workspace, name).glob("unit-*"))) == units
        assert Counter(states_of(workspace, job_id))["done"] == 1
    assert_sound(workspace)


def test_four_workers_do_forty_jobs_once_each_and_never_more_than_four_at_a_time(workspace):
    queue.set_workers(workspace, 4)
    ids = [submit(workspace, f"tiny-{n}", units=2).id for n in range(40)]
    most = 0
    end = time.monotonic() + 180
    while not_over(seen := queue.jobs(workspace)):
        most = max(most, sum(job.state == State.RUNNING for job in seen))
        assert time.monotonic() < end
        time.sleep(0.05)
    assert 2 <= most <= 4
    assert_each_done_once(workspace, ids, units=2)
    assert all(queue.job(workspace, job_id).attempts == 1 for job_id in ids)


def test_a_hundred_jobs_survive_random_kills_of_workers_and_jobs(workspace):
    queue.set_workers(workspace, 4)
    chance = random.Random(7)
    ids = [submit(workspace, f"shot-{n}", units=4, unit_s=0.1).id for n in range(100)]
    kills, hit = 0, Counter()
    end = time.monotonic() + 400
    while not_over(seen := queue.jobs(workspace, limit=200)):
        assert time.monotonic() < end, not_over(seen)
        victims = [job for job in seen if job.state == State.RUNNING and job.pid and hit[job.id] < 2]
        if victims and kills < 40:
            kills += shoot(chance.choice(victims), chance, hit)
        time.sleep(chance.uniform(0.1, 0.5))
    assert kills >= 20
    assert_each_done_once(workspace, ids, units=4)
    assert until_true(lambda: leftovers(workspace) == [])


def shoot(job: Job, chance: random.Random, hit: Counter) -> int:
    """Kills the job's process, its worker, or both; returns how many it hit."""
    try:
        runner = psutil.Process(job.pid)
        worker = runner.parent()
        targets = chance.choice([[runner], [runner], [worker], [worker, runner]])
        if any(target is None or "cifake_core.jobs" not in " ".join(target.cmdline()) for target in targets):
            return 0
        for target in targets:
            target.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return 0
    hit[job.id] += runner in targets
    return len(targets)


def leftovers(workspace: Workspace) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CIFAKE_HOME") == str(workspace.home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.parametrize("worker_lives", [True, False], ids=["with its worker", "with its worker killed and nobody looking"])
def test_a_step_that_ignores_everything_is_ended_within_twenty_seconds(workspace, worker_lives):
    job = submit(workspace, units=1, ending="stubborn")
    running = until_true(lambda: (seen := queue.job(workspace, job.id)).message == "will not leave" and seen)
    if not worker_lives:
        os.kill(psutil.Process(running.pid).ppid(), signal.SIGKILL)
    asked = time.monotonic()
    queue.cancel(workspace, job.id)
    until_true(lambda: processes.of_attempt(job.id, running.token) == [], seconds=20)
    assert recovery.KILL_AFTER_S - 1 < time.monotonic() - asked < 60  # not at once; a machine that stood still is forgiven so far
    assert recovery.KILL_AFTER_S < 15
    assert until(workspace, job.id, *FINAL, seconds=5).state == State.CANCELLED
    assert states_of(workspace, job.id) == ["queued", "running", "cancelled"]


def test_cancelled_at_any_instant_a_job_has_one_final_state_and_no_process(workspace):
    queue.set_workers(workspace, 2)
    chance = random.Random(3)
    outcomes = Counter()
    for n in range(30):
        job = submit(workspace, f"instant-{n}", units=3, unit_s=0.05)
        time.sleep(chance.uniform(0, 0.9))
        queue.cancel(workspace, job.id)
        ended = until(workspace, job.id, *FINAL, seconds=20)
        outcomes[ended.state] += 1
        assert sum(state in FINALS for state in states_of(workspace, job.id)) == 1
        until_true(lambda job=job, ended=ended: processes.of_attempt(job.id, ended.token) == [], seconds=12)
    assert set(outcomes) <= {State.CANCELLED, State.DONE}
    assert outcomes[State.CANCELLED] > 0
    assert_sound(workspace)


def test_a_job_killed_again_and_again_never_shows_less_progress_and_makes_no_unit_twice(workspace):
    job = submit(workspace, units=60, unit_s=0.1)
    shown, kills, killed_at = 0.0, 0, 5  # a kill each ten units: three without any progress would make the job poison
    while not (seen := queue.job(workspace, job.id)).is_final:
        assert seen.fraction >= shown
        shown = seen.fraction
        if seen.state == State.RUNNING and seen.pid and seen.done >= killed_at:
            kills, killed_at = kills + 1, seen.done + 10
            try:
                os.kill(seen.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    assert seen.state == State.DONE, seen
    assert kills >= 3
    assert seen.result["units"] == 60


def test_a_worker_that_is_terminated_queues_its_job_again_without_counting_a_crash(workspace):
    job = submit(workspace, units=40, unit_s=0.03)
    running = until_true(lambda: (seen := queue.job(workspace, job.id)).done >= 2 and seen)
    worker = psutil.Process(running.pid).parent()
    worker.terminate()
    until_true(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    queued = queue._read(workspace, job.id)  # does not reap
    assert queued.state == State.QUEUED
    assert queue.events(workspace, job.id)[-1]["note"] == "stopped as asked"
    assert submit(workspace, units=40, unit_s=0.03).id == job.id  # starts a worker again
    assert until(workspace, job.id, *FINAL).state == State.DONE


def test_a_worker_that_is_terminated_ends_a_step_that_will_not_leave_and_queues_it_again(workspace):
    job = submit(workspace, units=1, ending="stubborn")
    running = until_true(lambda: (seen := queue.job(workspace, job.id)).message == "will not leave" and seen)
    worker = psutil.Process(running.pid).parent()
    worker.terminate()
    until_true(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    assert queue.events(workspace, job.id)[-1]["note"] == "stopped as asked"
    assert processes.of_attempt(job.id, running.token) == []
    assert queue.cancel(workspace, job.id).state == State.CANCELLED
