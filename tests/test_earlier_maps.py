"""Heatmaps stored before feature maps could be taken at two places: they are of the raw convolution output, and stay so."""

import hashlib
import json

import numpy as np
import pytest

from cifake_core.detectors import loading, places, probing, runs
from cifake_core.detectors.runs import WEIGHTS
from cifake_core.explanations import embedding, fast_cam, features, stored_maps
from cifake_core.explanations.explaining import ExplainSplit
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.studies import CURRENT
from cifake_core.store.workspace import Workspace


@pytest.fixture
def run(lab):
    return next(run for run in runs.runs(lab) if run.topology == "16x2-64x1")


def store_as_before(workspace: Workspace, run, layer: str, heat: np.ndarray, method: str = "gradcam") -> str:
    """Maps as version 2 stored them: no place in their record nor in the digest of the request."""
    asked = [2, run.id, run.record["sha256"][WEIGHTS], run.record["dataset_digest"], "test", method, layer, "verdict"]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    record = {"run": run.id, "split": "test", "method": method, "layer": layer, "target": "verdict", "n": len(heat)}
    arrays = {"heat": heat, "scale": np.ones(len(heat), np.float32), "logits": np.ones(len(heat), np.float32), "explained": np.ones(len(heat), np.int8)}
    with artifacts.whole_folder(workspace.home / "maps" / run.id / digest) as folder:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        record |= {"empty": 0, "signed": False, "unit": True, "seconds": 1.0}
        artifacts.write_record(folder, record, [f"{name}.npy" for name in arrays])
    return digest


def test_maps_stored_before_are_those_before_the_relu_and_never_stand_for_the_others(lab, run):
    marked = np.random.default_rng(0).integers(0, 256, (200, 16, 16), dtype=np.uint8)
    store_as_before(lab, run, "convolutions.1", marked)
    assert stored_maps.stored(lab, run, "test", "gradcam", "convolutions.1", "verdict") is None
    raw = stored_maps.stored(lab, run, "test", "gradcam", "convolutions.1", "verdict", "raw")
    np.testing.assert_array_equal(raw.small, marked)
    assert raw.place == raw.maps(slice(3)).place == "raw"
    assert [record["feature_map"] for record in stored_maps.kept(lab, run)] == ["raw"]
    made = ExplainSplit(run.id).run(Context(lab))
    assert (made["reused"], made["feature_map"]) == (False, "relu")
    again = ExplainSplit(run.id, place="raw").run(Context(lab))
    assert (again["reused"], again["feature_map"]) == (True, "raw")
    assert sorted(record["feature_map"] for record in stored_maps.kept(lab, run)) == ["raw", "relu"]
    direct = fast_cam.grad_cam(loading.load(run, "cpu"), np.array(ImageSet.open(lab, "tiny").part("test").pixels[:5]))
    there = stored_maps.stored(lab, run, "test", "gradcam", "convolutions.1", "verdict")
    np.testing.assert_allclose(there.heat(slice(5)), direct.heat, atol=0.01)


def test_maps_of_methods_that_look_at_no_layer_are_still_good(lab, run):
    store_as_before(lab, run, "input", np.zeros((200, 32, 32), np.uint8), "occlusion")
    assert stored_maps.stored(lab, run, "test", "occlusion", "input", "verdict").place == ""
    assert ExplainSplit(run.id, method="occlusion").run(Context(lab))["reused"]


