"""Easy images that an epoch of a preset leaves out: which, for what the others count, and that a stopped training knows them."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from cifake_core.detectors import checkpoints, skipping, training
from cifake_core.detectors.presets import PRESETS, Recipe, preset
from cifake_core.detectors.request import TrainSettings
from cifake_core.images.image_set import ImageSet

SETTINGS = TrainSettings("small", seed=3, epochs=3, batch_size=64, learning_rate=4e-3, patience=0)


@pytest.fixture
def data(lab):
    return ImageSet.open(lab, "tiny").training_data()


def test_an_epoch_sees_every_hard_image_and_some_easy_ones_that_count_for_the_others():
    n, recipe, draw = 50_000, Recipe(skip=0.7), torch.Generator().manual_seed(0)
    losses = torch.rand(n, generator=draw) ** 8
    seen, counts = skipping.order(n, losses, recipe, draw)
    easy = losses < losses.mean()
    assert len(seen.unique()) == len(seen)
    assert not torch.equal(seen, seen.sort().values)
    assert set(torch.arange(n)[~easy].tolist()) <= set(seen.tolist())
    assert torch.equal(counts, torch.where(easy, 1 / 0.3, 1.0)[seen])
    assert float(easy[seen].sum() / easy.sum()) == pytest.approx(0.3, abs=0.01)
    assert float((losses[seen] * counts).sum() / losses.sum()) == pytest.approx(1, abs=0.01)
    once, again = (skipping.order(n, losses, recipe, torch.Generator().manual_seed(3))[0] for _ in range(2))
    assert torch.equal(once, again)


def test_where_nothing_is_left_out_an_epoch_sees_all_images_once_in_the_order_of_its_draw():
    seen, counts = skipping.order(90, None, Recipe(), torch.Generator().manual_seed(2))
    assert torch.equal(seen, torch.randperm(90, generator=torch.Generator().manual_seed(2)))
    assert counts is None


def test_the_first_epoch_and_the_last_eighth_see_every_image():
    recipe = Recipe(skip=0.5)
    assert [epoch for epoch in range(1, 25) if recipe.sees_all(epoch, 24)] == [1, 22, 23, 24]
    assert all(Recipe().sees_all(epoch, 24) for epoch in range(1, 25))
    assert Recipe().images_seen(100, 24) == 2400
    assert 400 + 20 * 50 < recipe.images_seen(100, 24) < 400 + 20 * 70


def test_a_training_tells_how_many_images_it_saw_and_its_loss_still_stands_for_all(data, tmp_path, monkeypatch):
    settings = replace(SETTINGS, epochs=5)
    state = training.fit(data, settings, tmp_path / "some")
    n = len(data.train)
    assert [epoch.images == n for epoch in state.history] == [True, False, False, False, True]
    assert all(0.25 * n < epoch.images < 0.9 * n for epoch in state.history[1:4])
    assert state.losses.shape == (n,)
    assert float(state.losses.mean()) == pytest.approx(state.history[-1].train_loss, rel=1e-4)  # the last epoch saw them all
    small = preset("small")
    monkeypatch.setitem(PRESETS, "small", replace(small, recipe=replace(small.recipe, skip=0.0)))
    every = training.fit(data, settings, tmp_path / "every")
    assert every.losses is None
    assert {epoch.images for epoch in every.history} == {n}
    for some, whole in zip(state.history, every.history, strict=True):
        assert some.train_loss == pytest.approx(whole.train_loss, rel=0.5, abs=0.1)  # two trainings; what exactly the loss is, the next test tells
        assert 0 <= some.train_accuracy <= 1


def test_what_stays_counts_for_what_is_left_out_in_the_loss_that_is_learned_from(data, tmp_path, monkeypatch):
    drawn, learned, order, loss = [], [], skipping.order, functional.binary_cross_entropy_with_logits

    def spied_order(*asked):
        drawn.append(order(*asked))
        return drawn[-1]

    def spied_loss(logits, labels, *count, **how):
        found = loss(logits, labels, *count, **how)
        if found.requires_grad:
            right = (logits.detach() >= 0) == (labels == 1)
            learned.append((found.item() * len(labels), loss(logits, labels, reduction="none").detach(), right))
        return found

    monkeypatch.setattr(skipping, "order", spied_order)
    monkeypatch.setattr(functional, "binary_cross_entropy_with_logits", spied_loss)
    state = training.fit(data, SETTINGS, tmp_path)
    assert [counts is None for _, counts in drawn] == [True, False, True]
    before, counts = len(drawn[0][0]), drawn[1][1]
    steps = -(-before // SETTINGS.batch_size), -(-len(counts) // SETTINGS.batch_size)
    second = learned[steps[0] : sum(steps)]
    each, right = (torch.cat(parts) for parts in list(zip(*second, strict=True))[1:])
    assert sum(total for total, _, _ in second) == pytest.approx(float((each * counts).sum()), rel=1e-4)
    assert state.history[1].train_loss == pytest.approx(float((each * counts).sum() / counts.sum()), rel=1e-4)
    assert state.history[1].train_accuracy == pytest.approx(float((right * counts).sum() / counts.sum()))


def _stop(_):
    raise InterruptedError


def test_without_the_last_losses_a_checkpoint_does_not_resume_to_the_same_bits(data, tmp_path, monkeypatch):
    whole = training.fit(data, SETTINGS, tmp_path / "whole")
    with pytest.raises(InterruptedError):
        training.fit(data, SETTINGS, tmp_path / "stopped", on_epoch=_stop)
    restore = checkpoints.restore

    def forgetful(folder, state):
        restore(folder, state)
        state.losses = None

    monkeypatch.setattr(checkpoints, "restore", forgetful)
    resumed = training.fit(data, SETTINGS, tmp_path / "stopped")
    assert resumed.history[1].images > whole.history[1].images
