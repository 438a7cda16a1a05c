"""Measuring generators: distances by hand and against closed forms, copies that were planted, and the whole step in small."""

import numpy as np
import pytest
from PIL import Image

from cifake_core.errors import BadInput, Refused
from cifake_core.evaluation.quality import classifier, copying, distances, measuring
from cifake_core.evaluation.quality.measuring import MeasureGenerators
from cifake_core.evaluation.quality.reals import fakes_of, reals_of
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE, REAL, NewImage
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace

RANDOM = np.random.default_rng(0)


# ---- distances


def test_the_frechet_distance_of_two_clouds_on_a_line_by_hand():
    one, other = np.array([[0.0], [2.0]]), np.array([[3.0], [7.0]])  # means 1 and 5, standard deviations √2 and √8
    assert distances.frechet(one, other) == pytest.approx((5 - 1) ** 2 + (8**0.5 - 2**0.5) ** 2)


def test_the_frechet_distance_of_crossed_covariances_is_that_of_scipys_matrix_root():
    from scipy.linalg import sqrtm

    one = RANDOM.normal(size=(400, 5)) @ RANDOM.normal(size=(5, 5))
    other = RANDOM.normal(size=(300, 5)) @ RANDOM.normal(size=(5, 5)) + 1
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    expected = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert distances.frechet(one, other) == pytest.approx(expected)
    assert distances.frechet(one, one) == pytest.approx(0, abs=1e-9)


def test_the_kernel_distance_of_two_pairs_by_hand():
    one, other = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    # k(x, y) = (xy + 1)³: within 0·1 → 1, within 1·2 → 27; across 0·1, 0·2, 1·1, 1·2 → 1, 1, 8, 27
    assert distances.mmd2(one, other) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_the_kernel_distance_is_unbiased_and_its_spread_is_that_of_its_subsets():
    clouds = [(RANDOM.normal(size=(200, 8)), RANDOM.normal(size=(200, 8))) for _ in range(30)]
    found = [distances.kernel(one, other, subsets=10, size=60) for one, other in clouds]
    values = np.array([k.value for k in found])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))  # around nought, not above it
    assert all(k.spread > 0 and (k.subsets, k.size) == (10, 60) for k in found)
    assert distances.kernel(clouds[0][0], clouds[0][1] + 1, subsets=10, size=60).value > 10 * values.std()


def test_the_interval_of_the_frechet_distance_holds_it_and_narrows_with_more_images():
    few, many = ((RANDOM.normal(size=(n, 4)), RANDOM.normal(size=(n, 4)) + 1) for n in (60, 2000))
    wide, narrow = distances.frechet_estimate(*few), distances.frechet_estimate(*many)
    assert wide.low < wide.value < wide.high
    assert narrow.low < 4 < narrow.high  # four dimensions, each one apart
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2


# ---- copies


def test_copies_and_mirrored_copies_are_found_and_nothing_else_is_suspected():
    training = RANDOM.integers(0, 256, (300, 3, 8, 8), dtype=np.uint8)
    fresh = RANDOM.integers(0, 256, (200, 3, 8, 8), dtype=np.uint8)
    held_out = copying.nearest_of_both_sides(RANDOM.integers(0, 256, (200, 3, 8, 8), dtype=np.uint8), training)
    fakes = fresh.copy()
    fakes[:20], fakes[20:40] = training[100:120], training[200:220, ..., ::-1]
    found = copying.nearest_of_both_sides(fakes, training)
    np.testing.assert_array_equal(found.number[:40], [*range(100, 120), *range(200, 220)])
    np.testing.assert_array_equal(found.distance[:40], 0)
    assert copying.compared(found, held_out).near.value == pytest.approx(0.2, abs=0.03)
    assert copying.compared(copying.nearest_of_both_sides(fresh, training), held_out).near.low < 0.01