def strip_place(path) -> None:
    """A probe file as it was written before."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(path, framework="numpy") as file:
        tensors, said = {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["probe"])  # noqa: SIM118
    said = {name: said[name] for name in ("image_ids", "layer")}
    save_file(tensors, path, metadata={"probe": json.dumps(said)})


def test_a_probe_that_says_no_place_was_taken_before_the_relu(lab, run):
    assert set(probing.of_run(run.folder).places) == {"relu"}
    strip_place(run.folder / probing.PROBE)
    record = artifacts.read_json(run.folder / artifacts.RECORD)
    record["sha256"][probing.PROBE] = hashlib.sha256((run.folder / probing.PROBE).read_bytes()).hexdigest()
    artifacts.write_json(run.folder / artifacts.RECORD, record)
    probe = probing.of_run(run.folder)
    assert probe.places == ("raw",) * 6
    assert probe.alike(3).all()


def test_a_training_stopped_before_and_continued_now_says_of_each_epoch_where_its_maps_are_from(lab, tmp_path):
    recorder = probing.Recorder(tmp_path, ImageSet.open(lab, "tiny").part("validation"))
    network = loading.load(runs.runs(lab)[0], "cpu").network
    for epoch in (1, 2, 3):
        recorder.look(network, epoch)
    for epoch in (1, 2):
        strip_place(tmp_path / probing._epoch_file(epoch))
    probe = probing.gathered(tmp_path, 3)
    assert probe.places == ("raw", "raw", "relu")
    assert probe.alike(3).tolist() == [False, False, True]
    probing.save(tmp_path, probe)
    tensors, said = probing._read(tmp_path / probing.PROBE)
    assert said["places"] == ["raw", "raw", "relu"]
    assert set(tensors) == {"epochs", "probabilities", "heat", "scale"}


def test_a_preset_s_features_and_layouts_of_earlier_versions_are_not_taken_for_today_s(lab, run):
    from dataclasses import replace

    preset = replace(run, record={**run.record, "topology": "small", "settings": {**run.record["settings"], "topology": "small"}})
    assert preset.topology == "small"
    weights = run.record["sha256"][WEIGHTS]
    assert features.folder_of(lab, run).name == f"{run.id}-{weights[:10]}-3"
    assert features.folder_of(lab, preset).name == f"{run.id}-{weights[:10]}-3-relu"
    asked = embedding.Embed(run.id, layout="PCA")
    for name, more in (("old", {}), ("new", {"feature_map": "relu"}), ("pixels", {"of": "pixels"})):
        record = {"run": run.id, "of": "features", "weights": weights, "created_at": name, **more}
        with artifacts.whole_folder(lab.home / "studies" / "embedding" / f"{run.id}-{name}") as folder:
            artifacts.write_record(folder, record, [])
    assert [one["created_at"] for one in embedding.embeddings(lab, preset)] == ["pixels", "new"]
    assert len(embedding.embeddings(lab, run)) == 3
    assert embedding.folder_of(lab, run, asked) != embedding.folder_of(lab, preset, asked)
    plain = replace(asked, of="pixels")
    assert embedding.folder_of(lab, run, plain) == embedding.folder_of(lab, preset, plain)


def test_a_report_takes_results_after_the_relu_before_larger_ones_before_it_and_none_of_earlier_versions(lab, run):
    from cifake_core.evaluation.reporting import explained

    def store(name, n, **more):
        result = {"run": run.id, "split": "test", "n": n, "created_at": name, "verdict": name, **more}
        with artifacts.whole_folder(lab.home / "studies" / "trust" / f"{run.id}-{name}") as folder:
            artifacts.write_json(folder / "result.json", result)
            artifacts.write_record(folder, result, ["result.json"])

    store("old", 5000)
    assert explained.of_run(lab, run.id, "test")["trust"] is None
    store("raw", 1000, feature_map="raw", version=CURRENT["trust"])
    found = explained.of_run(lab, run.id, "test")["trust"]
    assert found["verdict"] == "raw"
    assert "taken before the ReLU" in explained.taken(found)
    store("new", 200, feature_map="relu", version=CURRENT["trust"])
    found = explained.of_run(lab, run.id, "test")["trust"]
    assert found["verdict"] == "new"
    assert explained.taken(found) == "Feature maps were taken after the ReLU."


def test_results_of_earlier_studies_are_recognised_and_those_of_a_network_without_relu_are_not_blamed():
    assert places.recorded_place({}, "16x2-64x1") == "raw"
    assert places.recorded_place({}, "commfor-384") == ""
    assert places.recorded_place({"feature_map": "relu"}, "16x2-64x1") == "relu"
