"""Where feature maps are taken: heatmaps against the `grad-cam` package on plain copies of the networks written out here."""

import zlib
from threading import RLock

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.model_targets import BinaryClassifierOutputTarget
from torch import nn

from cifake_core.detectors import feature_maps, networks
from cifake_core.detectors.loading import Detector
from cifake_core.errors import BadInput
from cifake_core.explanations import fast_cam, layers, methods
from cifake_core.explanations.features import CELLS, features_of

PACKAGE = {
    "gradcam": pytorch_grad_cam.GradCAM, "gradcam++": pytorch_grad_cam.GradCAMPlusPlus, "hirescam": pytorch_grad_cam.HiResCAM,
    "layercam": pytorch_grad_cam.LayerCAM, "xgradcam": pytorch_grad_cam.XGradCAM, "eigencam": pytorch_grad_cam.EigenCAM,
    "scorecam": pytorch_grad_cam.ScoreCAM,
}  # fmt: skip


def detector(topology, seed=0):
    torch.manual_seed(seed)
    network = networks.build(topology).eval()
    for module in network.modules():  # fresh normalisations would change nothing and hide a wrong place
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, std=0.3)
    return Detector(None, network, torch.device("cpu"), RLock())


def some_pixels(n=6, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)


def centred(it, pixels):
    """Moves the bias so that both verdicts occur."""
    head = it.network.vit.head if hasattr(it.network, "vit") else it.network.output
    with torch.no_grad():
        head.bias -= it.network(torch.from_numpy(pixels).float() / 255).median()
    return it


def plain_convnet(network):
    """(the paper's network as a list of layers, layer → its ReLU, layer → its convolution), weights copied."""
    body, after, before = [], {}, {}
    for number, convolution in enumerate(network.convolutions):
        mine = nn.Conv2d(convolution.in_channels, convolution.out_channels, 3, padding=1)
        mine.load_state_dict(convolution.state_dict())
        body += [mine, nn.ReLU(), nn.MaxPool2d(2)]
        before[f"convolutions.{number}"], after[f"convolutions.{number}"] = body[-3], body[-2]
    body.append(nn.Flatten())
    for linear in (*network.dense, network.output):
        mine = nn.Linear(linear.in_features, linear.out_features)
        mine.load_state_dict(linear.state_dict())
        body += [mine, nn.ReLU()]
    return nn.Sequential(*body[:-1], nn.Flatten(0)).eval(), after, before


