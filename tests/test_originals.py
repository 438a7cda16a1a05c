"""What a file was before it was shrunk: recorded on import, kept by whatever makes a set of it, empty in older sets."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cifake_core.images.building import new_image_set
from cifake_core.images.codec import encode_png
from cifake_core.images.combining import CombineSets
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages
from cifake_core.images.preparing import Treatment
from cifake_core.images.schema import NewImage, Original
from cifake_core.step import Context
from cifake_core.store import artifacts
from tests.conftest import drawn


def photograph(width: int, height: int, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()


def test_size_format_tables_and_exif_are_those_of_the_file_before_it_was_shrunk(workspace):
    files = [photograph(80, 50), photograph(90, 60, orientation=6), encode_png(drawn(0, 3, 1))]
    rows = [NewImage(data, label=1) for data in files]
    known = new_image_set(workspace, "mixed", rows, treatment=Treatment(resize=True, jpeg=True)).manifest("train+validation")
    assert known[["original_width", "original_height"]].to_numpy().tolist() == [[80, 50], [60, 90], [32, 32]]
    assert known["original_format"].tolist() == ["JPEG", "JPEG", "PNG"]
    assert known["original_quantisation"].tolist() == ["quality 90", "quality 90", ""]
    assert known["original_exif"].tolist() == [True, True, False]
    assert known["original_bytes"].tolist() == [len(data) for data in files]
    assert set(known["format"]) == {"JPEG"}
    assert set(known["width"]) == {32}


def test_what_is_known_of_the_original_stays_when_a_set_is_combined_or_imported_again(workspace, tmp_path):
    fakes = [NewImage(photograph(80 + i, 50), label=1) for i in range(2)]
    new_image_set(workspace, "fakes", fakes, treatment=Treatment(resize=True))
    new_image_set(workspace, "reals", [NewImage(encode_png(drawn(0, 3, 1)), label=0)])
    CombineSets(("fakes", "reals"), "both").run(Context(workspace))
    ImportImages((str(workspace.image_sets / "both" / "train.parquet"),), "again").run(Context(workspace))
    for name in ("both", "again"):
        known = ImageSet.open(workspace, name).manifest("train+validation")
        assert known["original_width"].tolist() == [80, 81, 32]
        assert known["original_exif"].tolist() == [True, True, False]


def test_a_set_stored_before_there_were_such_columns_opens_and_they_say_not_known(workspace):
    made = new_image_set(workspace, "old", [NewImage(encode_png(drawn(0, 3, 1)), label=1, architecture="GAN")])
    table = pq.read_table(made.folder / "train.parquet")
    later = [name for name in table.column_names if name.startswith("original_")]
    pq.write_table(table.drop_columns([*later, "family"]), made.folder / "train.parquet")
    record = artifacts.read_json(made.folder / artifacts.RECORD)
    (made.folder / artifacts.RECORD).unlink()
    artifacts.write_record(made.folder, {k: v for k, v in record.items() if k != "sha256"}, ["train.parquet", "train-pixels.npy"])
    known = ImageSet.open(workspace, "old").manifest("train+validation")
    assert known["original_width"].tolist() == [0]
    assert known["original_format"].tolist() == [""]
    assert known["original_exif"].isna().all()
    assert known["family"].tolist() == ["GAN"]


def test_a_drawn_picture_has_a_size_and_no_file(workspace):
    assert Original.drawn({"original_size": [512, 384]}) == Original(512, 384)
    assert Original.drawn({}) is None
    row = {**Original(512, 384).as_columns()}
    assert Original.of_row(pa.table({name: [value] for name, value in row.items()}).to_pylist()[0]) == Original(512, 384)
