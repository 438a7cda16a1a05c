"""Image sets: stored whole, read back exactly, split without leaks, refused when they cannot be trained on."""

import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cifake_core.errors import BadInput, Cancelled, Conflict, Damaged, NotFound, Refused
from cifake_core.images import building
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import decode, encode_jpeg
from cifake_core.images.duplicates import duplicates, pairs_across, pairs_within, seen_in
from cifake_core.images.image_set import ImageSet
from cifake_core.images.preparing import Treatment
from cifake_core.images.schema import MANIFEST_COLUMNS, NewImage, image_id
from cifake_core.images.splitting import validation_rows
from tests.image_files import jpeg, new_images, png, random_pixels


def row_of(seed: int, **changes) -> NewImage:
    return replace(NewImage(png(seed), 1, 3), **changes)


# ---- storing and reading back


def test_what_goes_in_comes_out_pixel_for_pixel_and_byte_for_byte(workspace):
    rows = new_images(per_label_and_class=4, test=2)
    made = new_image_set(workspace, "small", rows, kind="rendered", note="ours", source={"by": "a test"})
    assert made.record == ImageSet.open(workspace, "small").record
    for split in ("train", "test"):
        expected = [r for r in rows if r.split == split]
        part = made.part("test" if split == "test" else "train+validation")
        assert len(part) == len(expected)
        assert part.pixels.shape == (len(expected), 3, 32, 32)
        assert part.pixels.dtype == np.uint8
        for i, row in enumerate(expected):
            assert np.array_equal(part.pixels[i], decode(row.data).transpose(2, 0, 1))
            assert made.encoded(split, i) == row.data
            assert part.image_ids[i] == image_id(decode(row.data))
        assert part.labels.tolist() == [r.label for r in expected]
        assert part.class_labels.tolist() == [r.class_label for r in expected]
        assert list(part.manifest.columns) == list(MANIFEST_COLUMNS)


def test_everything_known_about_an_image_is_kept(workspace):
    row = NewImage(
        jpeg(1), 1, 5, "train", "a/b.jpg", "sd", "a photograph of a dog", 2**40, {"steps": 50}, "LatDiff", "COCO", "Manual"
    )
    made = new_image_set(workspace, "one", [row, NewImage(png(2), 0)])
    first, second = made.manifest("train+validation").to_dict("records")
    assert first["path"] == "a/b.jpg"
    assert (first["generator"], first["prompt"], first["seed"]) == ("sd", "a photograph of a dog", 2**40)
    assert (first["architecture"], first["real_source"], first["subset"]) == ("LatDiff", "COCO", "Manual")
    assert json.loads(first["provenance"]) == {"steps": 50}
    assert (first["format"], first["width"], first["height"]) == ("JPEG", 32, 32)
    assert pd.isna(second["seed"])
    assert second["class_label"] == -1
    assert second["path"] == "train/REAL/00001.png"


def test_the_stored_parquet_is_the_hugging_face_image_layout(workspace):
    made = new_image_set(workspace, "one", [row_of(1)])
    table = pq.read_table(made.folder / "train.parquet")
    assert table.column("image").type.field(0).name == "bytes"
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert set(features) == set(table.column_names)


def test_the_record_counts_what_is_there(workspace):
    rows = [row_of(1), row_of(1, split="test"), row_of(2, label=0, class_label=-1), row_of(3, generator="gan")]
    record = new_image_set(workspace, "counted", rows).record
    assert record["counts"] == {"train": {"real": 1, "fake": 2}, "test": {"real": 0, "fake": 1}}
    assert record["classes"]["train"] == {"real": {"unknown": 1}, "fake": {"cat": 2}}
    assert record["duplicates"] == {"train-train": 0, "train-test": 1, "test-test": 0}
    assert record["generators"] == {"gan": 1}
    assert record["kind"] == "mixed"
    assert record["official_cifake"] is False
    assert record["rows"] == {"train": 3, "test": 1}


def test_the_kind_is_told_by_the_labels_unless_it_is_given(workspace):
    assert new_image_set(workspace, "a", [row_of(1, label=0)]).record["kind"] == "photographs"
    assert new_image_set(workspace, "b", [row_of(1)]).record["kind"] == "generated"
    with pytest.raises(BadInput, match="kind"):
        new_image_set(workspace, "c", [row_of(1)], kind="paintings")


