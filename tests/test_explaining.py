"""The steps over a whole test set: maps that are kept, trust, and entity against background."""

import json

import numpy as np
import pytest

from cifake_core.detectors import loading, runs
from cifake_core.errors import BadInput, Damaged, Refused
from cifake_core.evaluation.reporting import explained
from cifake_core.explanations import (
    entity,
    entity_words,
    faithfulness,
    fast_cam,
    methods,
    needing,
    stored_maps,
    studies,
    treating,
)
from cifake_core.explanations.entity import EntityTest
from cifake_core.explanations.explaining import ExplainSplit
from cifake_core.explanations.trust import Trust
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import registry
from cifake_core.step import Context


@pytest.fixture
def run(lab):
    return next(run for run in runs.runs(lab) if run.topology == "16x2-64x1")


def test_maps_of_a_whole_part_are_kept_and_asked_again_only_read(lab, run, monkeypatch):
    first = ExplainSplit(run.id).run(Context(lab))
    assert (first["n"], first["reused"]) == (200, False)
    monkeypatch.setattr(fast_cam, "layer_maps", None)
    again = registry.step("explain", {"run_id": run.id}).run(Context(lab))
    assert again["reused"]
    assert {key: again[key] for key in ("n", "layer", "empty", "kept")} == {key: first[key] for key in ("n", "layer", "empty", "kept")}
    json.dumps(again, allow_nan=False)


def test_kept_maps_are_those_computed_to_the_rounding_of_a_byte(lab, run):
    ExplainSplit(run.id, layer="convolutions.1").run(Context(lab))
    kept = stored_maps.stored(lab, run, "test", "gradcam", "convolutions.1", "verdict")
    pixels = ImageSet.open(lab, "tiny").part("test").pixels
    rows = np.array([150, 3, 77])
    direct = fast_cam.grad_cam(loading.load(run, "cpu"), np.array(pixels)[rows], "convolutions.1")
    np.testing.assert_allclose(kept.heat(rows), direct.heat, atol=0.01)
    np.testing.assert_allclose(kept.logits[rows], direct.logits, atol=1e-4)
    np.testing.assert_array_equal(kept.explained[rows], direct.explained)
    assert kept.small.shape == (200, 16, 16)
    assert kept.small.dtype == np.uint8
    assert [record["layer"] for record in stored_maps.kept(lab, run)] == ["convolutions.1"]


def test_a_flipped_bit_in_kept_maps_is_found(lab, run):
    kept = ExplainSplit(run.id).run(Context(lab))["kept"]
    file = lab.home / kept / "heat.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00\x01")
    stored_maps._opened.cache_clear()
    with pytest.raises(Damaged):
        ExplainSplit(run.id).run(Context(lab))


def test_other_methods_and_several_layers_are_kept_too_and_a_limit_is_not(lab, run, tmp_path):
    both = ExplainSplit(run.id, method="layercam", layer="convolutions.0, convolutions.1").run(Context(lab))
    assert both["layer"] == "convolutions.0+convolutions.1"
    few = ExplainSplit(run.id, method="hirescam", limit=5, out=str(tmp_path / "out")).run(Context(lab))
    assert (few["n"], few["kept"]) == (5, None)
    assert len(list((tmp_path / "out").glob("*.png"))) == 5
    assert len(stored_maps.kept(lab, run)) == 1
    with pytest.raises(BadInput, match="known are gradcam"):
        ExplainSplit(run.id, method="magic")


def test_trust_measures_each_method_beside_random_and_says_so_in_words(lab, run):
    step = Trust(run.id, ("gradcam", "occlusion"), n=24, road_n=2, slow_n=20)
    result = step.run(Context(lab))
    named = [(row["method"], row["layer"]) for row in result["rows"]]
    assert named == [
        ("randomcam", "convolutions.0"), ("randomcam", "convolutions.1"), ("randomwindows", "input"),
        ("gradcam", "convolutions.0"), ("gradcam", "convolutions.1"), ("occlusion", "input"),
    ]  # fmt: skip
    for row in result["rows"]:
        assert row["title"] in row["verdict"]
        assert {"deletion", "insertion", "road", "sensitivity_n", "sparsity", "stability", "randomisation"} <= set(row["measures"])
    assert result["rows"][0]["standing"] == "baseline"
    assert result["rows"][3]["verdict"].startswith("On this network Grad-CAM at convolutions.0 is ")
    assert result["rows"][3]["measures"]["road"]["n"] <= 2
    assert [row["n"] for row in result["rows"]] == [24, 24, 24, 24, 24, 20]
    gains = [gain for row in result["rows"] for gain in row["against_random"].values() if gain["p"] is not None]
    assert result["comparisons"] == len(gains) > 12
    assert all(gain["p"] <= gain["p_holm"] <= 1 for gain in gains)
    assert result["places"] == []
    json.dumps(result, allow_nan=False)
    assert step.run(Context(lab))["created_at"] == result["created_at"]  # kept, not measured again
    assert len(studies.images_of(lab, result)) == 24 * 6
    assert studies.studies(lab, "trust", run.id)[0]["verdict"] == result["verdict"]


