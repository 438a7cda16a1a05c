"""Many images shard by shard: put together they are the whole, wherever each was done; what fails is named, what is stopped ends."""

import shutil
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cifake_core import ray_cluster
from cifake_core.detectors import loading, runs, scoring, shards
from cifake_core.detectors.shards import Shard
from cifake_core.errors import BadInput, Cancelled
from cifake_core.evaluation import robustness
from cifake_core.evaluation.robustness import Robustness
from cifake_core.explanations import explaining, fast_cam, methods, stored_maps
from cifake_core.explanations.explaining import ExplainSplit
from cifake_core.generators import cluster
from cifake_core.generators.generating import Generate
from cifake_core.images import image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.progress import silent
from cifake_core.ray_cluster import Files
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.studies.unseen import shelves, transfer
from cifake_core.studies.unseen.transfer import StudyTransfer
from tests.many_generators import many_images
from tests.ray_nodes import InThisProcess, two_nodes

ELSEWHERE = (
    partial(ExplainSplit, "a-run"),
    partial(Robustness, "a-run"),
    partial(StudyTransfer, "tiny", "many"),
    partial(Generate, "fakes"),
)


@pytest.fixture
def run(lab):
    return next(run for run in runs.runs(lab) if run.topology == "16x2-64x1")


@pytest.fixture
def pixels(lab):
    return ImageSet.open(lab, "tiny").part("test").pixels


@pytest.fixture
def nodes(monkeypatch):
    """A stand-in for Ray with two cores; its "nodes" have looked at nothing yet."""
    cluster = InThisProcess(cores=2)
    monkeypatch.setitem(sys.modules, "ray", cluster)
    monkeypatch.setattr(shards, "_last", {})
    return cluster


def logits(detector, shard: Shard, on_progress) -> np.ndarray:
    on_progress(0, 2, "Scoring")
    found = scoring.logits_of(detector.network, scoring.on_device(shard.pixels, detector.device))
    on_progress(2, 2, "Scoring")
    return found


def fails_at_100(error: Exception, detector, shard: Shard, on_progress) -> int:
    if shard.first == 100:
        raise error
    return shard.first


# ---- shards and the whole


def test_shards_are_cut_in_order_and_none_is_left_out(run, pixels):
    seen = shards.over(None, run, pixels, None, 80, lambda detector, shard, on_progress: shard, silent)
    assert [(shard.first, len(shard.pixels), shard.total) for shard in seen] == [
        (0, 80, 200),
        (80, 80, 200),
        (160, 40, 200),
    ]
    np.testing.assert_array_equal(np.concatenate([shard.pixels for shard in seen]), pixels)
    assert str(seen[2]) == "images 161 to 200 of 200"
    some = shards.over(
        None, run, pixels, np.array([7, 3, 199]), 2, lambda detector, shard, on_progress: shard.pixels, silent
    )
    np.testing.assert_array_equal(np.concatenate(some), pixels[[7, 3, 199]])
    none = shards.over(None, run, pixels, np.array([], int), 2, logits, silent)
    assert [len(part) for part in none] == [0]


def test_progress_counts_images_and_never_goes_back(run, pixels):
    told = []
    shards.over(None, run, pixels, None, 80, logits, lambda done, total, message: told.append((done, total)))
    assert told == [(0, 200), (80, 200), (80, 200), (160, 200), (160, 200), (200, 200)]


@pytest.mark.parametrize(
    "asked",
    [{}, {"method": "layercam"}, {"layer": "convolutions.0,convolutions.1"}, {"method": "gradcam@random"}],
    ids=str,
)
def test_kept_maps_are_the_same_bytes_however_many_shards_they_came_in(lab, run, monkeypatch, asked):
    step = ExplainSplit(run.id, **asked)
    whole = kept_bytes(lab, step.run(Context(lab)))
    monkeypatch.setattr(explaining, "SHARD", fast_cam.BATCH)
    assert kept_bytes(lab, step.run(Context(lab))) == whole


def test_every_shard_is_of_whole_batches():
    """An image scored among others has other last bits."""
    for method in methods.names():
        assert explaining.SHARD % methods.METHODS[method].batch == 0, method
    assert explaining.SHARD % fast_cam.BATCH == 0
    assert robustness.CHUNK % scoring.BATCH == transfer.SHARD % scoring.BATCH == 0


def kept_bytes(lab, result: dict) -> dict[str, bytes]:
    """What is kept of maps; then they are forgotten."""
    folder = lab.home / result["kept"]
    found = {name: (folder / name).read_bytes() for name in stored_maps.FILES}
    shutil.rmtree(folder)
    return found


