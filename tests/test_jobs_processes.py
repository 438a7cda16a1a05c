"""Jobs as users see them: real processes, a real database, small rehearsed work."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from cifake_core.jobs import claims, locks, places, processes, queue, rehearsal
from cifake_core.jobs.states import FINAL, State, Wish
from cifake_core.store.workspace import Workspace
from tests.rehearsing import end_all, states_of, submit, until, until_true


@pytest.fixture
def workspace(tmp_path):
    home = Workspace(tmp_path / "home")
    yield home
    end_all(home)


def test_a_job_runs_to_its_result_and_says_so_in_row_log_and_events(workspace):
    job = until(workspace, submit(workspace, units=3, unit_s=0.1).id, State.DONE)
    assert job.result == {"units": 3, "made_by_last_attempt": 3}
    assert (job.done, job.total, job.fraction, job.attempts, job.error) == (3, 3, 1.0, 1, None)
    assert 0.25 < job.elapsed_s < 20
    assert job.created_at <= job.started_at <= job.finished_at
    assert states_of(workspace, job.id) == ["queued", "running", "done"]
    assert "3 of 3: unit 3" in queue.log_tail(workspace, job.id)
    assert json.loads(json.dumps(job.as_json()))["state"] == "done"


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [("refusal", "The rehearsal was asked to fail; nothing is wrong."), ("bug", r"unexpected error \(ZeroDivisionError\)")],
)
def test_an_error_fails_the_job_at_once_with_one_sentence_and_its_traceback_in_the_log(workspace, ending, sentence):
    job = until(workspace, submit(workspace, ending=ending).id, *FINAL)
    assert job.state == State.FAILED
    assert job.attempts == 1
    assert re.search(sentence, job.error)
    assert "Traceback" in queue.log_tail(workspace, job.id)


def test_a_job_that_segfaults_is_tried_three_times_and_the_next_one_runs(workspace):
    poison = submit(workspace, "poison", units=0, ending="segfault")
    healthy = submit(workspace, "healthy")
    assert until(workspace, healthy.id, *FINAL).state == State.DONE
    failed = until(workspace, poison.id, *FINAL)
    assert failed.state == State.FAILED
    assert failed.attempts == 3
    assert "SIGSEGV" in failed.error
    assert "Segmentation fault" in queue.log_tail(workspace, poison.id)


def test_a_running_job_is_cancelled_and_leaves_no_process_behind(workspace):
    job = submit(workspace, units=1, ending="child")
    until_true(lambda: queue.job(workspace, job.id).message == "child started")
    token = queue.job(workspace, job.id).token
    until_true(lambda: len(processes.of_attempt(job.id, token)) == 2)
    queue.cancel(workspace, job.id)
    assert until(workspace, job.id, *FINAL, seconds=10).state == State.CANCELLED
    until_true(lambda: processes.of_attempt(job.id, token) == [])
    assert states_of(workspace, job.id) == ["queued", "running", "cancelled"]


def test_a_paused_job_continues_where_it_was(workspace):
    job = submit(workspace, units=25, unit_s=0.03)
    until_true(lambda: queue.job(workspace, job.id).done >= 3)
    queue.pause(workspace, job.id)
    paused = until(workspace, job.id, State.PAUSED)
    assert 3 <= paused.done < 25
    time.sleep(0.3)
    assert queue.job(workspace, job.id).done == paused.done
    queue.resume(workspace, job.id)
    done = until(workspace, job.id, State.DONE)
    assert done.result["units"] == 25
    assert done.result["made_by_last_attempt"] < 25


def test_a_killed_job_continues_where_it_was(workspace):
    job = submit(workspace, units=30, unit_s=0.03)
    running = until_true(lambda: (seen := queue.job(workspace, job.id)).done >= 3 and seen)
    os.kill(running.pid, signal.SIGKILL)
    done = until(workspace, job.id, *FINAL)
    assert done.state == State.DONE
    assert done.attempts == 2
    assert done.result["made_by_last_attempt"] < 30
    assert states_of(workspace, job.id) == ["queued", "running", "queued", "running", "done"]


def test_a_job_outlives_its_killed_worker_and_the_next_job_starts_without_anybody_looking(workspace):
    job = submit(workspace, units=20, unit_s=0.05)
    after = submit(workspace, "after", start=False)  # no second worker waits for the slot
    running = until_true(lambda: (seen := queue.job(workspace, job.id)).done >= 2 and seen)
    os.kill(psutil.Process(running.pid).ppid(), signal.SIGKILL)
    time.sleep(0.1)
    marker = rehearsal.place(workspace, "after") / "unit-2"
    until_true(marker.exists)  # looks at the disk alone
    assert until(workspace, after.id, State.DONE).attempts == 1
    assert until(workspace, job.id, State.DONE).attempts == 1


def test_worker_and_job_killed_together_are_found_by_the_next_who_looks(workspace):
    job = submit(workspace, units=1, ending="child")
    until_true(lambda: queue.job(workspace, job.id).message == "child started")
    running = queue.job(workspace, job.id)
    os.kill(psutil.Process(running.pid).ppid(), signal.SIGKILL)
    os.kill(running.pid, signal.SIGKILL)
    queue.cancel(workspace, job.id)
    assert until(workspace, job.id, *FINAL, seconds=5).state == State.CANCELLED
    until_true(lambda: processes.of_attempt(job.id, running.token) == [])


def test_a_job_survives_the_end_of_the_process_that_submitted_it(workspace):
    code = (
        "import sys; from pathlib import Path; from cifake_core.jobs import queue; from cifake_core.store.workspace import Workspace\n"
        "print(queue.submit(Workspace(Path(sys.argv[1])), 'rehearsal', {'name': 'detached', 'units': 10, 'unit_s': 0.05}, title='x').id)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(workspace.home)], capture_output=True, text=True, check=True)
    assert until(workspace, ran.stdout.strip(), *FINAL).state == State.DONE


def test_wishes_are_seen_in_the_job(workspace):
    submit(workspace, start=False)
    job = claims.claim(workspace, 0, 1)
    with locks.take(places.job_lock(workspace, job.id)):
        assert queue.pause(workspace, job.id).wish == Wish.PAUSE
        assert queue.resume(workspace, job.id, start=False).wish is None
        assert queue.cancel(workspace, job.id).wish == Wish.CANCEL


def test_what_a_stopped_process_writes_after_it_was_replaced_is_rejected(workspace):
    job = submit(workspace, units=500, unit_s=0.02)
    running = until_true(lambda: (seen := queue.job(workspace, job.id)).done >= 2 and seen)
    runner = psutil.Process(running.pid)
    runner.suspend()
    assert claims.crashed(workspace, job.id, running.token, "As if its lock were lost") == State.QUEUED
    cancelled = queue.cancel(workspace, job.id)
    runner.resume()
    until_true(lambda: not runner.is_running() or runner.status() == psutil.STATUS_ZOMBIE)
    after = queue.job(workspace, job.id)
    assert (after.state, after.done, after.result) == (State.CANCELLED, cancelled.done, None)
    assert "given to another process" in queue.log_tail(workspace, job.id)
