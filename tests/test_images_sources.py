"""Where image sets come from: Parquet, folders, CIFAR-10; what is recognised, and what is refused in one sentence."""

import json
import os
import pickle
from hashlib import md5, sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cifake_core.errors import BadInput, CifakeError
from cifake_core.images import image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages, look
from cifake_core.images.sources.official_names import OfficialNames
from cifake_core.jobs.registry import step
from cifake_core.step import Context
from tests.image_files import jpeg, png

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def parquet(path, rows: list[dict], metadata: dict | None = None, **columns):
    """A Parquet file in the Hugging Face image layout; `columns` are further column types."""
    fields = {"image": IMAGE, "label": pa.int64(), **columns}
    schema = pa.schema(fields.items(), metadata={"huggingface": json.dumps(metadata)} if metadata else None)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def hugging_face_row(seed: int, label: int, path: str, **more) -> dict:
    return {"image": {"bytes": png(seed), "path": path}, "label": label, **more}


def imported(workspace, *sources, name="set", **options) -> ImageSet:
    ImportImages(tuple(map(str, sources)), name, **options).run(Context(workspace))
    return ImageSet.open(workspace, name)


def folder_of(root, files: dict[str, bytes]):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


# ---- Parquet


def test_a_pair_of_parquet_files_becomes_one_set_with_official_splits(workspace, tmp_path):
    train = parquet(tmp_path / "a-train.parquet", [hugging_face_row(i, i % 2, "", class_label=i) for i in range(4)], class_label=pa.int8())
    test = parquet(tmp_path / "a-test.parquet", [hugging_face_row(0, 0, "", class_label=0)], class_label=pa.int8())
    step_ = ImportImages((str(train), str(test)), "set")
    result = step_.run(Context(workspace))
    assert result["dataset"] == "set"
    assert result["counts"] == {"train": {"real": 2, "fake": 2}, "test": {"real": 1, "fake": 0}}
    assert result["duplicates"] == {"train-train": 0, "train-test": 1, "test-test": 0}
    assert json.loads(json.dumps(result)) == result
    assert step_.run(Context(workspace)) == result  # done twice, it makes nothing twice
    assert ImageSet.open(workspace, "set").part("train+validation").class_labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("row", "file", "split"),
    [
        ({"split": "test", "path": "train/x.png"}, "train.parquet", "test"),  # the column rules
        ({"split": None, "path": "test/x.png"}, "train.parquet", "test"),  # then the path
        ({"split": None, "path": "x.png"}, "cifake-test.parquet", "test"),  # then the file's name
        ({"split": None, "path": "x.png"}, "test-00000-of-00001.parquet", "test"),
        ({"split": "validation", "path": "x.png"}, "x.parquet", "train"),
        ({"split": None, "path": "x.png"}, "latest.parquet", "train"),
    ],
)
def test_the_split_is_told_by_column_then_path_then_file_name(workspace, tmp_path, row, file, split):
    made = imported(
        workspace, parquet(tmp_path / file, [hugging_face_row(1, 1, row["path"], split=row["split"])], split=pa.string())
    )
    assert list(made.record["rows"]) == [split]


def test_alphabetical_label_names_of_hugging_face_are_turned_round(workspace, tmp_path):
    features = {"info": {"features": {"label": {"names": ["FAKE", "REAL"], "_type": "ClassLabel"}}}}
    rows = [hugging_face_row(1, 0, "a.png"), hugging_face_row(2, 1, "b.png"), hugging_face_row(3, 1, "c.png")]
    made = imported(workspace, parquet(tmp_path / "x.parquet", rows, features))
    assert made.part("train+validation").labels.tolist() == [1, 0, 0]


def test_labels_that_contradict_their_own_folders_are_refused(workspace, tmp_path):
    source = parquet(tmp_path / "x.parquet", [hugging_face_row(1, 1, "train/REAL/0000.jpg")])
    with pytest.raises(BadInput, match=r"train/REAL/0000\.jpg lies in a folder for the other label"):
        imported(workspace, source)