def test_the_digest_changes_with_pixels_label_class_split_and_order_and_with_nothing_else(workspace):
    base = [row_of(1), row_of(2)]
    changed = {
        "same": (base, True),
        "codec": ([row_of(1, prompt="x"), row_of(2, path="elsewhere.png")], True),
        "pixels": ([row_of(1), row_of(9)], False),
        "label": ([row_of(1), row_of(2, label=0)], False),
        "class": ([row_of(1), row_of(2, class_label=4)], False),
        "split": ([row_of(1), row_of(2, split="test")], False),
        "order": (base[::-1], False),
    }
    digest = new_image_set(workspace, "base", base).digest
    for name, (rows, equal) in changed.items():
        assert (new_image_set(workspace, name, rows).digest == digest) == equal, name


@pytest.fixture
def _small_batches(monkeypatch):
    monkeypatch.setattr(building, "BATCH", 10)


@pytest.mark.usefixtures("_small_batches")
def test_rows_far_apart_are_found_in_the_order_asked_for(workspace):
    rows = [row_of(i) for i in range(25)]  # three row groups
    made = new_image_set(workspace, "long", rows)
    asked = [24, 0, 9, 10, 20, 0]
    assert made.encoded_rows("train", asked) == [rows[i].data for i in asked]
    assert made.encoded_rows("train", []) == []
    with pytest.raises(BadInput, match="0 to 24"):
        made.encoded("train", 25)


def test_the_same_images_under_the_same_name_are_the_same_set_others_are_a_conflict(workspace):
    rows = new_images(2, 1)
    first = new_image_set(workspace, "taken", rows)
    assert new_image_set(workspace, "taken", rows).record == first.record
    with pytest.raises(Conflict, match="'taken'"):
        new_image_set(workspace, "taken", new_images(2, 1, first_seed=1000))
    assert ImageSet.open(workspace, "taken").record == first.record


@pytest.mark.parametrize("name", ["", "../out", "a/b", ".hidden", "a\0b", "x" * 5000, "ü"])
def test_names_that_are_no_folder_names_are_refused(workspace, name):
    with pytest.raises(BadInput):
        new_image_set(workspace, name, [row_of(1)])


def left_in(workspace) -> list[str]:
    return sorted(p.name for p in workspace.image_sets.iterdir()) if workspace.image_sets.exists() else []


@pytest.mark.usefixtures("_small_batches")
def test_a_bad_image_leaves_nothing_behind(workspace):
    rows = [*(row_of(i) for i in range(15)), NewImage(b"broken", 1, path="train/FAKE/bad.png")]
    with pytest.raises(BadInput, match=r"train/FAKE/bad\.png"):
        new_image_set(workspace, "broken", rows)
    assert left_in(workspace) == []


@pytest.mark.usefixtures("_small_batches")
def test_stopping_midway_leaves_nothing_behind_and_it_can_be_done_again(workspace):
    def stop(done, total, message):
        raise Cancelled("stopped")

    rows = [row_of(i) for i in range(11)]
    with pytest.raises(Cancelled):
        new_image_set(workspace, "stopped", rows, on_progress=stop)
    assert left_in(workspace) == []
    seen = []
    new_image_set(workspace, "stopped", rows, total=11, on_progress=lambda *said: seen.append(said[:2]))
    assert seen == [(10, 11), (11, 11)]


def test_an_empty_set_and_another_size_are_refused(workspace):
    with pytest.raises(BadInput, match="no image"):
        new_image_set(workspace, "none", [])
    with pytest.raises(BadInput, match=r"big\.png is 40 × 48 pixels, not 32 × 32"):
        new_image_set(workspace, "big", [row_of(1), row_of(2, data=png(2, 48, 40), path="big.png")])
    assert left_in(workspace) == []


def test_resizing_shrinks_antialiased_and_says_so(workspace):
    rows = [row_of(1), row_of(2, data=png(2, 96, 64)), row_of(3, data=jpeg(3, 64, 64))]
    made = new_image_set(workspace, "shrunk", rows, treatment=Treatment(resize=True))
    assert made.record["resized"] == 2
    assert made.record["treatment"]["resize"] is True
    assert made.encoded("train", 0) == rows[0].data
    manifest = made.manifest("train+validation")
    assert json.loads(manifest["provenance"][1]) == {"resized_from": [64, 96]}
    assert manifest["format"].tolist() == ["PNG", "PNG", "JPEG"]
    pixels = made.pixels("train")
    for i in range(3):
        assert np.array_equal(pixels[i], decode(made.encoded("train", i)).transpose(2, 0, 1))


def test_reencoding_makes_every_file_a_jpeg_as_cifakes_are(workspace):
    rows = [row_of(1), row_of(2, data=jpeg(2))]
    made = new_image_set(workspace, "jpeg", rows, treatment=Treatment(jpeg=True))
    assert made.encoded("train", 0) == encode_jpeg(random_pixels(1))
    assert made.encoded("train", 1) == rows[1].data  # a JPEG is not compressed twice
    assert made.record["formats"] == {"JPEG": 2}


