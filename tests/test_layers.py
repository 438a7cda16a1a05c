"""One image layer by layer: the stages are those of the network, and their last numbers add up to its logit."""

from threading import RLock

import numpy as np
import pytest
import torch
from torch import nn

from cifake_core.detectors import loading, networks, runs, scoring
from cifake_core.detectors.loading import Detector
from cifake_core.explanations.layers import journey
from cifake_core.images.image_set import ImageSet


@pytest.fixture
def detector(lab):
    return loading.load(next(run for run in runs.runs(lab) if run.topology == "16x2-64x1"))


def test_the_last_units_times_their_weights_add_up_to_the_logit_of_the_network(lab, detector):
    pixels = ImageSet.open(lab, "tiny").part("test").pixels[:4]
    logits = scoring.logits_of(detector.network, scoring.on_device(pixels, detector.device))
    for image, logit in zip(pixels, logits, strict=True):
        found = journey(detector, np.asarray(image))
        assert found.logit == pytest.approx(logit, abs=1e-4)
        assert found.pushes.sum() + found.bias == pytest.approx(found.logit, abs=1e-4)
        assert found.probability == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_each_convolution_is_followed_by_its_pooling_at_half_the_side_and_then_the_dense_layer(lab, detector):
    found = journey(detector, np.asarray(ImageSet.open(lab, "tiny").part("test").pixels[0]))
    shapes = [(stage.kind, stage.values.shape) for stage in found.stages]
    expected = [
        ("convolution", (16, 32, 32)),
        ("pooled", (16, 16, 16)),
        ("convolution", (16, 16, 16)),
        ("pooled", (16, 8, 8)),
        ("dense", (64,)),
    ]
    assert shapes == expected
    first, pooled = found.stages[0].values, found.stages[1].values
    assert (pooled == first.reshape(16, 16, 2, 16, 2).max((2, 4))).all()
    assert all((stage.values >= 0).all() for stage in found.stages)
    assert found.stages[4].silent == (found.stages[4].values == 0).sum()


def test_any_other_network_is_followed_too_and_is_left_without_hooks():
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 1), nn.Flatten(0)
    )
    detector = Detector(None, body.train(), torch.device("cpu"), RLock())
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    found = journey(detector, pixels)
    assert [(stage.kind, stage.values.shape) for stage in found.stages] == [
        ("convolution", (5, 30, 30)),
        ("pooled", (5, 2, 2)),
    ]
    with torch.no_grad():
        logit = float(body(networks.as_input(torch.from_numpy(pixels[None])))[0])
    assert found.logit == pytest.approx(logit, abs=1e-5)
    assert found.pushes.sum() + found.bias == pytest.approx(logit, abs=1e-5)
    assert not any(module._forward_hooks for module in body.modules())
    assert body.training
