"""The import form of the Data page: what it shows of a source before anything is stored, and what it asks the job for."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from cifake_core.images.codec import encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages
from cifake_core.jobs import queue
from cifake_core.step import Context
from pages.build.sets.import_preview import on_page
from tests.conftest import drawn
from tests.test_pages import PATIENCE_S, ROOT, everything_said


@pytest.fixture
def allowed(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    monkeypatch.setenv("CIFAKE_IMPORT_ROOTS", str(folder))
    return folder


@pytest.fixture
def submitted(monkeypatch) -> list[dict]:
    """Arguments of the imports the page asks for; none of them runs."""
    given = []
    plain = queue.submit
    monkeypatch.setattr(queue, "submit", lambda *a, **k: given.append(a[2]) or plain(*a, **k, start=False))
    return given


def pictures(folder: Path, count: int = 3, seed: int = 0, side: int = 32) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = drawn(seed % 2, number, seed * 100 + number)
        (folder / f"{number}.png").write_bytes(encode_png(pixels.repeat(side // 32, 0).repeat(side // 32, 1)))
    return folder


def shown(source: str, **widgets: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE_S).run()
    app.query_params.update({"data_from": "From this server", "data_path": source, **widgets})
    app = app.switch_page("pages/build/data.py").run()
    assert not app.exception, app.exception[0].message
    return app


def pressed(app: AppTest) -> AppTest:
    app.button(key="data_import_now").click().run()
    assert not app.exception, app.exception[0].message
    return app


def test_a_folder_is_shown_before_it_is_imported_and_one_press_asks_for_what_was_shown(workspace, allowed, submitted):
    pictures(allowed / "set" / "real", 4)
    pictures(allowed / "set" / "fake", 3, seed=1)
    (allowed / "set" / "notes.txt").write_text("no picture")
    app = shown("set")
    said = everything_said(app)
    assert "**:blue[real]** · 4 pictures" in said.replace("real-text", "blue") or "4 pictures" in said
    assert "Seen **8** files and rows: **7** to be imported, unless one turns out broken, **1** left out." in said
    assert len(app.get("image")) >= 7
    assert not submitted
    assert not ImageSet.list(workspace)
    pressed(app)
    assert submitted == [{"sources": [str(allowed / "set")], "name": "set", "resize": False, "jpeg": False, "link_roots": [str(allowed)]}]
    ImportImages(**submitted[0]).run(Context(workspace))
    assert ImageSet.open(workspace, "set").record["counts"] == {"train": {"real": 4, "fake": 3}}


def test_names_that_say_nothing_are_sorted_by_the_user_and_nothing_can_be_imported_before(workspace, allowed, submitted):
    rows = [{"bytes": encode_png(drawn(n % 2, 0, n)), "path": None} for n in range(6)]
    features = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["quagga", "zebra"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())])), "label": [0, 1] * 3})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), allowed / "train.parquet")
    app = shown("train.parquet")
    assert app.button(key="data_import_now").disabled
    assert "quagga" in everything_said(app)
    app.button(key="data_sort_fake_quagga").click().run()
    assert app.button(key="data_import_now").disabled
    app.button(key="data_sort_real_zebra").click().run()
    assert app.multiselect(key="data_names_fake").value == ["quagga"]
    assert not app.button(key="data_import_now").disabled
    pressed(app)
    assert (submitted[0]["real"], submitted[0]["fake"]) == (["zebra"], ["quagga"])
    ImportImages(**submitted[0]).run(Context(workspace))
    known = ImageSet.open(workspace, submitted[0]["name"]).manifest("train+validation")
    assert known["label"].tolist() == [1, 0] * 3


def test_the_convention_of_bare_numbers_is_said_and_can_be_turned_round(workspace, allowed, submitted):
    rows = [{"bytes": encode_png(drawn(n % 2, 0, n)), "path": None} for n in range(6)]
    images = pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(pa.table({"image": images, "label": [0, 1] * 3}), allowed / "numbers.parquet")
    app = shown("numbers.parquet")
    assert any("0 was read as real and 1 as fake" in info.value.replace("\\", "") for info in app.info)
    app.segmented_control(key="data_numbers").set_value("0 is fake, 1 is real").run()
    pressed(app)
    assert submitted[0]["label_names"] == ["fake", "real"]
    ImportImages(**submitted[0]).run(Context(workspace))
    assert ImageSet.open(workspace, "numbers").manifest("train+validation")["label"].tolist() == [1, 0] * 3


def test_numbered_folders_are_asked_about_with_pictures_of_each(workspace, allowed, submitted):
    for name in ("0", "1"):
        pictures(allowed / "set" / name, 3, seed=int(name))
    app = shown("set")
    assert app.button(key="data_import_now").disabled
    assert len(app.get("image")) == 6
    app.button(key="data_sort_real_1").click().run()
    app.button(key="data_sort_fake_0").click().run()
    pressed(app)
    ImportImages(**submitted[0]).run(Context(workspace))
    known = ImageSet.open(workspace, "set").manifest("train+validation")
    assert dict(zip(known["path"].str[0], known["label"], strict=True)) == {"0": 1, "1": 0}


def test_other_sizes_ask_for_shrinking_by_the_name_of_its_switch(workspace, allowed, submitted):
    pictures(allowed / "set" / "real", 3, side=64)
    pictures(allowed / "set" / "fake", 3, seed=1, side=64)
    app = shown("set")
    assert app.button(key="data_import_now").disabled
    assert "Shrink images that are not 32 × 32" in everything_said(app).replace("\\", "")
    assert "--resize" not in everything_said(app).replace("\\", "")
    app.checkbox(key="data_resize").check().run()
    pressed(app)
    assert submitted[0]["resize"] is True


def test_one_label_alone_is_a_warning_before_and_after(workspace, allowed, submitted):
    pictures(allowed / "set" / "real", 3)
    app = shown("set")
    assert any("Only real pictures" in warning.value for warning in app.warning)
    pressed(app)
    ImportImages(**submitted[0]).run(Context(workspace))
    after = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE_S).run().switch_page("pages/build/data.py").run()
    assert any("Only real pictures" in warning.value for warning in after.warning)


def test_a_source_that_is_not_there_or_outside_is_one_sentence(workspace, allowed, tmp_path):
    shutil.copytree(pictures(allowed / "set" / "real").parent, tmp_path / "outside")
    for source in ("nothing", str(tmp_path / "outside")):
        app = shown(source)
        assert len(app.error) == 1
        assert "Nothing that may be imported lies there" in app.error[0].value


def test_options_of_the_command_line_are_called_as_the_widgets_are():
    assert on_page("'a', 'b' say neither; say which is which, for example --real 'a' --fake 'b'.") == (
        "'a', 'b' say neither; say which is which, for example the two lists of names."
    )
    assert on_page("name it with --columns label=COLUMN, or add --label real or --label fake.") == (
        "name it with “Columns of a table or list”, or add “Labels: all are real” or “Labels: all are fake”."
    )
    assert on_page("if it is the other way, add --label-names fake,real.") == "if it is the other way, add “What the label numbers mean”."
    assert "--" not in on_page("--validation keep holds them apart, --validation test makes them the test split; --resize, --strict")
