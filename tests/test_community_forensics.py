"""The paper's detectors: what they are shown, what they answer, where their maps lie, and what training may do to a picture."""

import dataclasses
from threading import RLock

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from cifake_core.detectors import networks
from cifake_core.detectors.community_forensics import preprocessing
from cifake_core.detectors.community_forensics.augmentation import RandomStateAugmentation
from cifake_core.detectors.community_forensics.models import MEAN, MODELS, SPREAD
from cifake_core.detectors.loading import Detector
from cifake_core.explanations import cam, methods, package_cams


def picture(height, width, seed=0):
    """Noise and a gradient, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return ((noise + np.linspace(0, 255, width)[None, :, None]) / 2).astype(np.uint8)


def official(pixels, model):
    """torchvision's own transforms, as the official test transform names them: float (1, 3, crop, crop)."""
    return transforms.Compose(
        [
            transforms.Resize(model.resize), transforms.CenterCrop(model.crop), transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )(Image.fromarray(pixels))[None]  # fmt: skip


def detector(name="commfor-32"):
    torch.manual_seed(0)
    return Detector(None, networks.build(name).eval(), torch.device("cpu"), RLock())


@pytest.fixture(scope="module")
def large():
    """The 384-pixel detector with random weights: made once, it has 22 million."""
    torch.manual_seed(1)
    network = networks.build("commfor-384").eval()
    torch.nn.init.normal_(network.vit.head.weight, std=0.5)
    return network


# ---- what is shown


@pytest.mark.parametrize("name", ["commfor-384", "commfor-224"])
@pytest.mark.parametrize("size", [(32, 32), (500, 333), (333, 500), (441, 440), (1000, 385)])
def test_what_is_shown_is_what_the_official_transform_shows(name, size):
    model, pixels = MODELS[name], picture(*size)
    shown = preprocessing.stacked([preprocessing.shown(pixels, model)]).float() / 255
    torch.testing.assert_close(preprocessing.normalised(shown), official(pixels, model), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(32, 32), (300, 500)])
def test_the_way_inside_the_network_differs_by_a_grey_level_at_most(size):
    model, pixels = MODELS["commfor-224"], picture(*size)
    inside = preprocessing.framed(preprocessing.stacked([pixels]).float() / 255, model) * 255
    apart = (inside - preprocessing.stacked([preprocessing.shown(pixels, model)])).abs()
    assert apart.max() < 1.01
    assert apart.mean() < 0.1


def test_the_network_answers_what_an_independent_forward_pass_answers(large):
    """An independent ViT-S/16: the formulas of Dosovitskiy et al. 2021 written out, on the published weights' names."""
    from torch.nn import functional as F

    model, pixels, w = MODELS["commfor-384"], picture(240, 300), large.state_dict()
    with torch.no_grad():
        x = F.conv2d(
            official(pixels, model), w["vit.patch_embed.proj.weight"], w["vit.patch_embed.proj.bias"], stride=16
        )
        x = torch.cat([w["vit.cls_token"], x.flatten(2).transpose(1, 2)], 1) + w["vit.pos_embed"]
        for block in range(12):
            p = f"vit.blocks.{block}."
            y = F.layer_norm(x, (384,), w[p + "norm1.weight"], w[p + "norm1.bias"], 1e-6)
            qkv = (
                F.linear(y, w[p + "attn.qkv.weight"], w[p + "attn.qkv.bias"])
                .view(1, -1, 3, 6, 64)
                .permute(2, 0, 3, 1, 4)
            )
            mixed = (qkv[0] @ qkv[1].transpose(-1, -2) / 8).softmax(-1) @ qkv[2]
            x = x + F.linear(mixed.transpose(1, 2).flatten(2), w[p + "attn.proj.weight"], w[p + "attn.proj.bias"])
            y = F.layer_norm(x, (384,), w[p + "norm2.weight"], w[p + "norm2.bias"], 1e-6)
            y = F.gelu(F.linear(y, w[p + "mlp.fc1.weight"], w[p + "mlp.fc1.bias"]))
            x = x + F.linear(y, w[p + "mlp.fc2.weight"], w[p + "mlp.fc2.bias"])
        x = F.layer_norm(x, (384,), w["vit.norm.weight"], w["vit.norm.bias"], 1e-6)
        expected = F.linear(x[:, 0], w["vit.head.weight"], w["vit.head.bias"])[:, 0]
        shown = preprocessing.stacked([preprocessing.shown(pixels, model)]).float() / 255
        torch.testing.assert_close(large(shown), expected, atol=2e-5, rtol=1e-5)


