"""What a training does step by step, against one written out in plain torch; which epoch it keeps; what a run stores."""

import json
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from cifake_core.detectors import checkpoints, networks, runs, scoring, training, units
from cifake_core.detectors.grid import TrainGrid
from cifake_core.detectors.presets import Preset, Recipe
from cifake_core.detectors.request import TrainSettings
from cifake_core.detectors.residual import ResidualNet
from cifake_core.detectors.state import Epoch, State
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_png
from cifake_core.images.image_set import ImageSet, TrainingData
from cifake_core.images.schema import NewImage
from cifake_core.step import Context
from tests.conftest import drawn

SETTINGS = TrainSettings("16x1-32x1", seed=7, epochs=3, batch_size=48, learning_rate=2e-3, patience=0, precision="fp32")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A workspace whose set "small" has 200 train and 30 test images, two of three of them fake."""
    from cifake_core.store.workspace import Workspace

    home = Workspace(tmp_path_factory.mktemp("small"))
    images = [
        NewImage(encode_png(drawn(int(n % 3 > 0), n % 10, n)), int(n % 3 > 0), n % 10, "train" if n < 200 else "test", generator="g" if n % 3 else "")
        for n in range(230)
    ]
    new_image_set(home, "small", images)
    return home


@pytest.fixture
def data(small) -> TrainingData:
    return ImageSet.open(small, "small").training_data()


def plain(data: TrainingData, settings: TrainSettings) -> tuple[list[dict], list[dict]]:
    """History and weights after each epoch of the same training, without any code of ours but the network."""
    torch.manual_seed(settings.seed)
    network = networks.build(settings.topology)
    adam = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    images, truth = (torch.tensor(np.ascontiguousarray(a), dtype=torch.float32) for a in (data.train.pixels / 255.0, data.train.labels))
    held, held_truth = (torch.tensor(np.ascontiguousarray(a), dtype=torch.float32) for a in (data.validation.pixels / 255.0, data.validation.labels))
    history, weights = [], []
    for epoch in range(1, settings.epochs + 1):
        order = torch.randperm(len(truth), generator=torch.Generator().manual_seed(settings.seed * 100_003 + epoch))
        losses, right = 0.0, 0
        for rows in order.split(settings.batch_size):
            logits = network(images[rows])
            loss = functional.binary_cross_entropy_with_logits(logits, truth[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses, right = losses + loss.item() * len(rows), right + int(((logits >= 0) == (truth[rows] == 1)).sum())
        with torch.no_grad():
            logits = network(held)
        history.append({
            "epoch": epoch, "images": len(truth), "train_loss": losses / len(truth), "train_accuracy": right / len(truth),
            "validation_loss": functional.binary_cross_entropy_with_logits(logits, held_truth).item(),
            "validation_accuracy": float(((logits >= 0) == (held_truth == 1)).float().mean()),
        })  # fmt: skip
        weights.append({name: value.clone() for name, value in network.state_dict().items()})
    return history, weights


def best_of(history: list[dict]) -> int:
    """The number of the epoch that is kept."""
    return max(history, key=lambda e: (e["validation_accuracy"], -e["validation_loss"]))["epoch"]


@pytest.mark.parametrize("seed", [7, 8])
def test_a_training_is_adam_on_shuffled_batches_and_keeps_the_epoch_best_on_validation(data, tmp_path, seed):
    settings = replace(SETTINGS, seed=seed)
    state = training.fit(data, settings, tmp_path)
    history, weights = plain(data, settings)
    for found, expected in zip(state.history, history, strict=True):
        assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, abs=2e-3)
    kept = state.network.state_dict()
    assert state.best.epoch == best_of(history)
    for name, value in weights[state.best.epoch - 1].items():
        assert torch.allclose(kept[name], value, atol=2e-3), name


@contextmanager
def judged(right_in: int):
    """While it lasts, validation is all right after that epoch and half right after any other; gives the weights after each."""
    weights = []

    def logits_of(network, pixels, rows):
        weights.append({name: value.clone() for name, value in network.state_dict().items()})
        truth = 2.0 * np.array([LABELS[int(row)] for row in rows], np.float32) - 1
        return truth if len(weights) == right_in else np.where(np.arange(len(truth)) % 2, truth, -truth)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "scoring", SimpleNamespace(on_device=scoring.on_device, logits_of=logits_of))
        yield weights


LABELS = [int(n % 3 > 0) for n in range(200)]  # of the train split of `small`, row by row


def test_progress_counts_the_batches_of_all_epochs(data, tmp_path):
    told = []
    training.fit(data, replace(SETTINGS, epochs=2, batch_size=4), tmp_path, lambda done, total, message: told.append((done, total)) if "epoch" in message else None)
    batches = -(-len(data.train) // 4)
    assert told == [(epoch * batches + step, 2 * batches) for epoch in range(2) for step in range(0, batches, 20)]


def test_the_network_of_a_finished_training_is_that_of_its_best_epoch_not_of_its_last(data, tmp_path):
    with judged(right_in=2) as weights:
        state = training.fit(data, replace(SETTINGS, epochs=4), tmp_path)
    assert [epoch.validation_accuracy for epoch in state.history] == [0.5, 1, 0.5, 0.5]
    assert state.best.epoch == 2
    for found in (state.network.state_dict(), state.best_weights):
        assert all(torch.equal(value, weights[1][name]) for name, value in found.items())
    assert any(not torch.equal(value, weights[3][name]) for name, value in state.best_weights.items())


def history_of(*accuracies: float, losses: tuple[float, ...] = ()) -> list[Epoch]:
    losses = losses or (0.5,) * len(accuracies)
    return [Epoch(n, 0.1, 0.99, loss, accuracy, 1.0) for n, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True), 1)]


def test_the_best_epoch_has_the_highest_validation_accuracy_and_of_equal_ones_the_lowest_loss():
    def best(*accuracies, losses=()):
        return State(None, None, history_of(*accuracies, losses=losses), {}).best.epoch

    assert best(0.7, 0.9, 0.8) == 2
    assert best(0.7, 0.9, 0.9, losses=(0.1, 0.4, 0.3)) == 3
    assert best(0.7, 0.9, 0.9, losses=(0.1, 0.3, 0.4)) == 2
    assert best(0.9, 0.9) == 1
    assert State(None, None, [], {}).best is None


def test_a_training_ends_after_its_last_epoch_or_when_patience_runs_out():
    def ended(patience, epochs, *accuracies):
        return training._finished(State(None, None, history_of(*accuracies), {}), replace(SETTINGS, patience=patience, epochs=epochs))

    assert not ended(2, 10)
    assert not ended(2, 10, 0.6, 0.8, 0.7)
    assert ended(2, 10, 0.6, 0.8, 0.7, 0.7)
    assert not ended(3, 10, 0.6, 0.8, 0.7, 0.7)
    assert not ended(0, 10, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7)
    assert not ended(0, 3, 0.6, 0.7)
    assert ended(0, 3, 0.6, 0.7, 0.8)


def test_a_preset_s_last_layer_learns_with_its_own_decay_and_a_cell_without(monkeypatch):
    network = networks.build("16x1-32x1")
    (group,) = training._optimizer(network, SETTINGS).param_groups
    assert (group["lr"], group["weight_decay"], group["betas"], group["eps"]) == (2e-3, 0, (0.9, 0.999), 1e-8)
    strong = training._optimizer(networks.build("small"), TrainSettings("small", patience=0))
    assert type(strong).__name__ == "Muon"
    assert strong.param_groups[0]["weight_decay"] == 0.02
    decayed = training._optimizer(network, TrainSettings("strong", patience=0))
    assert type(decayed).__name__ == "AdamW"
    assert decayed.param_groups[0]["weight_decay"] == 0.05


# ---- checkpoints


def trained(data, folder, settings, epochs) -> State:
    """The state as it was after so many epochs of a training that goes on for more."""
    state = training._fresh_state(settings, torch.device("cpu"))
    pixels = torch.from_numpy(np.array(data.train.split_pixels))
    images = [training._Images.of(part, pixels) for part in (data.train, data.validation)]
    for _ in range(epochs):
        training._one_epoch(state, *images, settings, "fp32", lambda *_: None)
        checkpoints.save(folder, state)
    return state


def test_a_checkpoint_brings_back_every_field_of_a_training(data, tmp_path):
    settings = TrainSettings("small", seed=1, epochs=6, batch_size=32, learning_rate=4e-3, patience=0)
    state = trained(data, tmp_path, settings, 2)
    again = training._fresh_state(settings, torch.device("cpu"))
    checkpoints.restore(tmp_path, again)
    assert again.history == state.history
    assert torch.equal(again.losses, state.losses)
    for one, other in ((again.network.state_dict(), state.network.state_dict()), (again.best_weights, state.best_weights)):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    ours, theirs = again.optimizer.state_dict()["state"], state.optimizer.state_dict()["state"]
    assert ours.keys() == theirs.keys()
    for number, values in theirs.items():
        assert ours[number].keys() == values.keys()
        assert all(torch.equal(ours[number][name], value) for name, value in values.items())


def test_a_checkpoint_keeps_the_best_weights_apart_from_the_last(data, tmp_path):
    state = trained(data, tmp_path, replace(SETTINGS, epochs=20, learning_rate=0.02, batch_size=16), 12)
    assert state.best.epoch < 12  # else this shows nothing
    again = training._fresh_state(SETTINGS, torch.device("cpu"))
    checkpoints.restore(tmp_path, again)
    assert all(torch.equal(again.best_weights[name], value) for name, value in state.best_weights.items())
    assert any(not torch.equal(again.best_weights[name], value) for name, value in again.network.state_dict().items())


def test_only_the_last_checkpoint_is_kept_and_its_threads_come_back(data, tmp_path):
    state = trained(data, tmp_path, SETTINGS, 2)
    assert [path.name for path in tmp_path.glob("epoch-*")] == ["epoch-0002.safetensors"]
    index = json.loads((tmp_path / "checkpoint.json").read_text())
    before = torch.get_num_threads()
    assert index["threads"] == before
    try:
        (tmp_path / "checkpoint.json").write_text(json.dumps(index | {"threads": before + 1}))
        checkpoints.restore(tmp_path, state)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_checkpoint_whose_bytes_changed_is_not_gone_on_with(data, tmp_path):
    trained(data, tmp_path, SETTINGS, 1)
    path = tmp_path / "epoch-0001.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 64
    path.write_bytes(content)
    fresh = training._fresh_state(SETTINGS, torch.device("cpu"))
    checkpoints.restore(tmp_path, fresh)
    assert fresh.history == []


# ---- what a run stores


@pytest.fixture(scope="module")
def run(small):
    """A run of four epochs whose second was the best, and the weights after each epoch."""
    step = TrainGrid("small", ("16x1-32x1",), seeds=(5,), epochs=4, batch_size=16, learning_rate=0.02, patience=0, precision="fp32", workers=1)
    with judged(right_in=2) as weights:
        (summary,) = step.run(Context(small))["runs"]
    return runs.open_run(small, summary["run"]), weights


def test_a_run_s_accuracies_are_those_of_its_stored_predictions_on_each_part(small, run):
    run, weights = run
    best = networks.build("16x1-32x1")
    best.load_state_dict(weights[1])
    images = ImageSet.open(small, "small")
    for split in ("validation", "test"):
        part, table = images.part(split), run.predictions(split)
        assert table["image_id"].tolist() == part.image_ids.tolist()
        with torch.no_grad():
            expected = best(torch.from_numpy(np.ascontiguousarray(part.pixels)).float() / 255).numpy()
        assert table["logit"].to_numpy() == pytest.approx(expected, abs=1e-4)
        right = (table["logit"].to_numpy() >= 0) == (part.labels == 1)
        assert run.record[split]["accuracy"] == pytest.approx(right.mean())
        assert run.record[split]["n"] == len(part)
        assert run.record[split]["low"] < right.mean() <= run.record[split]["high"]
    assert not set(run.predictions("validation")["image_id"]) & set(run.predictions("test")["image_id"])


def test_a_run_records_its_best_epoch_and_all_it_was_asked(small, run):
    run, weights = run
    history, record = run.history(), run.record
    assert len(history) == record["epochs"] == len(weights) == 4
    assert record["best_epoch"] == best_of(history) == 2
    assert record["validation_loss"] == history[1]["validation_loss"] < history[3]["validation_loss"]
    stored = load_file(run.folder / runs.WEIGHTS)
    assert all(torch.equal(value, weights[1][name]) for name, value in stored.items())
    assert record["dataset_digest"] == ImageSet.open(small, "small").digest
    assert record["parameters"] == sum(p.numel() for p in networks.build("16x1-32x1").parameters())
    assert record["precision"] == "fp32"
    assert record["settings"] == {
        "topology": "16x1-32x1", "seed": 5, "epochs": 4, "batch_size": 16, "learning_rate": 0.02, "patience": 0, "precision": "fp32",
    }  # fmt: skip
    assert record["duration_s"] >= sum(epoch["duration_s"] for epoch in history)


def test_what_is_asked_for_decides_the_run_and_nothing_else():
    ids = {runs.run_id("digest", SETTINGS)}
    for change in ({"seed": 1}, {"epochs": 4}, {"batch_size": 32}, {"learning_rate": 1e-3}, {"patience": 1}, {"precision": "bf16"}, {"topology": "16x2-32x1"}):
        ids.add(runs.run_id("digest", replace(SETTINGS, **change)))
    ids.add(runs.run_id("another digest", SETTINGS))
    assert len(ids) == 9
    assert runs.run_id("digest", replace(SETTINGS)) in ids


def test_a_grid_trains_every_cell_with_every_seed_once():
    step = TrainGrid("small", ("16x2-32x1", "16x1-32x1", "16x2-32x1"), seeds=(3, 1, 3), epochs=2, patience=0)
    asked = [(unit.topology, unit.seed) for unit in step.trainings()]
    assert asked == [("16x2-32x1", 3), ("16x1-32x1", 3), ("16x2-32x1", 1), ("16x1-32x1", 1)]
    (settings, *_) = step.trainings()
    assert settings == TrainSettings("16x2-32x1", 3, 2, 64, 1e-3, 0, "auto")


def test_a_sample_is_of_the_part_it_is_taken_from(data):
    few = units.sample(data, 90)
    assert (len(few.train), len(few.validation)) == (90, 10)
    for part, whole in ((few.train, data.train), (few.validation, data.validation)):
        where = {row: n for n, row in enumerate(whole.rows)}
        assert set(part.rows) <= set(whole.rows)
        assert all(whole.labels[where[row]] == label for row, label in zip(part.rows, part.labels, strict=True))
        assert len(set(part.rows)) == len(part)


# ---- scoring


def test_scoring_uses_running_means_and_leaves_the_mode_as_it_was():
    torch.manual_seed(0)
    network = networks.build("small")
    pixels = torch.randint(0, 256, (7, 3, 32, 32), dtype=torch.uint8)
    network.train()(torch.rand(16, 3, 32, 32))  # running means of something else
    logits = scoring.logits_of(network, pixels)
    assert network.training
    with torch.no_grad():
        upright, mirrored = (network.eval()(images.float() / 255) for images in (pixels, pixels.flip(3)))
    assert logits == pytest.approx(((upright + mirrored) / 2).numpy(), abs=1e-5)
    assert scoring.logits_of(network, pixels, torch.tensor([5, 2])) == pytest.approx(logits[[5, 2]], abs=1e-5)
    assert not network.training


def test_a_residual_network_equals_its_layers_written_out():
    preset = Preset("t", "", (4, 6), (0, 1), Recipe(), 1, 1, 1e-3)
    torch.manual_seed(0)
    network = ResidualNet(preset).eval()
    images = torch.rand(3, 3, 32, 32)

    def step(x, part):  # convolution and normalisation
        convolution, norm = part
        x = functional.conv2d(x, convolution.weight, padding=1)
        return functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)

    (first,), (second, block) = network.stages
    x = step(images, first[0]).relu()
    x = step(functional.max_pool2d(x, 2), second[0]).relu()
    x = (x + step(step(x, block.inner[0]).relu(), block.inner[2])).relu()
    expected = functional.linear(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1), network.output.weight, network.output.bias)
    assert torch.allclose(network(images), expected.squeeze(1), atol=1e-5)