def test_each_place_is_measured_alone_and_named(lab, run, monkeypatch):
    monkeypatch.setattr(entity, "QUALITY_IMAGES", 20)
    after, before = (Trust(run.id, ("gradcam",), ("convolutions.1",), n=20, road_n=0, place=place).run(Context(lab)) for place in ("relu", "raw"))
    assert (after["feature_map"], before["feature_map"]) == ("relu", "raw")
    pixels, shown = np.ascontiguousarray(ImageSet.open(lab, "tiny").part("test").pixels[:]), {}
    for place, result in (("relu", after), ("raw", before)):
        rows = studies.images_of(lab, result)
        shown[place] = rows[rows["method"] == "gradcam"].set_index("image_id")["sparsity"]
        heat = methods.maps(loading.load(run, "cpu"), pixels, "gradcam", "convolutions.1", place=place).heat
        ids = list(ImageSet.open(lab, "tiny").part("test").image_ids)
        expected = faithfulness.gini(heat[[ids.index(image_id) for image_id in shown[place].index]])
        np.testing.assert_allclose(shown[place], expected, atol=1e-4)
    assert (shown["relu"] - shown["raw"]).abs().max() > 0.01
    tested = [EntityTest(run.id, masks="centre", methods=("gradcam",), n=40, place=place).run(Context(lab)) for place in ("relu", "raw")]
    assert [result["feature_map"] for result in tested] == ["relu", "raw"]
    names = ("mass gradcam", "mass gradcam before ReLU")
    first, second = (studies.images_of(lab, result)[name].to_numpy() for result, name in zip(tested, names, strict=True))
    assert np.nanmax(np.abs(first - second)) > 0.01
    assert len(studies.studies(lab, "trust", run.id)) == len(studies.studies(lab, "entity-test", run.id)) == 2
    with pytest.raises(BadInput, match="after ReLU"):
        Trust(run.id, place="middle")


def test_the_entity_test_gives_every_figure_by_group_with_its_interval(lab, run, monkeypatch):
    monkeypatch.setattr(entity, "QUALITY_IMAGES", 20)
    step = EntityTest(run.id, masks="centre", methods=("gradcam",))
    result = step.run(Context(lab))
    json.dumps(result, allow_nan=False)
    assert {"all", "real", "fake", "airplane", "truck", "TP", "FN"} <= set(result["accuracy"])
    place = {row["method"]: row for row in result["place"]}
    assert place["gradcam"]["area"]["all"]["value"] == pytest.approx(0.24, abs=0.01)
    assert place["gradcam"]["mass"]["all"]["low"] <= place["gradcam"]["mass"]["all"]["value"]
    assert len(result["need"]) == len(needing.pairs())
    assert [row["floor"] for row in result["floor"]] == list(treating.FLOORS)
    assert {row["region"]: set(row["above"]) for row in result["alone"]} == {key: {"flat", "outline", "permuted"} for key in ("entity", "background")}
    assert {"real", "fake"} <= set(result["equal"][0]["excess_over_permuted"])
    assert result["sentences"]["swap"].startswith("Swapped, with a seam in every picture")
    assert result["masks"]["quality"]["iou"]["n"] > 0
    assert result["claim"] in entity_words.CLAIM
    assert "200 images" in result["verdict"]
    assert step.run(Context(lab))["created_at"] == result["created_at"]
    table = studies.images_of(lab, result)
    assert np.isfinite(table["logit mean background"]).all()
    carried = explained.of_run(lab, run.id, "test")["entity_test"]
    assert carried["verdict"] == result["verdict"]
    mass = place["gradcam"]["mass"]["all"]
    assert ("Grad-CAM: relevance on the entity", f"{mass['value']:.2%}", f"{mass['low']:.2%} – {mass['high']:.2%}", f"{mass['n']:,}") in explained.entity_lines(carried)


def test_results_of_earlier_versions_are_left_out_of_the_report_and_said_to_be(lab, run):
    from cifake_core.store import artifacts

    with artifacts.whole_folder(lab.home / "studies" / "trust" / f"{run.id}-earlier") as folder:
        artifacts.write_json(folder / "result.json", {"run": run.id, "split": "test", "n": 200, "created_at": "2026-11-01T00:00:00", "verdict": "no better", "rows": []})
        artifacts.write_record(folder, {}, ["result.json"])
    assert explained.of_run(lab, run.id, "test") == {"entity_test": None, "trust": None, "left_out": 1}
    Trust(run.id, ("gradcam",), ("convolutions.1",), n=20, road_n=0).run(Context(lab))
    now = explained.of_run(lab, run.id, "test")
    assert (now["trust"]["n"], now["left_out"]) == (20, 1)
    assert [line[:2] for line in explained.trust_lines(now["trust"])] == [("RandomCAM", "convolutions.1"), ("Grad-CAM", "convolutions.1")]