def test_a_stored_set_can_be_imported_again_with_all_it_knows(workspace, tmp_path):
    first = imported(workspace, folder_of(tmp_path / "f", {"train/REAL/a.png": png(1), "test/FAKE/b.png": png(2)}), name="a", generator="gan")
    second = imported(workspace, first.folder / "train.parquet", first.folder / "test.parquet", name="b")
    assert second.digest == first.digest
    for part in ("train+validation", "test"):
        assert second.manifest(part).equals(first.manifest(part))
    assert imported(workspace, first.folder, name="c").record["rows"] == {"train": 1, "test": 1}  # the folder as a source


def community_forensics(path, rows: int, nsfw: pa.DataType, split: str):
    table = [
        {
            "image_name": f"gan{i}/{i}.png", "format": "PNG", "resolution": [32, 32], "mode": "RGB",
            "image_data": png(i), "model_name": f"gan{i}" if i % 2 else "real", "prompt": "a cat" if i % 2 else None,
            "nsfw_flag": {pa.bool_(): bool(i % 2), pa.string(): str(bool(i % 2))}[nsfw],
            "real_source": "COCO", "subset": "Manual", "split": split, "label": i % 2, "architecture": "GAN",
        }
        for i in range(rows)
    ]  # fmt: skip
    schema = pa.schema(
        {
            "image_name": pa.string(), "format": pa.string(), "resolution": pa.list_(pa.int64()), "mode": pa.string(),
            "image_data": pa.binary(), "model_name": pa.string(), "nsfw_flag": nsfw, "prompt": pa.string(),
            "real_source": pa.string(), "subset": pa.string(), "split": pa.string(), "label": pa.int64(),
            "architecture": pa.string(),
        }.items()
    )  # fmt: skip
    pq.write_table(pa.Table.from_pylist(table, schema=schema), path)
    return path


@pytest.mark.parametrize("nsfw", [pa.bool_(), pa.string()])
@pytest.mark.parametrize(("split", "ours"), [("Systematic", "train"), ("train", "train"), ("CompEval", "test"), ("Commercial", "test")])
def test_columns_of_community_forensics_are_understood(workspace, tmp_path, nsfw, split, ours):
    made = imported(workspace, community_forensics(tmp_path / "cf.parquet", 4, nsfw, split))
    manifest = made.manifest("test" if ours == "test" else "train+validation")
    assert manifest["generator"].tolist() == ["", "gan1", "", "gan3"]
    assert manifest["prompt"].tolist() == ["", "a cat", "", "a cat"]
    assert manifest["architecture"].tolist() == ["GAN"] * 4
    assert [json.loads(text)["nsfw"] for text in manifest["provenance"]] == [False, True, False, True]
    assert manifest["class_label"].tolist() == [-1] * 4


def test_the_split_can_be_decided_by_the_user(workspace, tmp_path):
    source = community_forensics(tmp_path / "cf.parquet", 2, pa.bool_(), "CompEval")
    assert imported(workspace, source, split="train").record["rows"] == {"train": 2}


def truncated_page(path):
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)  # the header of the first column's first page, and of what follows it
    path.write_bytes(data)


def test_parquet_files_that_cannot_be_used_are_refused_in_one_sentence(workspace, tmp_path):
    good = [hugging_face_row(i, i % 2, "") for i in range(50)]
    cases = {
        "no parquet": (tmp_path / "a.parquet").write_bytes(b"hello") and tmp_path / "a.parquet",
        "zero bytes": (tmp_path / "b.parquet").touch() or tmp_path / "b.parquet",
        "no rows": parquet(tmp_path / "c.parquet", []),
        "absent": tmp_path / "absent.parquet",
        "bad label": parquet(tmp_path / "d.parquet", [hugging_face_row(1, 7, "")]),
        "no image": parquet(tmp_path / "e.parquet", [{"image": None, "label": 1}]),
        "bad split": parquet(tmp_path / "g.parquet", [hugging_face_row(1, 1, "", split="later")], split=pa.string()),
        "bad class": parquet(tmp_path / "h.parquet", [hugging_face_row(1, 1, "", class_label=99)], class_label=pa.int64()),
    }
    pq.write_table(pa.table({"x": [1]}), tmp_path / "f.parquet")
    cases["other columns"] = tmp_path / "f.parquet"
    cases["damaged"] = parquet(tmp_path / "i.parquet", good)
    truncated_page(cases["damaged"])
    for case, path in cases.items():
        with pytest.raises(CifakeError) as caught:
            imported(workspace, path, name=case.replace(" ", "-"))
        message = str(caught.value)
        assert message.endswith("."), case
        assert "\n" not in message, case
        assert str(tmp_path) not in message, case
    assert not workspace.image_sets.exists() or list(workspace.image_sets.iterdir()) == []