class PlainResidual(nn.Module):
    """The presets' network written out, every feature map passing an `nn.Identity` that can be looked at."""

    def __init__(self, network):
        super().__init__()
        self.parts = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self.blocks = [len(stage) - 1 for stage in network.stages]
        names = networks.convolution_names(network)
        self.after, self.before = (nn.ModuleDict({name.replace(".", "_"): nn.Identity() for name in names}) for _ in range(2))
        self.anchor = nn.Parameter(torch.zeros(()))  # the package asks where the parameters lie, and for gradients

    def convolved(self, name, x):
        p = self.parts
        x = self.before[f"{name}.0".replace(".", "_")](nn.functional.conv2d(x, p[f"{name}.0.weight"], padding=1) + self.anchor)
        mean, variance, weight, bias = (p[f"{name}.1.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        scale = weight / torch.sqrt(variance + 1e-5)
        return x * scale[:, None, None] + (bias - mean * scale)[:, None, None]

    def rectified(self, name, x):
        return self.after[f"{name}.0".replace(".", "_")](x.relu())

    def forward(self, x):
        for number, blocks in enumerate(self.blocks):
            x = nn.functional.max_pool2d(x, 2) if number else x
            name = f"stages.{number}.0.0"
            x = self.rectified(name, self.convolved(name, x))
            for block in range(1, blocks + 1):
                first, second = f"stages.{number}.{block}.inner.0", f"stages.{number}.{block}.inner.2"
                inner = self.convolved(second, self.rectified(first, self.convolved(first, x)))
                x = self.rectified(second, x + inner)
        x = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return (x @ self.parts["output.weight"].T + self.parts["output.bias"]).squeeze(1)


def plain(it):
    """(a plain copy, layer → module after the ReLU, layer → module before it) of a detector's network."""
    if isinstance(it.network, networks.ConvNet):
        return plain_convnet(it.network)
    if hasattr(it.network, "vit"):
        places = {name: it.network.get_submodule(name) for name in networks.convolution_names(it.network)}
        return it.network, places, places
    copy = PlainResidual(it.network)
    names = networks.convolution_names(it.network)
    return copy, *({name: marks[name.replace(".", "_")] for name in names} for marks in (copy.after, copy.before))


def by_package(it, copy, modules, pixels, method, target):
    """Heatmaps by the package itself, on the plain copy."""
    images = torch.from_numpy(pixels).float() / 255
    with torch.no_grad():
        logits = it.network(images)
        torch.testing.assert_close(copy(images), logits, atol=1e-5, rtol=1e-4)
        if getattr(it.network, "both_ways", False):  # its verdict is the mean over image and mirror image
            logits = (logits + copy(images.flip(3))) / 2
    labels = {"fake": np.ones(len(pixels)), "real": np.zeros(len(pixels)), "verdict": (logits >= 0).numpy()}[target]
    with PACKAGE[method](copy, modules) as cam:
        return np.nan_to_num(cam(input_tensor=images, targets=[BinaryClassifierOutputTarget(int(label)) for label in labels]))


@pytest.mark.parametrize("place", ["relu", "raw"])
@pytest.mark.parametrize("topology", ["32x2-64x1", "16x1-64x1", "16x3-32x2", "small", "commfor-32"])
def test_grad_cam_is_the_package_s_on_a_plain_copy_at_every_layer_for_every_target(topology, place):
    pixels = some_pixels()
    it = centred(detector(topology), pixels)
    copy, after, before = plain(it)
    for layer, module in (after if place == "relu" else before).items():
        for target in ("verdict", "fake", "real"):
            ours = methods.maps(it, pixels, "gradcam", layer, target, place=place)
            theirs = by_package(it, copy, [module], pixels, "gradcam", target)
            np.testing.assert_allclose(ours.heat, theirs, atol=1e-4, err_msg=f"{layer} {target}")
            assert ours.place == ("" if topology == "commfor-32" else place)


@pytest.mark.parametrize("place", ["relu", "raw"])
@pytest.mark.parametrize("topology", ["32x2-64x1", "small"])
@pytest.mark.parametrize("method", sorted(PACKAGE))
def test_every_other_method_is_the_package_s_at_the_same_place(method, topology, place):
    pixels = some_pixels(2)
    it = centred(detector(topology), pixels)
    copy, after, before = plain(it)
    modules = after if place == "relu" else before
    for layer in list(modules)[-1:]:
        ours = methods.maps(it, pixels, method, layer, "fake", place=place)
        theirs = by_package(it, copy, [modules[layer]], pixels, method, "fake")
        np.testing.assert_allclose(ours.heat, theirs, atol=1e-4, err_msg=layer)
    several = methods.maps(it, pixels, method, list(modules)[-2:], "real", place=place)
    theirs = by_package(it, copy, list(modules.values())[-2:], pixels, method, "real")
    np.testing.assert_allclose(several.heat, theirs, atol=1e-4)


@pytest.mark.parametrize("method", ["randomcam", "ablationcam", "gradcam++", "gradcam@random", "xgradcam@random"])
def test_after_the_relu_is_the_default_of_baselines_too_and_differs_from_before_it(method):
    it, pixels = detector("16x2-32x1"), some_pixels(4)
    default, after, before = (
        methods.maps(it, pixels, method, None, "fake", **named).heat for named in ({}, {"place": "relu"}, {"place": "raw"})
    )
    np.testing.assert_array_equal(default, after)
    assert np.abs(after - before).max() > 0.1


@pytest.mark.parametrize("method", ["hirescam", "layercam"])
def test_place_by_place_products_are_the_same_before_and_after_a_relu_that_follows_at_once(method):
    """Where the ReLU lets nothing through, the gradient before it is nought and so is the map after it."""
    it, pixels = detector("32x2-64x1"), some_pixels(4)
    after, before = (methods.maps(it, pixels, method, None, "fake", place=place).heat for place in ("relu", "raw"))
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_random_weights_weigh_the_rectified_maps():
    """RandomCAM is ReLU(Σ w_k A_k) of the rectified A_k, w_k drawn from the image alone: both places share the weights."""
    it, pixels = detector("16x1-32x1"), some_pixels(1)
    random = np.random.default_rng(zlib.crc32((torch.from_numpy(pixels[0]).float() / 255).numpy().tobytes()))
    weights = random.uniform(-1, 1, 16)
    with torch.no_grad():
        rectified = it.network.convolutions[0](torch.from_numpy(pixels).float() / 255).relu().numpy()
    raw = np.maximum(np.einsum("k,nkhw->nhw", weights, rectified), 0)
    raw -= raw.min()
    np.testing.assert_allclose(methods.maps(it, pixels, "randomcam").heat, raw / raw.max(), atol=1e-4)


def test_the_network_in_the_paper_s_order_gives_the_same_bits_over_the_same_parameters():
    it, pixels = detector("32x2-64x1"), some_pixels(20)
    watched = feature_maps.observable(it.network, "relu")
    images = torch.from_numpy(pixels).float() / 255
    with torch.no_grad():
        assert torch.equal(watched(images), it.network(images))
    assert {id(p) for p in watched.parameters()} == {id(p) for p in it.network.parameters()}
    assert not {id(m) for m in watched.modules()} & {id(m) for m in it.network.modules()}
    assert feature_maps.observable(it.network, "raw") is it.network


def test_a_gradient_reaches_rectified_maps_also_where_they_are_nought():
    """Worked out by hand: one channel, −1 everywhere, so all is nought after the ReLU, but a fixed gradient still weighs it."""
    it = detector("16x1-32x1")
    network = it.network
    with torch.no_grad():
        network.convolutions[0].weight.zero_()
        network.convolutions[0].bias.fill_(-1)
        network.convolutions[0].bias[0] = 2  # the only channel that is on, evenly
        network.dense[0].weight.fill_(0.01)
        network.dense[0].bias.fill_(1)
        network.output.weight.fill_(1)
    activation, weights, _ = fast_cam._through_pooling(network, torch.zeros(1, 3, 32, 32), "convolutions.0", "relu")
    np.testing.assert_allclose(weights[0].numpy(), np.full(16, 32 * 0.01 * 256 / 1024), rtol=1e-5)
    assert activation.min() == 0
    _, masked, _ = fast_cam._through_pooling(network, torch.zeros(1, 3, 32, 32), "convolutions.0", "raw")
    np.testing.assert_allclose(masked[0, :2].numpy(), [32 * 0.01 * 256 / 1024, 0], rtol=1e-5)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "xgradcam", "ablationcam"])