def test_the_nearest_image_is_that_of_a_plain_search_across_the_parts(monkeypatch):
    monkeypatch.setattr(copying, "_AT_ONCE", 7)
    images, training = RANDOM.normal(size=(9, 6)), RANDOM.normal(size=(23, 6))
    apart = np.linalg.norm(images[:, None] - training[None], axis=2)
    found = copying.nearest(images, training)
    np.testing.assert_array_equal(found.number, apart.argmin(axis=1))
    np.testing.assert_allclose(found.distance, apart.min(axis=1), rtol=1e-6)


# ---- the classifier and the whole step


def coloured(label: int, index: int, shade: int = 0) -> np.ndarray:
    """A class is a colour: easy to learn in a few steps. Each image differs by its noise."""
    noise = np.random.default_rng([label, index, shade]).normal(0, 20, (32, 32, 3))
    return np.clip(np.array([25 * label, 250 - 25 * label, 60 * (label % 4) + shade]) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Workspace:
    """Reals of ten colours, fakes of the same, and fakes half of which show another class."""
    workspace = Workspace(tmp_path_factory.mktemp("home"))
    reals = [
        NewImage(encode_png(coloured(k, i)), REAL, k, split)
        for split, numbers in (("train", range(20)), ("test", range(100, 124)))
        for k in range(10)
        for i in numbers
    ]
    new_image_set(workspace, "reals", reals)
    for name, wrong, shade in (("good", 0, 0), ("bad", 15, 60)):
        rows = [
            NewImage(encode_png(coloured((k + (i < wrong)) % 10, 500 + i, shade)), FAKE, k, generator=name)
            for k in range(10)
            for i in range(30)
        ]
        new_image_set(workspace, name, rows)
    return workspace


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(classifier.Recipe, "__init__", lambda self: None)
    for name, value in {
        "channels": (8, 8, 16, 16), "learning_rate": 1e-2, "weight_decay": 0.0, "label_smoothing": 0.0, "batch": 60, "images": 1, "seed": 0,
    }.items():  # fmt: skip
        monkeypatch.setattr(classifier.Recipe, name, value, raising=False)
    monkeypatch.setattr(classifier.Recipe, "steps", lambda self, reals: 45)


def test_good_and_bad_fakes_are_told_apart_side_by_side_and_measured_once(lab, monkeypatch):
    step = MeasureGenerators("reals", ("good", "bad:reals"), per_class=25, detector_epochs=1)
    seen = []
    good, bad = step.run(Context(lab, lambda done, total, message: seen.append((done, total))))["measured"]
    assert good["classifier"]["held_out"]["value"] > 0.9
    assert good["recognised"]["value"] > 0.9 > 0.7 > bad["recognised"]["value"]
    assert good["recognised_by_class"]["cat"]["low"] <= good["recognised_by_class"]["cat"]["value"]
    near, far = (one["distances"]["fakes"] for one in (good, bad))
    assert near["frechet"]["value"] < far["frechet"]["value"]
    assert near["kernel"]["value"] < far["kernel"]["value"]
    assert good["distances"]["floor"] == bad["distances"]["floor"]
    assert good["distances"]["n"] == 120  # half of the held-out reals; the other half is the reference
    assert good["copying"]["n"] == 240
    assert bad["detector"]["n_test"] == 2 * 62
    assert bad["generators"] == ["bad"]
    assert all(0 <= done <= total for done, total in seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    with Image.open(f"{good['folder']}/{measuring.PAIRS}") as pairs:
        assert pairs.size == (32 * measuring.PAIRS_SHOWN, 64)
    monkeypatch.setattr(measuring, "measured", None)  # a second run reads what is there
    assert step.run(Context(lab))["measured"] == [good, bad]
    assert {record["set"] for _, record in measuring.measurements(lab)} == {"good", "bad"}


def test_a_stopped_training_of_the_classifier_goes_on_and_ends_the_same(lab, tmp_path):
    reals, recipe = reals_of(ImageSet.open(lab, "reals")), classifier.Recipe()

    def stop(done: int, total: int, message: str) -> None:
        if done == 20:
            raise KeyboardInterrupt

    asked = (reals.train, reals.train_classes, recipe)
    whole = classifier.trained(*asked, tmp_path / "whole.safetensors")
    with pytest.raises(KeyboardInterrupt):
        classifier.trained(*asked, tmp_path / "cut.safetensors", stop)
    resumed = classifier.trained(*asked, tmp_path / "cut.safetensors")
    for name, value in whole.state_dict().items():
        np.testing.assert_allclose(resumed.state_dict()[name], value, atol=1e-5, err_msg=name)


def test_a_sample_of_fakes_is_balanced_holds_no_twins_and_depends_on_the_seed_alone(lab):
    rows = [NewImage(encode_png(coloured(k, i % 4)), FAKE, k) for k in range(3) for i in range(8)]
    images = new_image_set(lab, "twins", rows)
    one, again, other = (fakes_of(images, 3, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(np.bincount(one.classes), [3, 3, 3])
    assert one.digest == again.digest != other.digest
    assert np.bincount(fakes_of(images, 20, 0).classes).tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"reals": "reals"}, "Nothing is named"),
        ({"sets": ("g7",)}, "No reals are named for 'g7'"),
        ({"reals": "r", "sets": ("g7",), "per_class": 3}, "20 to 6000"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(arguments, told):
    with pytest.raises(BadInput, match=told):
        MeasureGenerators(**arguments)


def test_sets_that_lack_what_is_needed_are_refused_in_a_sentence(lab):
    with pytest.raises(Refused, match="'good' has no test split"):
        reals_of(ImageSet.open(lab, "good"))
    with pytest.raises(Refused, match="'reals' has no fakes"):
        fakes_of(ImageSet.open(lab, "reals"), 5, 0)


def test_measuring_is_a_job_and_a_command(lab, monkeypatch):
    import json

    from typer.testing import CliRunner

    from cifake_core.cli import app
    from cifake_core.jobs.registry import step

    assert isinstance(step("generator-quality", {"reals": "reals", "sets": ["good"]}), MeasureGenerators)
    monkeypatch.setenv("CIFAKE_HOME", str(lab.home))
    asked = [
        "generator-quality",
        "--reals",
        "reals",
        "--set",
        "good",
        "--set",
        "bad",
        "--per-class",
        "25",
        "--detector-epochs",
        "1",
    ]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told.output
    assert "bad: 250 fakes against the reals of reals" in told.output
    measured = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout.splitlines()[-1])
    assert [one["set"] for one in measured["measured"]] == ["good", "bad"]


def test_what_reals_get_stands_beside_fakes_that_were_held_against_different_reals():
    from pages.build.generation import quality

    def record(name: str, reals: str, n: int) -> dict:
        share = {"value": 0.5, "low": 0.4, "high": 0.6}
        kernel = {"value": 0.1, "spread": 0.02}
        distances = {"n": n, "fakes": {"frechet": share, "kernel": kernel}, "floor": {"frechet": share, "kernel": kernel}}
        pixels = {"near": share, "median": 10.0, "median_held_out": float(n)}
        held_out = {"held_out": share, "n_held_out": n}
        return {
            "set": name, "reals": reals, "n": n, "recognised": share, "classifier": held_out, "distances": distances,
            "copying": {"pixels": pixels}, "detector": None,
        }  # fmt: skip

    alike = quality._table([record("a", "photos", 100), record("b", "photos", 100)])
    assert list(alike.columns) == ["", "a", "b", "held-out reals"]
    apart = quality._table([record("a", "photos", 100), record("b", "scenes", 200)])
    assert list(apart.columns) == ["", "a", "b", "held-out reals of photos, 100", "held-out reals of scenes, 200"]
    assert apart.set_index("").loc["median distance to it"].tolist() == ["10", "10", "100", "200"]
