"""A grid in the hands of a user and of bad luck: single cells paused or cancelled, kills at any instant, what it will cost."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cifake_core.detectors import estimating, run_index, runs, trainable, training, units, wishes, workers
from cifake_core.detectors.estimating import EstimateTraining, makespan
from cifake_core.detectors.grid import TrainGrid
from cifake_core.errors import BadInput
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import cells, launching, queue
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace

KILLS = int(os.environ.get("CIFAKE_TEST_KILLS", "2"))  # at random instants; more of them in a long test
GRID = TrainGrid("tiny", ("16x1-32x1", "16x3-32x1", "32x1-32x1"), epochs=3, workers=1, patience=0)


def identity(lab: Workspace, step: TrainGrid, number: int = 0) -> str:
    return runs.run_id(ImageSet.open(lab, step.dataset).digest, step.trainings()[number])


# One cell of a grid


def test_a_paused_cell_stops_keeps_its_epochs_and_ends_with_the_same_bits_when_resumed(lab, monkeypatch):
    whole = TrainGrid("tiny", ("16x1-32x1",), epochs=3, workers=1, patience=0).run(Context(lab))["runs"][0]["run"]
    expected = artifacts.sha256(lab.runs / whole / runs.WEIGHTS)
    shutil.rmtree(lab.runs / whole)
    real = training._one_epoch

    def pausing(state, *rest):
        real(state, *rest)
        if len(state.history) == 2:
            wishes.ask(lab, whole, "pause")

    monkeypatch.setattr(training, "_one_epoch", pausing)
    result = GRID.run(Context(lab))
    assert [(cell["topology"], cell["seed"]) for cell in result["stopped"]] == [("16x1-32x1", 0)]
    assert "was paused" in result["stopped"][0]["reason"]
    assert not result["failed"]
    assert {run["topology"] for run in result["runs"]} == {"16x3-32x1", "32x1-32x1"}
    assert len(runs.unfinished(lab)[0].history) == 2
    wishes.withdraw(lab, whole)
    again = GRID.run(Context(lab))
    assert not again["stopped"]
    assert artifacts.sha256(lab.runs / whole / runs.WEIGHTS) == expected


def test_a_cancelled_cell_that_waits_is_not_begun_and_drops_what_it_had(lab):
    wishes.ask(lab, identity(lab, GRID), "cancel")
    work = runs.unfinished_folder(lab, identity(lab, GRID))
    artifacts.write_json(work / runs.HISTORY, {"epochs": []})
    result = replace(GRID, topologies=("16x1-32x1", "16x1-64x1"), epochs=1).run(Context(lab))
    assert len(result["runs"]) == 2  # other settings are another run: the wish is not meant for it
    result = replace(GRID, topologies=("16x1-32x1",)).run(Context(lab))
    assert "was cancelled" in result["stopped"][0]["reason"]
    assert not work.exists()


def test_the_commands_of_a_cell_reach_it_and_resuming_it_is_a_job_of_its_own(lab, monkeypatch):
    monkeypatch.setattr(launching, "ensure_workers", lambda workspace: 0)
    arguments = {
        "dataset": "tiny",
        "topologies": list(GRID.topologies),
        "seeds": [0, 4],
        "epochs": 3,
        "patience": 0,
        "workers": 1,
    }
    job = queue.submit(lab, "train", arguments, title="grid")
    assert cells.act(lab, job, "pause", "32x1-32x1", 4) is None
    mine = cells.identity_of(lab, job.arguments, "32x1-32x1", 4)
    assert wishes.wish(lab, mine) == "pause"
    alone = cells.act(lab, job, "resume", "32x1-32x1", 4)
    assert wishes.wish(lab, mine) is None
    assert cells.identity_of(lab, alone.arguments, "32x1-32x1", 4) == mine
    assert len(TrainGrid(**alone.arguments).trainings()) == 1
    with pytest.raises(BadInput, match="no cell of this job"):
        cells.act(lab, job, "pause", "64x1-64x1", 0)
    with pytest.raises(BadInput, match="cannot be told to 'explode'"):
        cells.act(lab, job, "explode", "32x1-32x1", 0)


# Processes that die


def _work_or_die(unit: int, on_progress) -> int:
    on_progress(0, 1, "")
    if unit == 1:
        os.kill(os.getpid(), signal.SIGKILL)  # what the kernel does when memory runs out
    return unit


def test_a_cell_whose_process_is_killed_is_named_and_the_others_are_finished():
    outcomes = workers.run_all(_work_or_die, [0, 1, 2], [1, 1, 1], workers.Crew(2, 1), lambda *_: None)
    assert [outcome.result for outcome in outcomes] == [0, None, 2]
    assert "memory ran out" in outcomes[1].reason


def _work_or_linger(unit: int, on_progress) -> None:
    on_progress(0, 1, "")
    if unit == 1:
        time.sleep(300)  # one long step that tells nothing


def test_workers_idle_or_busy_end_with_the_process_that_started_them():
    code = """
