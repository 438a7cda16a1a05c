"""All methods behind one call, and the fast Grad-CAM against the package."""

from threading import RLock, Thread

import numpy as np
import pytest
import torch
from torch import nn

from cifake_core.detectors import networks
from cifake_core.detectors.loading import Detector
from cifake_core.errors import BadInput
from cifake_core.explanations import cam, fast_cam, methods, package_cams

LAYERS = ("convolutions.0", "convolutions.1")


def detector(topology="16x2-32x1", seed=0):
    torch.manual_seed(seed)
    return Detector(None, networks.build(topology).eval(), torch.device("cpu"), RLock())


def some_pixels(n=6, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)


def centred(it, pixels):
    """Moves the bias so that both verdicts occur."""
    with torch.no_grad():
        it.network.output.bias -= it.network(torch.from_numpy(pixels).float() / 255).median()
    return it


@pytest.mark.parametrize("topology", ["16x1-32x1", "16x2-32x1", "16x3-32x2"])
def test_the_fast_map_equals_the_package_s_for_every_layer_and_target(topology):
    pixels = some_pixels(12)
    it = centred(detector(topology), pixels)
    for layer in networks.convolution_names(it.network):
        for target in cam.TARGETS:
            slow = package_cams.maps(it, pixels, "gradcam", layer, target)
            fast = fast_cam.grad_cam(it, pixels, layer, target)
            np.testing.assert_allclose(fast.heat, slow.heat, atol=1e-4)
            np.testing.assert_allclose(fast.logits, slow.logits, atol=1e-5)
            np.testing.assert_array_equal(fast.explained, slow.explained)
            np.testing.assert_array_equal(fast.empty, slow.empty)


def test_the_fast_map_equals_the_package_s_on_a_trained_network_and_over_two_layers(lab):
    from cifake_core.detectors import loading, runs
    from cifake_core.images.image_set import ImageSet

    run = next(run for run in runs.runs(lab) if run.topology == "16x2-64x1")
    it, pixels = loading.load(run, "cpu"), np.array(ImageSet.open(lab, "tiny").part("test").pixels[::4])
    for layers in (*LAYERS, LAYERS):
        slow, fast = package_cams.maps(it, pixels, "gradcam", layers), fast_cam.grad_cam(it, pixels, layers)
        np.testing.assert_allclose(fast.heat, slow.heat, atol=1e-4)
        assert fast.layer == slow.layer


def test_a_layer_s_own_map_times_its_scale_is_the_weighted_sum_of_activations():
    it, pixels = detector(), some_pixels(3)
    maps = fast_cam.layer_maps(it, pixels, "convolutions.1", "fake")
    pool = torch.nn.functional.max_pool2d
    rectified = it.network.convolutions[1](pool(it.network.convolutions[0](torch.from_numpy(pixels).float() / 255).relu(), 2)).relu()
    logits = it.network.output(it.network.dense[0](pool(rectified, 2).flatten(1)).relu())
    gradient = torch.autograd.grad(logits.sum(), rectified)[0]
    raw = (gradient.mean((2, 3), keepdim=True) * rectified).sum(1).relu().detach().numpy()
    assert maps.heat.shape == (3, 16, 16)
    raw -= raw.min((1, 2), keepdims=True)
    np.testing.assert_allclose(maps.heat * maps.scale[:, None, None], raw, rtol=1e-3, atol=1e-7)


