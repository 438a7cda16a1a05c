"""A validation split that the source holds out: joined to train, kept apart, or put into test, as the user says."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from cifake_core.errors import BadInput, Refused
from cifake_core.images.combining import CombineSets
from cifake_core.images.discarding import Discard
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from tests.import_truth import counts, imported, pairs, png, put, run


@pytest.fixture
def source(tmp_path):
    files = {**pairs(60, "train/real", "train/fake"), **pairs(8, "valid/real", "valid/fake", first=100), **pairs(5, "test/real", "test/fake", first=150)}
    return put(tmp_path / "mine", files)


def test_by_default_they_join_train_and_it_is_said(workspace, source):
    made = imported(workspace, source)
    assert counts(made) == {"train": (68, 68), "test": (5, 5)}
    assert "validation" not in made.record
    assert made.record["source"]["conventions"] == [
        "The source's 16 validation pictures join train, from which validation is cut anew; --validation keep holds them apart, "
        "--validation test makes them the test split."
    ]


def test_kept_they_are_exactly_the_validation_part_and_the_digest_says_so(workspace, source):
    made = imported(workspace, source, validation="keep")
    assert counts(made) == {"train": (68, 68), "test": (5, 5)}
    validation, train = made.part("validation"), made.part("train")
    assert all(path.startswith("valid/") for path in validation.manifest["path"])
    assert (len(validation), len(train)) == (16, 120)
    assert made.record["validation"] == {"kept": 16, "also_in_train": 0}
    assert "stay apart" in made.record["source"]["conventions"][0]
    assert made.training_data().validation.labels.sum() == 8
    joined = imported(workspace, source, name="joined")
    assert made.digest != joined.digest  # a run trained on one is no run of the other
    assert run(workspace, source, validation="keep")["digest"] == made.digest


def test_put_into_test_they_are_tested_on(workspace, source):
    made = imported(workspace, source, validation="test")
    assert counts(made) == {"train": (60, 60), "test": (13, 13)}


def test_another_choice_is_refused(workspace, source):
    with pytest.raises(BadInput, match="can go to train, keep, test, not 'maybe'"):
        imported(workspace, source, validation="maybe")


def test_pictures_on_both_sides_are_counted_and_one_label_alone_is_refused_for_training(workspace, tmp_path):
    files = {**pairs(55, "train/real", "train/fake"), "valid/real/a.png": png(0, 0), "valid/real/b.png": png(90, 0)}
    made = imported(workspace, put(tmp_path / "mine", files), validation="keep")
    assert made.record["validation"] == {"kept": 2, "also_in_train": 1}
    with pytest.raises(Refused, match="held out a validation split, but train or validation has no fake images"):
        made.training_data()


def test_a_stored_set_imported_again_keeps_its_validation_without_being_asked(workspace, source):
    made = imported(workspace, source, validation="keep")
    again = imported(workspace, made.folder, name="again")
    assert again.digest == made.digest
    assert np.array_equal(again.part("validation").rows, made.part("validation").rows)


def test_discarding_keeps_it_and_combining_cuts_anew_unless_all_hold_one_out(workspace, source, tmp_path):
    made = imported(workspace, source, validation="keep")
    Discard("set", (made.part("validation").image_ids[0],), "fewer").run(Context(workspace))
    assert len(ImageSet.open(workspace, "fewer").part("validation")) == 15
    imported(workspace, put(tmp_path / "other", pairs(60, "real", "fake", first=200)), name="other")
    CombineSets(("set", "other"), "mixed").run(Context(workspace))
    mixed = ImageSet.open(workspace, "mixed")
    assert not mixed.manifest("train+validation")["validation"].any()
    CombineSets(("set:real", "fewer:fake"), "both").run(Context(workspace))
    assert len(ImageSet.open(workspace, "both").part("validation")) in (15, 16)


def test_a_set_stored_before_there_was_such_a_column_opens_and_is_cut_as_ever(workspace, source):
    from hashlib import sha256

    made = imported(workspace, source)
    before = made.part("validation").image_ids.tolist()
    file = made.folder / "train.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["validation"]), file)
    record = json.loads((made.folder / "record.json").read_text())
    record["sha256"]["train.parquet"] = sha256(file.read_bytes()).hexdigest()
    (made.folder / "record.json").write_text(json.dumps(record))
    from cifake_core.images import image_set

    image_set._manifest.cache_clear()
    image_set._held_out.cache_clear()
    assert ImageSet.open(workspace, "set").part("validation").image_ids.tolist() == before
