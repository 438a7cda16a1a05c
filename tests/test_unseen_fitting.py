"""What a study's detectors learn from: the rows they are given and the training reals, each with its weight, and nothing else."""

from collections import Counter

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from cifake_core.detectors import training
from cifake_core.studies.unseen import features, fitting, recipes
from cifake_core.studies.unseen.fitting import Bench, fit
from cifake_core.studies.unseen.pools import Pool
from tests.conftest import drawn


def pictures(label: int, count: int, first: int) -> np.ndarray:
    return np.stack([drawn(label, n % 10, first + n).transpose(2, 0, 1) for n in range(count)])


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Two generators of 12 and 6 images, and 20, 7 and 9 reals."""
    fakes = pictures(1, 18, 0)
    names = np.repeat(["a", "b"], [12, 6])
    places = np.stack([np.ones(18, np.int64), np.arange(18)], axis=1)
    reals = [pictures(0, count, first) for count, first in ((20, 0), (7, 100), (9, 200))]
    ids = np.array([f"{n:064x}" for n in range(18)], dtype=object)
    return Pool(fakes, names, ids, places, {"a": "f", "b": "f"}, *reals, places[:9], "photos", "digest")


ROWS = np.array([1, 4, 13, 15, 17])


def data_of(monkeypatch, pool, name, reals=0):
    """What a classifier is given: numbers, labels, weights; and its scores, each an image's mean number."""
    given = {}

    def linear(x, labels, weight, _shrinkage):
        given.update(x=x, labels=labels, weight=weight)
        return lambda images: images.mean(axis=1)

    monkeypatch.setattr(fitting, "_linear", linear)
    given["scores"] = fit(Bench(pool), ROWS, recipes.named(name), seed=3, reals=reals)
    return given


def test_a_detector_does_not_change_with_fakes_or_reals_it_is_not_given(pool, monkeypatch):
    given, bench = data_of(monkeypatch, pool, "residual"), Bench(pool)
    fakes, train = (bench.features(part, ("residuals",)) for part in ("fakes", "train_reals"))
    assert np.array_equal(given["x"][given["labels"]], fakes[ROWS])
    assert np.array_equal(given["x"][~given["labels"]], train)
    for part in ("fakes", "threshold_reals", "test_reals"):
        assert np.allclose(getattr(given["scores"], part), bench.features(part, ("residuals",)).mean(axis=1))
    few = data_of(monkeypatch, pool, "residual", reals=8)
    chosen = few["x"][~few["labels"]]
    assert len(chosen) == len(np.unique(chosen, axis=0)) == 8
    assert all((train == row).all(axis=1).any() for row in chosen)


def test_copies_of_the_training_images_keep_their_labels_and_weights(pool, monkeypatch):
    given, bench = data_of(monkeypatch, pool, "residual-augmented"), Bench(pool)
    names = ("", *recipes.named("residual-augmented").augment)
    assert given["labels"].sum() == len(names) * len(ROWS)
    assert (~given["labels"]).sum() == len(names) * 20
    expected = [bench.features(part, ("residuals",), name)[rows] for part, rows in (("fakes", ROWS), ("train_reals", slice(None))) for name in names]
    assert np.array_equal(given["x"], np.concatenate(expected))
    of = {name: given["weight"][: len(names) * len(ROWS)][np.tile(pool.generators[ROWS], len(names)) == name].sum() for name in "ab"}
    assert of["a"] == pytest.approx(of["b"])
    assert given["weight"][given["labels"]].sum() == pytest.approx(given["weight"][~given["labels"]].sum())


def test_fakes_weigh_as_much_as_reals_and_generators_alike_whatever_their_numbers():
    found = fitting.weights(np.array(["a", "a", "a", "b"]), 10, balanced=True)
    assert found == pytest.approx([7 / 6] * 3 + [7 / 2] + [7 / 10] * 10)  # 14 images weigh 14: 7 of fakes, 7 of reals
    assert (fitting.weights(np.array(["a", "b"]), 3, balanced=False) == 1).all()


def test_without_balance_every_image_weighs_alike(pool, monkeypatch):
    assert (data_of(monkeypatch, pool, "residual-uneven")["weight"] == 1).all()