def test_both_places_are_measured_side_by_side(lab, run, monkeypatch):
    monkeypatch.setattr(entity, "QUALITY_IMAGES", 20)
    result = EntityTest(run.id, masks="centre", methods=("gradcam", "occlusion"), n=20, place="both").run(Context(lab))
    assert [(row["method"], row["feature_map"]) for row in result["place"]] == [
        ("randomcam", "relu"), ("randomwindows", ""), ("gradcam", "relu"), ("occlusion", ""), ("randomcam", "raw"), ("gradcam", "raw"),
    ]  # fmt: skip
    assert result["feature_map"] == "relu"
    after, before = result["place"][2], result["place"][5]
    assert after["mass"]["all"]["value"] != before["mass"]["all"]["value"]
    assert {"mass gradcam", "mass gradcam before ReLU", "permuted mass occlusion"} <= set(studies.images_of(lab, result))
    trusted = Trust(run.id, ("gradcam",), ("convolutions.1",), n=20, road_n=0, place="both").run(Context(lab))
    assert [(row["method"], row["feature_map"]) for row in trusted["rows"]] == [("randomcam", "relu"), ("randomcam", "raw"), ("gradcam", "relu"), ("gradcam", "raw")]
    assert [row["method"] for row in trusted["places"]] == ["randomcam", "gradcam"]
    assert set(trusted["places"][1]["after_over_before"]) == {"deletion", "insertion", "road", "sensitivity_n"}
    json.dumps(trusted, allow_nan=False)


def test_too_few_images_with_a_mask_are_refused(lab, run, tmp_path):
    from PIL import Image

    ids = ImageSet.open(lab, "tiny").part("test").image_ids
    Image.fromarray(np.eye(32, dtype=np.uint8) * 255).resize((64, 64)).save(tmp_path / f"{ids[0]}.png")
    with pytest.raises((Refused, BadInput)):
        EntityTest(run.id, masks=str(tmp_path)).run(Context(lab))


def test_treatments_touch_the_region_alone_and_keep_its_mean_colour():
    images = np.random.default_rng(0).random((3, 3, 32, 32)).astype(np.float32)
    mask = np.zeros((3, 32, 32), bool)
    mask[:, 4:12, 4:20] = True
    for treatment in treating.TREATMENTS:
        after = treating.treated(images, mask, treatment)
        np.testing.assert_array_equal(after.transpose(0, 2, 3, 1)[~mask], images.transpose(0, 2, 3, 1)[~mask])
        assert np.abs(after - images).max() > 0.1
    flat = treating.treated(images, mask, "mean")
    np.testing.assert_allclose(flat[0, :, 5, 5], images[0, :, 4:12, 4:20].mean((1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(treating.treated(images, np.zeros_like(mask), "mean"), images)


def test_the_two_bands_together_are_the_image():
    images = np.random.default_rng(0).uniform(0.4, 0.6, (2, 3, 32, 32)).astype(np.float32)
    everywhere = np.ones((2, 32, 32), bool)
    low, high = (treating.treated(images, everywhere, band) for band in ("low", "high"))
    np.testing.assert_allclose(low + high - treating.mean_colour(images, everywhere), images, atol=1e-5)


def test_equal_parts_are_equally_large_and_each_in_its_region():
    entity = np.zeros((2, 32, 32), bool)
    entity[0, 8:20, 8:20], entity[1, :28] = True, True
    parts = treating.equal_parts(entity)
    np.testing.assert_array_equal(parts[0].sum((1, 2)), parts[1].sum((1, 2)))
    assert parts[0].sum((1, 2)).tolist() == [72, 64]
    assert not (parts[0] & ~entity).any()
    assert not (parts[1] & entity).any()


def test_partners_share_the_class_and_never_are_the_image_itself():
    labels, classes = np.array([0, 0, 0, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 0, 1, 1])
    other, same = (treating.partners(labels, classes, kind) for kind in (True, False))
    for row, partner in enumerate(other):
        assert classes[row] == classes[partner]
        assert labels[row] != labels[partner]
    assert (same[:5] != np.arange(5)).all()
    assert same[5:].tolist() == [-1, -1]
    assert (labels[same[:5]] == labels[:5]).all()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["background", "entity"])
def test_a_planted_artefact_is_found_by_the_test_and_by_maps_but_not_by_random_ones(workspace, where):
    from cifake_core.detectors.grid import TrainGrid
    from cifake_core.explanations.planting import PlantArtefacts

    context = Context(workspace)
    PlantArtefacts("planted", where, "patch", 1.0, 0.12, per_class=120, per_class_test=20).run(context)
    trained = TrainGrid("planted", ("32x2-64x1",), epochs=12, batch_size=32, workers=1).run(context)["runs"][0]
    result = EntityTest(trained["run"], methods=("gradcam", "hirescam"), layer="convolutions.1").run(context)
    assert result["masks"]["source"] == "truth"
    found = {row["method"]: row for row in result["artefact"]}
    assert found["hirescam"]["over_random"]["mass"]["low"] > 0
    assert result["leans"]["equal pieces"] == where
