"""The out-of-distribution check: what it refuses and what not, how it is stored, and that every face gives the same verdict."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.stats import beta
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from cifake_core.cli import app as command_line
from cifake_core.detectors import loading, runs
from cifake_core.detectors.ood import check as checks
from cifake_core.detectors.ood import domain_network, outliers, storing
from cifake_core.detectors.ood.appearance import Appearance
from cifake_core.detectors.ood.check import Check, DatasetPart
from cifake_core.detectors.ood.features import FeatureSpace, penultimate
from cifake_core.errors import BadInput, Cancelled, Damaged
from cifake_core.explanations import altering, trying
from cifake_core.explanations.altering import Alterations
from cifake_core.explanations.predictor import Predictor
from cifake_core.explanations.verdict import OUTSIDE
from cifake_core.images.codec import decode, encode_jpeg, encode_png
from cifake_core.images.domain import Domain
from cifake_core.images.image_set import ImageSet

PLAIN = Domain("x", "mixed", False, (1, 1), ((), ()), ((1.0, 1.0), (1.0, 1.0)))


@pytest.fixture
def run(lab):
    return runs.runs(lab)[0]


def as_earlier(run):
    """The run as an earlier version left it: without a check."""
    (run.folder / storing.FILE).unlink()
    record = json.loads((run.folder / "record.json").read_text())
    del record["sha256"][storing.FILE]
    (run.folder / "record.json").write_text(json.dumps(record))
    return replace(run, record=record)


def odd_images() -> dict[str, np.ndarray]:
    """uint8 (H, W, 3) by what is odd about them."""
    random, ramp = np.random.default_rng(1), np.linspace(0, 255, 32).astype(np.uint8)
    page = Image.new("RGB", (600, 800), (255, 255, 255))
    for line in range(20, 780, 24):
        ImageDraw.Draw(page).text((30, line), "words of a page that nobody photographed " * 2, fill=(20, 20, 20))
    return {
        "black": np.zeros((32, 32, 3), np.uint8),
        "red": np.broadcast_to(np.array([220, 20, 30], np.uint8), (32, 32, 3)),
        "ramp": np.repeat(np.broadcast_to(ramp, (32, 32))[..., None], 3, 2),
        "noise": random.integers(0, 256, (32, 32, 3), np.uint8),
        "blocks": random.integers(0, 256, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1),
        "one pixel": np.full((1, 1, 3), 200, np.uint8),
        "thin": random.integers(0, 256, (3, 2000, 3), np.uint8),
        "page of text": np.asarray(page),
        "photograph of 256 pixels": random.integers(0, 256, (256, 256, 3), np.uint8),
    }


def test_no_odd_picture_gets_a_firm_verdict_and_few_test_images_are_refused(lab, run):
    predictor = Predictor.of(lab, run)
    for name, pixels in odd_images().items():
        found = trying.try_image(predictor, encode_png(np.ascontiguousarray(pixels)), name=name, jpeg=False).verdict
        assert found.word == OUTSIDE, (name, found)
    test = np.ascontiguousarray(ImageSet.open(lab, "tiny").part("test").pixels)
    found = predictor.check.scores(predictor.detector.network, predictor.detector.device, test)
    assert np.mean([score.is_outside for score in found]) <= 0.05


def test_a_run_has_its_check_when_training_ends_and_it_is_small(lab, run):
    assert storing.FILE in run.record["sha256"]
    assert (run.folder / storing.FILE).stat().st_size < 300_000
    assert not storing.needs_fitting(lab, run)
    assert not (lab.home / "ood").exists()


def test_a_run_of_an_earlier_version_gets_the_same_check_once(lab, run):
    first, detector = storing.opened(lab, run), loading.load(run)
    run = as_earlier(run)
    assert storing.opened(lab, run) is None
    assert storing.needs_fitting(lab, run)
    assert storing.computed(lab, run, detector.network).held_out.tolist() == pytest.approx(first.held_out.tolist(), abs=1e-4)
    assert not storing.needs_fitting(lab, run)
    assert storing.opened(lab, run) is storing.computed(lab, run, None)  # read, not fitted: there is no network to ask


def test_a_check_that_is_interrupted_leaves_nothing_behind(lab, run):
    run = as_earlier(run)
    for folder in (lab.home / "domains").iterdir():
        if folder.is_dir():
            (folder / "record.json").unlink()

    def stopped(_done, _total, _message):
        raise Cancelled("The user stopped it.")

    with pytest.raises(Cancelled):
        storing.computed(lab, run, loading.load(run).network, stopped)
    assert storing.needs_fitting(lab, run)


def test_a_damaged_check_is_named_in_one_sentence(lab, run, tmp_path):
    file = run.folder / storing.FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Damaged, match="does not match its checksum"):
        storing.opened(lab, run)
    (tmp_path / "a.png").write_bytes(encode_png(odd_images()["noise"]))
    said = CliRunner().invoke(command_line, ["try", str(tmp_path / "a.png"), "--run", run.id])
    assert said.exit_code != 0
    for content in (b"", whole[:200], whole[:8] + b"x" + whole[9:]):
        (tmp_path / "part.safetensors").write_bytes(content)
        with pytest.raises(Damaged, match="delete that file or train the run again"):
            Check.load(tmp_path / "part.safetensors")


def test_a_damaged_part_of_a_dataset_is_fitted_again(lab, run):
    part = next(lab.home.glob("domains/*/domain.safetensors"))
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    storing._kept_part.cache_clear()
    run = as_earlier(run)
    assert storing.computed(lab, run, loading.load(run).network).held_out.max() >= 1


def test_a_check_whose_dataset_is_gone_or_another_one_leaves_the_verdict_unsure(lab, run):
    image = ImageSet.open(lab, "tiny").part("test").pixels[0].transpose(1, 2, 0)
    run = as_earlier(run)
    other = replace(run, record={**run.record, "dataset_digest": "0" * 64})
    with pytest.raises(BadInput, match="holds other images"):
        storing.computed(lab, other, loading.load(run).network)
    ImageSet.delete(lab, "tiny")
    found = Predictor.of(lab, run).verdict(np.ascontiguousarray(image))
    assert found.word == "unsure"
    assert "cannot be told: There is no image set named 'tiny'" in found.reasons[0]


def test_headline_what_if_and_command_line_say_the_same_of_the_same_file(lab, run, tmp_path):
    predictor = Predictor.of(lab, run)
    for row in range(0, 40, 4):
        data = ImageSet.open(lab, "tiny").encoded("test", row)
        headline = trying.try_image(predictor, data, name="a", jpeg=False)
        pixels = np.ascontiguousarray(headline.seen.transpose(2, 0, 1))
        answer = altering.asked(predictor, pixels, headline.verdict, Alterations(), size=headline.size)
        assert answer.after == headline.verdict
        assert predictor.verdict(headline.seen, headline.size) == headline.verdict  # and computing it again gives the same to the bit
        (tmp_path / f"{row}.png").write_bytes(data)
    files = [str(file) for file in sorted(tmp_path.glob("*.png"))]
    said = CliRunner().invoke(command_line, ["try", *files, "--run", run.id, "--no-jpeg", "--json"])
    for row in json.loads(said.stdout.strip().splitlines()[-1])["images"]:
        found = trying.try_image(predictor, (tmp_path / row["file"]).read_bytes(), name="a", jpeg=False).verdict
        assert row["verdict"] == found.word
        assert row["logit"] == found.evidence.logit


def test_the_command_line_says_what_was_done_and_why_it_is_outside(lab, run, tmp_path):
    large = tmp_path / "large.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8)).save(large)
    said = CliRunner().invoke(command_line, ["try", str(large), "--run", run.id])
    assert said.exit_code == 0, said.output
    line = said.stdout.strip().splitlines()[-1]
    assert line.startswith("large.jpg: outside the training domain, leans to ")
    assert "shrunk from 300 × 400" in line
    assert "the network was trained on 32-pixel files" in line


def test_the_page_says_outside_in_headline_and_what_if(lab, run):
    app = AppTest.from_file(str(Path(__file__).parents[1] / "app.py"), default_timeout=120).run()
    app.switch_page("pages/look/try_image.py").run()
    out = io.BytesIO()
    Image.fromarray(odd_images()["noise"]).save(out, "PNG")
    app.file_uploader(key="try_files").set_value([("noise.png", out.getvalue(), "image/png")]).run()
    assert not app.exception
    texts = [element.value for element in app.markdown]
    assert f"## {OUTSIDE}" in texts
    assert any(text.startswith(f"**Now:** {OUTSIDE}") for text in texts)
    assert any("trained on the dataset tiny" in text for text in texts)


def test_the_bound_is_a_conformal_one_and_each_score_can_reach_it_alone():
    random = np.random.default_rng(0)
    columns, features = random.normal(size=(1000, 3)).astype(np.float32), random.normal(size=(1000, 5)).astype(np.float32)
    space = FeatureSpace.fitted(random.normal(size=(500, 5)).astype(np.float32))
    check = Check.fitted(DatasetPart(None, None, columns, PLAIN), space, features)
    assert (check.held_out > 1).mean() == pytest.approx(checks.REFUSED, abs=0.002)
    refused = [((np.column_stack([columns, space.distances(features)]) - check.middle) / check.reach > 1)[:, place].mean() for place in range(4)]
    parts = [part for part, _ in checks.SCORES.values()]
    assert refused == pytest.approx([part * checks.REFUSED for part in parts], abs=0.006)
    assert sum(parts) == pytest.approx(1)


def test_few_held_out_images_never_make_the_bound_lower_than_all_of_them():
    random = np.random.default_rng(0)
    space = FeatureSpace.fitted(random.normal(size=(50, 5)).astype(np.float32))
    check = Check.fitted(DatasetPart(None, None, random.normal(size=(20, 3)).astype(np.float32), PLAIN), space, random.normal(size=(20, 5)).astype(np.float32))
    assert check.held_out.max() == pytest.approx(1)


def test_the_fewer_held_out_images_the_fewer_may_lie_beyond_the_bound():
    assert checks.beyond(2000) == 59  # 3 %
    assert checks.beyond(60) == 0
    for n in (100, 300, 1000):
        k = checks.beyond(n)
        assert beta.sf(0.05, k + 1, n - k) <= 0.01 or k == 0  # the chance that more than 5 % of new images are refused
    assert 3 <= checks.beyond(300) <= 6


def test_features_are_what_the_last_layer_is_given(lab, run):
    import torch

    detector = loading.load(run)
    images = np.ascontiguousarray(ImageSet.open(lab, "tiny").part("test").pixels[:3])
    found = penultimate(detector.network, images, detector.device)
    given = torch.from_numpy(np.expm1(np.abs(found)) * np.sign(found))
    with torch.no_grad():
        logits = detector.network.output(given).squeeze(1)
        np.testing.assert_allclose(logits, detector.network(torch.from_numpy(images).float() / 255), atol=1e-4)
    assert not detector.network.output._forward_pre_hooks


def test_distance_in_feature_space_is_mahalanobis_on_axes():
    random = np.random.default_rng(0)
    space = FeatureSpace.fitted((random.normal(size=(4000, 3)) * [1, 3, 9] + 50).astype(np.float32))
    found = space.distances(np.array([[2, 0, 0], [0, 6, 0], [0, 0, 18]], np.float32) + 50)
    np.testing.assert_allclose(found, 2, rtol=0.1)
    wide = random.normal(size=(40, 300)).astype(np.float32)  # fewer images than features
    assert FeatureSpace.fitted(wide).axes.shape == (32, 300)
    np.testing.assert_allclose(FeatureSpace.fitted(wide).axes @ FeatureSpace.fitted(wide).axes.T, np.eye(32), atol=5e-3)


def test_appearance_sees_what_is_flat_and_what_is_noise_and_not_a_like_image():
    random = np.random.default_rng(0)
    smooth = np.cumsum(random.normal(0, 4, (600, 3, 32, 32)), axis=3) + random.uniform(60, 190, (600, 3, 1, 1))
    images = smooth.clip(0, 255).astype(np.uint8)
    fitted = Appearance.fitted(images[:500])
    own, flat = fitted.scores(images[500:]), fitted.scores(np.full((1, 3, 32, 32), 90, np.uint8))
    noise = fitted.scores(random.integers(0, 256, (1, 3, 32, 32), np.uint8))
    assert (np.median(own, 0) * 1.5 < flat).all()
    assert (np.median(own, 0) * 1.5 < noise).all()


def test_outliers_are_what_their_names_say():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (6, 3, 32, 32), np.uint8)
    np.testing.assert_array_equal(outliers.negatives(images, random), 255 - images)
    made = outliers.shuffled(images, random)
    np.testing.assert_array_equal(np.sort(made.reshape(6, 3, -1), 2), np.sort(images.reshape(6, 3, -1), 2))
    assert (made != images).any()
    assert outliers.enlarged(images, random).std() < images.std() / 2
    assert len(np.unique(outliers.pixelated(images, np.random.default_rng(1))[0, 0], axis=0)) < 32
    assert (np.abs(outliers.noisy(np.full((6, 3, 32, 32), 128, np.uint8), random).astype(float) - 128).mean((1, 2, 3)) > 8).all()
    scenes = np.full((1, 3, 32, 32), 7, np.uint8)
    made, kinds = outliers.outliers(np.zeros((400, 3, 32, 32), np.uint8), random, scenes)
    negative, scene = (made == 255).all((1, 2, 3)), (made == 7).all((1, 2, 3))
    assert scene.mean() > 0.15
    np.testing.assert_array_equal(kinds == outliers.KINDS.index("scene"), scene)
    np.testing.assert_array_equal(kinds == outliers.KINDS.index("negative"), negative)
    assert set(outliers.outliers(images, random)[1]) <= {0, 2}  # without scenes


def test_the_fast_codec_is_cifake_s():
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
    expected = [decode(encode_jpeg(np.ascontiguousarray(image.transpose(1, 2, 0)))) for image in images]
    np.testing.assert_array_equal(outliers.through_jpeg(images), np.stack(expected).transpose(0, 3, 1, 2))


def test_the_small_network_learns_to_tell_a_negative():
    random = np.random.default_rng(0)
    ramp = np.linspace(40, 200, 32)[:, None].repeat(32, 1)  # brighter below: a negative is brighter above
    images = (ramp + random.normal(0, 12, (800, 3, 32, 32))).clip(0, 255).astype(np.uint8)
    network = domain_network.fit(images[:700], jpeg=False, scenes=None, seed=0)
    own, negative = domain_network.scores(network, images[700:]), domain_network.scores(network, 255 - images[700:])
    assert negative.min() > own.max()


def test_one_score_beyond_the_bound_is_enough(monkeypatch):
    space = FeatureSpace(np.zeros(2, np.float32), np.eye(2, dtype=np.float32), np.ones(3, np.float32))
    part = DatasetPart(None, None, np.zeros((0, 3), np.float32), PLAIN)
    check = Check(part, space, np.zeros(4, np.float32), np.ones(4, np.float32), np.linspace(0, 1, 100, dtype=np.float32))
    monkeypatch.setattr(DatasetPart, "scores", lambda _part, images: np.array([[0.2, 1.5, -2.0], [0.2, 0.4, -2.0]]))
    monkeypatch.setattr(checks, "penultimate", lambda *_given: np.zeros((2, 2), np.float32))
    far, near = check.scores(None, None, np.zeros((2, 3, 32, 32), np.uint8))
    assert (far.value, far.is_outside, far.percentile) == (1.5, True, 1.0)
    assert far.by == {"statistics": 0.2, "extremes": 1.5, "learned": -2.0, "features": 0.0}
    assert (near.value, near.is_outside) == (0.4, False)
    assert near.percentile == pytest.approx(0.4)


def test_arrays_come_back_whatever_their_layout(tmp_path):
    wide = np.arange(12, dtype=np.float32).reshape(3, 4)
    checks.write(tmp_path / "a.safetensors", {"turned": wide.T, "reversed": wide[:, ::-1]}, PLAIN)
    tensors, domain = checks.read(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(tensors["turned"], wide.T)
    np.testing.assert_array_equal(tensors["reversed"], wide[:, ::-1])
    assert domain == PLAIN


def test_bounds_are_chosen_on_validation_images_alone(lab, run):
    check, detector = storing.opened(lab, run), loading.load(run)
    validation = np.ascontiguousarray(ImageSet.open(lab, "tiny").part("validation").pixels)
    values = sorted(score.value for score in check.scores(detector.network, detector.device, validation))
    np.testing.assert_allclose(values, check.held_out, atol=0.01)  # weights are stored in half precision


def test_the_interval_over_seeds_is_of_calibrated_logits(lab, run):
    import torch

    from cifake_core.metrics.calibration import Calibrator

    predictor = Predictor.of(lab, run)
    halved = replace(predictor, detectors={run.id: predictor.detector, "other": predictor.detector}, calibrators={run.id: Calibrator("platt", 0.5, 1.0), "other": Calibrator()})
    image = np.ascontiguousarray(ImageSet.open(lab, "tiny").part("test").pixels[0].transpose(1, 2, 0))
    found = halved.verdict(image)
    logit = torch.tensor(found.evidence.logit)
    assert found.evidence.spread.probabilities == pytest.approx([float(torch.sigmoid(0.5 * logit + 1)), float(torch.sigmoid(logit))], abs=1e-5)
    assert found.fake_probability == pytest.approx(found.evidence.spread.probabilities[0], abs=1e-6)