def test_the_same_picture_with_both_labels_is_refused_naming_both(workspace):
    rows = [row_of(1, path="train/FAKE/a.png"), row_of(1, label=0, path="train/REAL/b.png", split="test")]
    with pytest.raises(BadInput, match=r"train/FAKE/a\.png \(fake\) and train/REAL/b\.png \(real\)"):
        new_image_set(workspace, "clash", rows)


@pytest.mark.parametrize("changes", [{"label": 2}, {"class_label": 10}, {"split": "validation"}])
def test_rows_outside_the_schema_are_refused(changes):
    with pytest.raises(BadInput):
        row_of(1, **changes)


# ---- damage


@pytest.mark.parametrize("name", ["train.parquet"])
def test_one_flipped_byte_is_found_before_use_and_named(workspace, name):
    made = new_image_set(workspace, "flipped", new_images(2, 1))
    path = made.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match=name):
        made.part("train")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("name", ["train.parquet", "record.json"])
def test_a_file_cut_short_is_found_before_use(workspace, name, share):
    made = new_image_set(workspace, "cut", new_images(2, 1))
    path = made.folder / name
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(Damaged, match=name):
        ImageSet.open(workspace, "cut").part("train")


@pytest.mark.parametrize("harm", ["flipped", "cut", "gone"])
def test_a_harmed_pixel_file_is_decoded_again_from_the_parquet(workspace, harm):
    made = new_image_set(workspace, harm, new_images(40, 7))
    path = made.folder / "train-pixels.npy"
    whole = path.read_bytes()
    data = bytearray(whole)
    data[len(data) // 2] ^= 1
    path.write_bytes({"flipped": bytes(data), "cut": whole[:5000], "gone": b""}[harm])
    if harm == "gone":
        path.unlink()
    assert len(made.part("train+validation").pixels) == made.record["rows"]["train"]
    assert path.read_bytes() == whole


def test_pixels_are_not_made_again_from_a_damaged_parquet(workspace):
    made = new_image_set(workspace, "both", new_images(2, 1))
    for name in ("train-pixels.npy", "train.parquet"):
        os.truncate(made.folder / name, 300)
    with pytest.raises(Damaged, match="train.parquet"):
        made.pixels("train")


def test_a_missing_file_a_missing_set_and_a_missing_split_are_told_apart(workspace):
    made = new_image_set(workspace, "whole", new_images(2, 0))
    with pytest.raises(NotFound, match="no test split"):
        made.part("test")
    with pytest.raises(BadInput, match="no part named"):
        made.part("holdout")
    with pytest.raises(NotFound, match="there are: whole"):
        ImageSet.open(workspace, "absent")
    (made.folder / "train.parquet").unlink()
    with pytest.raises(NotFound, match="train.parquet"):
        made.part("train")


def test_listing_shows_complete_sets_only_and_deleting_removes_one(workspace):
    assert ImageSet.list(workspace) == []
    for name in ("b", "a"):
        new_image_set(workspace, name, new_images(1, 1))
    (workspace.image_sets / "half").mkdir()
    assert [s.name for s in ImageSet.list(workspace)] == ["a", "b"]
    for name in ("a", "b"):
        (workspace.originals / name).mkdir(parents=True)
    ImageSet.delete(workspace, "a")
    assert [path.name for path in workspace.originals.iterdir()] == ["b"]
    assert [s.name for s in ImageSet.list(workspace)] == ["b"]
    assert not (workspace.image_sets / "a").exists()
    new_image_set(workspace, "half", new_images(1, 1))  # a folder without a record is nothing


def test_a_set_made_anew_under_the_same_name_is_read_anew(workspace):
    first = new_image_set(workspace, "again", new_images(2, 1)).part("train").image_ids.tolist()
    ImageSet.delete(workspace, "again")
    second = new_image_set(workspace, "again", new_images(2, 1, first_seed=500)).part("train").image_ids.tolist()
    assert not set(first) & set(second)


def test_the_pixels_cannot_be_changed_by_a_reader(workspace):
    made = new_image_set(workspace, "safe", new_images(2, 1))
    with pytest.raises(ValueError, match="read-only"):
        made.part("test").pixels[0] = 0
    borrowed = made.part("test").manifest
    borrowed.loc[0, "prompt"] = "changed"
    assert made.part("test").manifest["prompt"][0] == ""


# ---- splits and duplicates


def manifest_of(ids: list[str], labels: list[int], classes: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"image_id": ids, "label": labels, "class_label": classes})