def test_what_a_node_makes_of_a_shard_is_what_is_made_here(run, pixels):
    files = Files.of(run.folder, (artifacts.RECORD, runs.WEIGHTS))
    shard = Shard(128, 200, np.array(pixels[128:]))
    shard.pixels.flags.writeable = False  # as Ray hands it over
    there = shards._there(files, run.id, run.record["sha256"][runs.WEIGHTS], 1, logits, shard, silent)
    np.testing.assert_array_equal(there, logits(loading.load(run), shard, silent))


def test_weights_that_came_over_changed_are_found(run, pixels, nodes, monkeypatch):
    files = Files.of(run.folder, (artifacts.RECORD, runs.WEIGHTS))
    files.contents[runs.WEIGHTS][-1] ^= 1
    monkeypatch.setattr(Files, "of", lambda folder, names: files)
    with pytest.raises(BadInput, match=r"images 1 to 200 of 200: weights\.safetensors .* does not match its checksum"):
        shards.over(nodes, run, pixels, None, 200, logits, silent)


# ---- handed out


def test_shards_handed_out_come_back_in_order_and_the_same(run, pixels, nodes):
    told = []
    here = np.concatenate(shards.over(None, run, pixels, None, 10, logits, silent))
    there = shards.over(nodes, run, pixels, None, 10, logits, lambda *said: told.append(said))
    np.testing.assert_array_equal(np.concatenate(there), here)
    assert nodes.most_waiting == 6  # of 20: the others are not even cut
    assert [done for done, _, _ in told] == list(range(10, 201, 10))
    assert told[0] == (10, 200, "1 of 20 finished")


def test_a_shard_that_fails_is_named_with_its_reason_and_ends_the_others(run, pixels, nodes):
    with pytest.raises(BadInput, match=rf"{run.id} could not be taken over images 101 to 150 of 200: too dark"):
        shards.over(nodes, run, pixels, None, 50, partial(fails_at_100, BadInput("too dark")), silent)
    assert [task.given[1].first for task in nodes.cancelled] == [150]


def test_a_mistake_of_ours_in_a_shard_is_not_taken_for_a_lost_machine(run, pixels, nodes):
    with pytest.raises(BadInput, match="images 101 to 150 of 200: It ended with ZeroDivisionError: by nought"):
        shards.over(nodes, run, pixels, None, 50, partial(fails_at_100, ZeroDivisionError("by nought")), silent)


def test_a_shard_whose_machine_is_lost_again_and_again_is_named(run, pixels, nodes, monkeypatch):
    monkeypatch.setattr(nodes, "is_lost", lambda task: task.given[1].first == 100)
    with pytest.raises(BadInput, match=r"images 101 to 150 of 200: Its process or machine was lost 4 times"):
        shards.over(nodes, run, pixels, None, 50, logits, silent)


def test_stopping_ends_every_shard_that_was_handed_out(run, pixels, nodes):
    def stop(done: int, total: int, message: str) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        shards.over(nodes, run, pixels, None, 10, logits, stop)
    assert [task.given[1].first for task in nodes.cancelled] == [10, 20, 30, 40, 50]


# ---- batches of a set


