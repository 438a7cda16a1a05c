"""Measures of maps: each against a value worked out by hand, then against an independent library, then its properties."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from cifake_core.explanations import faithfulness, localisation
from cifake_core.explanations.resampling import Resampled, auc


def images_of(values):
    """(n, 3, 2, 2) grey images of four pixels each."""
    return np.repeat(np.array(values, np.float32).reshape(-1, 1, 2, 2), 3, axis=1)


def first_pixel(images):
    """A network that looks at the first pixel alone: logit 10 where it is white, −10 where it is black."""
    return 20 * images[:, 0, 0, 0] - 10


def test_deletion_by_hand(monkeypatch):
    """White first pixel, the rest black, mean 0.25 → logit −5 without it. One pixel a step."""
    monkeypatch.setattr(faithfulness, "STEPS", 4)
    image, explained = images_of([1, 0, 0, 0]), np.array([1])
    high, low = 1 / (1 + np.exp(-10)), 1 / (1 + np.exp(5))
    right = faithfulness.deletion(first_pixel, image, image[:, 0] * 1.0, explained)
    np.testing.assert_allclose(right, [[high, low, low, low, low]], rtol=1e-4)
    assert faithfulness.area(right)[0] == pytest.approx((high / 2 + 3.5 * low) / 4, rel=1e-4)
    wrong = faithfulness.deletion(first_pixel, image, 1 - image[:, 0], explained)
    np.testing.assert_allclose(wrong, [[high, high, high, high, low]], rtol=1e-4)


def test_insertion_begins_at_the_blurred_image_and_ends_at_the_image(monkeypatch):
    monkeypatch.setattr(faithfulness, "STEPS", 4)
    monkeypatch.setattr(faithfulness, "gaussian_filter", lambda images, sigma: np.zeros_like(images))
    image = images_of([1, 0, 0, 0])
    curve = faithfulness.insertion(first_pixel, image, image[:, 0] * 1.0, np.array([1]))
    high, low = 1 / (1 + np.exp(-10)), 1 / (1 + np.exp(10))
    np.testing.assert_allclose(curve, [[low, high, high, high, high]], rtol=1e-4)


def test_the_curves_speak_of_the_explained_label(monkeypatch):
    monkeypatch.setattr(faithfulness, "STEPS", 4)
    image = images_of([1, 0, 0, 0])
    fake, real = (faithfulness.deletion(first_pixel, image, image[:, 0], np.array([label])) for label in (1, 0))
    np.testing.assert_allclose(fake + real, 1, rtol=1e-6)


def test_equal_pixels_are_removed_in_random_order_not_in_reading_order():
    order = faithfulness.order_of(np.zeros((200, 4, 4)))
    assert sorted(order[0]) == list(range(16))
    assert abs(order.mean(0) - 7.5).max() < 1.5
    known = faithfulness.order_of(np.array([[[0.1, 0.9], [0.5, 0.0]]]))
    assert known.tolist() == [[2, 0, 1, 3]]


def test_gini_by_hand():
    heat = np.array([[[1.0, 1], [1, 1]], [[0, 0], [0, 5]], [[1, 2], [3, 4]], [[0, 0], [0, 0]]])
    found = faithfulness.gini(heat)
    np.testing.assert_allclose(found[:3], [0, 0.75, 0.25], atol=1e-12)
    assert np.isnan(found[3])


def test_rank_correlation_equals_scipy_s_with_ties_and_is_undefined_for_flat_maps():
    random = np.random.default_rng(0)
    one, other = random.integers(0, 5, (2, 6, 4, 4)).astype(float)
    one[5] = 0
    found = faithfulness.rank_correlation(one, other)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one[:5], other[:5], strict=True)]
    np.testing.assert_allclose(found[:5], expected, atol=1e-12)
    assert np.isnan(found[5])


def test_ssim_of_flat_maps_by_hand_and_of_equal_ones(monkeypatch):
    dark, light = np.full((1, 8, 8), 0.25), np.full((1, 8, 8), 0.75)
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)  # Wang et al. 2004: without variance only the means count
    assert faithfulness.ssim(dark, light)[0] == pytest.approx(expected)
    random = np.random.default_rng(1)
    one, other = random.random((2, 1, 7, 7))
    m, n = one.mean(), other.mean()
    middle = (2 * m * n + 1e-4) * (2 * ((one - m) * (other - n)).mean() + 9e-4) / ((m * m + n * n + 1e-4) * (one.var() + other.var() + 9e-4))
    monkeypatch.setattr(faithfulness, "uniform_filter", lambda maps, size: np.full_like(maps, maps.mean()))  # one window for all
    assert faithfulness.ssim(one, other)[0] == pytest.approx(middle)
    monkeypatch.undo()
    noise = np.random.default_rng(0).random((3, 8, 8))
    np.testing.assert_allclose(faithfulness.ssim(noise, noise), 1)


def test_sensitivity_n_is_one_for_a_linear_network_s_own_relevance_and_nought_for_noise():
    random = np.random.default_rng(0)
    images, weights = random.random((8, 3, 16, 16)).astype(np.float32), random.normal(size=(16, 16))

    def score(batch):
        return (batch.mean(1) * weights).sum((1, 2))

    asked = faithfulness.falls(score, images)
    relevance = (images.mean(1) - images.mean((1, 2, 3))[:, None, None]) * weights  # what removing a pixel changes
    fake = faithfulness.sensitivity_n(relevance, np.ones(8), asked)
    np.testing.assert_allclose(fake, 1, atol=1e-4)
    np.testing.assert_allclose(faithfulness.sensitivity_n(relevance, np.zeros(8), asked), -fake, atol=1e-9)
    assert abs(faithfulness.sensitivity_n(random.random((8, 16, 16)), np.ones(8), asked).mean()) < 0.2
    assert np.isnan(faithfulness.sensitivity_n(np.zeros((8, 16, 16)), np.ones(8), asked)).all()


def test_road_tells_the_map_of_what_matters_from_its_opposite():
    random = np.random.default_rng(0)
    images = random.random((4, 3, 16, 16)).astype(np.float32) * 0.2
    images[:, :, 4:8, 4:8] = 1

    def score(batch):
        return batch[:, 0, 4:8, 4:8].mean((1, 2)) * 10

    heat = np.zeros((4, 16, 16))
    heat[:, 4:8, 4:8] = 1
    right, wrong = (faithfulness.road(score, images, h, np.ones(4, int), percentiles=(50, 90)) for h in (heat, 1 - heat))
    assert (right > 1).all()
    np.testing.assert_allclose(right, -wrong, atol=1)
    assert np.isfinite(faithfulness.road(score, images, np.zeros((4, 16, 16)), np.ones(4, int), percentiles=(50,))).all()


def test_mass_rank_and_pointing_by_hand():
    heat = np.array([[[4.0, 1], [3, 2]], [[0, 0], [0, 0]], [[1, 1], [0, 0]]])
    mask = np.array([[[True, True], [False, False]]] * 3)
    np.testing.assert_allclose(localisation.mass_share(heat, mask), [0.5, np.nan, 1])
    np.testing.assert_allclose(localisation.rank_share(heat, mask), [0.5, np.nan, 1])
    np.testing.assert_allclose(localisation.pointing(heat, mask), [1, np.nan, 1])


def test_ties_share_the_last_places_and_the_hottest_point():
    heat, mask = np.ones((1, 2, 2)), np.array([[[True, False], [False, False]]])
    for measure in (localisation.mass_share, localisation.rank_share, localisation.pointing):
        assert measure(heat, mask)[0] == pytest.approx(0.25)  # a flat map scores the mask's area


def test_a_mean_leaves_out_what_is_not_a_number_and_its_interval_holds_the_truth():
    random = np.random.default_rng(1)
    held, trials = 0, 400
    for seed in range(trials):
        values, labels = random.normal(3, 1, 80), np.repeat([0, 1], 40)
        estimate = Resampled(labels, 400, seed).mean(np.append(values[:-1], np.nan)).estimate
        held += estimate.low <= 3 <= estimate.high
    assert held / trials == pytest.approx(0.945, abs=0.015)  # of 80 images a little less than 95 %; of a 90 % interval 0.895
    assert Resampled(labels).mean(np.full(80, np.nan)).as_dict() == {"value": None, "low": None, "high": None, "n": 0}
    mean = Resampled(labels).mean(np.arange(80.0), np.arange(80) < 3)
    assert (mean.estimate.value, mean.n) == (1.0, 3)


def test_the_area_under_the_curve_equals_scikit_learn_s_and_its_interval_is_delong_s():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], [60, 40])
    logits = (random.normal(size=100) + labels).round(1)  # with ties
    found = auc(logits, labels).estimate
    assert found.value == pytest.approx(roc_auc_score(labels, logits))
    fake, real = logits[labels == 1][:, None], logits[labels == 0]
    wins = (fake > real) + 0.5 * (fake == real)  # the area is their mean; each resample draws fakes and reals anew
    resampled = [wins[random.integers(40, size=40)][:, random.integers(60, size=60)].mean() for _ in range(2000)]
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(resampled), rel=0.1)
    assert auc(logits[:60], labels[:60]).estimate.value is None
