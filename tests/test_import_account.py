"""Nothing is lost without a word: every file seen is imported or left out for a counted reason; links, names, one label, previews."""

import json
import os

import pytest
from typer.testing import CliRunner

from cifake_core.cli import app
from cifake_core.errors import BadInput
from cifake_core.images.importing import ImportImages, described
from cifake_core.images.preview import SAMPLES, preview
from cifake_core.images.sources.account import Account, printable, sentences, storable
from cifake_core.step import Context
from tests.image_files import png as sized_png
from tests.import_truth import cells, counts, imported, pairs, png, put, rows_of, run, table


def left(result: dict) -> dict[str, int]:
    return {reason: entry["count"] for reason, entry in result["account"]["left_out"].items()}


def test_every_kind_of_file_is_imported_or_counted_with_its_reason(workspace, tmp_path):
    source = put(tmp_path / "mine", {
        **pairs(2, "real", "fake"), "real/.DS_Store": b"x", "__MACOSX/real/._a.png": b"x", "fake/Thumbs.db": b"x", "notes.txt": b"x",
        "raw.psd": b"8BPS", "more.zip": b"PK", "cover.png": png(50, 0), "real/empty.jpg": b"", "fake/page.jpg": b"<html>", "fake/cut.png": png(60, 1)[:900],
    })  # fmt: skip
    os.symlink("/nowhere/a.png", source / "real" / "gone.png")
    os.mkfifo(source / "real" / "pipe.png")
    result = run(workspace, source)
    assert left(result) == {
        "hidden or system files": 3, "not a picture by their suffix": 2, "archives inside, not unpacked": 1, "in no folder that says real or fake": 1,
        "broken": 3, "links to nothing": 1, "not readable": 1,
    }  # fmt: skip
    assert result["account"]["imported"] == 4
    assert result["account"]["seen"] == 16 == 4 + sum(left(result).values())
    assert result["left_out"] == 12
    broken = result["account"]["left_out"]["broken"]["examples"]
    assert [name.partition(" (")[0] for name in broken] == ["fake/cut.png", "fake/page.jpg", "real/empty.jpg"]


def test_the_account_is_told_in_lines_with_at_most_five_examples():
    account = Account(seen=9, imported=2)
    for i in range(7):
        account.leave(f"{i}.txt", "not read", "why" if not i else "")
    assert sentences(account.as_dict()) == ["Seen 9: 2 imported, 7 left out.", "  7 not read: 0.txt (why), 1.txt, 2.txt, 3.txt, 4.txt, …"]


def test_strict_refuses_and_names_every_broken_file_at_once(workspace, tmp_path):
    source = put(tmp_path / "mine", {**pairs(2, "real", "fake"), "real/empty.jpg": b"", "fake/page.jpg": b"<html>"})
    with pytest.raises(BadInput, match=r"2 files cannot be imported: fake/page.jpg \(not a .*\), real/empty.jpg \(empty \(0 bytes\)\); mend"):
        run(workspace, source, strict=True)
    assert not (workspace.image_sets / "set").exists()
    assert counts(imported(workspace, source)) == {"train": (2, 2)}


def test_a_source_of_broken_files_only_says_what_is_wrong_with_them(workspace, tmp_path):
    with pytest.raises(BadInput, match=r"None of the 2 pictures can be imported \(1 not a picture by their suffix: a.txt; 1 broken: real/x.jpg"):
        run(workspace, put(tmp_path / "mine", {"real/x.jpg": b"", "a.txt": b""}))


def test_a_set_of_one_label_says_so_first_in_json_terminal_and_on_every_listing(workspace, tmp_path):
    source = put(tmp_path / "mine", pairs(2, "a/real", "b/real"))
    said = CliRunner().invoke(app, ["import", str(source), "--name", "one"], color=True)
    first = said.stdout.splitlines()[0]
    assert "Warning: Only real pictures (4), no fake one" in first
    assert first.startswith("\x1b[33m")  # the yellow of a warning
    result = json.loads(CliRunner().invoke(app, ["datasets", "--json"]).stdout)["datasets"][0]
    assert result["warnings"] == ["Only real pictures (4), no fake one: check that nothing was left out; training needs both."]
    both = run(workspace, put(tmp_path / "both", pairs(1, "real", "fake")), name="both")
    assert both["warnings"] == []