def test_the_linear_detector_s_logits_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 5)) @ random.normal(size=(5, 5))
    labels = random.random(400) < 0.3
    x[labels] += 0.7
    twice = random.random(400) < 0.5
    ours = fitting._linear(x, labels, np.where(twice, 2.0, 1.0), 0.0)(x)
    repeated = np.r_[np.arange(400), np.flatnonzero(twice)]
    model = LinearDiscriminantAnalysis(solver="lsqr", priors=[0.5, 0.5]).fit(x[repeated], labels[repeated])
    assert ours == pytest.approx(model.decision_function(x), abs=1e-3)
    alone = fitting._linear(x, labels, np.ones(400), 1.0)(x)  # only variances are left of the covariance
    means = [x[side].mean(axis=0) for side in (labels, ~labels)]
    variance = (x[labels].var(axis=0) + x[~labels].var(axis=0)) / 2
    assert alone == pytest.approx((x - (means[0] + means[1]) / 2) @ ((means[0] - means[1]) / variance), abs=0.01)


class Stop(Exception):
    pass


def learned(monkeypatch, pool, name):
    """The data and settings a recipe's network is trained with."""
    given = {}

    def learn(data, settings, *_):
        given.update(data=data, settings=settings)
        raise Stop

    monkeypatch.setattr(training, "fit", learn)
    with pytest.raises(Stop):
        fit(Bench(pool), ROWS, recipes.named(name), seed=3)
    return given["data"].train, given["data"].validation, given["settings"]


def pictures_of(*parts):
    return [(np.ascontiguousarray(picture).tobytes(), int(label)) for part in parts for picture, label in zip(part.pixels, part.labels, strict=True)]


def test_a_network_of_a_study_learns_from_the_rows_it_is_given_and_the_training_reals(pool, monkeypatch):
    train, validation, settings = learned(monkeypatch, pool, "network")
    assert (len(train), len(validation)) == (23, 2)
    assert not set(train.rows) & set(validation.rows)
    expected = {picture.tobytes(): label for part, label in ((pool.fakes[ROWS], 1), (pool.train_reals, 0)) for picture in part}
    seen = pictures_of(train, validation)
    assert dict(seen) == expected
    assert len(seen) == len(expected)
    assert (settings.seed, settings.patience) == (3, 0)


def test_a_balanced_network_sees_the_images_of_rarer_generators_more_often(pool, monkeypatch):
    """Of "a" two images are learned from, of "b" three: one and a half times as often, rounded."""
    seen = Counter(pictures_of(*learned(monkeypatch, pool, "network-balanced")[:2]))
    assert [seen[pool.fakes[row].tobytes(), 1] for row in ROWS] == [2, 2, 1, 1, 1]
    assert {seen[picture.tobytes(), 0] for picture in pool.train_reals} == {1}


def test_a_network_on_residuals_sees_the_laplacian_of_each_colour_around_a_middle_grey(pool):
    from scipy.ndimage import correlate

    kernel = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
    planes = np.stack([[correlate(plane.astype(float), kernel, mode="nearest") for plane in picture] for picture in pool.fakes])
    expected = np.clip(np.rint(128 + 4 * planes), 0, 255)
    assert np.abs(fitting._seen(pool.fakes, recipes.named("network-residual")) - expected).max() <= 1
    assert fitting._seen(pool.fakes, recipes.named("network")) is pool.fakes


def test_the_distance_from_reals_shrinks_their_covariance_towards_its_diagonal():
    random = np.random.default_rng(0)
    reals = random.normal(size=(300, 4)) @ random.normal(size=(4, 4)) * np.array([1, 10, 0.1, 5])
    images = random.normal(size=(20, 4)) * np.array([2, 20, 0.2, 10])
    standard = [(x - reals.mean(0)) / reals.std(0) for x in (reals, images)]
    covariance = 0.7 * np.corrcoef(reals.T) + 0.3 * np.eye(4)
    among, found = ((z @ np.linalg.inv(covariance) * z).sum(1) / 4 for z in standard)
    assert fitting._distance(reals, 0.3)(images) == pytest.approx((found - np.median(among)) / among.std(), rel=2e-3)


def test_features_kept_on_disk_are_those_of_the_same_pool(pool, tmp_path, monkeypatch):
    from dataclasses import replace

    other = replace(pool, fakes=pool.fakes[::-1], digest="another digest")
    first = Bench(pool, tmp_path).features("fakes", ("values",))
    assert np.array_equal(Bench(other, tmp_path).features("fakes", ("values",)), first[::-1])
    monkeypatch.setattr(features, "measured", None)
    assert np.array_equal(Bench(pool, tmp_path).features("fakes", ("values",)), first)