def test_the_published_names_and_shapes_are_the_networks_own(large):
    shapes = {name: tuple(value.shape) for name, value in large.state_dict().items()}
    assert shapes["vit.head.weight"] == (1, 384)
    assert shapes["vit.pos_embed"] == (1, 577, 384)
    assert shapes["vit.patch_embed.proj.weight"] == (384, 3, 16, 16)
    assert shapes["vit.blocks.11.norm1.weight"] == (384,)
    assert len(shapes) == 152
    assert (MEAN, SPREAD) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_many_pictures_a_few_at_a_time_have_the_answers_of_all_at_once(monkeypatch):
    one = detector()
    images = torch.rand(7, 3, 32, 32)
    with torch.no_grad():
        expected = one.network(images)
        one.network.model = dataclasses.replace(MODELS["commfor-32"], batch=3)
        torch.testing.assert_close(one.network(images), expected)


# ---- maps


def test_every_method_makes_maps_of_it_at_the_size_of_the_picture():
    pixels = picture(40, 32).transpose(2, 0, 1)[None]
    for name in ("gradcam", "hirescam", "layercam", "eigencam", "ablationcam", "randomcam", "integratedgradients"):
        found = methods.maps(detector(), pixels, name)
        assert found.heat.shape == (1, 40, 32), name
        assert np.isfinite(found.heat).all()


def test_the_fast_way_gives_the_maps_of_the_package():
    one, layer = detector(), "vit.blocks.3.norm1.map"
    assert networks.convolution_names(one.network)[-1] == "vit.blocks.5.norm1.map"
    pixels = np.stack([picture(32, 32, seed).transpose(2, 0, 1) for seed in range(3)])
    np.testing.assert_allclose(
        methods.maps(one, pixels, "gradcam", layer).heat, package_cams.maps(one, pixels, "gradcam", layer).heat, atol=2e-3
    )
    high = np.stack([picture(40, 32, seed).transpose(2, 0, 1) for seed in range(3)])
    apart = methods.maps(one, high, "gradcam", layer).heat - package_cams.maps(one, high, "gradcam", layer).heat
    assert np.abs(apart).mean() < 0.08  # the frame is cut before enlarging, not after


def test_a_map_lies_where_the_network_looked_and_is_zero_where_it_did_not(large):
    """A picture twice as high as wide: 384 of 880 lines are seen, from line 248 on."""
    placed = cam.placed(large, np.ones((1, 88, 44), np.float32), (200, 100))
    rows = np.flatnonzero(placed[0, :, 22])
    assert (rows.min(), rows.max()) == (25, 62)
    columns = np.flatnonzero(placed[0, 44])
    assert (columns.min(), columns.max()) == (3, 40)


# ---- augmentation


def test_each_operation_comes_up_to_twice_and_the_order_is_random():
    plans = [RandomStateAugmentation(32).plan(np.random.default_rng(seed)) for seed in range(300)]
    counts = np.array([[plan.count(name) for name in RandomStateAugmentation(32).operations] for plan in plans])
    assert counts.shape == (300, 11)
    assert set(counts.ravel()) == {0, 1, 2}
    assert abs(counts.mean() - 1) < 0.05
    firsts = {plan[0] for plan in plans if plan}
    assert len(firsts) == 11


def test_every_operation_gives_a_picture_that_the_crop_fits_and_a_seed_decides_it():
    augment = RandomStateAugmentation(32)
    image = Image.fromarray(picture(40, 50))
    for name, operation in augment.operations.items():
        for seed in range(5):
            made = operation(image, np.random.default_rng(seed))
            assert min(made.size) >= 32, name
            assert np.array_equal(np.array(made), np.array(operation(image, np.random.default_rng(seed))))
    for seed in range(20):
        assert augment(image, np.random.default_rng(seed)).size == (32, 32)


def test_padding_keeps_the_sides_of_a_picture_that_is_not_square():
    image = Image.fromarray(picture(40, 80))
    assert RandomStateAugmentation(32).operations["padding"](image, np.random.default_rng(0)).size == (80, 40)


def test_an_image_tried_is_shown_as_published_and_its_map_is_as_large_as_what_was_seen(monkeypatch):
    from types import SimpleNamespace

    from cifake_core.explanations import features, trying
    from cifake_core.explanations.predictor import Predictor
    from cifake_core.images.codec import encode_png
    from cifake_core.metrics.calibration import AS_IT_IS

    one = detector()
    one.network.model = dataclasses.replace(MODELS["commfor-32"], resize=40, batch=2)  # resized to 40, 32 of it are seen
    pixels = picture(100, 60)
    run = SimpleNamespace(id="run", topology="commfor-32")
    found = trying.try_image(Predictor(run, {"run": one}, {"run": AS_IT_IS}, None), encode_png(pixels), name="a.png", jpeg=False)
    assert [stage.title for stage in found.stages] == ["The file", "Shrunk", "Cropped"]
    np.testing.assert_array_equal(found.seen, preprocessing.shown(pixels, one.network.model))
    with torch.no_grad():
        logit = one.network(preprocessing.stacked([found.seen]).float() / 255)
    assert found.verdict.fake_probability == pytest.approx(float(logit.sigmoid()), abs=1e-5)
    assert found.heat.shape == (32, 32)
    assert len(features.features_of(one, np.stack([found.seen.transpose(2, 0, 1)] * 5))) == 5  # in parts of two
