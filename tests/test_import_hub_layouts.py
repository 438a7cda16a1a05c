"""Hugging Face's layouts are read as the field's own library reads them: the same pictures with the same labels, row by row."""

import os

import pytest

from tests.import_truth import cells, imported, pairs, png, put, rows_of, table
from tests.test_import_layouts import shard, tarred

datasets = pytest.importorskip("datasets")


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """What `datasets` reads from a folder, offline: {split: [(real or fake, pixels as bytes)]}, sorted."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    def load(folder, kind: str = "", **options) -> dict[str, list]:
        said = datasets.load_dataset(kind or str(folder), **({"data_dir": str(folder)} if kind else {}), cache_dir=str(tmp_path / "cache"), **options)
        found = {}
        for split, rows in said.items():
            feature = rows.features.get("label")
            word = feature.int2str if hasattr(feature, "int2str") else (lambda value: value)
            found[split] = sorted((_label(word(row["label"])), row["image"].convert("RGB").tobytes()) for row in rows)
        return found

    return load


def _label(word) -> int:
    """A name of the tests' sources as a label."""
    return {"FAKE": 1, "REAL": 0, "fake": 1, "real": 0}[word] if isinstance(word, str) else int(word)


def ours(made) -> dict[str, list]:
    parts = {split: made.part("test" if split == "test" else "train+validation") for split in made.record["rows"]}
    return {split: sorted((int(label), pixels.transpose(1, 2, 0).tobytes()) for label, pixels in zip(part.labels, part.pixels, strict=True)) for split, part in parts.items()}


def test_imagefolder_with_labels_in_folders(workspace, tmp_path, loaded):
    source = put(tmp_path / "set", {**pairs(3, "train/REAL", "train/FAKE"), **pairs(2, "test/REAL", "test/FAKE", first=10)})
    assert ours(imported(workspace, source)) == loaded(source, "imagefolder")


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_imagefolder_with_metadata(workspace, tmp_path, loaded, name):
    names = {f"{i}_{fake}.png": ("real", "fake")[fake] for i in range(3) for fake in (0, 1)}
    csv = "file_name,label\n" + "".join(f"{file},{label}\n" for file, label in names.items())
    jsonl = "".join(f'{{"file_name": "{file}", "label": "{label}"}}\n' for file, label in names.items())
    files = {f"train/{file}": png(int(file[0]), int(file[2])) for file in names}
    source = put(tmp_path / "set", {**files, f"train/{name}": csv if name.endswith("csv") else jsonl})
    assert ours(imported(workspace, source)) == loaded(source, "imagefolder")


def test_parquet_with_features(workspace, tmp_path, loaded):
    for split, first in (("train", 0), ("test", 10)):
        images, labels = cells(3, first)
        names = {"label": ["FAKE", "REAL"]}
        path = table(tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet", {"image": images, "label": [1 - fake for fake in labels]})
        rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache")).cast_column("label", datasets.ClassLabel(names=names["label"]))
        rows.cast_column("image", datasets.Image()).to_parquet(str(path))
    assert ours(imported(workspace, tmp_path / "set")) == loaded(tmp_path / "set")


def test_a_dataset_saved_to_disk_by_the_library_itself(workspace, tmp_path):
    images, labels = cells(3)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["FAKE", "REAL"])})
    rows = datasets.Dataset.from_dict({"image": images, "label": [1 - fake for fake in labels]}, features=features)
    datasets.DatasetDict({"train": rows, "test": rows.select(range(2))}).save_to_disk(str(tmp_path / "disk"))
    made = imported(workspace, tmp_path / "disk")
    assert made.record["counts"] == {"train": {"real": 3, "fake": 3}, "test": {"real": 1, "fake": 1}}


def test_webdataset(workspace, tmp_path, loaded):
    put(tmp_path / "set", {})
    os.makedirs(tmp_path / "set", exist_ok=True)
    tarred(tmp_path / "set" / "train-0.tar", shard(3, 0, lambda fake: {"cls": str(fake)}))
    rows = datasets.load_dataset("webdataset", data_files={"train": str(tmp_path / "set" / "train-0.tar")}, cache_dir=str(tmp_path / "cache"))["train"]
    theirs = sorted((int(row["cls"]), row["png"].convert("RGB").tobytes()) for row in rows)
    made = imported(workspace, tmp_path / "set")
    assert ours(made)["train"] == theirs
    assert len(rows_of(made)) == 6
