"""Rules of images that are easily broken unseen: identity, what the way in does to a file, whose predictions are read."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cifake_core.detectors import runs
from cifake_core.errors import Damaged
from cifake_core.evaluation import evaluating, many, over_seeds, scored, transforms
from cifake_core.images import codec, fingerprint
from cifake_core.images.building import new_image_set
from cifake_core.images.discarding import Discard
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages
from cifake_core.images.preparing import Treatment, prepared
from cifake_core.images.schema import NewImage, image_id
from cifake_core.images.splitting import validation_rows
from cifake_core.step import Context
from cifake_core.store import artifacts
from tests.conftest import drawn


def file_of(pixels: np.ndarray, format: str, **settings) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format=format, **settings)
    return out.getvalue()


# ---- identity


def test_an_image_is_known_by_every_pixel_and_its_shape():
    pixels = drawn(0, 0, 1)
    seen = {image_id(pixels)}
    for row, column, channel in ((0, 0, 0), (31, 31, 2), (17, 4, 1), (1, 30, 0)):
        other = pixels.copy()
        other[row, column, channel] ^= 1
        seen.add(image_id(other))
    assert len(seen) == 5
    assert image_id(np.zeros((2, 8, 3), np.uint8)) != image_id(np.zeros((4, 4, 3), np.uint8))
    assert image_id(np.asfortranarray(pixels)) == image_id(pixels)


def test_cifake_s_files_are_known_in_any_order_but_not_under_other_labels_or_splits():
    images = [NewImage(file_of(drawn(n % 2, 0, n), "PNG"), n % 2, n % 3, "train") for n in range(4)]

    def of(some) -> str:
        found = fingerprint.Fingerprint()
        for image in some:
            found.add(image)
        return found.hexdigest()

    assert of(images) == of(images[::-1])
    for change in ({"label": 1}, {"class_label": 5}, {"split": "test"}, {"data": images[1].data}):
        assert of(images) != of([replace(images[0], **change), *images[1:]])
    assert of(images) != of(images[:3])
    assert of(images) != of([*images, images[0]])


# ---- the way in


def test_a_png_is_turned_upright_as_its_exif_says():
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    found = codec.decode_file(file_of(pixels, "PNG", exif=exif))
    assert np.array_equal(found.pixels, np.rot90(pixels, -1))
    assert (found.original.width, found.original.height) == (8, 16)
    flat = codec.decode_file(file_of(pixels, "PNG"))
    assert (flat.original.width, flat.original.height) == (16, 8)


@pytest.mark.parametrize(("format", "jpeg", "stored"), [("JPEG", False, "JPEG"), ("PNG", False, "PNG"), ("PNG", True, "JPEG"), ("JPEG", True, "JPEG")])
def test_what_is_shrunk_keeps_its_kind_of_compression(format, jpeg, stored):
    large = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    data = file_of(large, format)
    found = prepared(NewImage(data, 0), Treatment(resize=True, jpeg=jpeg))
    small = codec.shrink(codec.decode(data))
    expected = codec.encode_jpeg(small) if stored == "JPEG" else codec.encode_png(small)
    assert (found.format, found.image.data, found.resized) == (stored, expected, True)
    assert found.image.provenance["resized_from"] == [96, 64]
    assert np.array_equal(found.pixels, codec.decode(expected).transpose(2, 0, 1))


def test_a_jpeg_of_the_right_size_is_never_compressed_again():
    data = file_of(drawn(0, 0, 1), "JPEG", quality=60)
    assert prepared(NewImage(data, 0), Treatment(jpeg=True)).image.data == data
    png = file_of(drawn(0, 0, 1), "PNG")
    assert prepared(NewImage(png, 0), Treatment()).image.data == png
    assert prepared(NewImage(png, 0), Treatment(jpeg=True)).image.data == codec.encode_jpeg(drawn(0, 0, 1))


def test_the_maker_a_user_names_is_that_of_the_fakes_alone_and_the_split_that_of_all(workspace, tmp_path):
    for label, word in enumerate(("REAL", "FAKE")):
        (tmp_path / "in" / word).mkdir(parents=True)
        for n in range(2):
            (tmp_path / "in" / word / f"a{n}.png").write_bytes(file_of(drawn(label, 0, n), "PNG"))
    ImportImages((str(tmp_path / "in"),), "named", generator="mine").run(Context(workspace))
    ImportImages((str(tmp_path / "in"),), "tested", split="test").run(Context(workspace))
    assert ImageSet.open(workspace, "tested").record["rows"] == {"test": 4}  # by the user's word, else it is train
    manifest = ImageSet.open(workspace, "named").manifest("train+validation")
    assert dict(zip(manifest["label"], manifest["generator"], strict=True)) == {0: "", 1: "mine"}


def test_every_copy_of_a_discarded_image_goes_and_the_others_stay(workspace):
    numbers = [0, 1, 2, 1, 3, 1]
    new_image_set(workspace, "all", [NewImage(file_of(drawn(0, 0, n), "PNG"), 0, split="train" if i < 4 else "test") for i, n in enumerate(numbers)])
    gone = image_id(drawn(0, 0, 1))
    Discard("all", (gone,), "fewer").run(Context(workspace))
    kept = ImageSet.open(workspace, "fewer")
    assert kept.manifest("train+validation")["image_id"].tolist() == [image_id(drawn(0, 0, n)) for n in (0, 2)]
    assert kept.manifest("test")["image_id"].tolist() == [image_id(drawn(0, 0, 3))]


def test_a_part_s_pixels_labels_and_files_are_of_the_same_images_and_validation_is_the_small_part(workspace):
    images = [NewImage(file_of(drawn(n % 2, n % 5, n), "PNG"), n % 2, n % 5, "test" if n % 4 == 0 else "train") for n in range(80)]
    made = new_image_set(workspace, "parts", images)
    of_split = {split: [image for image in images if image.split == split] for split in ("train", "test")}
    assert (len(made.part("train")), len(made.part("validation")), len(made.part("test"))) == (50, 10, 20)
    for name in ("train", "validation", "test", "train+validation"):
        part, split = made.part(name), "test" if name == "test" else "train"
        for place, row in enumerate(part.rows.tolist()):
            there = of_split[split][row]
            assert np.array_equal(part.pixels[place].transpose(1, 2, 0), codec.decode(there.data))
            assert (part.labels[place], part.class_labels[place]) == (there.label, there.class_label)
            assert part.image_ids[place] == image_id(codec.decode(there.data))


def test_validation_is_drawn_and_not_the_first_images_of_a_class():
    manifest = pd.DataFrame({"image_id": [f"{n:03d}" for n in range(200)], "label": 0, "class_label": 0})
    held = np.flatnonzero(validation_rows(manifest))
    assert len(held) == 20
    assert 60 < held.mean() < 140
    assert not np.array_equal(held, np.flatnonzero(validation_rows(manifest, seed=1)))


# ---- whose predictions


def test_predictions_of_other_images_are_refused_and_outcomes_named(workspace):
    images = new_image_set(workspace, "six", [NewImage(file_of(drawn(n % 2, 0, n), "PNG"), n % 2, 0, "test") for n in range(4)])
    ids = images.manifest("test")["image_id"]
    table = pd.DataFrame({"image_id": ids, "logit": [1.0, 1.0, -1.0, -1.0]})
    run = SimpleNamespace(dataset="six", id="a-run", predictions=lambda split: table)
    found = evaluating.predictions(workspace, run, "test")
    assert found["outcome"].tolist() == ["FP", "TP", "TN", "FN"]  # real, fake, real, fake
    assert found["verdict"].tolist() == [1, 1, 0, 0]
    run.predictions = lambda split: table.iloc[::-1]
    with pytest.raises(Damaged, match="not of the images now in"):
        evaluating.predictions(workspace, run, "test")


@pytest.fixture
def runs_of_two(lab):
    """The lab's run of one topology, one of the same topology with other settings, and one on other images."""
    first = runs.runs(lab)[0]
    files = [name for name in first.record["sha256"] if (first.folder / name).exists()]
    for name, change in (("others", {"dataset_digest": "0" * 64}), ("longer", {"settings": first.record["settings"] | {"epochs": 99, "seed": 1}})):
        folder = lab.runs / f"{first.topology}-s1-{name:0>10}"
        folder.mkdir()
        for file in files:
            (folder / file).write_bytes((first.folder / file).read_bytes())
        artifacts.write_record(folder, {**first.record, **change, "id": folder.name}, files)
    return first


def test_other_seeds_are_of_the_same_request_and_comparable_runs_of_the_same_images(lab, runs_of_two):
    assert over_seeds.other_seeds(lab, runs_of_two, "test") is None  # another number of epochs is no seed of this
    names = {run.id for run in many.comparable(lab, scored.scored(lab, runs_of_two))}
    assert any("longer" in name for name in names)
    assert not any("others" in name for name in names)


# ---- what robustness does to pictures


def test_each_picture_gets_noise_of_its_own():
    same = np.full((2, 3, 32, 32), 128, np.uint8)
    one, other = transforms.noise(same, 8, seed=1)
    assert not np.array_equal(one, other)


def test_resizing_by_a_factor_goes_through_that_size_antialiased():
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32)).astype(np.uint8)
    small = Image.fromarray(picture[0].transpose(1, 2, 0)).resize((16, 16), Image.Resampling.BICUBIC)
    again = np.asarray(small.resize((32, 32), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.abs(transforms.resize(picture, 0.5)[0].astype(int) - again).max() <= 2
