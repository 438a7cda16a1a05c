"""The audit of an image set: hand-computed first, then other libraries, then what must always hold."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import rgb_to_hsv
from PIL import Image
from scipy import stats
from scipy.signal.windows import hann
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from cifake_core.errors import Cancelled
from cifake_core.evaluation.audit import (
    auditing,
    balance,
    baselines,
    files,
    meaning,
    near,
    originals,
    portraits,
    repeats,
)
from cifake_core.evaluation.audit.auditing import AuditImages
from cifake_core.images import statistics
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_jpeg, encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.preparing import Treatment
from cifake_core.images.schema import NewImage
from cifake_core.step import Context
from tests.conftest import drawn, drawn_images


def noisy(seed, n=6):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)


# Statistics


def test_a_wave_of_five_cycles_has_its_power_in_ring_five_and_its_neighbours():
    wave = 10 * np.cos(2 * np.pi * 5 * np.arange(32) / 32)
    found = 10 ** statistics.radial_power(np.broadcast_to(wave, (1, 32, 32)) + 100.0)[0] - 1 / 12
    u = np.fft.fftfreq(32) * 32
    members = [(np.rint(np.hypot(u[:, None], u)) == ring).sum() for ring in range(1, 17)]
    power = found * members
    assert power.argmax() == 4
    assert power[3:6].sum() > 0.99 * power.sum()  # a Hann window spreads a line over its two neighbours
    # Parseval: all power is the image's variance, 10²/2, once for each of the 32² frequencies
    assert power.sum() == pytest.approx(50 * 1024, rel=0.02)


def test_radial_power_equals_the_mean_over_the_whole_spectrum():
    plane = np.random.default_rng(1).normal(0, 30, (3, 32, 32))
    window = hann(32)[:, None] * hann(32)
    whole = np.abs(np.fft.fft2((plane - plane.mean((1, 2), keepdims=True)) * window)) ** 2 / (window**2).sum()
    u = np.fft.fftfreq(32) * 32
    ring = np.minimum(np.rint(np.hypot(u[:, None], u)), 16)  # corners count to the last
    expected = [[np.log10(1 / 12 + image[ring == r].mean()) for r in range(1, 17)] for image in whole]
    assert statistics.radial_power(plane) == pytest.approx(np.array(expected), rel=1e-5)


def test_colour_statistics_equal_those_of_other_libraries():
    pixels = noisy(2)
    _, found = statistics.statistics([pixels])
    column = dict(zip(statistics.COLOUR_NAMES, found.T, strict=True))
    flat = pixels.reshape(len(pixels), 3, -1).astype(float)
    assert column["green mean"] == pytest.approx(flat[:, 1].mean(1), rel=1e-5)
    assert column["red spread"] == pytest.approx(flat[:, 0].std(1), rel=1e-5)
    assert column["blue skewness"] == pytest.approx(stats.skew(flat[:, 2], axis=1), abs=1e-4)
    assert column["blue kurtosis"] == pytest.approx(stats.kurtosis(flat[:, 2], axis=1), abs=1e-4)
    assert column["red–blue correlation"] == pytest.approx([np.corrcoef(f[0], f[2])[0, 1] for f in flat], abs=1e-4)
    hsv = rgb_to_hsv(pixels.transpose(0, 2, 3, 1) / 255)[..., 1].reshape(len(pixels), -1)
    assert column["saturation mean"] == pytest.approx(hsv.mean(1), abs=1e-5)
    assert column["saturation spread"] == pytest.approx(hsv.std(1), abs=1e-5)


def test_a_flat_picture_gives_finite_numbers_that_can_be_worked_out():
    flat = np.broadcast_to(np.array([10, 20, 40], np.uint8)[:, None, None], (1, 3, 32, 32))
    spectrum, found = statistics.statistics([flat])
    column = dict(zip(statistics.COLOUR_NAMES, found[0], strict=True))
    assert np.isfinite(found).all()
    assert spectrum == pytest.approx(np.log10(1 / 12), abs=1e-3)
    assert column["saturation mean"] == pytest.approx(30 / 40)
    assert column["red–green colourfulness"] == pytest.approx(10)  # |10 − 20|
    assert column["yellow–blue colourfulness"] == pytest.approx(25)  # |15 − 40|
    assert column["red–green correlation"] == 1
    assert column["luma percentile 50"] == pytest.approx(0.299 * 10 + 0.587 * 20 + 0.114 * 40, rel=1e-4)


def test_statistics_have_a_name_each_and_do_not_depend_on_the_other_images():
    pixels = noisy(3)
    spectrum, colour = statistics.statistics([pixels])
    assert spectrum.shape[1] == len(statistics.SPECTRUM_NAMES) == 48
    assert colour.shape[1] == len(set(statistics.COLOUR_NAMES)) == 26
    assert statistics.statistics([pixels[4:5]])[1][0] == pytest.approx(colour[4], rel=1e-5)


# Files


def test_a_header_tells_format_tables_subsampling_and_size():
    image = Image.fromarray(drawn(0, 3, 1))
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    image.save(out, format="JPEG", quality=92, subsampling=0, exif=exif)
    found = files.header(out.getvalue())
    assert (found["format"], found["quantisation"], found["subsampling"], found["exif"]) == ("JPEG", "quality 92", "4:4:4", True)
    cifake = files.header(encode_jpeg(drawn(0, 3, 1)))
    assert (cifake["quantisation"], cifake["subsampling"], cifake["exif"]) == ("quality 75", "4:2:0", False)
    png = encode_png(drawn(0, 3, 1))
    assert files.header(png) == {
        "bytes": len(png), "bytes_per_pixel": len(png) / 1024, "format": "PNG",
        "quantisation": "", "subsampling": "", "exif": False, "mode": "RGB",
    }  # fmt: skip


def test_tables_of_no_known_quality_are_told_apart_by_their_digest():
    def saved(step):
        out = io.BytesIO()
        Image.fromarray(drawn(0, 1, 1)).save(out, format="JPEG", qtables=[[step] * 64, [step] * 64])
        return files.header(out.getvalue())["quantisation"]

    assert saved(7).startswith("tables ")
    assert saved(7) != saved(9)


def test_the_table_by_label_counts_each_kind_of_file():
    facts = pd.DataFrame([files.header(encode_png(drawn(0, c, 1))) for c in range(3)] + [files.header(encode_jpeg(drawn(1, 0, 1)))])
    rows = files.table_by_label(facts, np.array([0, 0, 0, 1]))
    assert [(r["label"], r["format"], r["n"], r["share"]) for r in rows] == [("real", "PNG", 3, 1.0), ("fake", "JPEG", 1, 1.0)]
    assert rows[0]["bytes_mean"] == pytest.approx(facts["bytes"][:3].mean())
    assert "100% of the reals but 0% of the fakes" in meaning.of_files(rows) or "0% of the reals but 100%" in meaning.of_files(rows)


# Duplicates


def correlation(one, other):
    """Pearson's r of all values, each channel less its mean."""
    one, other = (image.astype(float) - image.mean((1, 2), keepdims=True) for image in (one, other))
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def test_near_pairs_are_those_of_a_comparison_of_all_with_all():
    random = np.random.default_rng(4)
    base = np.stack([drawn(0, c, 1).transpose(2, 0, 1) for c in range(10)])
    shifted = np.clip(base.astype(int) + random.integers(-9, 10, base.shape), 0, 255).astype(np.uint8)
    brighter = np.clip(base.astype(int) + np.arange(10)[:, None, None, None], 0, 255).astype(np.uint8)
    parts = [base, np.concatenate([shifted, brighter])]
    everything = np.concatenate(parts).astype(float)
    thumbs = everything.reshape(-1, 3, 4, 8, 4, 8).mean((3, 5))
    expected = {
        (a, b)
        for a in range(len(everything))
        for b in range(a + 1, len(everything))
        if np.sqrt(((thumbs[a] - thumbs[b]) ** 2).mean()) <= near.THUMBNAIL_LIMIT
        and (everything[a] != everything[b]).any()
        and (
            correlation(everything[a], everything[b]) >= near.LEAST_CORRELATION
            or np.sqrt(((everything[a] - everything[b]) ** 2).mean()) <= near.FLAT_LIMIT
        )
    }
    found = near.near_pairs(parts)
    pairs, distance = found.rows, found.distance
    assert {tuple(pair) for pair in pairs.tolist()} == expected
    assert len(expected) >= 10
    assert (np.diff(found.correlation) <= 0).all()
    a, b = pairs[0]
    assert found.correlation[0] == pytest.approx(correlation(everything[a], everything[b]), rel=1e-5)
    assert distance[0] == pytest.approx(np.sqrt(((everything[a] - everything[b]) ** 2).mean()), rel=1e-5)


