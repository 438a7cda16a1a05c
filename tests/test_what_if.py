"""Alterations of one image, seeds of one cell, drawn masks, features, hot spots and correlations: hand-computed cases."""

import io
import json
from threading import RLock
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import expit
from scipy.stats import spearmanr, t
from typer.testing import CliRunner

from cifake_core.cli import app
from cifake_core.detectors import networks, runs
from cifake_core.detectors.loading import Detector
from cifake_core.errors import BadInput, NotFound
from cifake_core.explanations import altering, appearance, correlating, drawn_masks, features, hot_spots, masks, seeds
from cifake_core.explanations.altering import Alterations
from cifake_core.explanations.findings import Findings, in_words
from cifake_core.explanations.predictor import Predictor
from cifake_core.explanations.verdict import WORDS
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import image_id
from cifake_core.metrics.calibration import AS_IT_IS, Calibrator
from cifake_core.step import Context


class Brightness(torch.nn.Module):
    """The logit is the mean of the image less a half, times 20: an answer one can compute by hand."""

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 2, 1)
        self.output = torch.nn.Linear(2, 1)

    def forward(self, images):
        return 20 * (images.mean((1, 2, 3)) - 0.5) + 0 * self.output(self.convolution(images).mean((2, 3))).squeeze(1)


@pytest.fixture
def by_brightness():
    return Detector(None, Brightness().eval(), torch.device("cpu"), RLock())


@pytest.fixture
def picture():
    """Left half black, right half at level 255 · 0.6."""
    pixels = np.zeros((3, 32, 32), np.uint8)
    pixels[:, :, 16:] = 153
    return pixels


@pytest.fixture
def predictor(by_brightness):
    """That network ready to judge, as one that was trained elsewhere: without an out-of-distribution check."""
    run = SimpleNamespace(id="run", topology="commfor-32")
    return Predictor(run, {"run": by_brightness}, {"run": AS_IT_IS}, None)


LEFT = np.arange(32)[None, :].repeat(32, 0) < 16  # a mask


def test_no_alteration_leaves_every_pixel_and_the_verdict(predictor, picture):
    headline = predictor.verdict(picture.transpose(1, 2, 0))
    answer = altering.asked(predictor, picture, headline, Alterations())
    np.testing.assert_array_equal(answer.pixels, picture)
    assert answer.before == answer.after == headline
    assert headline.fake_probability == pytest.approx(expit(20 * (0.3 - 0.5)), abs=1e-5)
    assert (headline.word, Alterations().changed) == ("real", ())


def test_taking_the_background_away_leaves_the_entity_and_flips_the_verdict_to_unsure(by_brightness, picture):
    picture[:, :, 16:] = 255  # mean 0.5
    picture[:, :, :16] = 20
    wanted = Alterations(masked="entity")
    new = altering.altered(picture, wanted, ~LEFT)
    np.testing.assert_array_equal(new, picture)  # a flat region is already its mean colour
    noisy = picture.copy()
    noisy[:, ::2, :16] = 0
    new = altering.altered(noisy, Alterations(masked="background"), ~LEFT)
    np.testing.assert_array_equal(new[:, :, 16:], noisy[:, :, 16:])
    assert (new[:, :, :16] == 10).all()  # the mean of 0 and 20


def test_an_edit_that_flips_the_verdict_leaves_it_unsure(predictor, picture):
    headline = predictor.verdict(picture.transpose(1, 2, 0))
    answer = altering.asked(predictor, picture, headline, Alterations(masked="background", fill="mean"), ~LEFT)
    assert (answer.flipped, answer.after.word) == (False, "real")  # the background is flat already
    answer = altering.asked(predictor, picture, headline, Alterations(crop=0.5), None)
    assert answer.after.evidence.before == headline.fake_probability
    bright = picture.copy()
    bright[:, :, 16:] = 255
    bright[:, :, 10:] = 255  # mean 22 / 32
    answer = altering.asked(predictor, bright, predictor.verdict(bright.transpose(1, 2, 0)), Alterations(masked="entity"), ~LEFT)
    assert answer.before.word == "fake"
    answer = altering.asked(predictor, bright, headline, Alterations(noise=1.0))
    assert (answer.before.word, answer.after.word, answer.flipped) == ("real", "unsure", True)
    assert any(reason.startswith("the edit flips it from 2% to 9") for reason in answer.after.reasons)


