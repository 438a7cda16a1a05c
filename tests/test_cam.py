"""Maps: against a case worked out by hand, then against the formula, then that nothing is left behind."""

from threading import RLock, Thread

import numpy as np
import pytest
import torch

from cifake_core.detectors import networks
from cifake_core.detectors.loading import Detector
from cifake_core.errors import BadInput
from cifake_core.explanations import cam, overlay, package_cams
from cifake_core.explanations.observing import undisturbed


def detector(topology="16x2-32x1", seed=0):
    torch.manual_seed(seed)
    return Detector(None, networks.build(topology).eval(), torch.device("cpu"), RLock())


def some_pixels(n=6, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)


def by_formula(network, pixels, sign, place):
    """ReLU(Σ mean gradient · feature map) of the first convolution, from minimum to maximum: Selvaraju et al. 2017 without the package."""
    raw = network.convolutions[0](torch.from_numpy(pixels).float() / 255)
    rectified = raw.relu()
    x = torch.nn.functional.max_pool2d(rectified, 2)
    x = torch.nn.functional.max_pool2d(network.convolutions[1](x).relu(), 2).flatten(1)
    logits = network.output(network.dense[0](x).relu()).squeeze(1)
    feature_map = {"relu": rectified, "raw": raw}[place]
    gradient = torch.autograd.grad((sign * logits).sum(), feature_map)[0]
    heat = (gradient.mean((2, 3), keepdim=True) * feature_map).sum(1).relu().detach().numpy()
    heat -= heat.min((1, 2), keepdims=True)
    return heat / np.maximum(heat.max((1, 2), keepdims=True), 1e-7)


@pytest.mark.parametrize("place", ["relu", "raw"])
@pytest.mark.parametrize(("target", "sign"), [("fake", 1), ("real", -1)])
def test_a_map_of_the_first_layer_equals_the_formula_for_either_label(target, sign, place):
    it, pixels = detector(), some_pixels()
    maps = package_cams.maps(it, pixels, "gradcam", "convolutions.0", target, place=place)
    np.testing.assert_allclose(maps.heat, by_formula(it.network, pixels, sign, place), atol=2e-3)


def test_the_verdict_s_map_speaks_for_the_label_the_network_says():
    it, pixels = detector(), some_pixels(8)
    with torch.no_grad():  # the output bias in the middle of the logits, so that both verdicts occur
        it.network.output.bias -= it.network(torch.from_numpy(pixels).float() / 255).median()
    verdict, fake, real = (package_cams.maps(it, pixels, "gradcam", None, target) for target in cam.TARGETS)
    assert set(verdict.explained) == {0, 1}
    for row, label in enumerate(verdict.explained):
        assert label == (verdict.logits[row] >= 0)
        np.testing.assert_array_equal(verdict.heat[row], (fake if label else real).heat[row])


def test_a_network_that_ignores_its_input_gives_an_empty_map_not_nan():
    it = detector()
    torch.nn.init.zeros_(it.network.output.weight)
    maps = package_cams.maps(it, some_pixels(), "gradcam")
    assert maps.empty.all()
    assert (maps.heat == 0).all()


def test_an_unknown_layer_or_target_is_refused_and_names_what_there_is():
    with pytest.raises(BadInput, match="convolutions.1"):
        package_cams.maps(detector(), some_pixels(), "gradcam", "dense.0")
    with pytest.raises(BadInput, match="verdict, fake, real"):
        package_cams.maps(detector(), some_pixels(), "gradcam", None, "everything")


def test_nothing_is_left_on_the_network_even_when_the_block_raises():
    network = detector().network.train()
    before = {name: module.training for name, module in network.named_modules()}

    def leak_and_raise():
        network.convolutions[0].register_forward_hook(lambda *a: None)
        network(torch.rand(1, 3, 32, 32)).sum().backward()
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"), undisturbed(network):
        leak_and_raise()
    assert not network.convolutions[0]._forward_hooks
    assert all(parameter.grad is None for parameter in network.parameters())
    assert {name: module.training for name, module in network.named_modules()} == before


def test_two_users_at_once_get_the_maps_they_would_get_alone():
    it, first, second = detector(), some_pixels(40, 1), some_pixels(40, 2)
    alone = [package_cams.maps(it, pixels, "gradcam").heat for pixels in (first, second)]
    together = [None, None]

    def work(place, pixels):
        for _ in range(3):
            together[place] = package_cams.maps(it, pixels, "gradcam").heat

    threads = [Thread(target=work, args=pair) for pair in enumerate((first, second))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    np.testing.assert_array_equal(together[0], alone[0])
    np.testing.assert_array_equal(together[1], alone[1])


def test_an_overlay_of_opacity_nought_is_the_enlarged_image():
    image = some_pixels(1)[0].transpose(1, 2, 0)
    heat = np.linspace(0, 1, 1024, dtype=np.float32).reshape(32, 32)
    np.testing.assert_array_equal(overlay.overlay(image, heat, opacity=0), overlay.enlarge(image))
    np.testing.assert_array_equal(overlay.overlay(image, heat, opacity=1), overlay.heat_picture(heat))
    assert overlay.enlarge(image, 8).shape == (256, 256, 3)
