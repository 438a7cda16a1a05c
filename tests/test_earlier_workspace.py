"""A workspace made by an earlier version opens: same sets, same figures, every job as it was left, trainings go on.

tests/workspaces/87eaa14.tar.xz was made by the commit of its name: rendered scenes, fakes of the bundled generator, both combined, planted artefacts and
fakes of eight generators; five runs, a training killed after seven epochs, heatmaps, every study, tags, a drawn mask, and a job in each state.
87eaa14.json beside it holds what that version printed of it.
"""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from cifake_core.detectors import loading, places, runs, scoring
from cifake_core.detectors.grid import TrainGrid
from cifake_core.evaluation import evaluating
from cifake_core.explanations import drawn_masks, stored_maps
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import described
from cifake_core.jobs import queue
from cifake_core.jobs.states import State
from cifake_core.step import Context
from cifake_core.store import marks

FOLDER = Path(__file__).parent / "workspaces"
RUN = "16x2-32x1-s0-27a8e6eb7c"
UNFINISHED = "16x3-32x1-s0-106153d76d"


@pytest.fixture(scope="module")
def _unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(FOLDER / "87eaa14.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def earlier(_unpacked, workspace):
    """A copy of that workspace, also CIFAKE_HOME."""
    shutil.copytree(_unpacked, workspace.home)
    return workspace


@pytest.fixture(scope="module")
def expected() -> dict:
    return json.loads((FOLDER / "87eaa14.json").read_text())


def test_every_set_of_an_earlier_version_opens_with_its_digest_and_counts(earlier, expected):
    for then in expected["datasets"]:
        now = described(ImageSet.open(earlier, then["dataset"]))
        assert {key: now[key] for key in ("counts", "duplicates", "digest")} == {key: then[key] for key in ("counts", "duplicates", "digest")}
    many = ImageSet.open(earlier, "many").part("test")
    assert many.pixels.shape == (160, 3, 32, 32)
    assert set(many.manifest["generator"]) == {f"{family}-{letter}" for family in ("board", "stripe") for letter in "abcd"}


def test_runs_of_an_earlier_version_keep_their_figures_and_answer_as_they_did(earlier, expected):
    assert {run.id for run in runs.runs(earlier)} == {row["run"] for row in expected["runs"]}
    for identity, then in expected["metrics"].items():
        now = evaluating.evaluate(earlier, runs.open_run(earlier, identity)).as_dict()["metrics"]
        for name, estimate in then.items():
            assert now[name] == pytest.approx(estimate, abs=1e-9), name
    part = ImageSet.open(earlier, "demo").part("test")
    run = runs.open_run(earlier, RUN)
    logits = scoring.logits_of(loading.load(run, "cpu").network, torch.from_numpy(np.array(part.pixels)))
    assert np.allclose(logits, run.predictions()["logit"], atol=1e-4)


def test_jobs_of_an_earlier_version_are_as_they_were_left(earlier):
    states = {job.title.removeprefix("A rehearsal that "): job for job in queue.jobs(earlier)}
    assert {title: job.state for title, job in states.items() if title != "was running"} == {
        "ends well": State.DONE, "is refused": State.FAILED, "is cancelled": State.CANCELLED, "is paused": State.PAUSED, "waits": State.QUEUED,
    }  # fmt: skip
    assert states["was running"].state == State.QUEUED  # its process is gone, so it waits to go on
    assert states["was running"].done == 3
    assert states["is refused"].error == "The rehearsal was asked to fail; nothing is wrong."


def test_a_training_that_an_earlier_version_left_goes_on_after_its_seventh_epoch(earlier):
    (left,) = runs.unfinished(earlier)
    assert (left.id, len(left.history)) == (UNFINISHED, 7)
    asked = TrainGrid("demo", ("16x3-32x1",), epochs=60, seeds=(0,), batch_size=32, patience=0, workers=1)
    asked.run(Context(earlier))
    history = runs.open_run(earlier, UNFINISHED).history()
    assert [row["epoch"] for row in history] == list(range(1, 61))
    assert history[:7] == left.history  # with their durations: trained again they would have others


def test_notes_tags_and_masks_of_an_earlier_version_are_read(earlier):
    identity = ImageSet.open(earlier, "demo").part("test").image_ids[0]
    assert marks.notes(earlier, "demo") == {identity: "A note of an earlier version."}
    assert identity in marks.tags(earlier, "demo")["odd"]
    mask = drawn_masks.kept(earlier, identity)
    assert mask.sum() == 256
    assert mask[8:24, 8:24].all()


def test_maps_of_an_earlier_version_stay_apart_as_maps_from_before_the_relu(earlier):
    """Whoever asks for today's maps gets none of them; whoever asks for the place they were taken at finds them."""
    run = runs.open_run(earlier, RUN)
    asked = (earlier, run, "test", "hirescam", "convolutions.1", "verdict")
    assert stored_maps.stored(*asked) is None
    before = stored_maps.stored(*asked, place=places.BEFORE_RELU)
    assert len(before) == 200
    assert before.place == places.BEFORE_RELU