def test_sets_that_earlier_versions_imported_are_still_described(workspace, tmp_path):
    made = imported(workspace, put(tmp_path / "mine", pairs(2, "real", "fake")))
    made.record["source"] = {"files": [{"name": "x", "kind": "folder", "images": 4, "left_out": 3}]}
    assert {key: described(made)[key] for key in ("left_out", "account", "conventions", "warnings")} == {
        "left_out": 3, "account": {}, "conventions": [], "warnings": [],
    }  # fmt: skip
    made.record["source"] = {}
    assert described(made)["left_out"] == 0


# ---- links


def hub_cache(root):
    """A repository as huggingface_hub caches it: pictures in blobs, links in snapshots, two revisions."""
    repository = root / "datasets--someone--set"
    for revision, n in (("0" * 40, 1), ("1" * 40, 2)):
        for name, data in pairs(n, "real", "fake").items():
            blob = f"{abs(hash((revision, name))):x}"
            put(repository / "blobs", {blob: data})
            link = repository / "snapshots" / revision / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"../../../blobs/{blob}")
    put(repository / "refs", {"main": "1" * 40})
    return repository


@pytest.mark.parametrize("inside", ["", f"snapshots/{'1' * 40}", f"snapshots/{'1' * 40}/../../snapshots"])
def test_a_hugging_face_cache_is_read_through_its_links_one_snapshot_only(workspace, tmp_path, inside):
    result = run(workspace, hub_cache(tmp_path) / inside)
    total = 4 if not inside.endswith("/../../snapshots") else 6  # given as a plain folder of both
    assert result["account"] == {"seen": total, "imported": total, "left_out": {}}


def test_links_are_followed_inside_the_folder_and_into_named_folders_only(workspace, tmp_path):
    pool = put(tmp_path / "far" / "pool", pairs(2, "REAL", "FAKE"))
    inside = put(tmp_path / "near" / "mine", pairs(1, "real", "fake", first=10))
    os.symlink(pool / "FAKE" / "000.png", inside / "fake" / "out.png")
    os.symlink(pool / "REAL", inside / "reals")
    os.symlink("../real/010.png", inside / "real" / "again.png")
    os.symlink(inside, inside / "real" / "loop")
    result = run(workspace, inside)
    assert left(result) == {"links that lead out of the source": 3}
    assert result["counts"] == {"train": {"real": 2, "fake": 1}}
    assert result["account"]["seen"] == 6
    wide = imported(workspace, inside, name="wide", link_roots=[str(tmp_path / "far")])
    assert {row["path"] for row in rows_of(wide)} == {"fake/010.png", "fake/out.png", "real/010.png", "real/again.png", "reals/000.png", "reals/001.png"}


def test_the_command_line_follows_links_to_what_lies_beside_the_folder(workspace, tmp_path):
    pool, half = put(tmp_path / "pool", pairs(2, "x/REAL", "x/FAKE")), put(tmp_path / "half", pairs(1, "real", "none", first=10))
    (half / "none" / "010.png").unlink()
    (half / "fake").mkdir()
    os.symlink("../../pool/x/FAKE/000.png", half / "fake" / "a.png")
    said = CliRunner().invoke(app, ["import", str(half), "--name", "half", "--json"])
    assert json.loads(said.stdout)["counts"] == {"train": {"real": 1, "fake": 1}}
    assert pool.exists()


# ---- names


def test_any_legal_file_name_is_imported_and_printed_on_one_line(workspace, tmp_path):
    source = put(tmp_path / "mine", pairs(1, "real", "fake"))
    for raw, i in ((b"caf\xe9 3.png", 20), (b"two\nlines.png", 21), ("naïve 猫.png".encode(), 22)):
        (source / "real" / "x").write_bytes(png(i, 0))
        os.rename(bytes(source / "real" / "x"), bytes(source / "real") + b"/" + raw)
    os.rename(bytes(put(tmp_path / "t", {"a": b"no"}) / "a"), bytes(source / "real") + b"/bad\n\xff.png")
    made = imported(workspace, source)
    assert {row["path"] for row in rows_of(made)} == {"fake/000.png", "real/000.png", "real/caf\\xe9 3.png", "real/two\nlines.png", "real/naïve 猫.png"}
    said = CliRunner().invoke(app, ["import", str(source), "--name", "again"])
    assert said.exit_code == 0
    assert "real/bad\\n\\xff.png (not a" in said.stdout
    assert storable("caf\udce9") == "caf\\xe9"
    assert printable("a\tb\x1b[0m\u202e") == "a\\tb\\x1b[0m\\u202e"


