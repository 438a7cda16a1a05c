"""Transforms and the sweep over them: by hand, against Pillow and scipy, and what must hold for every run."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from cifake_core.detectors import runs
from cifake_core.errors import BadInput, Cancelled
from cifake_core.evaluation import harm, robustness, transforms
from cifake_core.evaluation.robustness import Robustness
from cifake_core.images.image_set import ImageSet
from cifake_core.metrics.intervals import bootstrap_counts
from cifake_core.step import Context
from tests.conftest import drawn


@pytest.fixture
def pixels():
    return np.stack([drawn(0, c, 1).transpose(2, 0, 1) for c in range(3)])


# Transforms


@pytest.mark.parametrize("transform", transforms.ALL, ids=lambda t: t.name)
def test_every_transform_keeps_shape_and_type_and_leaves_its_input_alone(transform, pixels):
    before = pixels.copy()
    for strength in transform.strengths:
        found = transform(pixels, strength, seed=3)
        assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
        assert (transform(pixels, strength, seed=3) == found).all()
        assert (found != pixels).any()
    assert (pixels == before).all()
    assert transform(pixels[:0], transform.strengths[0]).shape == (0, 3, 32, 32)


@pytest.mark.parametrize(("name", "mild", "harsh"), [("jpeg", 95, 30), ("blur", 0.5, 1.5), ("noise", 2, 24), ("resize", 0.75, 0.375)])
def test_a_stronger_transform_changes_more(name, mild, harsh, pixels):
    def change(strength):
        return np.abs(transforms.named(name)(pixels, strength).astype(int) - pixels).mean()

    assert change(mild) < change(harsh)


def test_jpeg_is_what_pillow_writes(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels[1].transpose(1, 2, 0)).save(out, format="JPEG", quality=60, subsampling=2)
    assert (transforms.jpeg(pixels, 60)[1].transpose(1, 2, 0) == np.asarray(Image.open(out))).all()


def test_blur_is_scipys_gaussian(pixels):
    expected = gaussian_filter(pixels.astype(float), (0, 0, 1.0, 1.0), mode="mirror", truncate=3.0)
    assert np.abs(transforms.blur(pixels, 1.0) - expected).max() <= 1


def test_noise_has_the_spread_asked_for_and_its_own_seed():
    gray = np.full((20, 3, 32, 32), 128, np.uint8)
    found = transforms.noise(gray, 8, seed=1)
    assert found.std() == pytest.approx(np.sqrt(64 + 1 / 12), rel=0.02)  # rounding adds a twelfth
    assert found.mean() == pytest.approx(128, abs=0.2)
    assert (found != transforms.noise(gray, 8, seed=2)).any()


def test_brightness_crop_and_hue_do_what_can_be_worked_out():
    gray = np.array([100, 200], np.uint8).reshape(2, 1, 1, 1).repeat(3, 1).repeat(32, 2).repeat(32, 3)
    assert transforms.brightness(gray, 0.5)[:, 0, 0, 0].tolist() == [50, 100]
    assert transforms.brightness(gray, 1.5)[:, 0, 0, 0].tolist() == [150, 255]
    framed = gray.copy()
    framed[..., :8, :] = framed[..., -8:, :] = framed[..., :, :8] = framed[..., :, -8:] = 0
    assert (transforms.crop(framed, 0.5) == gray).all()
    red = np.zeros((1, 3, 32, 32), np.uint8)
    red[:, 0] = 200
    assert np.abs(transforms.hue(red, 0.5)[0, :, 0, 0].astype(int) - [0, 200, 200]).max() <= 1


def test_resizing_up_and_down_keeps_a_picture_and_halving_loses_a_checkerboard():
    board = np.full((1, 3, 32, 32), 128, np.uint8)
    board[..., np.indices((32, 32)).sum(0) % 2 == 0] = 60
    assert transforms.resize(board, 0.5)[0, 0, 8:24, 8:24].std() < 3
    smooth = np.broadcast_to(np.linspace(20, 220, 32).astype(np.uint8), (1, 3, 32, 32))
    assert np.abs(transforms.resize(smooth, 2.0).astype(int) - smooth).max() <= 3


# What fails


def test_figures_of_four_images_match_those_worked_out_by_hand():
    found = harm.judged(np.array([2.0, -1.0, 1.0, -2.0]), np.array([1, 1, 0, 0]), 0.5)
    assert (found["accuracy"]["value"], found["real"]["value"], found["fake"]["value"]) == (0.5, 0.5, 0.5)
    assert found["auc"]["value"] == 0.75
    assert found["best_accuracy"] == 0.75  # any threshold between 1 and 2, or between −2 and −1


def test_the_best_accuracy_is_that_of_trying_every_threshold():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    logits = np.round(random.normal(labels, 1.0), 1)
    tried = [((logits >= t) == labels).mean() for t in [*np.unique(logits), np.inf]]
    assert harm.best_accuracy(logits, labels) == pytest.approx(max(tried))
    assert harm.best_accuracy(logits[:5], np.ones(5, int)) == 1.0


def test_weighted_aucs_equal_scikit_learns_with_ties():
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 150)
    logits = np.round(random.normal(labels, 1.0), 1)
    weights = bootstrap_counts(labels, 6)
    ranks = np.unique(logits, return_inverse=True)[1]
    expected = [roc_auc_score(labels, logits, sample_weight=w) for w in weights]
    assert harm._weighted_aucs(weights, ranks, labels) == pytest.approx(expected)


def test_a_shifted_score_is_a_threshold_failure_and_noise_is_lost_signal():
    random = np.random.default_rng(2)
    labels = np.arange(400) % 2
    logits = random.normal(4 * labels - 2, 1.0)
    stored, shifted, lost = (harm.judged(z, labels, 0.5) for z in (logits, logits - 8, random.normal(size=400)))
    assert stored["accuracy"]["value"] > 0.95
    assert harm.failure(stored, shifted) == "threshold"
    assert harm.failure(stored, lost) == "signal"
    assert harm.failure(stored, stored) == "none"
    rows = [{"transform": "blur", "strength": 0.6, "unit": "sigma in pixels", **shifted}]
    sentence = harm.meaning(stored, rows)
    assert "Gaussian blur (sigma in pixels 0.6)" in sentence
    assert "nearly everything is called real" in sentence
    assert "threshold failure" in sentence
    assert "signal itself suffers" in harm.meaning(stored, [{**rows[0], **lost}])


# The step


def test_what_is_asked_is_parsed_checked_and_never_twice():
    asked = Robustness("a-run", transforms=("blur:0.6:1.2:0.6", "jpeg"))
    assert [(t.name, s) for t, s in asked.plan()][:3] == [("blur", 0.6), ("blur", 1.2), ("jpeg", 95.0)]
    assert len(Robustness("a-run").plan()) == sum(len(t.strengths) for t in transforms.ALL)
    for wrong, word in ((("melt",), "no transform 'melt'"), (("blur:x",), "write it as"), (("jpeg:400",), "goes from 1 to 100")):
        with pytest.raises(BadInput, match=word):
            Robustness("a-run", transforms=wrong)
    for wrong in ({"split": "train"}, {"limit": -1}, {"threshold": 1.0}):
        with pytest.raises(BadInput):
            Robustness("a-run", **wrong)


def test_rows_are_drawn_evenly_from_both_labels_and_always_the_same():
    labels = np.array([0] * 90 + [1] * 10)
    chosen = robustness.balanced_rows(labels, 40)
    assert len(chosen) == 40
    assert labels[chosen].sum() == 10  # all there are
    assert (np.diff(chosen) > 0).all()
    assert (chosen == robustness.balanced_rows(labels, 40)).all()
    assert labels[robustness.balanced_rows(labels, 10)].sum() == 5
    assert len(robustness.balanced_rows(labels, 0)) == 100


def test_a_sweep_agrees_with_the_stored_predictions_and_leaves_the_run_as_it_was(lab):
    run = runs.runs(lab)[0]
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    asked = Robustness(run.id, transforms=("jpeg:75", "blur:0.6"))
    result = asked.run(Context(lab))
    stored = run.predictions("test")["logit"].to_numpy()
    labels = ImageSet.open(lab, "tiny").part("test").labels
    assert result["baseline"]["accuracy"]["value"] == pytest.approx(((stored >= 0) == labels).mean())
    table = robustness.logits_of_study(lab, run, asked)
    assert table["as stored"].to_numpy() == pytest.approx(stored, abs=1e-3)
    assert list(table.columns[3:]) == ["as stored", "jpeg 75", "blur 0.6"]
    assert [(row["transform"], row["strength"], row["n"]) for row in result["rows"]] == [("jpeg", 75.0, 200), ("blur", 0.6, 200)]
    right = ((table[table.columns[3:]].to_numpy() >= 0) == labels[:, None]).all(axis=1)
    assert result["always_right"]["value"] == pytest.approx(right.mean())
    assert result["worst"]["accuracy"]["value"] == min(row["accuracy"]["value"] for row in result["rows"])
    assert json.loads(json.dumps(result)) == result
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before


def test_a_sweep_is_done_once_and_found_again(lab, monkeypatch):
    run = runs.runs(lab)[0]
    asked = Robustness(run.id, limit=40, transforms=("brightness:0.5",))
    result = asked.run(Context(lab))
    assert result["n"] == 40
    monkeypatch.setattr(robustness, "measured", lambda *_: pytest.fail("measured again"))
    assert asked.run(Context(lab)) == result
    assert robustness.studies(lab, run.id) == [result]
    assert robustness.studies(lab, runs.runs(lab)[1].id) == []


def test_a_stopped_sweep_leaves_nothing(lab):
    run, seen = runs.runs(lab)[0], []

    def stop(done, total, message):
        seen.append(message)
        if len(seen) > 1:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        Robustness(run.id, transforms=("hue:0.5",)).run(Context(lab, stop))
    assert not list((lab.home / "studies").glob("*"))
    assert robustness.studies(lab, run.id) == []
