"""Zip archives as a source: CIFAKE's layout, and everything a hostile archive may try."""

import stat
import struct
import time
import warnings
import zipfile

import pytest

from cifake_core.errors import BadInput
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages
from cifake_core.images.sources import archive
from cifake_core.step import Context
from tests.image_files import jpeg, png
from tests.test_images_sources import OFFICIAL, folder_of


def packed(path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as made:
        warnings.simplefilter("ignore")  # zipfile warns of the duplicates made on purpose
        for name, data in files.items():
            made.writestr(name, data)
    return path


def imported(workspace, path, **options) -> ImageSet:
    ImportImages((str(path),), "zip", **options).run(Context(workspace))
    return ImageSet.open(workspace, "zip")


def test_the_official_archive_gives_the_same_set_as_the_official_folder(workspace, tmp_path):
    zipped = imported(workspace, packed(tmp_path / "cifake.zip", {f"CIFAKE-main/{n}": d for n, d in OFFICIAL.items()}))
    ImportImages((str(folder_of(tmp_path / "f", OFFICIAL)),), "folder").run(Context(workspace))
    folder = ImageSet.open(workspace, "folder")
    assert zipped.digest == folder.digest
    assert zipped.record["fingerprint"] == folder.record["fingerprint"]
    assert zipped.part("train+validation").class_labels.tolist() == [1, 9, 0]


def test_other_files_figures_and_nested_archives_are_left_alone(workspace, tmp_path):
    inner = packed(tmp_path / "inner.zip", {"real/x.png": png(9)}).read_bytes()
    files = {"a/real/1.png": png(1), "a/fake/2.png": png(2), "a/README.md": b"x", "a/inner.zip": inner, "a/figure.png": b"?"}
    made = imported(workspace, packed(tmp_path / "x.zip", files))
    assert made.record["counts"] == {"train": {"real": 1, "fake": 1}}
    left_out = made.record["source"]["account"]["left_out"]
    assert {reason: entry["examples"] for reason, entry in left_out.items()} == {
        "archives inside, not unpacked": ["a/inner.zip"], "not a picture by their suffix": ["a/README.md"], "in no folder that says real or fake": ["a/figure.png"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["../real/x.png", "a/../../real/x.png", "/real/x.png", "C:\\real\\x.png", "C:/real/x.png", "..\\real\\x.png", "\\\\host\\real\\x.png"]
)
def test_paths_that_lead_out_are_refused_and_nothing_is_written(workspace, tmp_path, name):
    before = sorted(tmp_path.rglob("*.png"))
    with pytest.raises(BadInput, match=r"leads out of the archive"):
        imported(workspace, packed(tmp_path / "x.zip", {"real/ok.png": png(1), name: png(2)}))
    assert sorted(tmp_path.rglob("*.png")) == before
    assert not workspace.image_sets.exists()


def test_links_in_an_archive_are_skipped(workspace, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as made:
        link = zipfile.ZipInfo("real/passwd.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
        made.writestr("real/ok.png", png(1))
    assert imported(workspace, tmp_path / "x.zip").manifest("train+validation")["path"].tolist() == ["real/ok.png"]


def test_a_bomb_is_refused_before_it_is_unpacked(workspace, tmp_path):
    bomb = packed(tmp_path / "x.zip", {"real/bomb.bmp": bytes(40 * 2**20)}, zipfile.ZIP_DEFLATED)
    started = time.perf_counter()
    with pytest.raises(BadInput, match="suspicious size"):
        imported(workspace, bomb)
    assert time.perf_counter() - started < 2


def test_too_many_or_too_large_entries_are_refused(workspace, tmp_path, monkeypatch):
    path = packed(tmp_path / "x.zip", {f"real/{i}.png": png(i) for i in range(12)})
    monkeypatch.setattr(archive, "MAX_ENTRIES", 10)
    with pytest.raises(BadInput, match="12 entries"):
        imported(workspace, path)
    monkeypatch.setattr(archive, "MAX_ENTRIES", 100)
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 10_000)
    with pytest.raises(BadInput, match="too much"):
        imported(workspace, path)
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 10**9)
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 1000)
    with pytest.raises(BadInput, match="more than"):
        imported(workspace, path)


def end_record(entries: int, directory_bytes: int) -> bytes:
    return struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, entries & 0xFFFF, entries & 0xFFFF, directory_bytes, 0, 0)


def test_a_million_entries_are_refused_by_the_end_record_alone_without_reading_the_table(workspace, tmp_path):
    table = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**6, 10**6, 50 * 10**6, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    path = tmp_path / "x.zip"
    path.write_bytes(table + locator + end_record(0xFFFF, 0xFFFFFFFF))
    with pytest.raises(BadInput, match="1,000,000 entries"):
        imported(workspace, path)
    path.write_bytes(end_record(3, 200 * 2**20))  # few entries announced, but a table of 200 MiB
    with pytest.raises(BadInput, match="entries"):
        imported(workspace, path)


def test_a_64_bit_archive_is_read_and_counted_right(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 5)  # zipfile then writes the form for more than 65,535 entries
    path = packed(tmp_path / "x.zip", {f"real/{i}.png": png(i) for i in range(12)})
    assert b"PK\x06\x06" in path.read_bytes()
    assert archive._announced(path)[0] == 12
    assert imported(workspace, path).record["rows"] == {"train": 12}


def test_an_encrypted_archive_a_doubled_entry_and_damage_are_named(workspace, tmp_path):
    data = bytearray(packed(tmp_path / "x.zip", {"real/a.png": png(1)}).read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1  # the flag in the table of contents
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(BadInput, match="encrypted"):
        imported(workspace, tmp_path / "locked.zip")

    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "twice.zip", "w") as made:
        warnings.simplefilter("ignore")
        made.writestr("real/a.png", png(1))
        made.writestr("real/a.png", png(2))
    with pytest.raises(BadInput, match="twice"):
        imported(workspace, tmp_path / "twice.zip")

    whole = packed(tmp_path / "y.zip", {"real/a.png": png(1)}).read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 1
    for name, content in {"flipped": flipped, "cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}.items():
        (tmp_path / f"{name}.zip").write_bytes(content)
        with pytest.raises(BadInput, match="damaged"):
            imported(workspace, tmp_path / f"{name}.zip")
    assert not workspace.image_sets.exists() or list(workspace.image_sets.iterdir()) == []


def test_names_that_differ_only_in_case_are_two_images(workspace, tmp_path):
    made = imported(workspace, packed(tmp_path / "x.zip", {"real/a.jpg": jpeg(1), "REAL/A.jpg": jpeg(2)}))
    assert made.record["counts"]["train"]["real"] == 2