# ---- folders


OFFICIAL = {
    "DATASET/train/REAL/0000.jpg": jpeg(1),
    "DATASET/train/REAL/0000 (10).jpg": jpeg(2),
    "DATASET/train/FAKE/1000 (2).jpg": jpeg(3),
    "DATASET/test/FAKE/0 (4).jpg": jpeg(4),
}


def test_the_official_folder_layout_gives_split_label_and_class(workspace, tmp_path):
    made = imported(workspace, folder_of(tmp_path / "cifake", OFFICIAL), generator="stable-diffusion-1.4")
    manifest = made.manifest("train+validation").set_index("path")
    assert manifest["label"].to_dict() == {
        "DATASET/train/FAKE/1000 (2).jpg": 1, "DATASET/train/REAL/0000 (10).jpg": 0, "DATASET/train/REAL/0000.jpg": 0,
    }  # fmt: skip
    assert manifest["class_label"].tolist() == [1, 9, 0]
    assert manifest["generator"].tolist() == ["stable-diffusion-1.4", "", ""]
    assert made.manifest("test")["class_label"].tolist() == [3]


def official(names: list[str]) -> bool:
    found = OfficialNames()
    for name in names:
        found.add(name)
    return found.official()


def test_suffixes_count_as_classes_only_where_all_names_are_numbered_so():
    whole = [f"train/REAL/{i:04d}{mark}.jpg" for i in range(9) for mark in ("", *(f" ({k})" for k in range(2, 11)))]
    assert official(whole)
    assert [OfficialNames.class_of(p) for p in ("x/5.jpg", "7 (10).jpg", "0000 unknown.png")] == [0, 9, -1]
    assert official(["FAKE/1 (4).png", "REAL/1 unknown.png"])  # as we export what is no JPEG
    assert official(["1.jpg", "1 (2).jpg", "2 (3).jpg"])  # a few of them
    assert official(["FAKE/1 (4).jpg", "REAL/2 (4).jpg"])  # cats only: no name is an original's
    assert not official(["FAKE/1.jpg", "REAL/1 (2).jpg"])
    assert not official(["1.jpg", "2.jpg"])  # nothing says that these are CIFAKE's
    assert not official([*whole, "train/REAL/cat.jpg"])
    assert not official([*whole, "train/REAL/1 (11).jpg"])
    assert not official([*whole, "photos/1 (2).jpg"])  # no REAL or FAKE folder
    assert not official([*(f"REAL/{i}.jpg" for i in range(60)), "REAL/5 (2).jpg"])  # a copy somebody made
    assert not official([f"REAL/{i}{mark}.jpg" for i in range(9) for mark in ("", " (2)", " (3)")])  # copied twice over


def test_any_folder_of_real_and_fake_images_works_in_any_case_with_or_without_splits_and_classes(workspace, tmp_path):
    files = {
        "real/cat/a.PNG": png(1), "Fake/Truck/b.png": png(2), "FAKE/c.png": png(3), "readme.txt": b"x",
        "test/fake/car/d.png": png(4), "valid/real/e.png": png(5), "figure.png": png(6), "real/.hidden.png": b"", "__MACOSX/real/._a.png": b"",
    }  # fmt: skip
    made = imported(workspace, folder_of(tmp_path / "mine", files))
    train = made.manifest("train+validation").set_index("path")
    assert train["label"].to_dict() == {"FAKE/c.png": 1, "Fake/Truck/b.png": 1, "real/cat/a.PNG": 0, "valid/real/e.png": 0}
    assert train["class_label"].to_dict() == {"FAKE/c.png": -1, "Fake/Truck/b.png": 9, "real/cat/a.PNG": 3, "valid/real/e.png": -1}
    assert made.manifest("test")[["path", "label", "class_label"]].values.tolist() == [["test/fake/car/d.png", 1, 1]]
    left_out = made.record["source"]["account"]["left_out"]
    assert {reason: entry["count"] for reason, entry in left_out.items()} == {
        "hidden or system files": 2, "not a picture by their suffix": 1, "in no folder that says real or fake": 1,
    }  # fmt: skip