def test_a_picture_compressed_again_is_nearly_the_same_and_another_is_not():
    image = drawn(0, 5, 7)
    again = np.asarray(Image.open(io.BytesIO(encode_jpeg(image))))
    other = drawn(0, 6, 8)
    found = near.near_pairs([np.stack([image, again, other]).transpose(0, 3, 1, 2)])
    assert found.rows.tolist() == [[0, 1]]


def test_a_flood_of_pictures_that_are_all_alike_tightens_the_limit_and_says_so(monkeypatch):
    monkeypatch.setattr(near, "MOST_CANDIDATES", 10)
    flat = np.full((40, 3, 32, 32), 100, np.uint8) + np.arange(40, dtype=np.uint8)[:, None, None, None]
    found = near.near_pairs([flat])
    assert found.thumbnail_limit == 0.5
    assert found.rows.size == 0
    assert "at most 0.5 of 255" in found.method


def small_set(workspace):
    """Train: A A B and a copy of B one level brighter; test: A, C, all fake but C."""
    a, b, c = (drawn(1, number, 1) for number in (2, 4, 6))
    near_b = np.minimum(b.astype(int) + 1, 255).astype(np.uint8)
    rows = [
        NewImage(encode_png(a), 1, 2, "train", "a1.png"), NewImage(encode_png(a), 1, 2, "train", "a2.png"),
        NewImage(encode_png(b), 1, 4, "train", "b.png"), NewImage(encode_png(near_b), 1, 4, "test", "b2.png"),
        NewImage(encode_png(a), 1, 2, "test", "a3.png"), NewImage(encode_png(c), 0, 6, "test", "c.png"),
    ]  # fmt: skip
    return new_image_set(workspace, "small", rows)