class Other(nn.Module):
    """A network that is none of the paper's: batch normalisation, average pooling, work in place."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 1),
        )  # fmt: skip

    def forward(self, images):
        return self.body(images).squeeze(1)


def test_the_fast_map_also_serves_networks_that_are_not_the_paper_s():
    torch.manual_seed(0)
    it = Detector(None, Other().eval(), torch.device("cpu"), RLock())
    for layer in ("body.3", "body.0"):
        pixels = some_pixels()
        slow, fast = package_cams.maps(it, pixels, "gradcam", layer, "fake"), fast_cam.grad_cam(it, pixels, layer, "fake")
        if layer == "body.0":  # of body.3 the package keeps what the in-place layer after it overwrote
            np.testing.assert_allclose(fast.heat, slow.heat, atol=1e-4)
        assert np.isfinite(fast.heat).all()


@pytest.mark.parametrize("method", [*methods.METHODS, "gradcam@random", "occlusion@random"])
def test_every_method_gives_finite_maps_from_nought_to_one_and_leaves_the_network_as_it_was(method):
    it, pixels = detector(), some_pixels(3)
    before = [(name, id(module), len(module._forward_hooks)) for name, module in it.network.named_modules()]
    found = methods.maps(it, pixels, method, LAYERS, "fake")
    assert found.heat.shape == (3, 32, 32)
    assert found.heat.dtype == np.float32
    assert np.isfinite(found.heat).all()
    assert found.heat.min() >= 0
    assert found.heat.max() <= 1
    assert (found.heat.max((1, 2)) > 0).any()
    assert found.method == method
    assert found.layer == ("+".join(LAYERS) if methods.uses_layers(method) else "input")
    assert [(name, id(module), len(module._forward_hooks)) for name, module in it.network.named_modules()] == before
    assert all(p.grad is None and p.requires_grad for p in it.network.parameters())


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "ablationcam", "integratedgradients", "occlusion"])
def test_a_network_that_ignores_its_input_gives_zeros_not_nan(method):
    it = detector()
    torch.nn.init.zeros_(it.network.output.weight)
    found = methods.maps(it, some_pixels(2), method, None, "verdict")
    assert (found.heat == 0).all()
    assert found.empty.all()


def test_ablation_cam_of_a_denied_label_shows_what_speaks_for_it():
    """The package's own divides by the negative score, and so shows the maps of the other label."""
    it, pixels = detector(), some_pixels(4)
    with torch.no_grad():
        it.network.output.bias += 100  # FAKE, and nothing an ablation does changes that sign
    fake, real = (methods.maps(it, pixels, "ablationcam", None, target).heat for target in ("fake", "real"))
    assert np.abs(fake - real).mean() > 0.05


def test_occlusion_finds_the_only_pixel_a_network_looks_at():
    class OnePlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = nn.Conv2d(3, 1, 1)

        def forward(self, images):
            return images[:, 1, 20, 7] - 0.2

    it = Detector(None, OnePlace().eval(), torch.device("cpu"), RLock())
    pixels = np.zeros((1, 3, 32, 32), np.uint8)
    pixels[0, 1, 20, 7] = 255
    for method in ("occlusion", "integratedgradients"):
        heat = methods.maps(it, pixels, method, None, "fake").heat[0]
        assert heat[20, 7] == heat.max() == 1
    signed = methods.maps(it, pixels, "integratedgradients", None, "real").signed[0]
    assert signed[20, 7] == -1


def test_random_maps_depend_on_the_image_alone_and_random_weights_on_the_seed():
    it, pixels = detector(), some_pixels(5)
    alone = methods.maps(it, pixels[3:4], "randomcam").heat[0]
    np.testing.assert_allclose(methods.maps(it, pixels, "randomcam").heat[3], alone, atol=1e-4)
    first, again, other = (methods.maps(it, pixels, "gradcam@random", seed=seed).heat for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_labels_may_be_given_one_an_image():
    it, pixels = detector(), some_pixels(4)
    fake, real = (methods.maps(it, pixels, "layercam", None, target).heat for target in ("fake", "real"))
    mixed = methods.maps(it, pixels, "layercam", None, np.array([1, 0, 1, 0], np.int8)).heat
    np.testing.assert_allclose(mixed, np.stack([fake[0], real[1], fake[2], real[3]]), atol=1e-6)
    with pytest.raises(BadInput, match="one an image"):
        methods.maps(it, pixels, "layercam", None, np.array([1, 0]))


def test_an_unknown_method_is_refused_and_names_what_there_is():
    with pytest.raises(BadInput, match="gradcam, gradcam\\+\\+"):
        methods.maps(detector(), some_pixels(), "magic")


def test_users_of_different_methods_at_once_get_what_they_would_get_alone():
    it, pixels = detector(), some_pixels(6)
    asked = ("ablationcam", "gradcam", "scorecam", "randomcam")
    alone = {method: methods.maps(it, pixels, method).heat for method in asked}
    together = {}
    threads = [Thread(target=lambda m=method: together.update({m: methods.maps(it, pixels, m).heat})) for method in asked]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for method in asked:
        np.testing.assert_allclose(together[method], alone[method], atol=1e-5)


def test_the_network_is_whole_again_after_ablation_was_stopped_midway():
    it = detector()

    def stop(done, total, message):
        if done:
            raise KeyboardInterrupt

    before = it.network.convolutions[1]
    with pytest.raises(KeyboardInterrupt):
        methods.maps(it, some_pixels(80), "ablationcam", None, "fake", stop)
    assert it.network.convolutions[1] is before