def test_a_folder_of_one_label_is_imported_by_its_own_name(workspace, tmp_path):
    folder_of(tmp_path, {"test/FAKE/a.png": png(1), "test/FAKE/b.png": png(2)})
    made = imported(workspace, tmp_path / "test" / "FAKE")
    assert made.record["counts"] == {"train": {"real": 0, "fake": 2}}


def test_folders_that_cannot_be_used_are_refused_in_one_sentence(workspace, tmp_path):
    cases = {
        "empty": folder_of(tmp_path / "empty", {"x.txt": b""}),
        "no labels": folder_of(tmp_path / "plain", {"cats/a.png": png(1)}),
        "both labels": folder_of(tmp_path / "both", {"real/fake/a.png": png(1)}),
        "truncated": folder_of(tmp_path / "cut", {"real/a.png": png(1)[:900]}),
        "zero bytes": folder_of(tmp_path / "zero", {"real/a.png": b""}),
        "other size": folder_of(tmp_path / "size", {"real/a.png": png(1), "real/b.png": png(2, 64, 48)}),
        "clash": folder_of(tmp_path / "clash", {"real/a.png": png(1), "fake/a.png": png(1)}),
        "text file": folder_of(tmp_path, {"list.txt": b"x"}) / "list.txt",
        "absent": tmp_path / "absent",
    }
    for case, path in cases.items():
        with pytest.raises(CifakeError) as caught:
            imported(workspace, path, name=case.replace(" ", "-"))
        message = str(caught.value)
        assert message.endswith("."), case
        assert "\n" not in message, case
        assert str(tmp_path) not in message, case
    for typed in ("\0", "x" * 5000):
        with pytest.raises(BadInput, match="does not exist"):
            imported(workspace, typed)
    assert not workspace.image_sets.exists() or list(workspace.image_sets.iterdir()) == []


def test_links_are_not_followed_out_of_the_folder_nor_round_in_circles(workspace, tmp_path):
    outside = folder_of(tmp_path / "outside", {"real/secret.png": png(1)})
    inside = folder_of(tmp_path / "inside", {"fake/a.png": png(2)})
    (inside / "loop").symlink_to(inside)
    (inside / "real").symlink_to(outside / "real")
    os.symlink(outside / "real" / "secret.png", inside / "fake" / "b.png")
    assert imported(workspace, inside).manifest("train+validation")["path"].tolist() == ["fake/a.png"]


def test_names_of_files_are_kept_literally(workspace, tmp_path):
    names = ["<img src=x onerror=alert(1)>", "![](http://evil)", "$x$", "\u202egnp", "🐸", "a" * 240]
    files = {f"real/{name.replace('/', '∕')}.png": png(i) for i, name in enumerate(names)}
    made = imported(workspace, folder_of(tmp_path / "odd", files))
    assert set(made.manifest("train+validation")["path"]) == set(files)


# ---- CIFAR-10


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Five batches of 4 and a test batch of 2 in CIFAR-10's own format, which torchvision is told to expect."""
    from torchvision.datasets import CIFAR10

    folder, random = tmp_path / "cifar-10-batches-py", np.random.default_rng(0)
    folder.mkdir()

    def batch(name: str, count: int):
        data = random.integers(0, 256, (count, 3072), dtype=np.uint8)
        content = pickle.dumps({"data": data, "labels": [i % 10 for i in range(count)]})
        (folder / name).write_bytes(content)
        return [name, md5(content).hexdigest()], data

    made = [batch(f"data_batch_{i}", 4) for i in range(1, 6)]
    last, test = batch("test_batch", 2)
    meta = pickle.dumps({"label_names": ["airplane", "automobile"]})
    (folder / "batches.meta").write_bytes(meta)
    monkeypatch.setattr(CIFAR10, "train_list", [entry for entry, _ in made])
    monkeypatch.setattr(CIFAR10, "test_list", [last])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(meta).hexdigest()})
    return folder, made[0][1], test


