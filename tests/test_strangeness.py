"""Far from the training data: ranks worked out by hand, and images that no network should be sure of."""

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from cifake_core.cli import app as command_line
from cifake_core.detectors import loading, runs
from cifake_core.explanations import features, strangeness
from cifake_core.explanations.strangeness import HeldOut, Looks
from cifake_core.images.codec import encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context


def test_the_worse_rank_counts_and_is_ranked_among_the_held_out_images_themselves():
    held_out = HeldOut(np.array([1, 2, 3, 4], np.float32), np.array([4, 3, 2, 1], np.float32))
    found = held_out.ranked(
        seen=2.5, looks=0.5
    )  # ranks 0.5 and 0; the held-out images' worse ranks: 0.75, 0.5, 0.5, 0.75
    assert (found.seen, found.looks, found.far, found.n) == (0.5, 0.0, 0.0, 4)
    found = held_out.ranked(seen=0.5, looks=3.5)  # 0.75 is above the two of 0.5
    assert (found.seen, found.looks, found.far) == (0.0, 0.75, 0.5)
    found = held_out.ranked(seen=9, looks=0)
    assert (found.far, found.is_far) == (1.0, True)


def test_the_warning_names_the_way_in_which_an_image_is_strange():
    held_out = HeldOut(np.arange(200, dtype=np.float32), np.arange(200, dtype=np.float32))
    assert "in the eyes of the network:" in held_out.ranked(999, 3).sentence()
    looks = held_out.ranked(3, 999).sentence()
    assert "network:" not in looks
    assert "by how it looks (colour, contrast, fine texture): 100.0% of 200 held-out images" in looks
    assert not held_out.ranked(150, 150).is_far


def test_ordinary_images_are_called_far_as_often_as_stated():
    random = np.random.default_rng(0)
    draw = lambda n: (random.gamma(2, size=n).astype(np.float32), random.gamma(5, size=n).astype(np.float32))  # noqa: E731
    held_out = HeldOut(*draw(2000))
    false = np.mean([held_out.ranked(*pair).is_far for pair in zip(*draw(6000), strict=True)])
    assert 0.004 < false < 0.018  # 1 % by construction, though each of two ranks alone would warn of 1 %


def test_the_measures_have_one_scale_and_a_picture_without_detail_has_finite_ones():
    flat = np.full((2, 3, 32, 32), 90, np.uint8)
    found = strangeness.described(flat)
    assert np.isfinite(found).all()
    noisy = strangeness.described(np.random.default_rng(0).integers(0, 256, (50, 3, 32, 32), np.uint8))
    placed = Looks.fitted(noisy).placed(noisy)
    np.testing.assert_allclose(placed.std(0), 1, atol=1e-3)
    assert np.linalg.norm(Looks.fitted(noisy).placed(found)[0]) > 20  # very unlike noise


def odd_images() -> dict[str, np.ndarray]:
    """uint8 (3, 32, 32) by what is odd about it."""
    random, ramp = np.random.default_rng(1), np.linspace(0, 255, 32).astype(np.uint8)
    return {
        "black": np.zeros((3, 32, 32), np.uint8),
        "grey": np.full((3, 32, 32), 128, np.uint8),
        "red": np.array([220, 20, 30], np.uint8)[:, None, None].repeat(32, 1).repeat(32, 2),
        "ramp": np.broadcast_to(ramp, (3, 32, 32)).copy(),
        "noise": random.integers(0, 256, (3, 32, 32), np.uint8),
        "faint noise": random.normal(128, 30, (3, 32, 32)).clip(0, 255).astype(np.uint8),
    }


def test_flat_and_noisy_images_are_far_from_a_run_s_training_images_and_test_images_are_not(lab):
    run = runs.runs(lab)[0]
    features.IndexFeatures(run.id).run(Context(lab))
    index, detector = features.stored(lab, run), loading.load(run)

    def strange(pixels):
        return index.nearest(features.features_of(detector, pixels[None])[0], pixels=pixels).strange

    for name, pixels in odd_images().items():
        assert strange(pixels).is_far, name
    test = ImageSet.open(lab, "tiny").part("test").pixels[::2]
    assert (
        np.mean([strange(np.ascontiguousarray(pixels)).is_far for pixels in test]) <= 0.06
    )  # 60 held-out images say 1 % roughly


def test_a_flat_file_is_warned_of_on_the_command_line_and_the_page_says_how_strange_an_image_is(lab, tmp_path):
    run = runs.runs(lab)[0]
    features.IndexFeatures(run.id).run(Context(lab))
    (tmp_path / "flat.png").write_bytes(encode_png(np.full((32, 32, 3), 128, np.uint8)))
    said = CliRunner().invoke(command_line, ["try", str(tmp_path / "flat.png"), "--run", run.id, "--no-jpeg", "--json"])
    row = json.loads(said.stdout.strip().splitlines()[-1])["images"][0]
    assert row["far_percentile"] == 1.0
    assert any("far from the training data" in warning for warning in row["warnings"])
    app = AppTest.from_file(str(Path(__file__).parents[1] / "app.py"), default_timeout=120).run()
    app.switch_page("pages/look/try_image.py").run()
    app.segmented_control(key="try_from").set_value("the test images").run()
    assert not app.exception
    assert not app.error
    assert any("The worse of the two is stranger than" in element.value for element in app.caption)
    assert not any("far from" in element.value for element in app.warning)


@pytest.mark.data
def test_on_real_images_flat_and_noisy_ones_are_far_and_one_in_a_hundred_others(real_data):
    import pandas as pd

    from cifake_core.images.codec import decode

    table = pd.read_parquet(real_data / "cifake-test.parquet").iloc[::4]
    column = next(name for name in table if name in ("image", "data"))
    raw = [cell["bytes"] if isinstance(cell, dict) else cell for cell in table[column]]
    pixels = np.stack([decode(data) for data in raw]).transpose(0, 3, 1, 2)
    described = strangeness.described(np.ascontiguousarray(pixels))
    train, held, test = described[::2], described[1::4], described[3::4]
    looks = Looks.fitted(train)
    bound = np.quantile(strangeness.to_kth(looks.placed(held), looks.placed(train)), strangeness.FAR)
    share = (strangeness.to_kth(looks.placed(test), looks.placed(train)) > bound).mean()
    assert 0.003 < share < 0.02
    odd = strangeness.described(np.stack(list(odd_images().values())))
    assert (strangeness.to_kth(looks.placed(odd), looks.placed(train)) > bound).all()