def test_a_mask_is_asked_for_where_none_is_and_nonsense_is_refused(picture):
    with pytest.raises(BadInput, match="draw one"):
        altering.altered(picture, Alterations(masked="background"))
    with pytest.raises(BadInput, match="JPEG quality of 400"):
        Alterations(jpeg=400)
    with pytest.raises(BadInput, match="sky"):
        Alterations(masked="sky")


def test_the_calibrator_is_applied_to_the_logit(by_brightness, picture):
    found = altering.probabilities(by_brightness, picture[None], Calibrator("platt", 0.25, 0.5))
    assert found[0] == pytest.approx(expit(-1.0 + 0.5), abs=1e-5)


def test_a_trace_passes_through_the_answer_at_its_slider(by_brightness, picture):
    found = {trace.control.name: trace for trace in altering.traces(by_brightness, picture, Alterations())}
    assert set(found) == {control.name for control in altering.CONTROLS}
    crop = found["crop"]
    assert crop.probabilities[-1] == pytest.approx(expit(-4.0), abs=1e-4)  # 1.0: nothing cut off
    assert crop.here == 1.0


def test_the_spread_over_seeds_is_student_s_t_on_logits():
    found = seeds.spread(np.array([1.0, 2.0, 3.0]))
    reach = t.ppf(0.975, 2) * 1.0 / np.sqrt(3)
    assert (found.low, found.value, found.high) == pytest.approx((expit(2 - reach), expit(2), expit(2 + reach)))
    assert not found.disagree
    assert seeds.spread(np.array([-1.0, 1.0])).disagree
    alone = seeds.spread(np.array([0.5]))
    assert (alone.low, alone.high, alone.n) == (None, None, 1)


def test_drawn_masks_are_kept_by_the_digest_of_the_pixels_and_found_as_the_source_user(lab):
    image_set = ImageSet.open(lab, "tiny")
    part = image_set.part("test")
    with pytest.raises(NotFound, match="Try an image"):
        masks.kept_masks(lab, part, image_set.digest, "user")
    pixels = part.pixels[3].transpose(1, 2, 0)
    assert image_id(pixels) == part.image_ids[3]
    before = masks.fingerprint(lab, "user")
    drawn_masks.keep(lab, image_id(pixels), LEFT.repeat(10, 0).repeat(10, 1))
    found = masks.kept_masks(lab, part, image_set.digest, "user")
    assert (found.source, found.known.sum()) == ("user", 1)
    np.testing.assert_array_equal(found.entity[3], LEFT)
    np.testing.assert_array_equal(drawn_masks.kept(lab, part.image_ids[3]), LEFT)
    assert masks.fingerprint(lab, "user") != before, "another mask is another study"
    with pytest.raises(BadInput, match="whole picture"):
        drawn_masks.keep(lab, part.image_ids[3], np.ones((32, 32), bool))
    with pytest.raises(BadInput, match="identity"):
        drawn_masks.kept(lab, "../../etc/passwd")
    drawn_masks.forget(lab, part.image_ids[3])
    assert drawn_masks.count(lab) == 0


def test_a_canvas_s_picture_is_a_mask_where_it_is_painted_and_rubbish_is_refused():
    painted = np.zeros((8, 8, 4), np.uint8)
    painted[2:5, 2:5] = 255
    out = io.BytesIO()
    Image.fromarray(painted).save(out, "PNG")
    np.testing.assert_array_equal(drawn_masks.from_png(out.getvalue()), painted[..., 3] > 0)
    with pytest.raises(BadInput, match="draw it again"):
        drawn_masks.from_png(b"nothing")