def test_a_tenth_of_every_label_and_class_is_held_out_by_hand():
    labels, classes = [0] * 40 + [1] * 20, [0] * 30 + [1] * 10 + [0] * 20
    manifest = manifest_of([f"{i:03d}" for i in range(60)], labels, classes)
    held = manifest[validation_rows(manifest)]
    assert held.groupby(["label", "class_label"]).size().to_dict() == {(0, 0): 3, (0, 1): 1, (1, 0): 2}


def test_identical_images_stay_on_one_side_and_row_order_does_not_matter():
    random = np.random.default_rng(3)
    ids = [f"{n:04d}" for n in random.integers(0, 300, 1000)]  # about every image three times
    manifest = manifest_of(ids, [int(i) % 2 for i in ids], [int(i) % 10 // 2 for i in ids])
    held = validation_rows(manifest)
    assert not set(manifest["image_id"][held]) & set(manifest["image_id"][~held])
    assert 80 <= held.sum() <= 110
    shuffled = manifest.sample(frac=1, random_state=1)
    assert set(shuffled["image_id"][validation_rows(shuffled)]) == set(manifest["image_id"][held])


def test_a_class_of_one_image_stays_in_train():
    manifest = manifest_of(["a", "b", "b"], [0, 1, 1], [0, 0, 0])
    assert not validation_rows(manifest).any()


def test_train_and_validation_share_the_official_train_split_without_touching_test(workspace):
    rows = new_images(per_label_and_class=50, test=10)
    rows += [replace(row, path="copy") for row in rows[:30]]  # duplicates within train
    made = new_image_set(workspace, "split", rows)
    data = made.training_data()
    train, validation, test = set(data.train.image_ids), set(data.validation.image_ids), set(made.part("test").image_ids)
    assert not train & validation
    assert train | validation == set(made.part("train+validation").image_ids)
    assert not (train | validation) & test
    assert len(data.train) + len(data.validation) == 230
    assert np.array_equal(data.validation.pixels, made.pixels("train")[data.validation.rows])
    assert made.encoded("train", int(data.validation.rows[0])) == rows_of_train(rows)[data.validation.rows[0]].data


def rows_of_train(rows: list[NewImage]) -> list[NewImage]:
    return [row for row in rows if row.split == "train"]


def test_sets_that_cannot_be_trained_on_are_refused_saying_what_is_missing(workspace):
    fakes = [row for row in new_images(60, 5) if row.label == 1]
    with pytest.raises(Refused, match="no real images"):
        new_image_set(workspace, "fakes", fakes).training_data()
    with pytest.raises(Refused, match="only 6 real"):
        new_image_set(workspace, "few", new_images(3, 1)).training_data()
    with pytest.raises(Refused, match="no train split"):
        new_image_set(workspace, "test-only", [r for r in new_images(1, 30) if r.split == "test"]).training_data()
    same = [row_of(1)] * 60 + [row_of(i, label=0) for i in range(100, 160)]
    with pytest.raises(Refused, match="same picture"):
        new_image_set(workspace, "same", same).training_data()


def test_pairs_of_duplicates_by_hand():
    assert pairs_within(["a", "a", "a", "b", "b", "c"]) == 3 + 1
    assert pairs_across(["a", "a", "b"], ["a", "a", "c", "b"]) == 2 * 2 + 1
    assert duplicates({"train": ["a", "a"], "test": ["a"]}) == {"train-train": 1, "train-test": 2, "test-test": 0}
    assert duplicates({"train": ["a"]}) == {"train-train": 0, "train-test": 0, "test-test": 0}
    assert seen_in(["a", "x", "a"], ["a", "b"]).tolist() == [True, False, True]


def test_identity_is_the_pixels_not_the_file():
    assert image_id(decode(png(1))) == image_id(random_pixels(1))
    assert image_id(random_pixels(1)) != image_id(random_pixels(2))
    assert image_id(np.zeros((2, 8, 3), np.uint8)) != image_id(np.zeros((8, 2, 3), np.uint8))


def test_validation_does_not_depend_on_how_a_table_lies_in_memory():
    ids = [f"{n % 37:02d}" for n in range(100)]
    table = pd.DataFrame({"image_id": ids, "label": [int(i) % 2 for i in ids], "class_label": [int(i) % 3 for i in ids]})
    parts = pd.concat([table[:40].astype({"image_id": "str"}), table[40:].astype({"image_id": "str"})])
    assert np.array_equal(validation_rows(parts), validation_rows(table))
    assert not len(validation_rows(table[:0].astype({"image_id": "str"})))
