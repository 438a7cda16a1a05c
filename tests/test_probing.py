"""The probe: 24 fixed validation images followed through the epochs, at hardly any cost and without touching the training."""

import numpy as np
import pytest
import torch

from cifake_core.detectors import loading, networks, probing, runs, scoring, training
from cifake_core.explanations import fast_cam
from cifake_core.images.image_set import ImageSet
from tests.test_training import SETTINGS, Stop, assert_same, bits, stop_after


@pytest.fixture
def tiny(lab):
    return ImageSet.open(lab, "tiny")


def test_a_run_keeps_probabilities_and_maps_of_each_epoch_for_as_many_fakes_as_reals(lab, tiny):
    run = next(run for run in runs.runs(lab) if run.topology == "16x2-64x1")
    probe, validation = probing.of_run(run.folder), tiny.part("validation")
    assert list(probe.epochs) == [epoch["epoch"] for epoch in run.history()]
    positions = probing.positions_of(validation, probe.image_ids)
    assert (positions >= 0).all()
    assert list(validation.labels[positions]) == [0, 1] * 12
    assert len(set(validation.class_labels[positions])) == 10
    assert probe.probabilities.shape == (6, 24)
    assert probe.heat.shape == (6, 24, 16, 16)
    best = run.record["best_epoch"] - 1  # of this epoch the run has the weights
    stored = run.predictions("validation")["logit"].to_numpy()[positions]
    np.testing.assert_allclose(probe.probabilities[best], 1 / (1 + np.exp(-stored)), atol=1e-4)
    assert (probe.probabilities[0] != probe.probabilities[-1]).any()


def test_the_maps_are_grad_cam_of_the_last_convolution(lab, tiny):
    run = runs.runs(lab)[0]
    detector, pixels = loading.load(run), tiny.part("validation").pixels[:16]
    probabilities, heat, scale, layer = probing.seen_by(detector.network, scoring.on_device(pixels, detector.device))
    expected = fast_cam.layer_maps(detector, pixels, layer)
    np.testing.assert_allclose(heat / 255, expected.heat, atol=0.003)
    np.testing.assert_allclose(scale, expected.scale, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-expected.logits)), atol=1e-5)


def test_a_network_that_sees_no_evidence_has_a_map_of_noughts():
    network = networks.build("16x1-32x1")
    with torch.no_grad():
        network.output.weight.zero_()
    _, heat, scale, _ = probing.seen_by(network, torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    assert not heat.any()
    assert not scale.any()


def test_looking_changes_no_bit_of_the_training_and_a_stopped_one_records_every_epoch(tiny, tmp_path):
    data = tiny.training_data()
    blind = training.fit(data, SETTINGS, tmp_path / "blind")
    watched = probing.Recorder(tmp_path / "watched", data.validation)
    with pytest.raises(Stop):
        training.fit(data, SETTINGS, tmp_path / "watched", on_epoch=stop_after(2), watch=watched.look)
    early = probing.gathered(tmp_path / "watched", 2)
    state = training.fit(data, SETTINGS, tmp_path / "watched", watch=watched.look)
    assert_same(bits(blind), bits(state))
    whole = probing.gathered(tmp_path / "watched", SETTINGS.epochs)
    assert np.array_equal(whole.heat[:2], early.heat)
    assert probing.gathered(tmp_path / "watched", SETTINGS.epochs + 1) is None


def test_a_run_made_before_there_were_probes_says_so(lab):
    from cifake_core.store import artifacts

    run = runs.runs(lab)[0]
    record = artifacts.read_json(run.folder / artifacts.RECORD)
    del record["sha256"][probing.PROBE]
    artifacts.write_json(run.folder / artifacts.RECORD, record)
    assert probing.of_run(run.folder) is None
