"""What heatmaps and their measures are computed from: baselines, signs, borders. Networks simple enough that every value is known."""

from threading import RLock

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from cifake_core.detectors import networks, probing
from cifake_core.detectors.loading import Detector
from cifake_core.explanations import (
    averages,
    cam,
    faithfulness,
    fast_cam,
    hot_spots,
    localisation,
    masks,
    methods,
    resampling,
    segmenting,
)


def some_pixels(n=4, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)


class Linear(nn.Module):
    """logit = Σ weights · image; the convolution is never looked at."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Conv2d(3, 1, 1)
        self.register_buffer("weights", torch.from_numpy(np.random.default_rng(0).normal(size=(3, 32, 32)).astype(np.float32)))

    def forward(self, images):
        return (images * self.weights).sum((1, 2, 3))


def linear() -> tuple[Detector, np.ndarray]:
    network = Linear().eval()
    return Detector(None, network, torch.device("cpu"), RLock()), network.weights.numpy()


# ---- methods that look at the input


def test_integrated_gradients_go_from_the_image_s_mean_colour_to_the_image():
    """Of a linear network they are weight · (value − mean of its colour), exactly."""
    detector, weights = linear()
    pixels = some_pixels()
    images = pixels / 255.0
    expected = (weights * (images - images.mean((2, 3), keepdims=True))).sum(1)
    found = methods.maps(detector, pixels, "integratedgradients", None, "fake")
    np.testing.assert_allclose(found.signed * found.scale[:, None, None], expected, atol=1e-4)
    np.testing.assert_allclose(found.signed, expected / np.abs(expected).max((1, 2), keepdims=True), atol=1e-4)
    np.testing.assert_allclose(found.heat, np.maximum(expected, 0) / np.maximum(expected, 0).max((1, 2), keepdims=True), atol=1e-4)
    real = methods.maps(detector, pixels, "integratedgradients", None, "real")
    np.testing.assert_allclose(real.signed, -found.signed, atol=1e-5)


def test_occlusion_covers_windows_with_the_mean_colour_and_averages_over_those_that_cover_a_pixel():
    detector, weights = linear()
    pixels = some_pixels(2)
    images = pixels / 255.0
    parts = (weights * (images - images.mean((2, 3), keepdims=True))).sum(1)
    total, count = np.zeros((2, 32, 32)), np.zeros((32, 32))
    for top in range(0, 32 - methods.WINDOW + 1, methods.STRIDE):
        for left in range(0, 32 - methods.WINDOW + 1, methods.STRIDE):
            window = (slice(top, top + methods.WINDOW), slice(left, left + methods.WINDOW))
            total[:, *window] += parts[:, *window].sum((1, 2))[:, None, None]
            count[window] += 1
    expected = total / count
    found = methods.maps(detector, pixels, "occlusion", None, "fake")
    np.testing.assert_allclose(found.signed * found.scale[:, None, None], expected, atol=1e-3)


def test_a_curved_network_s_integrated_gradients_sum_to_the_change_of_its_logit():
    """Completeness, Sundararajan et al. 2017, proposition 1: only a path of many steps follows a curve."""

    class Cubic(Linear):
        def forward(self, images):
            return (images**3 * self.weights).sum((1, 2, 3))

    network, pixels = Cubic().eval(), some_pixels(2)
    found = methods.maps(Detector(None, network, torch.device("cpu"), RLock()), pixels, "integratedgradients", None, "fake")
    images = torch.from_numpy(pixels).float() / 255
    change = network(images) - network(images.mean((2, 3), keepdim=True).expand_as(images))
    total = (found.signed * found.scale[:, None, None]).sum((1, 2))
    np.testing.assert_allclose(total, change.numpy(), atol=0.02 * np.abs(total).max() + 0.02)


@pytest.mark.parametrize("method", ["occlusion", "integratedgradients"])
def test_a_picture_of_one_colour_has_no_evidence_in_any_place(method):
    """What rounding leaves is none: scaled to its own maximum it would fill the picture."""
    detector, _ = linear()
    found = methods.maps(detector, np.full((1, 3, 32, 32), 200, np.uint8), method, None, "fake")
    assert found.empty.all()
    assert not found.signed.any()


# ---- Grad-CAM


def made(topology="16x2-32x1"):
    torch.manual_seed(0)
    return Detector(None, networks.build(topology).eval(), torch.device("cpu"), RLock())


def test_a_verdict_s_map_speaks_for_the_label_it_gives():
    detector, pixels = made(), some_pixels(12)
    with torch.no_grad():
        detector.network.output.bias -= detector.network(torch.from_numpy(pixels).float() / 255).median()
    found, fake, real = (fast_cam.grad_cam(detector, pixels, None, target) for target in ("verdict", "fake", "real"))
    called = found.logits >= 0
    assert 0 < called.sum() < 12
    assert found.explained.tolist() == called.astype(int).tolist()
    np.testing.assert_allclose(found.heat, np.where(called[:, None, None], fake.heat, real.heat), atol=1e-5)
    assert np.abs(fake.heat - real.heat).mean() > 0.05


def test_maps_of_two_layers_are_their_mean_scaled_again():
    detector, pixels = made(), some_pixels(3)
    layers = [fast_cam.layer_maps(detector, pixels, layer, "fake").heat for layer in ("convolutions.0", "convolutions.1")]
    one, other = (fast_cam.enlarged(heat, (32, 32)) for heat in layers)
    both = fast_cam.grad_cam(detector, pixels, ("convolutions.0", "convolutions.1"), "fake").heat
    mean = (one + other) / 2
    low = mean.min((1, 2), keepdims=True)
    np.testing.assert_allclose(both, (mean - low) / (mean - low).max((1, 2), keepdims=True), atol=1e-4)


def test_enlarging_is_opencv_s_bilinear():
    heat = np.random.default_rng(0).random((2, 8, 8)).astype(np.float32)
    expected = np.stack([cv2.resize(one, (32, 32), interpolation=cv2.INTER_LINEAR) for one in heat])
    np.testing.assert_allclose(fast_cam.enlarged(heat, (32, 32)), expected, atol=1e-5)


def test_the_part_that_speaks_for_a_label_is_scaled_to_its_own_maximum():
    signed = np.array([[[0.5, -1.0], [0.25, 0.0]], [[-1.0, -0.5], [-0.1, 0.0]]])
    np.testing.assert_allclose(cam.speaking_for(signed), [[[1, 0], [0.5, 0]], [[0, 0], [0, 0]]])


def test_explained_labels_are_those_asked_for():
    logits = np.array([0.0, -0.1, 2.0])
    assert cam.explained_labels(logits, "verdict").tolist() == [1, 0, 1]
    assert cam.explained_labels(logits, "fake").tolist() == [1, 1, 1]
    assert cam.explained_labels(logits, "real").tolist() == [0, 0, 0]
    assert cam.explained_labels(logits[1:2], np.array([0, 1, 0]), slice(1, 2)).tolist() == [1]


def test_random_weights_are_drawn_anew_in_every_layer():
    detector = made()
    other = methods.reinitialised(detector, seed=3)
    for (name, one), another in zip(detector.network.named_parameters(), other.network.parameters(), strict=True):
        assert not torch.equal(one, another), name
    again = methods.reinitialised(detector, seed=3)
    assert all(torch.equal(one, another) for one, another in zip(again.network.parameters(), other.network.parameters(), strict=True))


def test_what_is_recorded_of_an_epoch_is_the_verdict_s_grad_cam():
    detector, pixels = made(), some_pixels(10)
    with torch.no_grad():
        detector.network.output.bias -= detector.network(torch.from_numpy(pixels).float() / 255).median()
    seen = probing.seen_by(detector.network, torch.from_numpy(pixels))
    maps = fast_cam.layer_maps(detector, pixels, None, "verdict")
    np.testing.assert_allclose(seen[0], 1 / (1 + np.exp(-maps.logits)), atol=1e-5)
    assert np.abs(seen[1] / 255 - maps.heat).max() < 0.004
    np.testing.assert_allclose(seen[2], maps.scale, rtol=1e-3)


# ---- measures


def score_of(weights):
    return lambda batch: (batch.mean(1) * weights).sum((1, 2)).astype(np.float32)


def test_insertion_begins_at_a_blurred_image_and_deletion_ends_at_its_mean_colour():
    random = np.random.default_rng(0)
    images = random.random((3, 3, 16, 16)).astype(np.float32)
    weights, heat = random.normal(size=(16, 16)), random.random((3, 16, 16))
    score, explained = score_of(weights), np.array([1, 0, 1])

    def chance(pictures):
        return 1 / (1 + np.exp(-(2.0 * explained - 1) * score(pictures)))

    deleted, inserted = (make(score, images, heat, explained) for make in (faithfulness.deletion, faithfulness.insertion))
    np.testing.assert_allclose(deleted[:, 0], chance(images), rtol=1e-5)
    np.testing.assert_allclose(deleted[:, -1], chance(np.broadcast_to(images.mean((2, 3), keepdims=True), images.shape)), rtol=1e-5)
    np.testing.assert_allclose(inserted[:, -1], chance(images), rtol=1e-5)
    np.testing.assert_allclose(inserted[:, 0], chance(np.stack([[gaussian_filter(plane, 3.0) for plane in image] for image in images])), rtol=1e-3)
    half = np.where((faithfulness.order_of(heat).reshape(heat.shape) < 128)[:, None], images.mean((2, 3), keepdims=True), images)
    np.testing.assert_allclose(deleted[:, faithfulness.STEPS // 2], chance(half), rtol=1e-4)


def test_areas_are_means_over_the_share_removed():
    assert faithfulness.area(np.array([[1.0, 1, 1], [1, 0, 0], [0, 0.5, 1]])).tolist() == [1, 0.25, 0.5]


def test_sensitivity_n_averages_over_sizes_and_removes_the_shares_it_says():
    images = np.random.default_rng(0).random((2, 3, 32, 32)).astype(np.float32)
    subsets, fell = faithfulness.falls(score_of(np.ones((32, 32))), images)
    shares = subsets.mean((1, 2))
    assert np.allclose(shares[:24], 0.125)
    assert np.allclose(shares[24:], 0.375)
    filled = np.where(subsets[5], images.mean((2, 3), keepdims=True), images)
    np.testing.assert_allclose(fell[:, 5], (images.mean(1) - filled.mean(1)).sum((1, 2)), atol=1e-3)
    heat = np.random.default_rng(1).random((2, 32, 32))
    relevance = np.einsum("nhw,khw->nk", heat, subsets)
    apart = [[np.corrcoef(relevance[n, part], fell[n, part])[0, 1] for part in (slice(0, 24), slice(24, 48))] for n in range(2)]
    np.testing.assert_allclose(faithfulness.sensitivity_n(heat, np.ones(2), (subsets, fell)), np.mean(apart, axis=1), atol=1e-6)


def test_road_asks_of_the_explained_label():
    images = np.random.default_rng(0).random((2, 3, 16, 16)).astype(np.float32) * 0.2
    images[:, :, 4:8, 4:8] = 1
    heat = np.zeros((2, 16, 16))
    heat[:, 4:8, 4:8] = 1

    def score(batch):
        return batch[:, 0, 4:8, 4:8].mean((1, 2)) * 10

    fake, real = faithfulness.road(score, images, heat, np.array([1, 0]), percentiles=(90,))
    assert fake > 1
    assert real == pytest.approx(-fake, abs=0.7)


def test_maps_of_opposite_structure_are_not_alike():
    noise = np.random.default_rng(0).random((1, 16, 16))
    assert faithfulness.ssim(noise, 1 - noise)[0] < -0.5
    assert faithfulness.ssim(noise, 0.9 * noise)[0] > 0.9


def test_a_mean_leaves_out_what_is_no_number():
    found = resampling.Resampled(np.array([0, 0, 1, 1])).mean(np.array([1.0, np.nan, 3.0, np.inf]))
    assert (found.estimate.value, found.n) == (2.0, 2)


def test_a_mass_outside_the_mask_and_a_second_hottest_pixel_do_not_count():
    heat = np.array([[[4.0, 3], [2, 1]]])
    mask = np.array([[[False, True], [True, False]]])
    assert localisation.mass_share(heat, mask)[0] == 0.5
    assert localisation.rank_share(heat, mask)[0] == 0.5  # of the two hottest one lies in the mask
    assert localisation.pointing(heat, mask)[0] == 0


def test_a_mean_map_is_the_mean_over_images_and_counts_the_empty_ones():
    heat = np.stack([np.full((2, 2), value, np.float32) for value in (0.0, 0.25, 1.0, 0.5)])

    def maps_of(rows):
        return cam.Maps(heat[rows], np.zeros(len(rows)), np.zeros(len(rows), np.int8), "x", "gradcam")

    found = averages.mean_of_sample(maps_of, {"all": np.arange(4), "two": np.array([1, 2])}, sample=3)
    assert (found["all"].images, found["all"].of) == (3, 4)
    assert found["two"].heat[0, 0] == pytest.approx(0.625)
    everything = averages.mean_of_sample(maps_of, {"all": np.arange(4)})["all"]
    assert (everything.heat[1, 1], everything.empty) == (pytest.approx(0.4375), 1)


def test_the_hottest_place_is_cut_out_around_its_middle_and_inside_the_picture():
    heat = np.zeros((3, 32, 32))
    heat[0, 20, 7] = heat[1, 0, 31] = 1
    heat[2, 10:12, 14:16] = 1
    assert hot_spots.hottest(heat).tolist() == [[16, 2], [0, 22], [6, 10]]


# ---- masks


def test_grabcut_begins_with_the_outer_ring_as_background_and_the_most_salient_part_as_entity(monkeypatch):
    given = {}

    def cut(picture, labels, _rect, _back, _front, rounds, mode):
        given.update(labels=labels.copy(), rounds=rounds, mode=mode)

    monkeypatch.setattr(segmenting.cv2, "grabCut", cut)
    picture = np.full((32, 32, 3), 60, np.uint8)
    picture[0:20, 8:24] = (200, 60, 40)  # it reaches over the upper edge
    found = segmenting.grabcut(picture)
    labels = given["labels"]
    ring = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    assert set(ring.tolist()) == {cv2.GC_BGD}
    assert not (labels[1:-1, 1:-1] == cv2.GC_BGD).any()
    assert 0.05 < (labels == cv2.GC_FGD).mean() <= 0.1
    assert picture[labels == cv2.GC_FGD].tolist().count([200, 60, 40]) == (labels == cv2.GC_FGD).sum()
    assert given["mode"] == cv2.GC_INIT_WITH_MASK
    assert np.array_equal(found, (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    assert 0.35 < ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).mean() <= 0.45


def test_contrast_is_a_distance_from_the_border_s_colours():
    picture = np.full((32, 32, 3), 60, np.uint8)
    picture[6:26, 6:26] = (200, 60, 40)
    found = segmenting.contrast(picture)
    assert found[:3].max() < 0.5
    assert found[12:20, 12:20].min() > 10
    picture[6:26, 6:26] = (120, 60, 50)
    assert found[16, 16] > segmenting.contrast(picture)[16, 16] > 5


def test_grabcut_prefers_the_middle(monkeypatch):
    given = {}
    monkeypatch.setattr(segmenting.cv2, "grabCut", lambda picture, labels, *_: given.update(labels=labels.copy()))
    picture = np.full((32, 32, 3), 60, np.uint8)
    picture[11:21, 11:21] = picture[1:11, 1:11] = (200, 60, 40)  # the surest tenth are as many pixels as one square
    segmenting.grabcut(picture)
    sure = given["labels"] == cv2.GC_FGD
    assert sure[12:20, 12:20].all()
    assert sure[1:8, 1:8].mean() < 0.1


def test_found_and_pure_are_shares_of_the_truth_and_of_the_guess(monkeypatch):
    truth = np.zeros((2, 4, 4), bool)
    guess = truth.copy()
    truth[:, :2], guess[:, :1] = True, True  # half of the truth, nothing else
    monkeypatch.setattr(masks, "examples", lambda *_: masks.Examples(np.zeros((2, 4, 4, 3)), truth, guess))
    found = masks.measured_quality("grabcut", 2)
    assert {name: mean.estimate.value for name, mean in found.items()} == {"iou": 0.5, "entity_found": 0.5, "entity_pure": 1.0}


def test_the_centre_is_a_disc():
    found = segmenting.centre((32, 32))
    rows, columns = np.mgrid[:32, :32] - 15.5
    radius = np.hypot(rows, columns)
    assert found.mean() == pytest.approx(0.24, abs=1e-3)
    assert radius[found].max() <= radius[~found].min() + 1e-9


# ---- intervals of means


def test_the_interval_of_a_mean_over_images_is_as_wide_as_its_standard_error_within_labels():
    random = np.random.default_rng(2)
    labels = np.repeat([0, 1], [300, 100])
    values = random.normal(np.where(labels == 1, 5.0, 0.0), 1.0)
    found = resampling.Resampled(labels, 2000).mean(values).estimate
    error = np.sqrt(sum((labels == label).sum() * values[labels == label].var() for label in (0, 1))) / 400
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 3.92 == pytest.approx(error, rel=0.06)
