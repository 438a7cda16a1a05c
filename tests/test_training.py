"""Training: that it learns, that a killed one ends with the same bits, that the same request is the same run."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cifake_core.detectors import checkpoints, loading, runs, scoring, trainable, training
from cifake_core.detectors.grid import TrainGrid
from cifake_core.detectors.request import TrainSettings
from cifake_core.errors import BadInput, Damaged, NotFound, Refused
from cifake_core.images.building import new_image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store import artifacts
from tests.conftest import drawn_images

SETTINGS = TrainSettings("16x1-32x1", seed=5, epochs=4, patience=0)


class Stop(Exception):
    pass


def stop_after(epochs):
    def on_epoch(history):
        if len(history) >= epochs:
            raise Stop

    return on_epoch


def bits(state):
    return {name: value.clone() for name, value in state.network.state_dict().items()}


def assert_same(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def untimed(history):
    return [replace(epoch, duration_s=0) for epoch in history]


@pytest.fixture
def data(lab):
    return ImageSet.open(lab, "tiny").training_data()


def test_a_network_of_the_grid_learns_the_drawn_fakes(lab):
    run = next(run for run in runs.runs(lab) if run.topology == "16x2-64x1")
    assert run.record["test"]["n"] == 200
    assert run.record["test"]["accuracy"] > 0.9
    assert [epoch["epoch"] for epoch in run.history()] == [1, 2, 3, 4, 5, 6]
    assert run.history()[-1]["train_loss"] < run.history()[0]["train_loss"]


def test_stored_predictions_are_those_of_the_stored_weights(lab):
    run = runs.runs(lab)[0]
    test = ImageSet.open(lab, "tiny").part("test")
    detector = loading.load(run)
    logits = scoring.logits_of(detector.network, scoring.on_device(test.pixels, detector.device))
    table = run.predictions("test")
    assert list(table["image_id"]) == list(test.image_ids)
    np.testing.assert_allclose(table["logit"], logits, atol=1e-4)
    assert run.record["test"]["accuracy"] == pytest.approx(((logits >= 0) == test.labels).mean())


def test_resuming_after_any_epoch_gives_the_bits_of_an_uninterrupted_training(data, tmp_path):
    whole = training.fit(data, SETTINGS, tmp_path / "whole")
    for epochs in range(1, SETTINGS.epochs):
        folder = tmp_path / f"stopped-{epochs}"
        with pytest.raises(Stop):
            training.fit(data, SETTINGS, folder, on_epoch=stop_after(epochs))
        resumed = training.fit(data, SETTINGS, folder)
        assert_same(bits(resumed), bits(whole))
        assert untimed(resumed.history) == untimed(whole.history)


@pytest.mark.parametrize("lost", ["network.", "best.", "optimizer.", "history"])
def test_a_checkpoint_without_one_of_its_parts_does_not_resume_to_the_same_bits(data, tmp_path, monkeypatch, lost):
    """Each part is needed: without it the result differs, or the training cannot even go on."""
    whole = training.fit(data, SETTINGS, tmp_path / "whole")
    with pytest.raises(Stop):  # the best weights are needed surely only when no epoch is left that could beat them
        training.fit(data, SETTINGS, tmp_path / "stopped", on_epoch=stop_after(4 if lost == "best." else 2))
    real_restore = checkpoints.restore

    def forgetful(folder, state):
        fresh = training._fresh_state(SETTINGS, torch.device("cpu"))
        real_restore(folder, state)
        if lost == "network.":
            state.network.load_state_dict(fresh.network.state_dict())
        elif lost == "best.":
            state.best_weights = {name: value.clone() for name, value in fresh.network.state_dict().items()}
        elif lost == "optimizer.":
            state.optimizer.load_state_dict(fresh.optimizer.state_dict())
        else:
            state.history.clear()

    monkeypatch.setattr(checkpoints, "restore", forgetful)
    resumed = training.fit(data, SETTINGS, tmp_path / "stopped")
    same = all(torch.equal(a, b) for a, b in zip(bits(resumed).values(), bits(whole).values(), strict=True))
    assert not (same and untimed(resumed.history) == untimed(whole.history))


def test_a_flipped_byte_in_a_checkpoint_is_found_and_the_training_starts_over_to_the_same_bits(data, tmp_path):
    whole = training.fit(data, SETTINGS, tmp_path / "whole")
    folder = tmp_path / "stopped"
    with pytest.raises(Stop):
        training.fit(data, SETTINGS, folder, on_epoch=stop_after(2))
    damaged = next(folder.glob("epoch-*.safetensors"))
    content = bytearray(damaged.read_bytes())
    content[-9] ^= 1
    damaged.write_bytes(content)
    resumed = training.fit(data, SETTINGS, folder)
    assert_same(bits(resumed), bits(whole))


def test_early_stopping_looks_at_validation_and_keeps_the_best_epoch(data, tmp_path):
    state = training.fit(data, replace(SETTINGS, epochs=40, patience=2, learning_rate=0.05), tmp_path)
    assert len(state.history) < 40
    assert len(state.history) - state.best.epoch == 2
    assert state.best.validation_accuracy == max(epoch.validation_accuracy for epoch in state.history)


def test_the_test_images_cannot_change_what_is_learned(workspace, tmp_path):
    images = list(drawn_images({"train": 10, "test": 2}))
    new_image_set(workspace, "one", images)
    new_image_set(workspace, "two", [i for i in images if i.split == "train"])
    first, second = (
        training.fit(ImageSet.open(workspace, name).training_data(), SETTINGS, tmp_path / name) for name in ("one", "two")
    )
    assert_same(bits(first), bits(second))


def test_the_same_request_is_the_same_run_and_is_not_trained_again(lab):
    before = {run.id: run.record["created_at"] for run in runs.runs(lab)}
    again = TrainGrid("tiny", ("16x1-64x1", "16x2-64x1"), epochs=6, batch_size=16, workers=1).run(Context(lab))
    assert {run["run"] for run in again["runs"]} == set(before)
    assert {run.id: run.record["created_at"] for run in runs.runs(lab)} == before


@pytest.mark.parametrize("done", [2, 4])
def test_the_time_of_an_interrupted_training_counts_the_epochs_before_it_was_interrupted(lab, data, done):
    step = TrainGrid("tiny", ("16x1-32x1",), epochs=4, workers=1, patience=0)
    work = runs.unfinished_folder(lab, runs.run_id(ImageSet.open(lab, "tiny").digest, step.trainings()[0]))
    with pytest.raises(Stop):
        training.fit(data, step.trainings()[0], work, on_epoch=stop_after(done))
    index = json.loads((work / "checkpoint.json").read_text())
    for epoch in index["history"]:
        epoch["duration_s"] = 1000.0
    artifacts.write_json(work / "checkpoint.json", index)
    run = runs.open_run(lab, step.run(Context(lab))["runs"][0]["run"])
    assert done * 1000 < run.record["duration_s"] < done * 1000 + 500
    assert runs.open_run(lab, replace(step, seeds=(1,)).run(Context(lab))["runs"][0]["run"]).record["duration_s"] < 500


def test_a_grid_in_two_processes_gives_the_bits_of_one_thread_in_one(lab, monkeypatch):
    """Only the number of threads decides the last bits, not the number of processes."""
    step = TrainGrid("tiny", ("16x1-32x1", "16x2-32x1"), epochs=2, workers=2)
    monkeypatch.setenv("CIFAKE_THREADS", "2")  # two workers of one thread each
    together = {run["topology"]: runs.open_run(lab, run["run"]) for run in step.run(Context(lab))["runs"]}
    parallel = {topology: load_file(run.folder / runs.WEIGHTS) for topology, run in together.items()}
    for run in together.values():
        import shutil

        shutil.rmtree(run.folder)
    monkeypatch.setenv("CIFAKE_THREADS", "1")
    for run in replace(step, workers=1).run(Context(lab))["runs"]:
        assert_same(parallel[run["topology"]], load_file(lab.runs / run["run"] / runs.WEIGHTS))


def test_a_cell_that_fails_is_named_with_its_reason_and_the_others_go_on(lab, monkeypatch):
    real_fit = training.fit

    def fit(data, settings, *rest, **more):
        if settings.topology == "16x2-32x1":
            raise BadInput("The loss is not a number.")
        return real_fit(data, settings, *rest, **more)

    monkeypatch.setattr(training, "fit", fit)
    result = TrainGrid("tiny", ("16x1-32x1", "16x2-32x1", "16x3-32x1"), epochs=1, workers=1).run(Context(lab))
    assert [run["topology"] for run in result["runs"]] == ["16x1-32x1", "16x3-32x1"]
    assert result["failed"] == [{"topology": "16x2-32x1", "seed": 0, "reason": "The loss is not a number."}]


def test_a_loss_that_is_not_a_number_is_said_in_a_sentence(data, tmp_path):
    with pytest.raises(BadInput, match="learning rate 1.0 is too high"):
        training.fit(data, replace(SETTINGS, topology="16x3-64x3", learning_rate=1.0, epochs=60), _poisoned(tmp_path, data))


def _poisoned(folder: Path, data) -> Path:
    """A checkpoint whose weights are about to overflow: a healthy network rarely does it on demand."""
    settings = replace(SETTINGS, topology="16x3-64x3", learning_rate=1.0, epochs=60)
    state = training._fresh_state(settings, torch.device("cpu"))
    with pytest.raises(Stop):
        training.fit(data, replace(settings, learning_rate=1e-3), folder, on_epoch=stop_after(1))
    checkpoints.restore(folder, state)
    with torch.no_grad():
        state.network.output.weight.fill_(float("inf"))
    checkpoints.save(folder, state)
    return folder


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epochs": 0}, "Epochs is 0"),
        ({"batch_size": 0}, "Batch size is 0"),
        ({"learning_rate": 0.0}, "learning rate is 0.0"),
        ({"precision": "fp8"}, "precision is 'fp8'"),
        ({"topology": "huge"}, "no topology"),
        ({"seed": -1}, "Seed is -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_starts(change, says):
    with pytest.raises(BadInput, match=says):
        replace(SETTINGS, **change)


def test_a_grid_without_cells_or_seeds_is_refused():
    with pytest.raises(BadInput, match="No topology"):
        TrainGrid("tiny")
    with pytest.raises(BadInput, match="No seed"):
        TrainGrid("tiny", grid="quick", seeds=())
    with pytest.raises(BadInput, match="no grid 'all'"):
        TrainGrid("tiny", grid="all")


def test_one_label_or_a_handful_of_images_is_refused_before_it_starts(workspace):
    images = list(drawn_images({"train": 10}))
    new_image_set(workspace, "fakes", [image for image in images if image.label])
    new_image_set(workspace, "few", [image for image in images if image.class_label == 0])
    with pytest.raises(Refused, match="no real images"):
        TrainGrid("fakes", grid="quick").run(Context(workspace))
    with pytest.raises(Refused, match="only 10"):
        TrainGrid("few", grid="quick").run(Context(workspace))
    assert not workspace.runs.exists()


def test_a_damaged_run_is_named_before_it_is_used(lab):
    run = runs.runs(lab)[0]
    for name in (runs.WEIGHTS, "predictions-test.parquet"):
        path = run.folder / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(Damaged, match=runs.WEIGHTS):
        loading.load(run)
    with pytest.raises(Damaged, match="predictions-test"):
        run.predictions("test")
    with pytest.raises(NotFound, match="no run 'nothing'"):
        runs.open_run(lab, "nothing")


@pytest.mark.parametrize("record", ["{}", "[]", '"run"', "{", '{"created_at": "2026", "dataset": "tiny", "settings": {}}'])
def test_a_run_whose_record_is_damaged_is_left_out_of_the_list_and_named_when_opened(lab, record):
    others = [run.id for run in runs.runs(lab)]
    folder = lab.runs / "16x1-32x1-s0-0123456789"
    folder.mkdir()
    (folder / artifacts.RECORD).write_text(record)
    assert [run.id for run in runs.runs(lab)] == others
    with pytest.raises(Damaged, match="damaged; delete"):
        runs.open_run(lab, folder.name)


def _train_and_die(home: Path, kill_after_epoch: int) -> None:
    real_write = artifacts.write_json

    def write(path, value):
        real_write(path, value)
        if path.name == runs.HISTORY and len(value["epochs"]) == kill_after_epoch:
            os.kill(os.getpid(), signal.SIGKILL)

    artifacts.write_json = write
    from cifake_core.store.workspace import Workspace

    TrainGrid("tiny", ("16x1-32x1",), epochs=4, workers=1, patience=0).run(Context(Workspace(home)))


@pytest.mark.slow
def test_kill_minus_nine_at_every_epoch_boundary_and_the_run_is_bit_for_bit_the_same(lab):
    step = TrainGrid("tiny", ("16x1-32x1",), epochs=4, workers=1, patience=0)
    identity = step.run(Context(lab))["runs"][0]["run"]
    expected = artifacts.sha256(lab.runs / identity / runs.WEIGHTS)
    predicted = runs.open_run(lab, identity).predictions("test")
    context = multiprocessing.get_context("spawn")
    for epoch in range(1, 4):
        import shutil

        shutil.rmtree(lab.runs / identity)
        child = context.Process(target=_train_and_die, args=(lab.home, epoch))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert not (lab.runs / identity).exists()
        index = json.loads((runs.unfinished_folder(lab, identity) / "checkpoint.json").read_text())
        assert len(index["history"]) == epoch
        started = time.time()
        step.run(Context(lab))
        assert artifacts.sha256(lab.runs / identity / runs.WEIGHTS) == expected
        assert runs.open_run(lab, identity).predictions("test").equals(predicted)
        assert not runs.unfinished_folder(lab, identity).exists()
        assert time.time() >= started


def test_a_meter_counts_every_training_by_its_cost_and_never_goes_back(lab):
    seen = []
    grid_step = TrainGrid("tiny", ("16x1-32x1", "32x2-32x1"), epochs=1, workers=1)
    grid_step.run(Context(lab, lambda done, total, message: seen.append((done, total))))
    totals = {total for _, total in seen}
    assert len(totals) == 1
    assert seen[-1][0] == totals.pop()
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert trainable.cost("32x2-32x1") > trainable.cost("16x1-32x1")