def test_exact_repeats_say_which_test_images_lie_in_train(workspace):
    found = AuditImages("small").run(Context(small_set(workspace) and workspace))["duplicates"]
    assert found["pairs"] == {"train-train": 1, "train-test": 2, "test-test": 0}
    assert (found["test_seen_in_train"], found["n_test"]) == (1, 3)
    assert found["seen_by_label"] == {"real": 0, "fake": 1}
    assert found["seen_by_class"] == {"bird": 1}
    assert [place["path"] for place in found["examples"][0]["copies"]] == ["a1.png", "a2.png", "a3.png"]
    assert found["examples"][0]["copies"][2] == {"split": "test", "row": 1, "label": "fake", "class": "bird", "path": "a3.png"}
    assert found["meaning"].startswith("1 test image of 3 (33.3%, all of them fake) is also in train")


def test_near_repeats_leave_out_identical_ones_and_say_where_they_lie(workspace):
    found = AuditImages("small").run(Context(small_set(workspace) and workspace))["near_duplicates"]
    assert found["pairs"] == {"train-train": 0, "train-test": 1, "test-test": 0}
    assert (found["test_near_train"], found["across_labels"], found["by_label"]) == (1, 0, {"real": 0, "fake": 1})
    example = found["examples"][0]
    assert {example["first"]["path"], example["second"]["path"]} == {"b.png", "b2.png"}
    assert 0.9 < example["difference"] <= 1


# Baselines


def test_a_baseline_equals_scikit_learns_own_regression():
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 600)
    features = random.normal(labels[:, None] * [1.0, -0.5, 0.0], 1.0).astype(np.float32)
    fit = np.arange(600) < 400
    found = baselines.baseline(features, ("a", "b", "c"), labels, fit, ~fit)
    scaler = StandardScaler().fit(features[fit])
    model = LogisticRegression(max_iter=2000).fit(scaler.transform(features[fit]), labels[fit])
    scores = model.decision_function(scaler.transform(features[~fit]))
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(labels[~fit], scores >= 0))
    assert found["auc"]["value"] == pytest.approx(roc_auc_score(labels[~fit], scores))
    assert (found["n_fit"], found["n_judged"], found["features"]) == (400, 200, 3)
    assert found["share_fake"] == pytest.approx(labels[~fit].mean())
    assert found["strongest"][0]["name"] == "a"
    assert found["strongest"][0]["higher_in"] == "fake"
    assert found["strongest"][0]["auc"] == pytest.approx(roc_auc_score(labels[~fit], features[~fit, 0]))
    assert next(row for row in found["strongest"] if row["name"] == "b")["higher_in"] == "real"