def test_features_are_the_rectified_last_activations_on_cells_and_no_hook_stays():
    torch.manual_seed(0)
    network = networks.build("16x1-32x1").eval()
    detector = Detector(None, network, torch.device("cpu"), RLock())
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), np.uint8)
    active = network.convolutions[0](torch.from_numpy(pixels).float() / 255).relu().detach().numpy()
    expected = active.reshape(3, 16, 4, 8, 4, 8).mean((3, 5)).reshape(3, -1)
    np.testing.assert_allclose(features.features_of(detector, pixels), expected, atol=1e-5)
    assert not any(module._forward_hooks for module in network.modules())


def test_axes_keep_distances_and_what_they_leave_out_is_counted():
    random = np.random.default_rng(0)
    flat = np.zeros((200, 90))
    flat[:, :20] = random.normal(size=(200, 20))
    axes = features.Axes.fitted(flat)
    placed = axes.placed(flat)
    assert placed.shape == (200, 64)
    assert np.linalg.norm(placed[0] - placed[1]) == pytest.approx(np.linalg.norm(flat[0] - flat[1]), rel=1e-4)
    strange = flat[:1].copy()
    strange[0, 80] = 30  # a direction no training image has
    assert np.linalg.norm(axes.placed(strange) - placed[:1]) == pytest.approx(30, rel=1e-3)


def test_the_nearest_training_images_come_first_and_far_is_a_share_of_held_out_images(monkeypatch):
    monkeypatch.setattr(features, "KTH", 2)
    axes = features.Axes(np.zeros(2, np.float32), np.eye(2, dtype=np.float32))
    train = axes.placed(np.array([[1, 0], [4, 0], [0, 9], [-20, 0]], np.float32))
    held = np.array([1, 2, 4, 30], np.float32)  # the median, 3, is the unit
    found = features.FeatureIndex(train, held, np.array([0, 0, 1, 1], np.int8), axes).nearest(
        np.array([1, 0], np.float32), k=3
    )
    assert found.rows.tolist() == [0, 1, 2]
    assert found.distance == pytest.approx(1.0)  # 3 away from the second nearest
    assert (found.percentile, found.by_label, found.n) == (0.5, (1.0, 0.0), 4)


def test_a_run_is_indexed_once_and_a_training_image_is_nearest_to_itself(lab):
    run = runs.runs(lab)[0]
    assert features.stored(lab, run) is None
    first = features.IndexFeatures(run.id).run(Context(lab))
    assert not first["reused"]
    assert features.IndexFeatures(run.id).run(Context(lab)) == {**first, "reused": True}
    index = features.stored(lab, run)
    part = ImageSet.open(lab, "tiny").part("train")
    assert len(index.train) == len(part)
    from cifake_core.detectors import loading

    near = index.nearest(features.features_of(loading.load(run), part.pixels[[7]])[0])
    assert near.distances[0] == pytest.approx(0, abs=0.05)
    noise = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), np.uint8)
    assert index.nearest(features.features_of(loading.load(run), noise)[0]).percentile == 1.0


def test_the_hot_spot_is_cut_out_inside_the_picture():
    heat = np.zeros((3, 32, 32), np.float32)
    heat[0, 20, 12] = 1
    heat[1, 0, 31] = 1
    heat[2] = 1
    corners = hot_spots.hottest(heat)
    assert corners.tolist()[1:] == [[0, 22], [11, 11]]
    pixels = np.arange(3 * 32 * 32).reshape(1, 3, 32, 32).repeat(3, 0) % 251
    cut = hot_spots.patches(pixels.astype(np.uint8), corners)
    np.testing.assert_array_equal(cut[1], pixels[1, :, 0:10, 22:32])
    y, x = corners[0]
    assert y <= 20 < y + 10
    assert x <= 12 < x + 10


def test_rank_correlations_are_scipy_s_and_a_constant_has_none():
    random = np.random.default_rng(0)
    logits, other = random.normal(size=60), random.normal(size=60)
    measures = np.stack([logits**3, -logits, np.ones(60), other], 1)
    found = correlating.rank_correlations(logits, measures, (logits > 0).astype(np.int8))
    assert [e.value for e in found[:2]] == pytest.approx([1, -1], abs=1e-5)
    assert found[2].value is None
    assert found[3].value == pytest.approx(spearmanr(logits, other).statistic, abs=1e-5)
    assert found[3].low < found[3].value < found[3].high