@pytest.fixture
def generator_nodes(nodes, monkeypatch, tmp_path):
    """The stand-in, with scratch folders of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(cluster, "_last", {})
    monkeypatch.setattr(ray_cluster, "connected", lambda address: nodes)
    monkeypatch.setattr(nodes, "shutdown", lambda: None, raising=False)
    return nodes


def test_a_set_whose_batches_were_handed_out_is_the_one_made_here_and_progress_never_goes_back(
    workspace, generator_nodes
):
    step, told = Generate("fakes", per_class=2, classes=("cat", "ship"), steps=2, batch=1, seed=3), []
    replace(step, executor="ray").run(Context(workspace, lambda done, total, message: told.append(done)))
    there = described(workspace)
    step.run(Context(workspace))
    assert described(workspace) == there
    assert told == sorted(told)


def described(workspace) -> tuple[list[bytes], dict, dict]:
    """The files of the set "fakes", what is known of each, and where the set says it came from; then it is forgotten."""
    made = ImageSet.open(workspace, "fakes")
    files = made.encoded_rows("train", range(made.record["rows"]["train"]))
    found = files, made.manifest("train+validation").to_dict("list"), made.record["source"]
    ImageSet.delete(workspace, "fakes")
    image_set._manifest.cache_clear()  # it is kept by the images' digest, whatever else is known of them
    return found


def test_a_generator_that_came_over_changed_paints_nothing_and_the_batch_is_named(
    workspace, generator_nodes, monkeypatch
):
    as_it_is = Files.of

    def changed(folder: Path, names) -> Files:
        files = as_it_is(folder, names)
        files.contents["model_index.json"][-1] ^= 1
        return files

    monkeypatch.setattr(Files, "of", changed)
    with pytest.raises(
        BadInput, match="Batch 1 of 'demo' could not be made: The generator 'demo' came to another machine changed"
    ):
        Generate("fakes", per_class=1, classes=("cat",), steps=2, executor="ray").run(Context(workspace))


# ---- what may be asked


@pytest.mark.parametrize("step", ELSEWHERE, ids=lambda step: step.func.__name__)
def test_an_unknown_executor_and_an_address_without_ray_are_refused(step):
    with pytest.raises(BadInput, match="no executor 'slurm'"):
        step(executor="slurm")
    with pytest.raises(BadInput, match="add --executor ray"):
        step(address="head:6379")


@pytest.mark.parametrize("step", ELSEWHERE, ids=lambda step: step.func.__name__)
def test_where_a_step_is_done_is_no_part_of_what_it_asks_for(step):
    there = ray_cluster.asked(step(executor="ray", address="head:6379"))
    assert there == ray_cluster.asked(step())
    assert not {"executor", "address"} & set(there)


def test_a_study_done_on_a_cluster_is_found_again_here(lab, monkeypatch):
    run = runs.runs(lab)[0]
    here = Robustness(run.id, transforms=("hue:0.5",)).run(Context(lab))
    monkeypatch.setattr(ray_cluster, "connected", lambda address: pytest.fail("nothing is left to do"))
    assert Robustness(run.id, transforms=("hue:0.5",), executor="ray").run(Context(lab)) == here
    kept = ExplainSplit(run.id).run(Context(lab))["kept"]
    again = ExplainSplit(run.id, executor="ray").run(Context(lab))
    assert (again["reused"], again["kept"]) == (True, kept)


# ---- on a Ray cluster


class Killing:
    """As `on_progress`: kills a node once something is under way, and not before."""

    def __init__(self, machines, doomed) -> None:
        self.machines, self.doomed, self.at = machines, doomed, None

    def __call__(self, done: int, total: int, message: str) -> None:
        if done and self.at is None:
            self.at = done / total
            self.machines.remove_node(self.doomed, allow_graceful=False)


@pytest.mark.slow
def test_a_node_is_killed_mid_explanation_and_every_answer_has_the_bytes_of_one_machine(lab, run, monkeypatch):
    monkeypatch.setattr(explaining, "SHARD", 16)
    monkeypatch.setattr(robustness, "CHUNK", 50)
    sweep = ("noise:8", "blur:0.6")
    with two_nodes(monkeypatch) as (machines, doomed):
        there, killing = {"executor": "ray", "address": machines.address}, Killing(machines, doomed)
        maps_there = kept_bytes(lab, ExplainSplit(run.id, method="occlusion", **there).run(Context(lab, killing)))
        swept_there = swept(lab, Robustness(run.id, transforms=sweep, **there))
    assert 0 < killing.at < 0.9
    assert maps_there == kept_bytes(lab, ExplainSplit(run.id, method="occlusion").run(Context(lab)))
    assert swept_there == swept(lab, Robustness(run.id, transforms=sweep))


def swept(lab, step: Robustness) -> tuple[dict, dict]:
    """A sweep's result without its date, and its logits; then it is forgotten."""
    run, result = runs.open_run(lab, step.run_id), step.run(Context(lab))
    logits = robustness.logits_of_study(lab, run, step)
    shutil.rmtree(robustness.study_folder(lab, run, step))
    return {**result, "created_at": ""}, logits.to_dict("list")


@pytest.mark.slow
def test_a_node_is_killed_while_images_are_made_and_they_and_a_study_are_those_of_one_machine(lab, monkeypatch):
    many_images(lab)
    monkeypatch.setattr(transfer, "SHARD", 50)
    fakes, study = (
        partial(Generate, "fakes", per_class=2, seed=3, steps=4, batch=2),
        partial(StudyTransfer, "tiny", "many", "lossless"),
    )
    with two_nodes(monkeypatch) as (machines, doomed):
        there, killing = {"executor": "ray", "address": machines.address}, Killing(machines, doomed)
        found = made_and_studied(lab, fakes(**there), study(**there), killing)
    assert 0 < killing.at < 0.9
    assert made_and_studied(lab, fakes(), study()) == found


def made_and_studied(lab, fakes: Generate, study: StudyTransfer, on_progress=silent) -> tuple:
    """What is known of the set, then the result and the scores of the study, without dates; both are forgotten."""
    fakes.run(Context(lab, on_progress))
    result = study.run(Context(lab))
    scores = [shelves.scores_of(lab, result["study"], row["run"]).to_dict("list") for row in result["runs"]]
    shutil.rmtree(lab.home / "studies" / "unseen")
    return described(lab), {**result, "created_at": ""}, scores
