"""The presets beyond the paper's grid: what they are made of, how they are trained, and that they are runs like all others."""

import copy
import json
from dataclasses import replace
from threading import RLock

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from cifake_core.cli import app
from cifake_core.detectors import (
    augmenting,
    checkpoints,
    loading,
    networks,
    probing,
    runs,
    scoring,
    trainable,
    training,
    units,
)
from cifake_core.detectors.muon import Muon, orthogonal
from cifake_core.detectors.presets import PRESETS, Preset, Recipe, preset
from cifake_core.detectors.request import TrainSettings
from cifake_core.detectors.runs import Run
from cifake_core.errors import BadInput, Damaged
from cifake_core.evaluation.reporting import commands
from cifake_core.evaluation.reporting.writing import write_report
from cifake_core.explanations import asking, fast_cam, methods, seeds
from cifake_core.explanations.explaining import ExplainSplit
from cifake_core.explanations.layers import journey
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from pages.build.training.plan import Plan

SETTINGS = TrainSettings("small", seed=3, epochs=3, batch_size=64, learning_rate=4e-3, patience=0)


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_has_the_parameters_it_names_and_one_logit_an_image(name):
    network = networks.build(name)
    assert sum(p.numel() for p in network.parameters()) == preset(name).parameters()
    assert network(torch.rand(2, 3, 32, 32)).shape == (2,)
    TrainSettings(name, **preset(name).settings())  # its own settings are accepted


def test_the_small_one_stays_under_300_000_parameters():
    assert preset("small").parameters() < 300_000


def test_parameters_and_multiplications_are_those_counted_by_hand():
    tiny = Preset("t", "", (4, 8), (0, 1), Recipe(), 1, 1, 1e-3)
    convolutions = 27 * 4 + 9 * 4 * 8 + 2 * 9 * 8 * 8
    assert tiny.parameters() == convolutions + 2 * 4 + 2 * 8 + 2 * 2 * 8 + 2 * 8 + 1
    assert tiny.multiply_adds() == 27 * 4 * 1024 + (9 * 4 * 8 + 2 * 9 * 8 * 8) * 256 + 16


def test_the_rate_rises_falls_to_zero_and_the_papers_stays():
    recipe = Recipe(warmup=0.2)
    assert recipe.rate(0) == pytest.approx(0.04)
    assert recipe.rate(0.1) == pytest.approx(0.52)
    assert recipe.rate(0.2) == pytest.approx(1)
    assert recipe.rate(0.6) == pytest.approx(0.5)
    assert recipe.rate(1) == pytest.approx(0)
    assert {trainable.recipe("32x2-64x1").rate(done / 7) for done in range(8)} == {1.0}


def test_the_rate_of_each_step_follows_from_where_the_training_stands(data, tmp_path, monkeypatch):
    seen, step = [], Muon.step

    def watched(self):
        seen.append(self.param_groups[0]["lr"])
        step(self)

    monkeypatch.setattr(Muon, "step", watched)
    history = training.fit(data, SETTINGS, tmp_path).history
    rate, steps = preset("small").recipe.rate, [-(-epoch.images // SETTINGS.batch_size) for epoch in history]
    stands = [(before + step / count) / len(steps) for before, count in enumerate(steps) for step in range(count)]
    assert seen == pytest.approx([4e-3 * rate(share) for share in stands])


@pytest.mark.parametrize("shape", [(24, 27), (72, 576), (40, 9)])
def test_a_matrix_made_orthogonal_keeps_its_directions_and_loses_its_sizes(shape):
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=torch.Generator().manual_seed(0)), full_matrices=False)
    sizes = torch.logspace(0, -1.5, len(v))
    made = u.T @ orthogonal(u * sizes @ v) @ v.T  # in the basis of its own directions
    assert ((made.diagonal() > 0.6) & (made.diagonal() < 1.3)).all()
    assert (made - made.diagonal().diag()).abs().max() < 1e-4
    assert not orthogonal(torch.zeros(shape)).any()


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (40, 1, 3, 3)])
def test_muon_steps_a_convolution_by_its_rate_whatever_the_gradients_size_and_the_rest_as_adamw_does(shape):
    convolution = nn.Parameter(torch.zeros(shape))
    linear, twin = (nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4)) for _ in range(2))
    muon = Muon([convolution, linear], lr=0.01, weight_decay=0.1)
    adamw = torch.optim.AdamW([twin], lr=0.01, weight_decay=0.1)
    random = torch.Generator().manual_seed(0)
    for size in (1e-4, 1.0, 10.0):
        before = convolution.detach().clone()
        convolution.grad = size * torch.randn(shape, generator=random)
        linear.grad = size * torch.randn(3, 4, generator=random)
        twin.grad = linear.grad.clone()
        muon.step()
        adamw.step()
        moved = convolution.detach() - before * (1 - 0.01 * 0.1)
        assert moved.square().mean().sqrt() == pytest.approx(0.01 * 0.2, rel=0.25)
        assert (moved * convolution.grad).sum() < 0  # downhill
        torch.testing.assert_close(linear, twin)