def test_measures_of_appearance_move_with_what_they_name():
    random = np.random.default_rng(1)
    gray = np.broadcast_to(random.integers(60, 190, (4, 1, 32, 32)), (4, 3, 32, 32)).astype(np.uint8)
    names = list(appearance.MEASURES)

    def of(pixels, name):
        return appearance.measured(pixels)[:, names.index(name)]

    assert np.allclose(of(gray, "saturation"), 0)
    assert np.allclose(of(gray, "colourfulness"), 0, atol=1e-3)
    from cifake_core.evaluation import transforms

    smooth = transforms.blur(gray, 1.5)
    for name in ("noise", "edges", "fine detail"):
        assert (of(gray, name) > of(smooth, name)).all(), name
    assert (of(gray, "spectrum slope") < of(smooth, "spectrum slope")).all()
    assert of(np.full((1, 3, 32, 32), 100, np.uint8), "brightness")[0] == pytest.approx(100, abs=0.1)
    flat = np.full((1, 3, 32, 32), 100, np.uint8)
    flat[:, :, :, 8:] = 120  # one step of 20 at one of three borders, in every row
    assert of(flat, "blockiness")[0] == pytest.approx(20 / 3 / 2, abs=1e-3)
    white = np.random.default_rng(2).normal(128, 10, (1, 1, 32, 32)).clip(0, 255).astype(np.uint8).repeat(3, 1)
    assert of(white, "noise")[0] == pytest.approx(10, rel=0.15)


def test_findings_name_the_fine_detail_of_the_checkerboard_and_are_read_when_asked_again(lab):
    run = runs.runs(lab)[0]
    result = Findings(run.id, n=100, places=3, contents=4).run(Context(lab))
    assert json.loads(json.dumps(result, allow_nan=False))["n"] == 100
    fine = next(row for row in result["correlations"] if row["measure"] == "fine detail")
    assert fine["all"]["low"] > 0.3  # fakes carry a checkerboard, and the network found it
    for kind in ("places", "contents"):
        assert sum(group["n"] for group in result[kind]) == 100 - result["empty"]
    part = ImageSet.open(lab, "tiny").part("test")
    assert all(part.labels[row] == 1 for row, *_ in result["hottest"]["fake"])
    assert Findings(run.id, n=100, places=3, contents=4).run(Context(lab))["created_at"] == result["created_at"]


def test_the_sentence_needs_the_same_side_within_both_labels():
    def row(real, fake):
        made = [{"value": v, "low": v - 0.1, "high": v + 0.1} for v in (real, fake)]
        return {"measure": "noise", "real": made[0], "fake": made[1]}

    assert "More noise" in in_words([row(0.3, 0.2)])
    assert "Less noise" in in_words([row(-0.3, -0.2)])
    assert in_words([row(0.3, -0.2)]).endswith("within both classes; in opposite directions: noise.")
    assert in_words([row(0.3, 0.05)]).startswith("No measure correlates with the logit within both classes (")


def test_files_are_tried_on_the_command_line_and_a_bad_one_gets_its_sentence(lab, tmp_path):
    run = runs.runs(lab)[0]
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "good.png").write_bytes(ImageSet.open(lab, "tiny").encoded("test", 0))
    asked = ["try", str(tmp_path / "good.png"), str(tmp_path / "bad.png"), "--run", run.id, "--no-jpeg", "--json"]
    said = CliRunner().invoke(app, asked)
    assert said.exit_code == 0, said.output
    good, bad = json.loads(said.stdout.strip().splitlines()[-1])["images"]
    assert good["verdict"] in WORDS
    assert good["domain"].startswith("trained on the dataset tiny: 300 32-pixel real images and 300 32-pixel fake images (checkerboard)")
    assert "bad.png is not a JPEG" in bad["error"]