# ---- previews


def test_a_preview_says_what_would_be_imported_and_stores_nothing(workspace, tmp_path):
    files = {**pairs(5, "train/cat/0_real", "train/cat/1_fake"), **pairs(2, "val/lynx/0_real", "val/lynx/1_fake", first=50)}
    files |= {**pairs(3, "test/progan/0_real", "test/progan/1_fake", first=100), "notes.txt": b"x"}
    seen = preview(ImportImages((str(put(tmp_path / "mine", files)),), "x"), Context(workspace))
    assert seen.counts == {"train": {"real": 5, "fake": 5}, "validation": {"real": 2, "fake": 2}, "test": {"real": 3, "fake": 3}}
    assert list(seen.counts) == ["train", "validation", "test"]
    assert seen.names == {"0_real": {"label": "real", "images": 10}, "1_fake": {"label": "fake", "images": 10}}
    assert seen.classes == {"cat": 10, "lynx": 4}
    assert seen.generators == {"progan": 3}
    assert seen.sizes == {"real": {"32 × 32": 10}, "fake": {"32 × 32": 10}}
    assert seen.formats == {"real": {"PNG": 10}, "fake": {"PNG": 10}}
    assert seen.account["imported"] == 20
    assert seen.account["left_out"] == {"not a picture by their suffix": {"count": 1, "examples": ["notes.txt"]}}
    assert [len(samples) for samples in seen.samples.values()] == [SAMPLES, SAMPLES]
    assert all(sample.png.startswith(b"\x89PNG") and sample.label for samples in seen.samples.values() for sample in samples)
    assert "4 validation pictures join train" in seen.conventions[0]
    assert (seen.questions, seen.warnings) == ([], [])
    assert json.loads(json.dumps(seen.as_dict()))["samples"]["0_real"][0] == {"path": "test/progan/0_real/100.png", "label": "real"}
    assert not workspace.image_sets.exists()


def test_a_preview_holds_every_question_with_names_counts_and_samples(workspace, tmp_path):
    source = put(tmp_path / "mine", {**pairs(3, "quagga", "zebra"), "quagga/large.png": sized_png(1, 64, 48)})
    seen = preview(ImportImages((str(source),), "x"), Context(workspace))
    assert [question.topic for question in seen.questions] == ["labels", "size"]
    assert seen.questions[0].names == {"quagga": 4, "zebra": 3}
    assert "1 of 7 pictures looked at are not 32 × 32 (most often 48 × 64)" in seen.questions[1].sentence
    images, labels = cells(3)
    tabled = table(tmp_path / "x.parquet", {"image": images, "label": labels}, {"label": ["quagga", "zebra"]})
    seen = preview(ImportImages((str(tabled),), "x"), Context(workspace))
    assert seen.questions[0].names == {"quagga": 3, "zebra": 3}
    assert {name: len(samples) for name, samples in seen.samples.items()} == {"quagga": 3, "zebra": 3}
    assert seen.names == {"quagga": {"label": "", "images": 3}, "zebra": {"label": "", "images": 3}}
    answered = preview(ImportImages((str(source),), "x", real=("quagga",), fake=("zebra",), resize=True), Context(workspace))
    assert answered.questions == []
    assert answered.counts == {"train": {"real": 4, "fake": 3}}


def test_a_dry_run_prints_the_preview_and_imports_nothing(workspace, tmp_path):
    source = put(tmp_path / "mine", pairs(2, "quagga", "zebra"))
    said = CliRunner().invoke(app, ["import", str(source), "--dry-run"])
    assert said.exit_code == 0
    assert "Open: In 'mine', 'quagga', 'zebra' say neither real nor fake" in said.stdout
    assert said.stdout.splitlines()[-1] == "Nothing was imported."
    said = CliRunner().invoke(app, ["import", str(source), "--dry-run", "--json", "--real", "quagga", "--fake", "zebra"])
    assert json.loads(said.stdout)["counts"] == {"train": {"real": 2, "fake": 2}}
    assert not workspace.image_sets.exists()
    assert CliRunner().invoke(app, ["import", str(source)]).exit_code == 2  # no name
