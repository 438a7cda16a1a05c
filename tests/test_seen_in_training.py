"""Test images that also lie in the official train split count as seen everywhere, those held out for validation included."""

from types import SimpleNamespace

import numpy as np
import pytest

from cifake_core.evaluation import deduplicated, evaluating, over_seeds, scored
from cifake_core.evaluation.selecting import Selection, rows
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_png
from cifake_core.images.duplicates import duplicates
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import NewImage
from tests.conftest import drawn

TRAIN, FRESH = 40, 12


@pytest.fixture
def twice(workspace) -> ImageSet:
    """Every train image is also a test image, behind FRESH test images that are new; the last of these is there two times."""

    def image(n: int, split: str) -> NewImage:
        return NewImage(encode_png(drawn(n % 2, n % 4 // 2, n)), n % 2, n % 4 // 2, split)

    fresh = [image(1000 + n, "test") for n in range(FRESH - 1)]
    return new_image_set(workspace, "twice", [*(image(n, "train") for n in range(TRAIN)), *fresh, fresh[-1], *(image(n, "test") for n in range(TRAIN))])


SEEN = np.arange(FRESH + TRAIN) >= FRESH


def test_there_are_validation_images_among_those_seen(twice):
    validation = set(twice.part("validation").image_ids)
    assert validation
    assert validation <= set(twice.part("test").image_ids)
    assert twice.record["duplicates"] == {"train-train": 0, "train-test": TRAIN, "test-test": 1}


@pytest.fixture
def answers(twice, workspace, monkeypatch):
    """A run whose test logits are right for the seen images and wrong for two thirds of the fresh ones."""
    manifest = twice.manifest("test")
    sign = np.where(SEEN | (np.arange(len(SEEN)) % 3 == 0), 1.0, -1.0)
    table = manifest.assign(logit=sign * np.where(manifest["label"] == 1, 2.0, -2.0))
    monkeypatch.setattr(evaluating, "predictions", lambda *_: table)
    return SimpleNamespace(dataset="twice", id="a-run", predictions=lambda split: table, record={"sha256": {"predictions-test.parquet": ""}})


def test_a_run_is_judged_without_what_it_may_have_seen_in_training_or_validation(workspace, answers):
    found = deduplicated.without_duplicates(workspace, answers, resamples=20)
    assert (found.n, found.n_seen) == (TRAIN + FRESH, TRAIN)
    assert found.accuracy_seen.value == 1
    assert found.unseen["accuracy"].value == pytest.approx(4 / FRESH)
    assert found.everything["accuracy"].value == pytest.approx((TRAIN + 4) / (TRAIN + FRESH))
    assert found.as_dict()["without"]["accuracy"]["value"] == found.unseen["accuracy"].value
    assert found.as_dict()["with"]["accuracy"]["value"] == found.everything["accuracy"].value
    assert "more than the interval" in found.meaning


def test_the_table_of_networks_leaves_them_out_too(twice, answers):
    fresh = over_seeds._Fresh(twice)
    assert fresh.seen.tolist() == SEEN.tolist()
    assert fresh.accuracies([answers]) == [pytest.approx(4 / FRESH)]


def test_the_gallery_calls_them_doubles_and_those_within_test_as_well(workspace, twice, answers):
    found = scored.scored(workspace, answers)
    assert found.doubles.tolist() == [n >= FRESH - 2 for n in range(FRESH + TRAIN)]
    assert len(rows(found, Selection(doubles="without doubles"), 0.5)) == FRESH - 2
    within = scored._doubles(twice, "validation", np.array(["a", "b", "a"], dtype=object))
    assert within.tolist() == [True, False, True]


def test_pairs_are_counted_within_and_across_splits():
    ids = {"train": ["a", "a", "a", "b"], "test": ["a", "b", "b", "c", "c"]}
    assert duplicates(ids) == {"train-train": 3, "train-test": 3 + 2, "test-test": 2}
    assert duplicates({"train": ["a", "a"]}) == {"train-train": 1, "train-test": 0, "test-test": 0}