from cifake_core.detectors import workers
from tests.test_grid_control import _work_or_linger
workers.run_all(_work_or_linger, [0, 1], [1, 1], workers.Crew(2, 1), lambda *seen: print(*seen[2:], flush=True))
"""
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert any("1 of 2 finished" in line for line in starter.stdout)  # one is idle now, the other in its long step
    crew = psutil.Process(starter.pid).children()
    assert len(crew) >= 2
    starter.kill()
    starter.wait()
    _, left = psutil.wait_procs(crew, timeout=60)
    assert left == []


def _killed_again_and_again(home: Path, lasting_s: float, kills: int, seed: int, told) -> None:
    """A fresh process that forks an attempt at the grid, kills it at a random instant, and starts over; then lets it end.

    Everything is loaded before and nothing of torch has run, so that a fork is safe and an attempt starts at once.
    """
    import torch

    torch.set_num_threads(1)
    lab, instants, finished = Workspace(home), random.Random(seed), {}
    for attempt in range(kills + 1):
        child = os.fork()
        if child == 0:
            GRID.run(Context(lab))
            os._exit(0)
        if attempt < kills:
            time.sleep(instants.uniform(0, lasting_s))
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        made = {run.id: run.record["created_at"] for run in runs.runs(lab)}
        told.put({"kept": all(made.get(name) == at for name, at in finished.items()), "runs": len(made)})
        finished = made


@pytest.mark.slow
def test_a_grid_killed_at_random_instants_ends_with_the_same_bits_and_trains_no_finished_cell_again(lab):
    before, started = len(runs.runs(lab)), time.perf_counter()
    names = [run["run"] for run in GRID.run(Context(lab))["runs"]]
    lasting_s = time.perf_counter() - started
    expected = {name: artifacts.sha256(lab.runs / name / runs.WEIGHTS) for name in names}
    expected |= {f"{name} probe": artifacts.sha256(lab.runs / name / "probe.safetensors") for name in names}
    figures = {
        name: (run := runs.open_run(lab, name)).record["test"] | {"best": run.record["best_epoch"]} for name in names
    }
    for name in names:
        shutil.rmtree(lab.runs / name)
    context = multiprocessing.get_context("spawn")
    told, seed = context.Queue(), random.randrange(1000)
    nursery = context.Process(target=_killed_again_and_again, args=(lab.home, lasting_s, KILLS, seed, told))
    nursery.start()
    nursery.join()
    attempts = [told.get() for _ in range(KILLS + 1)]
    assert all(attempt["kept"] for attempt in attempts), f"a finished cell was trained again (seed {seed})"
    counts = [attempt["runs"] for attempt in attempts]
    assert counts == sorted(counts), f"progress went back (seed {seed})"
    assert counts[-1] == before + 3
    again = {name: artifacts.sha256(lab.runs / name / runs.WEIGHTS) for name in names}
    again |= {f"{name} probe": artifacts.sha256(lab.runs / name / "probe.safetensors") for name in names}
    assert again == expected, f"killed at instants of seed {seed}"
    for name in names:
        run = runs.open_run(lab, name)
        assert run.record["test"] | {"best": run.record["best_epoch"]} == figures[name]
    assert not list((lab.runs / ".unfinished").glob("*/*"))


# What it will cost


def test_an_estimate_is_linear_in_epochs_counts_finished_cells_as_nothing_and_measures_a_cell_once(lab):
    step = EstimateTraining("tiny", ("16x1-64x1", "16x2-32x1"), epochs=6, batch_size=16, workers=1)
    assert estimating.estimate(lab, step) is None
    first = step.run(Context(lab))
    finished, fresh = first["cells"]
    assert (first["measured"], finished["state"], finished["seconds"]) == (2, "finished", 0)
    assert fresh["state"] == "new"
    assert fresh["seconds"] > 0
    assert replace(step, seeds=(0, 1)).run(Context(lab))["measured"] == 0
    longer, longest = (
        estimating.estimate(lab, replace(step, epochs=epochs))["cells"][1]["seconds"] for epochs in (12, 18)
    )
    assert longest - longer == pytest.approx(longer - fresh["seconds"], rel=0.1, abs=0.02)
    assert not list((lab.runs / ".unfinished").glob("*/*"))


def test_an_estimate_counts_the_images_an_epoch_leaves_out(lab):
    step = EstimateTraining("tiny", ("small",), epochs=16, batch_size=32, patience=0, workers=1)
    timed = step.run(Context(lab))["cells"][0]  # timed where an epoch sees every image
    assert timed["seconds"] > 0
    image_set, unit = ImageSet.open(lab, "tiny"), step.trainings()[0]
    images, a_second_an_image = len(image_set.training_data().train), estimating.Pace(1.0, 0.0, 0.0, 0.0)
    all_of_it, half = (estimating._cell(lab, image_set, unit, a_second_an_image, done)["seconds"] for done in ({}, {runs.run_id(image_set.digest, unit): 8}))
    assert all_of_it == pytest.approx(trainable.recipe("small").images_seen(images, 16))
    assert 0.4 * 16 * images < all_of_it < 0.7 * 16 * images
    assert half == pytest.approx(all_of_it / 2)
    validation, test = round(0.1 * image_set.record["rows"]["train"]), image_set.record["rows"]["test"]
    scoring_alone = estimating._cell(lab, image_set, unit, estimating.Pace(0.0, 0.0, 1.0, 0.0), {})["seconds"]
    assert scoring_alone == (16 + 1) * validation + test  # each epoch scores all of validation, however few images it learns from


def test_cells_are_handed_to_the_next_free_worker():
    assert makespan([4, 1, 1, 1], 2) == 4
    assert makespan([1, 1, 1, 4], 2) == 5
    assert makespan([2, 3], 1) == 5


def test_a_cell_is_timed_on_as_many_images_as_asked_with_their_own_labels(lab):
    data = ImageSet.open(lab, "tiny").training_data()
    few = units.sample(data, 90)
    assert (len(few.train), len(few.validation)) == (90, 10)
    labels = dict(zip(data.train.rows, data.train.labels, strict=True))
    assert [labels[row] for row in few.train.rows] == list(few.train.labels)


# Very many runs


def test_many_runs_are_read_from_one_file_that_may_be_stale_damaged_or_absent(lab, monkeypatch):
    monkeypatch.setattr(run_index, "WORTH_KEEPING", 2)
    names = {run.id for run in runs.runs(lab)}
    run_index._memory.clear()
    assert {run.id for run in runs.runs(lab)} == names
    assert (lab.runs / run_index.INDEX).exists()
    run_index._memory.clear()
    monkeypatch.setattr(run_index.artifacts, "read_json", _only_the_index(artifacts.read_json))
    assert {run.id for run in runs.runs(lab)} == names
    monkeypatch.undo()
    run_index._memory.clear()
    (lab.runs / run_index.INDEX).write_text("{")
    shutil.rmtree(lab.runs / sorted(names)[0])
    assert {run.id for run in runs.runs(lab)} == set(sorted(names)[1:])


def _only_the_index(real):
    def read(path):
        assert path.name == run_index.INDEX, "a record was read although the index has it"
        return real(path)

    return read
