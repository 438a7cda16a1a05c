"""Export mirrors import: what goes out comes in again as the same set, and what a form cannot say is named."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from cifake_core.errors import BadInput
from cifake_core.images import exporting
from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_jpeg, encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages
from cifake_core.images.schema import NewImage, Original
from cifake_core.step import Context
from tests.conftest import drawn

EVERYTHING = (
    "image_id", "label", "class_label", "split", "generator", "prompt", "architecture", "family", "real_source", "subset", "validation",
    "original_width", "original_height", "original_bytes", "original_format", "original_quantisation",
)  # fmt: skip


def picture(number: int, label: int, split: str, **known) -> NewImage:
    pixels = drawn(label, number % 10, 1000 * (split == "test") + number)
    data = encode_jpeg(pixels) if number % 2 else encode_png(pixels)
    return NewImage(data, label=label, class_label=number % 10, split=split, **known)


def rich(workspace, name: str = "rich") -> ImageSet:
    """Reals and fakes in no order, with all that can be known of an image, in two splits; some classes are unknown."""
    rows = []
    for split, count in (("train", 14), ("test", 7)):
        for n in range(count):
            if n % 3 == 0:
                rows.append(picture(n, 0, split, real_source="a camera, \"new\"", validation=split == "train" and n == 3))
            else:
                made = {"steps": n, "words": "ü, \n"}
                rows.append(
                    picture(n, 1, split, generator=f"maker/{n % 2}", prompt=f"a cat, \"{n}\"\nat night", seed=2**40 + n, provenance=made,
                            architecture="GAN", family="old", subset="Manual", original=Original(500 + n, 400, 9000, "JPEG", "quality 90", True))
                )  # fmt: skip
    rows[5] = replace(rows[5], class_label=-1)
    return new_image_set(workspace, name, rows)


def there_and_back(images: ImageSet, form: str, workspace, tmp_path: Path, name: str = "back", **answers) -> ImageSet:
    path = tmp_path / exporting.file_name(images, form)
    exporting.export(images, form, path)
    ImportImages((str(path),), name, **answers).run(Context(workspace))
    return ImageSet.open(workspace, name)


def known_of(images: ImageSet, split: str):
    return images.manifest("test" if split == "test" else "train+validation")


@pytest.mark.parametrize("form", ["parquet", "imagefolder"])
def test_a_set_comes_back_the_same_in_every_column_and_with_its_digest(form, workspace, tmp_path):
    images = rich(workspace)
    assert exporting.not_carried(images, form) == []
    back = there_and_back(images, form, workspace, tmp_path)
    assert back.digest == images.digest
    assert back.record["source"]["account"]["imported"] == 21
    for split in ("train", "test"):
        before, after = known_of(images, split), known_of(back, split)
        for column in EVERYTHING:
            assert after[column].tolist() == before[column].tolist(), column
        assert after["seed"].fillna(-1).tolist() == before["seed"].fillna(-1).tolist()
        assert after["original_exif"].astype(str).tolist() == before["original_exif"].astype(str).tolist()
        assert [json.loads(text) for text in after["provenance"]] == [json.loads(text) for text in before["provenance"]]
        rows = range(len(before))
        assert back.encoded_rows(split, rows) == images.encoded_rows(split, rows)


def test_cifakes_layout_says_split_label_and_class_and_names_what_it_cannot(workspace, tmp_path):
    images = rich(workspace)
    assert exporting.not_carried(images, "cifake") == [
        "generator", "prompt", "seed", "architecture", "family", "real_source", "subset", "provenance", "validation", "order",
    ]  # fmt: skip
    back = there_and_back(images, "cifake", workspace, tmp_path)
    for split in ("train", "test"):
        columns = ["image_id", "label", "class_label"]
        before, after = (known_of(one, split)[columns].sort_values("image_id").to_numpy().tolist() for one in (images, back))
        assert after == before
    assert exporting.not_carried(back, "cifake") == []
    again = there_and_back(back, "cifake", workspace, tmp_path, "again")
    assert again.digest == back.digest


@pytest.mark.parametrize("classes", [range(10), [0], [-1], [-1, 3]])
def test_every_class_survives_cifakes_layout_whichever_there_are(classes, workspace, tmp_path):
    rows = [replace(picture(n, label, "train"), class_label=list(classes)[n % len(classes)]) for label in (1, 0) for n in range(20)]
    images = new_image_set(workspace, "some", rows)
    back = there_and_back(images, "cifake", workspace, tmp_path)
    before, after = (sorted(known_of(one, "train")[["image_id", "class_label"]].to_numpy().tolist()) for one in (images, back))
    assert after == before


def test_pngs_come_back_with_label_and_class_pixel_for_pixel(workspace, tmp_path):
    images = rich(workspace)
    back = there_and_back(images, "png", workspace, tmp_path)
    for split in ("train", "test"):
        columns = ["image_id", "label", "class_label"]
        before, after = (known_of(one, split)[columns].sort_values("image_id").to_numpy().tolist() for one in (images, back))
        assert after == before


def test_names_of_labels_and_classes_stand_in_every_export(workspace, tmp_path):
    images = rich(workspace)
    for form in exporting.FORMS:
        exporting.export(images, form, tmp_path / f"{form}.zip")
    with zipfile.ZipFile(tmp_path / "imagefolder.zip") as packed:
        text = packed.read("train/metadata.csv").decode()
        assert text.startswith("file_name,label,class_name,generator,prompt,seed")
        assert "000000.png,real,airplane" in text
    for form, name in (("cifake", "train/REAL/airplane/0000.png"), ("png", "train/real/airplane/00000.png")):
        with zipfile.ZipFile(tmp_path / f"{form}.zip") as packed:
            assert name in packed.namelist()


def test_the_parquet_export_is_what_the_fields_own_library_reads(workspace, tmp_path, monkeypatch):
    import datasets

    images = rich(workspace)
    exporting.export(images, "parquet", tmp_path / "set.zip")
    with zipfile.ZipFile(tmp_path / "set.zip") as packed:
        assert packed.namelist() == ["README.md", "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"]
        packed.extractall(tmp_path / "repository")
    told = json.loads(pq.read_schema(tmp_path / "repository" / "data" / "test-00000-of-00001.parquet").metadata[b"huggingface"])
    assert told["info"]["features"]["label"]["names"] == ["real", "fake"]  # in the file itself too: it may be passed on alone
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    told = json.loads(pq.read_schema(tmp_path / "repository" / "data" / "train-00000-of-00001.parquet").metadata[b"huggingface"])
    assert told["info"]["features"]["label"] == {"names": ["real", "fake"], "_type": "ClassLabel"}
    read = datasets.load_dataset(str(tmp_path / "repository"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in read.items()} == {"train": 14, "test": 7}
    assert read["train"].features["label"].names == ["real", "fake"]
    assert read["train"].features["class_label"].int2str(3) == "cat"
    assert np.array_equal(np.array(read["test"][2]["image"].convert("RGB")).transpose(2, 0, 1), images.pixels("test")[2])


def test_the_imagefolder_export_is_what_the_fields_own_library_reads(workspace, tmp_path):
    import datasets

    images = rich(workspace)
    exporting.export(images, "imagefolder", tmp_path / "set.zip")
    with zipfile.ZipFile(tmp_path / "set.zip") as packed:
        packed.extractall(tmp_path / "folder")
    read = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "folder"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in read.items()} == {"train": 14, "test": 7}
    assert read["train"][1]["label"] == "fake"
    assert read["train"][1]["generator"] == "maker/1"


def test_the_card_says_counts_generators_and_where_it_came_from_and_its_head_is_yaml(workspace, tmp_path):
    images = new_image_set(workspace, "card", [picture(n, n % 2, "train", generator="<b>|x" * (n % 2)) for n in range(6)], note="of *ours*")
    exporting.export(images, "parquet", tmp_path / "set.zip")
    with zipfile.ZipFile(tmp_path / "set.zip") as packed:
        _, head, body = packed.read("README.md").decode().split("---\n", 2)
    told = yaml.safe_load(head)
    label = next(feature for feature in told["dataset_info"]["features"] if feature["name"] == "label")
    assert label["dtype"]["class_label"]["names"] == {"0": "real", "1": "fake"}
    assert told["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}]
    assert "| train | 3 | 3 |" in body
    assert r"\<b\>\|x: 3" in body
    assert images.digest in body
    assert r"of \*ours\*" in body


def test_an_export_is_the_same_bytes_every_time_and_the_job_says_what_is_missing(workspace, tmp_path):
    images = rich(workspace)
    for form in exporting.FORMS:
        exporting.export(images, form, tmp_path / "a")
        exporting.export(images, form, tmp_path / "b")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes(), form
    result = exporting.Export("rich", "cifake").run(Context(workspace))
    assert "prompt" in result["not_carried"]
    assert exporting.Export("rich", "parquet").run(Context(workspace))["not_carried"] == []
    with pytest.raises(BadInput, match="no export 'x'"):
        exporting.Export("rich", "x")
