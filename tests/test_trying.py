"""Trying one image: stages worked out by hand, a network whose answer is known, and bad files."""

import io
from threading import RLock
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from cifake_core.detectors import networks
from cifake_core.detectors.loading import Detector
from cifake_core.errors import BadInput
from cifake_core.explanations import averages, trying
from cifake_core.explanations.predictor import Predictor
from cifake_core.images import codec
from cifake_core.images.sprite import sprite
from cifake_core.metrics.calibration import AS_IT_IS


def detector(bias=3.0, weight=0.0):
    """A network that says the same of every image: the logit is its last bias."""
    torch.manual_seed(0)
    network = networks.build("16x1-32x1").eval()
    torch.nn.init.constant_(network.output.weight, weight)
    torch.nn.init.constant_(network.output.bias, bias)
    return Detector(None, network, torch.device("cpu"), RLock())


def predictor(bias=3.0, weight=0.0):
    """The same ready to judge, of a run that was trained elsewhere: without an out-of-distribution check."""
    run = SimpleNamespace(id="run", topology="commfor-32")
    return Predictor(run, {"run": detector(bias, weight)}, {"run": AS_IT_IS}, None)


def file_of(width=32, height=32, form="PNG", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format=form)
    return out.getvalue(), pixels


def titles(data, jpeg):
    return [stage.title for stage in trying.prepared(codec.decode_file(data), jpeg)]


def test_a_32_pixel_file_is_shown_to_the_network_as_it_is():
    data, pixels = file_of()
    found = trying.try_image(predictor(), data, name="a.png", jpeg=False)
    np.testing.assert_array_equal(found.seen, pixels)
    assert [stage.title for stage in found.stages] == ["The file"]


def test_every_stage_that_was_needed_is_shown_and_no_other():
    assert titles(file_of(64, 48)[0], jpeg=True) == ["The file", "Cropped", "Shrunk", "Encoded"]
    assert titles(file_of(20, 20)[0], jpeg=False) == ["The file", "Enlarged"]
    assert titles(file_of(32, 32, "JPEG")[0], jpeg=True) == ["The file"]
    assert titles(file_of(64, 64, "JPEG")[0], jpeg=True) == ["The file", "Shrunk", "Encoded"]


def test_the_crop_is_the_middle_square():
    data, pixels = file_of(40, 32)
    stages = trying.prepared(codec.decode_file(data), jpeg=False)
    np.testing.assert_array_equal(stages[1].pixels, pixels[:, 4:36])
    np.testing.assert_array_equal(stages[-1].pixels, pixels[:, 4:36])


def test_the_encoded_stage_is_a_jpeg_of_quality_75_of_the_stage_before():
    stages = trying.prepared(codec.decode_file(file_of()[0]), jpeg=True)
    np.testing.assert_array_equal(stages[1].pixels, codec.decode(codec.encode_jpeg(stages[0].pixels)))


@pytest.mark.parametrize(("bias", "verdict", "probability"), [(3.0, "fake", 0.9526), (-3.0, "real", 0.0474), (0.2, "unsure", 0.5498)])
def test_the_verdict_is_the_network_s_unless_it_is_close_to_one_half(bias, verdict, probability):
    found = trying.try_image(predictor(bias), file_of()[0], name="a.png", jpeg=True)
    assert found.verdict.fake_probability == pytest.approx(probability, abs=1e-4)
    assert found.verdict.word == verdict
    assert bool(found.verdict.reasons) == (verdict == "unsure")
    assert not found.heat.any()  # a network that looks at nothing has no evidence


def test_the_user_is_told_what_size_and_codec_do():
    def warnings(data, jpeg):
        return " ".join(trying.try_image(predictor(), data, name="a", jpeg=jpeg).warnings)

    assert "PNG" in warnings(file_of()[0], jpeg=False)
    assert "PNG" not in warnings(file_of()[0], jpeg=True)
    assert "trained elsewhere" in warnings(file_of(form="JPEG")[0], jpeg=True)


def test_what_was_done_to_a_file_is_said_in_order():
    def done(data, jpeg):
        return trying.try_image(predictor(), data, name="a", jpeg=jpeg).verdict.evidence.done

    assert done(file_of()[0], False) == ""
    assert done(file_of(64, 48)[0], True) == "cropped to its middle square, shrunk from 64 × 48, saved as CIFAKE's files are (JPEG 75)"
    assert done(file_of(20, 20)[0], False) == "enlarged from 20 × 20"


@pytest.mark.parametrize("data", [b"", b"not an image", file_of(64, 64, "JPEG")[0][:200]])
def test_a_bad_file_gets_one_sentence_with_its_name(data):
    with pytest.raises(BadInput, match="holiday.jpg"):
        trying.try_image(predictor(), data, name="holiday.jpg", jpeg=True)


def test_a_mean_map_is_the_mean_over_the_group_and_empty_groups_are_left_out():
    it = detector(weight=0.1)
    pixels = np.random.default_rng(2).integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
    from cifake_core.explanations import package_cams

    computed = lambda rows: package_cams.maps(it, pixels[rows], "gradcam", None, "fake")  # noqa: E731
    found = averages.mean_of_sample(computed, {"a": np.array([0, 1, 2]), "none": np.array([], int)})
    assert list(found) == ["a"]
    np.testing.assert_allclose(found["a"].heat, package_cams.maps(it, pixels[:3], "gradcam", None, "fake").heat.mean(0), atol=1e-6)
    assert (found["a"].images, found["a"].of) == (3, 3)


def test_a_sprite_holds_every_image_in_its_place_pixel_by_pixel():
    pixels = np.random.default_rng(3).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    picture = np.asarray(Image.open(io.BytesIO(sprite(pixels, 3))))
    assert picture.shape == (64, 96, 3)
    np.testing.assert_array_equal(picture[32:, 32:64], pixels[4].transpose(1, 2, 0))
    assert not picture[32:, 64:].any()
    assert Image.open(io.BytesIO(sprite(pixels[:0], 3))).size[0] >= 1


def test_a_picture_that_shows_nothing_is_outside_for_a_ready_made_detector_too():
    flat = codec.encode_png(np.full((32, 32, 3), 90, np.uint8))
    found = trying.try_image(predictor(9.0), flat, name="a.png", jpeg=False)
    assert found.verdict.word == "outside the training domain"
    assert "its brightness hardly varies" in found.verdict.reasons[0]
    assert not any("not checked" in warning for warning in found.warnings)
