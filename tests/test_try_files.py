"""Files and folders given to `try` and to its page: which are tried, what they are called, and what is said of the others."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cifake_core.cli import app
from cifake_core.cli.tried import pictures_in
from cifake_core.detectors import runs
from cifake_core.images.codec import encode_png
from pages.look.trial import source
from tests.conftest import drawn


def heic(path: Path) -> None:
    out = io.BytesIO()
    Image.fromarray(drawn(0, 3, 1).repeat(4, 0).repeat(4, 1)).save(out, "HEIF")
    path.write_bytes(out.getvalue())


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("a", "b/deep", ".hidden"):
        (tmp_path / "set" / name).mkdir(parents=True)
    for number, name in enumerate(("a/1.png", "b/deep/1.png", "b/2.PNG", "plain")):
        (tmp_path / "set" / name).write_bytes(encode_png(drawn(number % 2, 3, number)))
    heic(tmp_path / "set" / "phone.heic")
    (tmp_path / "set" / "notes.txt").write_text("no picture")
    (tmp_path / "set" / ".hidden" / "x.png").write_bytes(b"")
    return tmp_path / "set"


def test_every_picture_of_a_folder_is_found_and_files_of_one_name_are_told_apart_by_their_folders(folder):
    found, left_out = pictures_in([folder, folder / "a" / "1.png"])
    assert [name for _, name in found] == ["a/1.png", "2.PNG", "deep/1.png", "phone.heic", "plain"]
    assert all(path.is_file() for path, _ in found)
    assert left_out == 2


def test_names_grow_until_they_differ_and_are_safe_to_print(tmp_path):
    for name in ("x/s/1.png", "y/s/1.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    assert [name for _, name in pictures_in([tmp_path / "x", tmp_path / "y"])[0]] == ["x/s/1.png", "y/s/1.png"]
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.png"))
    odd.write_bytes(b"")
    assert pictures_in([odd])[0][0][1] == "caf\\xe9\\n.png"


def test_a_folder_is_judged_picture_by_picture_heic_too_and_a_refusal_is_one_sentence(lab, folder):
    run = runs.runs(lab)[0]
    (folder / "broken.jpg").write_bytes(b"<html>404</html>")
    said = CliRunner().invoke(app, ["try", str(folder), str(folder / "gone.png"), "--run", run.id])
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    assert any(line.startswith("phone.heic: ") and "shrunk from 128 × 128" in line for line in lines)
    assert any(line.startswith("deep/1.png: ") for line in lines)
    assert [line for line in lines if line.startswith("gone.png")] == ["gone.png cannot be read (No such file or directory); check the path."]
    assert sum("broken.jpg" in line for line in lines) == 1
    assert "2 other files in the folders are no pictures." in lines


def test_a_folder_without_pictures_is_refused_in_one_sentence(lab, tmp_path):
    (tmp_path / "empty").mkdir()
    said = CliRunner().invoke(app, ["try", str(tmp_path / "empty"), "--run", runs.runs(lab)[0].id])
    assert said.exit_code != 0
    assert "No picture lies in empty" in str(said.exception or said.output)


def test_uploads_of_one_name_are_numbered_since_a_browser_does_not_say_their_folders():
    assert source.told_apart(["1.png", "1.png", "2.png", "1.png"]) == ["1.png", "1.png (2)", "2.png", "1.png (3)"]
    assert source.told_apart(["a/1.png", "b/1.png"]) == ["a/1.png", "b/1.png"]
    assert np.unique(source.told_apart(["x"] * 5)).size == 5