def test_every_varied_image_is_its_own_image_moved_and_maybe_mirrored():
    pixels = torch.randint(0, 256, (60, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    seen = augmenting.varied(pixels, Recipe(shift=2, mirror=True), torch.Generator().manual_seed(0))
    moves = set()
    for image, varied in zip(pixels.numpy(), seen.numpy(), strict=True):
        padded = np.pad(image, ((0, 0), (2, 2), (2, 2)), mode="reflect")
        crops = {(y, x): padded[:, y : y + 8, x : x + 8] for y in range(5) for x in range(5)}
        fits = [(y, x, flip) for (y, x), crop in crops.items() for flip in (1, -1) if np.array_equal(crop[:, :, ::flip], varied)]
        assert len(fits) == 1
        moves |= set(fits)
    assert {y for y, _, _ in moves} == {x for _, x, _ in moves} == set(range(5))
    assert len({(y, x) for y, x, _ in moves}) > 10  # down and across by draws of their own
    assert {flip for _, _, flip in moves} == {1, -1}


def test_cutout_hides_one_square_of_each_image_and_leaves_the_rest_alone():
    pixels = torch.full((400, 3, 8, 8), 7, dtype=torch.uint8)
    seen = augmenting.varied(pixels, Recipe(cutout=3), torch.Generator().manual_seed(0))
    assert set(seen.unique().tolist()) == {7, augmenting._GREY}
    hidden = (seen == augmenting._GREY).numpy()
    assert (hidden == hidden[:, :1]).all()  # in all three colours
    centres = set()
    for image in hidden[:, 0]:
        rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        assert image.sum() == len(rows) * len(columns)
        for found in (rows, columns):
            assert np.array_equal(found, np.arange(found[0], found[-1] + 1))
            assert len(found) == 3 or (len(found) == 2 and {found[0], found[-1]} & {0, 7})  # cut by an edge alone
        centres.add((rows[-1] - 1 if rows[0] == 0 else rows[0] + 1, columns[-1] - 1 if columns[0] == 0 else columns[0] + 1))
    assert centres == {(y, x) for y in range(8) for x in range(8)}
    assert Recipe(cutout=3).varies


def test_images_are_varied_by_the_draw_alone_and_not_at_all_where_the_recipe_says_so():
    pixels = torch.randint(0, 256, (9, 3, 8, 8), dtype=torch.uint8)
    recipe = Recipe(shift=1, mirror=True, cutout=3)
    first, again = (augmenting.varied(pixels, recipe, torch.Generator().manual_seed(4)) for _ in range(2))
    other = augmenting.varied(pixels, recipe, torch.Generator().manual_seed(5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(augmenting.varied(pixels, Recipe(), torch.Generator().manual_seed(4)), pixels)
    assert not Recipe().varies


@pytest.fixture(scope="module")
def data(_lab):
    """Few images, for what does not depend on their number: three batches an epoch."""
    return units.sample(ImageSet.open(_lab, "tiny").training_data(), 180)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A training that nothing interrupted."""
    return training.fit(data, SETTINGS, tmp_path_factory.mktemp("whole"))


def _stopped(epochs):
    def on_epoch(history):
        if len(history) == epochs:
            raise InterruptedError

    return on_epoch


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_stopped_preset_goes_on_to_the_bits_of_an_uninterrupted_one(data, whole, tmp_path, epochs):
    with pytest.raises(InterruptedError):
        training.fit(data, SETTINGS, tmp_path / "stopped", on_epoch=_stopped(epochs))
    second = training.fit(data, SETTINGS, tmp_path / "stopped")
    expected, resumed = whole.network.state_dict(), second.network.state_dict()  # the best epoch's, maybe one before the stop
    assert expected.keys() == resumed.keys()
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    assert torch.equal(whole.losses, second.losses)
    assert [replace(epoch, duration_s=0) for epoch in whole.history] == [replace(epoch, duration_s=0) for epoch in second.history]


def test_a_checkpoint_of_another_optimizer_is_not_gone_on_with(data, whole, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(training, "Muon", lambda parameters, lr, decay: torch.optim.AdamW(parameters, lr, weight_decay=decay))
    with pytest.raises(InterruptedError):
        training.fit(data, SETTINGS, tmp_path / "stopped", on_epoch=_stopped(1))
    monkeypatch.undo()
    started_over = training.fit(data, SETTINGS, tmp_path / "stopped").network.state_dict()
    assert "another optimizer" in caplog.text
    assert all(torch.equal(value, started_over[name]) for name, value in whole.network.state_dict().items())


def test_a_presets_own_numbers_are_part_of_its_runs_id(monkeypatch):
    before = runs.run_id("d" * 64, SETTINGS)
    other = replace(preset("small"), recipe=replace(preset("small").recipe, weight_decay=0.5))
    monkeypatch.setitem(PRESETS, "small", replace(preset("small"), title="another word"))
    assert runs.run_id("d" * 64, SETTINGS) == before
    monkeypatch.setitem(PRESETS, "small", other)
    assert runs.run_id("d" * 64, SETTINGS) != before


def test_without_the_running_means_of_its_normalisation_a_checkpoint_does_not_resume_to_the_same_bits(data, whole, tmp_path, monkeypatch):
    with pytest.raises(InterruptedError):
        training.fit(data, SETTINGS, tmp_path / "stopped", on_epoch=_stopped(2))
    restore = checkpoints.restore

    def forgetful(folder, state):
        restore(folder, state)
        for name, buffer in state.network.named_buffers():
            if name.endswith("running_mean"):
                buffer.zero_()

    monkeypatch.setattr(checkpoints, "restore", forgetful)
    resumed = training.fit(data, SETTINGS, tmp_path / "stopped")
    assert resumed.history[-1].validation_loss != whole.history[-1].validation_loss


def test_a_preset_does_not_stop_before_its_rate_has_fallen():
    with pytest.raises(BadInput, match="patience 0"):
        replace(SETTINGS, patience=3)


def test_a_preset_is_a_run_like_any_other_from_the_command_line_to_its_maps(lab):
    asked = ["train", "--dataset", "tiny", "--preset", "small", "--epochs", "2", "--batch-size", "32", "--json"]
    made = json.loads(CliRunner().invoke(app, asked, catch_exceptions=False).stdout.splitlines()[-1])["runs"][0]
    run = runs.open_run(lab, made["run"])
    asked_for = {"topology": "small", "seed": 0, **preset("small").settings(), "precision": "auto"}
    assert run.record["settings"] == asked_for | {"epochs": 2, "batch_size": 32}
    network = loading.load(run).network
    images = networks.as_input(torch.from_numpy(np.array(ImageSet.open(lab, "tiny").part("test").pixels)))
    both = [network(seen).detach() for seen in (images, images.flip(3))]
    assert not torch.allclose(*both, atol=1e-2)  # the network itself does tell an image from its mirror image
    np.testing.assert_allclose(run.predictions()["logit"], (both[0] + both[1]) / 2, atol=1e-3)
    on_its_way = journey(loading.load(run), ImageSet.open(lab, "tiny").part("test").pixels[0])
    assert [on_its_way.logit, on_its_way.mirrored] == pytest.approx([float(logits[0]) for logits in both], abs=1e-3)
    maps = ExplainSplit(run.id, limit=8).run(Context(lab))
    assert maps["n"] == 8
    assert maps["layer"] == networks.convolution_names(network)[-1]
    write_report(lab, run.id, lab.home / "small.html", resamples=20)
    assert "<td>13</td>" in (lab.home / "small.html").read_text(encoding="utf-8").split("cutout")[1][:40]  # its recipe beside its settings
    assert any("--topology small" in line and "--patience 0" in line for line in commands.to_repeat(run, ImageSet.open(lab, "tiny"), "test", 0.5))


def test_a_run_keeps_its_own_network_and_way_of_judging_when_the_preset_of_its_name_changes(lab, monkeypatch):
    """As after an update: recorded by a version that asked one way, with other widths, before there was the field."""
    old = Preset("small", "", (8, 8), (0, 1), Recipe(muon=True), 1, 32, 1e-3)
    with monkeypatch.context() as then:
        then.setitem(PRESETS, "small", old)
        CliRunner().invoke(app, ["train", "--dataset", "tiny", "--preset", "small"], catch_exceptions=False)
    run = next(run for run in runs.runs(lab) if run.topology == "small")
    record = json.loads((run.folder / "record.json").read_text())
    del record["preset"]["both_ways"]
    (run.folder / "record.json").write_text(json.dumps(record))
    network = loading.load(runs.open_run(lab, run.id)).network
    assert sum(p.numel() for p in network.parameters()) == old.parameters()
    pixels = torch.from_numpy(np.array(ImageSet.open(lab, "tiny").part("test").pixels))
    np.testing.assert_allclose(run.predictions()["logit"], scoring.logits_of(network, pixels), atol=1e-3)
    assert not network.both_ways
    image_set, plan = ImageSet.open(lab, "tiny"), Plan("tiny", "small", (), (0,), **{**preset("small").settings(), "epochs": 1, "batch_size": 32, "learning_rate": 1e-3})
    assert len(plan.left(image_set, runs.runs(lab))) == 1  # asked for today, it is another network
    today = Run(run.id, run.folder, {**run.record, **runs.preset_of("small")})
    assert run.request != today.request
    assert [other.id for other in seeds.same_cell(lab, today)] == [today.id]
    assert any("other numbers" in line for line in commands.to_repeat(run, image_set, "test", 0.5))
    assert ExplainSplit(run.id, limit=8).run(Context(lab))["layer"] == networks.convolution_names(network)[-1]

    for damage in ({"channels": [8.5, "x"]}, {"blocks": [0]}, {"recipe": None}, {"colours": 3}):
        (run.folder / "record.json").write_text(json.dumps({**record, "preset": record["preset"] | damage}))
        with pytest.raises(Damaged, match="in an unknown way"):
            loading.load(runs.open_run(lab, run.id))


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "occlusion"])
def test_a_map_speaks_for_the_verdict_of_both_ways_and_shows_the_image_as_it_is(lab, method):
    """An untrained network whose logits lie around nought, so that image and mirror image often disagree."""
    torch.manual_seed(0)
    network, pixels = networks.build("small").eval(), np.array(ImageSet.open(lab, "tiny").part("test").pixels)
    images = networks.as_input(torch.from_numpy(pixels))
    with torch.no_grad():
        network.output.bias -= scoring.verdict(network, images).median()
        upright = network(images).numpy()
    both = scoring.logits_of(network, torch.from_numpy(pixels))
    disagree = np.flatnonzero((upright >= 0) != (both >= 0))[:12]
    assert len(disagree) > 1
    detector = loading.Detector(None, network, torch.device("cpu"), RLock())
    found = methods.maps(detector, pixels[disagree], method)
    np.testing.assert_allclose(found.logits, both[disagree], atol=1e-4)
    np.testing.assert_array_equal(found.explained, both[disagree] >= 0)
    one_way = copy.deepcopy(network)
    one_way.both_ways = False
    alone = methods.maps(loading.Detector(None, one_way, torch.device("cpu"), RLock()), pixels[disagree], method, target=found.explained)
    np.testing.assert_allclose(found.heat, alone.heat, atol=1e-4)
    np.testing.assert_allclose(asking.logits_of(detector, pixels[disagree].astype(np.float32) / 255), both[disagree], atol=1e-4)
    if method != "gradcam":
        return
    probabilities, heat, _, _ = probing.seen_by(network, torch.from_numpy(pixels[disagree]))
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-both[disagree])), atol=1e-4)
    assert np.abs(fast_cam.enlarged(heat.astype(np.float32) / 255, found.heat.shape[1:]) - found.heat).mean() < 0.02


def test_a_preset_beside_cells_is_refused_in_a_sentence(lab):
    told = CliRunner().invoke(app, ["train", "--dataset", "tiny", "--preset", "small", "--grid", "quick"])
    assert isinstance(told.exception, BadInput) or "settings of its own" in told.output


def test_the_page_plans_a_preset_as_one_network_with_its_command():
    plan = Plan("tiny", "small", (), (0, 1), **preset("small").settings())
    assert plan.names() == ["small"]
    assert plan.arguments() == {"dataset": "tiny", "topologies": ["small"], "seeds": [0, 1], **preset("small").settings()}
    assert plan.command() == "python -m cifake_core train --dataset tiny --preset small --seeds 0,1 --epochs 56"