def test_cifar10_is_read_through_torchvision_as_lossless_reals(workspace, cifar):
    folder, first, test = cifar
    made = imported(workspace, folder, name="cifar10")
    assert made.record["counts"] == {"train": {"real": 20, "fake": 0}, "test": {"real": 2, "fake": 0}}
    assert np.array_equal(made.pixels("train")[:4], first.reshape(4, 3, 32, 32))
    assert np.array_equal(made.pixels("test"), test.reshape(2, 3, 32, 32))
    assert made.part("test").class_labels.tolist() == [0, 1]
    assert imported(workspace, folder.parent, name="parent").digest == made.digest


def test_a_changed_file_of_cifar10_is_never_opened(workspace, cifar):
    folder, _, _ = cifar

    class Evil:
        def __reduce__(self):
            return (open, (str(folder / "ran"), "w"))

    (folder / "data_batch_2").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BadInput, match="missing or damaged"):
        imported(workspace, folder)
    assert not (folder / "ran").exists()


# ---- the step


def test_the_step_is_registered_checks_itself_and_takes_lists_from_json(tmp_path):
    made = step("import", {"sources": ["a.parquet", "b.parquet"], "name": "x"})
    assert made == ImportImages(("a.parquet", "b.parquet"), "x")
    assert ImportImages("one.zip", "x").sources == ("one.zip",)
    for wrong in ({"sources": (), "name": "x"}, {"sources": ("a",), "name": "../x"}, {"sources": ("a",), "name": "x", "kind": "art"}):
        with pytest.raises(BadInput):
            ImportImages(**wrong)
    with pytest.raises(BadInput, match="split"):
        ImportImages(("a",), "x", split="validation")


def test_looking_at_a_source_says_what_it_is_without_reading_images(tmp_path):
    found = look(folder_of(tmp_path / "mine", {"real/a.png": b"not decoded yet"}))
    assert [(f.kind, f.name, f.total) for f in found] == [("folder of REAL and FAKE images", "mine", 1)]




# ---- many generators: who made each fake, and which are alike


def test_folders_of_several_generators_name_who_made_each_fake_and_its_family(workspace, tmp_path):
    files = {
        "gan/dcgan/FAKE/a.png": png(1), "gan/progan/cat/1_fake/b.png": png(2), "gan/progan/cat/0_real/r.png": png(3),
        "diffusion/ddpm/test/fake/c.png": png(4), "diffusion/ddpm/test/real/s.png": png(5),
    }  # fmt: skip
    made = imported(workspace, folder_of(tmp_path / "many", files))
    rows = [row for part in ("train+validation", "test") for row in made.manifest(part).to_dict("records")]
    known = {row["path"].split("/")[-1]: (row["generator"], row["family"]) for row in rows}
    assert known == {"a.png": ("dcgan", "gan"), "b.png": ("progan", "gan"), "c.png": ("ddpm", "diffusion"), "r.png": ("", ""), "s.png": ("", "")}


def test_one_folder_above_fake_is_the_collections_name_and_no_generator(workspace, tmp_path):
    made = imported(workspace, folder_of(tmp_path / "x", {"mine/train/FAKE/a.png": png(1), "mine/train/REAL/b.png": png(2)}))
    assert made.manifest("train+validation")["generator"].tolist() == ["", ""]


def test_the_family_is_a_column_of_its_own_and_else_the_architecture(workspace, tmp_path):
    made = imported(workspace, community_forensics(tmp_path / "cf.parquet", 4, pa.bool_(), "train"))
    assert made.manifest("train+validation")["family"].tolist() == ["GAN"] * 4
    table = pq.read_table(tmp_path / "cf.parquet")
    pq.write_table(table.append_column("family", pa.array(["flow"] * 4)), tmp_path / "told.parquet")
    told = imported(workspace, tmp_path / "told.parquet", name="told")
    assert told.manifest("train+validation")["family"].tolist() == ["flow"] * 4


def test_a_set_stored_before_there_were_families_is_still_read(workspace, tmp_path):
    made = imported(workspace, community_forensics(tmp_path / "cf.parquet", 4, pa.bool_(), "train"), name="old")
    file = made.folder / "train.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["family"]), file)
    record = json.loads((made.folder / "record.json").read_text())
    record["sha256"]["train.parquet"] = sha256(file.read_bytes()).hexdigest()
    (made.folder / "record.json").write_text(json.dumps(record))
    image_set._manifest.cache_clear()
    assert ImageSet.open(workspace, "old").manifest("train+validation")["family"].tolist() == ["GAN"] * 4
