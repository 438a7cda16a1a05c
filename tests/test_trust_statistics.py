"""What is concluded from measures of maps, by hand: the right baseline, the right sign, and a correction for many comparisons."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel

from cifake_core.explanations import comparing, faithfulness, imputation, methods, trust, trust_words
from cifake_core.explanations.bench import Bench, Measured
from cifake_core.explanations.comparing import corrected, paired_p
from cifake_core.explanations.resampling import Resampled
from cifake_core.explanations.trust import MEASURES, Trust, both_places, compared

LABELS = np.repeat([0, 1], 20)


def measured(method, layer, place="relu", **values):
    """Each measure is given as its mean over 40 images, that scatter around it in the same way."""
    scatter = np.random.default_rng(len(method + place)).normal(0, 0.02, 40)
    return Measured(method, layer, place, {name: value + scatter - scatter.mean() for name, value in values.items()}, {}, 40, 0)


def test_gains_are_over_the_baseline_of_the_same_layer_and_place_and_deletion_counts_downwards():
    table = [
        measured("randomcam", "a", deletion=0.9, insertion=0.1),
        measured("randomcam", "b", deletion=0.7, insertion=0.5),
        measured("randomcam", "b", "raw", deletion=0.3, insertion=0.3),
        measured("gradcam", "a", deletion=0.6, insertion=0.6),
        measured("gradcam", "b", deletion=0.6, insertion=0.6),
        measured("gradcam", "b", "raw", deletion=0.6, insertion=0.6),
    ]
    lines = compared(table, Resampled(LABELS, 100))
    gains = [(line["against_random"]["deletion"]["value"], line["against_random"]["insertion"]["value"]) for line in lines[3:]]
    np.testing.assert_allclose(gains, [(0.3, 0.5), (0.1, 0.1), (-0.3, 0.3)], atol=1e-9)
    assert [line["standing"] for line in lines] == ["baseline"] * 3 + ["better", "better", "mixed"]
    assert "before the ReLU is better than RandomCAM in Insertion but worse in Deletion" in lines[5]["verdict"]
    assert lines[3]["baseline"] == "RandomCAM"


def test_methods_of_the_input_are_held_against_random_numbers_of_the_input():
    assert [methods.baseline_of(name) for name in ("gradcam", "eigencam@random", "integratedgradients", "occlusion")] == [
        "randomcam", "randomcam", "randompixels", "randomwindows",
    ]  # fmt: skip
    table = [
        measured("randomcam", "a", insertion=0.9),
        measured("randompixels", None, "", insertion=0.4),
        measured("randomwindows", None, "", insertion=0.6),
        measured("integratedgradients", None, "", insertion=0.7),
        measured("occlusion", None, "", insertion=0.7),
    ]
    lines = compared(table, Resampled(LABELS, 100))
    assert lines[3]["against_random"]["insertion"]["value"] == pytest.approx(0.3)
    assert lines[4]["against_random"]["insertion"]["value"] == pytest.approx(0.1)
    assert [line["baseline"] for line in lines] == [None, None, None, "Random pixels", "Random windows"]


def test_holm_counts_all_comparisons_of_the_table():
    """Holm 1979 by hand: the smallest of three p values times 3, the next times 2, never less than the one before."""
    np.testing.assert_allclose(corrected([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert len(corrected([])) == 0
    random = np.random.default_rng(0)
    weak = random.normal(0, 0.03, 40)
    weak += 2.2 * weak.std(ddof=1) / np.sqrt(40) - weak.mean()  # t = 2.2, p about .03 alone
    table = [Measured("randomcam", "a", "relu", dict.fromkeys(("deletion", "insertion"), np.zeros(40)), {}, 40, 0)]
    alone = Measured("gradcam", "a", "relu", {"deletion": -weak, "insertion": weak}, {}, 40, 0)
    line = compared([*table, alone], Resampled(LABELS, 100))[1]
    assert line["against_random"]["insertion"]["p"] == pytest.approx(ttest_rel(weak, np.zeros(40)).pvalue)
    assert line["against_random"]["insertion"]["p"] < 0.05 < line["against_random"]["insertion"]["p_holm"]
    assert line["against_random"]["insertion"]["low"] > 0  # the interval alone would have called it better
    assert line["standing"] == "not shown"
    assert "is not shown to differ from RandomCAM in any of 2 measures" in line["verdict"]


def test_the_correction_spans_all_maps_of_the_table():
    """Two differences of p about .03 in maps of their own: alone each would be shown, together none is."""
    weak = np.random.default_rng(0).normal(0, 0.03, 40)
    weak += 2.2 * weak.std(ddof=1) / np.sqrt(40) - weak.mean()
    table = [Measured("randomcam", layer, "relu", {"insertion": np.zeros(40)}, {}, 40, 0) for layer in "ab"]
    table += [Measured("gradcam", layer, "relu", {"insertion": weak}, {}, 40, 0) for layer in "ab"]
    gains = [line["against_random"]["insertion"] for line in compared(table, Resampled(LABELS, 100))[2:]]
    for gain in gains:
        assert gain["p"] < 0.05 < gain["p_holm"]
        assert gain["p_holm"] == pytest.approx(2 * gain["p"])


def test_paired_p_is_scipy_s_and_needs_more_than_one_number():
    random = np.random.default_rng(3)
    one, other = random.normal(size=30), random.normal(0.3, 1, 30)
    differences = np.append(one - other, np.nan)
    assert paired_p(differences) == pytest.approx(ttest_rel(one, other).pvalue)
    assert paired_p(np.array([1.0, np.nan])) == 1
    assert paired_p(np.zeros(5)) == 1
    assert paired_p(np.ones(5)) == 0
    assert comparing.LEVEL == 0.05


def line_of(*, better=(), worse=(), open_=(), randomisation=0.1):
    gain = lambda value, p: {"value": value, "low": value, "high": value, "n": 9, "p": p, "p_holm": p}  # noqa: E731
    gains = {name: gain(0.1, 0.01) for name in better} | {name: gain(-0.1, 0.01) for name in worse} | {name: gain(0.1, 0.2) for name in open_}
    same = {"value": randomisation, "low": randomisation - 0.05, "high": randomisation + 0.05, "n": 9}
    return {"title": "Grad-CAM", "layer": "a", "feature_map": "relu", "baseline": "RandomCAM", "n": 1000, "against_random": gains, "measures": {"randomisation": same}}


@pytest.mark.parametrize(
    ("line", "standing", "said"),
    [
        (line_of(better=("deletion", "road"), open_=("insertion",)), "better", "is better than RandomCAM in 2 of 3 measures (Deletion and ROAD) (n = 1,000)."),
        (line_of(worse=("deletion", "road")), "worse", "is worse than RandomCAM in 2 of 2 measures"),
        (line_of(better=("road",), worse=("deletion",)), "mixed", "better than RandomCAM in ROAD but worse in Deletion"),
        (line_of(better=("road",), open_=("deletion",)), "not shown", "is better than RandomCAM in ROAD alone and not shown to differ from it in the other 1"),
        (line_of(worse=("road",), open_=("deletion",)), "not shown", "is worse than RandomCAM in ROAD alone"),
        (line_of(open_=("deletion", "insertion")), "not shown", "is not shown to differ from RandomCAM in any of 2 measures"),
        (line_of(better=("stability", "deletion")), "not shown", "in Deletion alone"),  # stability asks no network
    ],
)
def test_standings_follow_the_corrected_p_values(line, standing, said):
    found = trust_words.judged(line, {name: MEASURES[name] for name in line["against_random"]})
    assert found["standing"] == standing
    assert said in found["verdict"]
    assert "no better than" not in found["verdict"]


def test_a_map_that_random_weights_give_as_well_is_said_to_show_the_image():
    line = line_of(better=("deletion", "road"), randomisation=0.8)
    measures = {name: MEASURES[name] for name in line["against_random"]}
    assert "hardly change when the weights are random (rank correlation 0.80)" in trust_words.judged(line, measures)["verdict"]
    assert "hardly change" not in trust_words.judged(line_of(better=("deletion", "road"), randomisation=0.52), measures)["verdict"]


def test_the_sentence_on_the_table_counts_standings_and_comparisons():
    lines = [line_of(better=("insertion", "road")) | {"standing": "better"}, line_of(open_=("insertion",)) | {"standing": "not shown"}]
    said = trust_words.overall(lines, 1000)
    assert said.startswith("On 1,000 images, of 2 maps 1 better than a map that knows nothing in at least two measures and worse in none; 1 not shown to differ")
    assert "after Holm's correction over 3 comparisons" in said
    assert said.endswith("The largest gain in insertion has Grad-CAM at a.")
    assert "largest gain" not in trust_words.overall(lines[1:], 1000)


def test_both_places_stand_side_by_side_and_after_less_before_is_signed():
    table = [
        measured("randomcam", "a", deletion=0.8), measured("randomcam", "a", "raw", deletion=0.8),
        measured("gradcam", "a", deletion=0.5), measured("gradcam", "a", "raw", deletion=0.7), measured("occlusion", None, "", deletion=0.5),
        measured("randomwindows", None, "", deletion=0.8),
    ]  # fmt: skip
    resampled = Resampled(LABELS, 100)
    rows = both_places(table, compared(table, resampled), resampled)
    assert [(row["method"], row["layer"]) for row in rows] == [("randomcam", "a"), ("gradcam", "a")]
    assert rows[1]["against_random"]["relu"]["deletion"]["value"] == pytest.approx(0.3)
    assert rows[1]["against_random"]["raw"]["deletion"]["value"] == pytest.approx(0.1)
    assert rows[1]["after_over_before"]["deletion"]["value"] == pytest.approx(0.2)  # .2 lower, and lower is better
    assert both_places(table[:1], compared(table[:1], resampled), resampled) == []


def bench_of(monkeypatch, heat_of):
    """A bench of 12 grey pictures, six for slow methods and four for ROAD, whose maps are `heat_of(n)`."""
    monkeypatch.setattr(Bench, "score", lambda self, images: images.mean((1, 2, 3)))
    monkeypatch.setattr("cifake_core.explanations.bench.masks.artefact_masks", lambda manifest: SimpleNamespace(known=np.zeros(len(manifest), bool)))
    monkeypatch.setattr("cifake_core.explanations.bench.methods.maps", lambda _d, pixels, *a, **k: SimpleNamespace(heat=heat_of(len(pixels))))
    pixels = np.random.default_rng(0).integers(0, 255, (12, 3, 8, 8)).astype(np.uint8)
    part = SimpleNamespace(pixels=pixels, labels=np.repeat([0, 1], 6), manifest=SimpleNamespace(iloc=_Rows()))
    return Bench(None, part, np.arange(12), 0, road_n=4, slow_n=6)


class _Rows:
    def __getitem__(self, rows):
        return rows


def test_slow_methods_are_measured_on_fewer_images_and_each_row_says_on_how_many(monkeypatch):
    bench = bench_of(monkeypatch, lambda n: np.random.default_rng(n).random((n, 8, 8)).astype(np.float32))
    quick, slow = bench.measured("gradcam", "a"), bench.measured("occlusion", None, "")
    assert (quick.n, slow.n) == (12, 6)
    assert np.isfinite(quick.values["deletion"]).sum() == 12
    assert np.flatnonzero(np.isfinite(slow.values["deletion"])).tolist() == bench.slow_rows.tolist()
    assert np.isfinite(quick.values["road"]).sum() == 4
    line = compared([bench.measured("randomcam", "a"), quick], bench.resampled)[1]
    assert line["n"] == 12
    assert line["measures"]["road"]["n"] == 4


def test_random_numbers_of_the_input_are_not_asked_for_stability_or_random_weights(monkeypatch):
    bench = bench_of(monkeypatch, lambda n: np.random.default_rng(n).random((n, 8, 8)).astype(np.float32))
    values = bench.measured("randompixels", None, "").values
    assert np.isnan(values["stability"]).all()
    assert np.isnan(values["randomisation"]).all()
    assert np.isfinite(values["insertion"]).all()


def test_the_sample_is_a_thousand_and_too_small_ones_are_refused():
    assert (Trust("run").n, Trust("run").road_n, Trust("run").slow_n) == (1000, 1000, 300)
    from cifake_core.errors import BadInput

    with pytest.raises(BadInput, match="beside randomcam, randompixels, randomwindows"):
        Trust("run", ("randomcam", "randompixels"))
    with pytest.raises(BadInput, match="5 for slow methods"):
        Trust("run", slow_n=5)
    with pytest.raises(BadInput, match="cannot be taken at"):
        Trust("run", place="elsewhere")
    assert trust.VERSION == 3


# --- ROAD -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_holes_are_filled_as_the_package_fills_them(share):
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    random = np.random.default_rng(0)
    images, missing = random.random((3, 3, 12, 9)).astype(np.float32), random.random((3, 12, 9)) < share
    package = NoisyLinearImputer(0.0)
    expected = [package(torch.from_numpy(image), torch.from_numpy((~holes).astype(np.float32))).numpy() for image, holes in zip(images, missing, strict=True)]
    np.testing.assert_allclose(imputation.impute(images, missing), expected, atol=1e-5)
    np.testing.assert_array_equal(imputation.impute(images, np.zeros_like(missing)), images)
    noisy = imputation.impute(images, missing, np.random.default_rng(0)) - imputation.impute(images, missing)
    assert (noisy.transpose(0, 2, 3, 1)[~missing] == 0).all()
    assert noisy.transpose(0, 2, 3, 1)[missing].std() == pytest.approx(0.01, rel=0.3)


def test_road_is_the_package_s_and_speaks_of_the_explained_label(monkeypatch):
    from pytorch_grad_cam.metrics import road as package

    monkeypatch.setattr(imputation, "NOISE", 0.0)
    monkeypatch.setattr(package.NoisyLinearImputer, "__init__", lambda self: setattr(self, "noise", 0.0))
    random = np.random.default_rng(0)
    images, heat = random.random((4, 3, 10, 10)).astype(np.float32), random.random((4, 10, 10)).astype(np.float32)
    weights = random.normal(size=(10, 10))

    def score(batch):
        return (batch.mean(1) * weights).sum((1, 2)).astype(np.float32)

    explained = np.array([1, 0, 1, 0])
    ranks = 1 - faithfulness.order_of(heat).reshape(heat.shape).astype(np.float32) / 100
    targets = [lambda output, sign=2.0 * label - 1: output * sign for label in explained.tolist()]
    expected = package.ROADCombined([30, 70])(torch.from_numpy(images), ranks, targets, lambda batch: torch.from_numpy(score(batch.numpy())))
    found = faithfulness.road(score, images, heat, explained, percentiles=(30, 70))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found).min() > 0.01
    np.testing.assert_allclose(faithfulness.road(score, images, heat, 1 - explained, percentiles=(30, 70)), -found, atol=1e-6)


# --- baselines of the input -------------------------------------------------------------------------------------------------


def test_random_windows_are_averaged_as_occlusion_s_and_depend_on_the_image_alone():
    images = torch.from_numpy(np.random.default_rng(0).random((3, 3, 32, 32)).astype(np.float32))
    windows, pixels = methods._random_windows(None, images), methods._random_pixels(None, images)
    assert windows.shape == pixels.shape == (3, 32, 32)
    torch.testing.assert_close(methods._random_windows(None, images[1:]), windows[1:])
    torch.testing.assert_close(methods._random_pixels(None, images[1:]), pixels[1:])
    assert not torch.equal(pixels[0], pixels[1])
    drawn = methods._drawn(images, (14, 14))
    assert windows[0, 0, 0] == drawn[0, 0, 0]  # one window covers the corner
    torch.testing.assert_close(windows[0, 10, 10], drawn[0, 3:6, 3:6].mean())  # nine cover the middle
    neighbours = lambda maps: float((maps[:, 1:] - maps[:, :-1]).abs().mean() / maps.std())  # noqa: E731
    assert neighbours(windows) < 0.5 * neighbours(pixels)