def test_a_map_that_is_the_same_everywhere_is_evidence_without_a_place_and_not_none(method):
    it, black = detector("16x1-64x1"), np.zeros((2, 3, 32, 32), np.uint8)  # every place of the first layer sees the same
    with torch.no_grad():
        it.network.convolutions[0].bias.abs_()
    found = [methods.maps(it, black, method, None, target) for target in ("fake", "real")]
    assert any(maps.even.all() for maps in found)
    for maps in found:
        assert (maps.even | maps.empty).all()
        np.testing.assert_array_equal(maps.heat[maps.even], 1)
        np.testing.assert_array_equal(maps.heat[maps.empty], 0)


def test_scaling_runs_from_the_minimum_to_the_maximum_and_scale_says_by_how_much():
    raw = torch.tensor([[[3.0, 5.0], [4.0, 3.0]], [[2.0, 2.0], [2.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    heat, scale = feature_maps.scaled(raw)
    np.testing.assert_allclose(heat[0], [[0, 1], [0.5, 0]], atol=1e-6)
    np.testing.assert_allclose((heat[0] * scale[0] + 3).numpy(), raw[0].numpy(), atol=1e-5)
    assert (heat[1] == 1).all()
    assert scale[1] == 2
    assert not heat[2].any()


def outputs_of(network, modules, pixels):
    """Name → what that module gives for the images."""
    seen = {}
    hooks = [module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out})) for name, module in modules.items()]
    with torch.no_grad():
        network(torch.from_numpy(pixels).float() / 255)
    [hook.remove() for hook in hooks]
    return seen


def test_layer_by_layer_shows_the_maps_that_heatmaps_are_made_of():
    it, pixels = detector("small"), some_pixels(1)
    copy, after, before = plain(it)
    for place, modules in (("relu", after), ("raw", before)):
        seen = outputs_of(copy, modules, pixels)
        shown = [stage for stage in layers.journey(it, pixels[0], place).stages if stage.kind == "convolution"]
        assert sorted(stage.name for stage in shown) == sorted(modules)
        for stage in shown:
            np.testing.assert_allclose(stage.values, seen[stage.name][0].numpy(), atol=1e-4)
            assert stage.place == place
    raw, rectified = (layers.journey(detector("16x2-32x1"), pixels[0], place).stages[0].values for place in ("raw", "relu"))
    np.testing.assert_array_equal(np.maximum(raw, 0), rectified)
    assert raw.min() < 0


def test_features_are_read_off_the_last_rectified_map():
    it, pixels = detector("small"), some_pixels(2)
    copy, after, _ = plain(it)
    last = list(outputs_of(copy, after, pixels).values())[-1]
    cells = nn.functional.adaptive_avg_pool2d(last, CELLS).flatten(1)
    np.testing.assert_allclose(features_of(it, pixels), cells.numpy(), atol=1e-4)


def test_the_relu_after_a_normalisation_is_found_in_any_network():
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4 * 28 * 28, 1), nn.Flatten(0)
    )
    assert feature_maps.module_of(body, "0", "relu") is body[2]
    assert feature_maps.module_of(body, "0", "raw") is body[0]
    assert feature_maps.module_of(body, "3", "relu") is body[3]  # no ReLU follows it
    assert [feature_maps.place_at(body, [layer], "relu") for layer in ("0", "3")] == ["relu", ""]


def test_an_unknown_place_is_refused_and_names_the_two_there_are():
    for call in (methods.maps, fast_cam.grad_cam):
        with pytest.raises(BadInput, match=r"relu \(after ReLU\) or raw \(before ReLU\)"):
            call(detector("16x1-32x1"), some_pixels(), place="middle")