def test_files_of_different_formats_are_told_apart_without_looking():
    labels = np.arange(80) % 2
    facts = pd.DataFrame([files.header((encode_png, encode_jpeg)[label](drawn(0, 0, seed))) for seed, label in enumerate(labels)])
    fit = np.arange(80) < 40
    found = baselines.metadata_baseline(facts, labels, fit, ~fit)
    assert found["accuracy"]["value"] == 1.0
    assert "giveaway" in meaning.of_baseline(found, "files")


def test_features_without_signal_are_called_no_leak():
    random = np.random.default_rng(6)
    labels = np.arange(2000) % 2
    fit = np.arange(2000) < 1000
    found = baselines.baseline(random.normal(size=(2000, 4)), tuple("abcd"), labels, fit, ~fit)
    assert found["accuracy"]["low"] < 0.5 < found["accuracy"]["high"]
    assert "no leak" in meaning.of_baseline(found, "noise")


def test_one_label_gives_no_baseline_but_a_sentence():
    labels, fit = np.zeros(20, int), np.arange(20) < 10
    assert baselines.baseline(np.zeros((20, 1)), ("a",), labels, fit, ~fit) is None
    assert "one is missing" in meaning.of_baseline(None, "nothing")


def test_a_set_of_one_split_is_divided_by_image_so_that_copies_stay_together():
    ids = np.array([f"{number * 2654435761 % 2**32:08x}" for number in range(500)] * 2)
    fit, judge, how = baselines.halves(np.array(["test"] * 1000), ids)
    assert (fit ^ judge).all()
    assert (judge[:500] == judge[500:]).all()
    assert 0.1 < judge.mean() < 0.3
    assert "four fifths of test" in how


# Curves and balance


def test_colour_curves_equal_numpys_histograms():
    pixels = noisy(7, 8)
    labels = np.array([0, 1] * 4)
    found = portraits.colour_curves([pixels[:5], pixels[5:]], labels)
    for number, name in enumerate(("red", "green", "blue")):
        for label, word in enumerate(("real", "fake")):
            each = np.array([np.histogram(image[number], 32, (0, 256))[0] / 1024 for image in pixels[labels == label]])
            assert found[name][word]["mean"] == pytest.approx(each.mean(0))
            assert found[name][word]["sd"] == pytest.approx(each.std(0), abs=1e-6)
    assert sum(found["saturation"]["real"]["mean"]) == pytest.approx(1)
    assert found["near_gray"] == {"real": 0, "fake": 0}


def test_gray_pictures_are_counted_by_label():
    gray = np.full((3, 3, 32, 32), 90, np.uint8)
    found = portraits.colour_curves([gray], np.array([0, 1, 1]))
    assert found["near_gray"] == {"real": 1, "fake": 2}
    assert found["red"]["real"]["mean"][90 // 8] == 1.0


def test_balance_counts_classes_generators_and_blocks_of_labels():
    manifest = pd.DataFrame(
        {
            "split": ["train"] * 5,
            "label": [0, 0, 1, 1, 1],
            "class_label": [0, 1, 0, 0, -1],
            "generator": ["", "", "one", "one", ""],
        }
    )
    found = balance.balance(manifest)
    assert {"split": "train", "class": "airplane", "real": 1, "fake": 2} in found["classes"]
    assert found["generators"] == [{"split": "train", "generator": "one", "n": 2, "share": 2 / 3}]
    assert found["unnamed"] == 1
    assert found["blocks"] == {"train": 2}
    assert balance.largest_ratio(found["classes"]) == float("inf")


# Originals


def photographs(sizes: list[tuple[int, int]], label: int, **options) -> list[NewImage]:
    """JPEGs of those sizes, each another picture."""
    made = []
    for number, (width, height) in enumerate(sizes):
        out = io.BytesIO()
        noise = np.random.default_rng(1000 * label + number).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(noise).save(out, "JPEG", quality=90, **options)
        made.append(NewImage(out.getvalue(), label=label))
    return made


def audited(workspace, name: str, rows: list[NewImage]) -> dict:
    new_image_set(workspace, name, rows, treatment=Treatment(resize=True, jpeg=True))
    return AuditImages(name).run(Context(workspace))


def test_fakes_of_one_size_among_reals_of_many_are_told_by_size_alone(workspace):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    rows = photographs([(64, 64)] * 40, 1) + photographs([(side, side) for side in range(44, 85) if side != 64], 0, exif=exif)  # on both sides of it: no line parts them
    found = audited(workspace, "given-away", rows)
    sizes = found["originals"]
    assert sizes["meaning"].startswith("All fakes were 64 × 64 before anything was shrunk, but none of the reals: the original size gives the label away.")
    assert sizes["known"] == {"real": 40, "fake": 40}
    assert sizes["different_sizes"] == {"real": 40, "fake": 1}
    assert sizes["sizes"][0] == {"size": "64 × 64", "real": 0, "fake": 40, "share_real": 0.0, "share_fake": 1.0}
    assert sizes["shrinking"]["fake"] == {"shrunk": 1.0, "enlarged": 0.0, "cropped": 0.0, "factor_median": 2.0, "factor_quartiles": [2.0, 2.0]}
    assert sizes["shrinking"]["real"]["cropped"] == 0.0
    assert "Files give the label away" in sizes["metadata_meaning"]
    told = found["baselines"]["sizes"]
    assert told["accuracy"]["value"] == 1.0
    assert told["accuracy"]["low"] > told["share_fake"]
    assert "From the original sizes alone, 100.0%" in told["meaning"]
    assert "a strong giveaway" in told["meaning"]


def test_equal_sizes_tell_nothing_and_the_sentence_says_so(workspace):
    sizes = [(48, 48), (64, 40)] * 20
    found = audited(workspace, "even", photographs(sizes, 0) + photographs(sizes, 1))
    assert found["originals"]["meaning"] == "Reals and fakes had the same sizes before anything was shrunk, in much the same shares: no single size tells them apart."
    assert found["originals"]["aspects"][0]["aspect"] == "1 : 1"
    assert found["originals"]["shrinking"]["real"]["cropped"] == 0.5
    assert {row["aspect"] for row in found["originals"]["aspects"]} == {"1 : 1", "8 : 5"}
    assert "no leak here" in found["baselines"]["sizes"]["meaning"]
    assert "no format gives the label away" in found["originals"]["metadata_meaning"]


def told_of(real: list[tuple[int, int]], fake: list[tuple[int, int]]) -> str:
    labels = np.array([0] * len(real) + [1] * len(fake))
    table = pd.DataFrame([(*size, "PNG", "", False) for size in (*real, *fake)], columns=["width", "height", "format", "quantisation", "exif"])
    return meaning.of_originals(originals.by_label(table, labels))


def test_the_sentence_on_sizes_has_a_branch_for_each_way_they_can_come_out():
    assert told_of([(0, 0)], [(0, 0)]).startswith("Nobody recorded")
    assert told_of([(0, 0)], [(64, 64)]).startswith("The original size is known of one label only")
    assert "all of them 64 × 64" in told_of([(64, 64)], [(64, 64)])
    some = told_of([(64, 64)] * 3 + [(96, 96)] * 7, [(96, 96)] * 10)
    assert some.startswith("The sizes before anything was shrunk differ: 100% of the fakes but 70% of the reals were 96 × 96.")
    assert some.endswith("Both were shrunk about 3.0 times at the median, so the shrinking itself differs little.")
    nearly = told_of([(i, i) for i in range(40, 80)], [(512, 512)] * 99 + [(500, 512)])
    assert nearly.startswith("99.0% of the fakes were 512 × 512 before anything was shrunk, but none of the reals")
    assert "fakes 16.0 times: that leaves other traces" in nearly


def test_sizes_of_older_sets_are_read_from_their_provenance():
    columns = {f"original_{name}": [0, 0, 7] for name in ("width", "height")} | {f"original_{name}": [""] * 3 for name in ("format", "quantisation", "exif")}
    told = ['{"resized_from": [640, 480]}', '{"steps": 3}', '{"resized_from": [1, 1]}']
    found = originals.originals(pd.DataFrame({**columns, "provenance": told}))
    assert found[["width", "height"]].to_numpy().tolist() == [[640, 480], [0, 0], [7, 7]]


# The step


def test_an_audit_of_drawn_images_finds_what_was_drawn_into_them(workspace):
    new_image_set(workspace, "tiny", drawn_images({"train": 12, "test": 6}))
    result = AuditImages("tiny").run(Context(workspace))
    assert json.loads(json.dumps(result)) == result
    assert result["counts"] == {"real": 180, "fake": 180}
    assert result["baselines"]["spectrum"]["accuracy"]["value"] > 0.95  # a checkerboard is the finest frequency there is
    assert result["baselines"]["statistics"]["features"] == 75
    assert result["balance"]["meaning"] == "Each class has as many reals as fakes, so the class tells nothing; the fakes are of 1 named generator."
    for section in ("duplicates", "near_duplicates", "files", "originals", "spectrum", "colour", "balance"):
        assert result[section]["meaning"].endswith(".")


def test_an_audit_is_made_once_and_anew_for_other_files(workspace, monkeypatch):
    first = new_image_set(workspace, "tiny", drawn_images({"train": 4, "test": 2}))
    other = new_image_set(workspace, "other", drawn_images({"train": 3, "test": 2}))
    assert auditing.stored(workspace, first) is None
    result = AuditImages("tiny").run(Context(workspace))
    monkeypatch.setattr(auditing, "measured", lambda *_: pytest.fail("measured again"))
    assert AuditImages("tiny").run(Context(workspace)) == result == auditing.stored(workspace, first)
    assert auditing.stored(workspace, other) is None
    assert auditing.audit_folder(workspace, first) != auditing.audit_folder(workspace, other)


def test_a_stopped_audit_leaves_nothing_and_progress_reaches_its_end(workspace):
    image_set = new_image_set(workspace, "tiny", drawn_images({"train": 4, "test": 2}))
    seen = []

    def stop(done, total, message):
        seen.append((done, total))
        if len(seen) > 3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        AuditImages("tiny").run(Context(workspace, stop))
    assert not list((workspace.home / "audits").glob("*")) if (workspace.home / "audits").exists() else True
    assert auditing.stored(workspace, image_set) is None
    seen = []
    AuditImages("tiny").run(Context(workspace, lambda done, total, _: seen.append((done, total))))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_a_set_of_one_label_and_one_split_is_audited_with_plain_words(workspace):
    images = (image for image in drawn_images({"train": 3}) if image.label == 0)
    new_image_set(workspace, "reals", images)
    result = AuditImages("reals").run(Context(workspace))
    assert "one is missing" in result["baselines"]["spectrum"]["meaning"]
    assert result["balance"]["meaning"].startswith("Only one label")
    assert result["duplicates"]["test_seen_in_train"] == 0
    assert json.dumps(result, allow_nan=False)


# CIFAKE itself


@pytest.mark.data
@pytest.mark.slow
def test_the_audit_of_cifake_finds_its_duplicates_and_what_statistics_alone_tell(real_data, workspace):
    from cifake_core.images.importing import ImportImages

    sources = tuple(str(real_data / f"cifake-{split}.parquet") for split in ("train", "test"))
    ImportImages(sources, "cifake").run(Context(workspace))
    result = AuditImages("cifake").run(Context(workspace))
    assert result["duplicates"]["pairs"] == {"train-train": 920, "train-test": 378, "test-test": 38}
    assert result["duplicates"]["test_seen_in_train"] == 378
    accuracy = {name: result["baselines"][name]["accuracy"]["value"] for name in ("metadata", "spectrum", "statistics")}
    # Others report 50.8 % for file size alone, 78.8 % for 16 numbers of the spectrum, 86.2 % for 74 statistics.
    assert accuracy == pytest.approx({"metadata": 0.551, "spectrum": 0.787, "statistics": 0.872}, abs=0.005)
    assert result["near_duplicates"]["pairs"] == pytest.approx({"train-train": 295, "train-test": 113, "test-test": 8}, abs=5)
    assert len(result["files"]["rows"]) == 2  # one kind of file for each label
    assert {row["quantisation"] for row in result["files"]["rows"]} == {"quality 75"}
    assert ImageSet.open(workspace, "cifake").record["duplicates"] == result["duplicates"]["pairs"]


def test_repeats_of_no_image_at_all_are_none():
    empty = pd.DataFrame({name: [] for name in ("image_id", "split", "label", "class_label", "path", "row")})
    assert repeats.exact(empty)["pairs"] == {"train-train": 0, "train-test": 0, "test-test": 0}
