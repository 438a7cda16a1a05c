"""Masks of a better model: three forms that say the same, files that lie, and the way to the test and its pictures."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cifake_core.detectors import runs
from cifake_core.errors import BadInput, Conflict, NotFound
from cifake_core.explanations import entity, given_masks, masks, studies
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context

TOP = np.arange(64)[:, None].repeat(64, 1) < 24  # of 64 × 64: the upper 12 rows of 32


def png(mask, scale=255):
    out = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * scale).save(out, "PNG")
    return out.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def npz(path: Path, **arrays) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_a_folder_a_zip_and_an_npz_say_the_same(tmp_path):
    (tmp_path / "a.png").write_bytes(png(TOP))
    forms = [
        tmp_path,
        zipped(tmp_path / "m.zip", {"masks/a.png": png(TOP), "read me.txt": b"hello"}),
        npz(tmp_path / "bool.npz", image_ids=np.array(["a"]), masks=TOP[None]),
        npz(tmp_path / "share.npz", image_ids=np.array(["a"]), masks=np.where(TOP, 0.7, 0.2)[None]),
        npz(tmp_path / "grey.npz", image_ids=np.array(["a"]), masks=np.where(TOP, 200, 90).astype(np.uint8)[None]),
        npz(tmp_path / "ones.npz", image_ids=np.array(["a"]), masks=TOP[None].astype(np.uint8)),
    ]
    for form in forms:
        found, known = given_masks.matched(given_masks.opened(form), np.array(["a", "b"]))
        assert known.tolist() == [True, False], form.name
        assert found[0, :12].all(), form.name
        assert not found[0, 12:].any(), form.name
        assert not found[1].any()


@pytest.mark.parametrize(
    ("name", "made", "says"),
    [
        (
            "wide.npz",
            lambda p: npz(p, image_ids=np.array(["a"]), masks=np.ones((1, 32, 64))),
            "64 × 32 pixels; give square ones",
        ),
        ("small.npz", lambda p: npz(p, image_ids=np.array(["a"]), masks=np.ones((1, 16, 16))), "16 × 16"),
        ("flat.npz", lambda p: npz(p, image_ids=np.array(["a"]), masks=np.ones((32, 32))), r"of shape \(32, 32\)"),
        ("few.npz", lambda p: npz(p, image_ids=np.array(["a", "b"]), masks=np.ones((1, 32, 32))), "one text a mask"),
        (
            "pickle.npz",
            lambda p: npz(p, image_ids=np.array(["a"], object), masks=np.ones((1, 32, 32))),
            "cannot be read",
        ),
        ("other.npz", lambda p: npz(p, ids=np.array(["a"])), "cannot be read"),
        ("broken.npz", lambda p: p.write_bytes(b"broken"), "cannot be read"),
        ("none.zip", lambda p: zipped(p, {"a.txt": b"x"}), "holds 0 PNG files"),
        ("out.zip", lambda p: zipped(p, {"../a.png": png(TOP)}), "leads out of the archive"),
        ("wide.zip", lambda p: zipped(p, {"a.png": png(np.ones((32, 40)))}), "40 × 32"),
        ("text.zip", lambda p: zipped(p, {"a.png": b"no picture"}), "a.png is no PNG"),
        ("bomb.zip", lambda p: zipped(p, {"a.png": b"\0" * 300_000_000}), "suspicious size"),
        ("huge.zip", lambda p: zipped(p, {"a.png": png(np.ones((3000, 3000)))}), "3000 × 3000"),
        ("a.txt", lambda p: p.write_bytes(b"x"), "no folder, .zip or .npz"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong_with_it(tmp_path, name, made, says):
    made(tmp_path / name)
    with pytest.raises(BadInput, match=says):
        given_masks.matched(given_masks.opened(tmp_path / name), np.array(["a"]))


def test_an_npz_that_announces_more_than_it_may_is_refused_before_it_is_unpacked(tmp_path):
    zeros = io.BytesIO()
    np.lib.format.write_array_header_1_0(zeros, {"descr": "|b1", "fortran_order": False, "shape": (10**9, 32, 32)})
    ids = io.BytesIO()
    np.save(ids, np.array(["a"]))
    liar = zipped(tmp_path / "liar.npz", {"image_ids.npy": ids.getvalue(), "masks.npy": zeros.getvalue()})
    with pytest.raises(BadInput, match="announces masks of shape"):
        given_masks.opened(liar)
    full = zipped(tmp_path / "full.npz", {"masks.npy": b"\0" * (given_masks.MAX_BYTES + 1)})
    with pytest.raises(BadInput, match="unpacks to more than 256 MiB"):
        given_masks.opened(full)


def test_masks_are_kept_under_a_name_and_those_of_other_images_are_counted_and_left_out(workspace, tmp_path):
    source = npz(tmp_path / "m.npz", image_ids=np.array(["a", "c"]), masks=np.stack([TOP, ~TOP]))
    record = given_masks.keep(workspace, "better", source, np.array(["a", "b"]))
    assert (record["n"], record["unknown"]) == (1, 1)
    assert [one["name"] for one in given_masks.kept(workspace)] == ["better"]
    assert given_masks.count_known(workspace, "better", np.array(["b", "a"])) == 1
    with pytest.raises(Conflict, match="better"):
        given_masks.keep(workspace, "better", source, np.array(["a"]))
    with pytest.raises(NotFound, match="its first is 'a'"):
        given_masks.keep(workspace, "none", source, np.array(["z"]))
    with pytest.raises(BadInput, match="cannot be used"):
        given_masks.keep(workspace, "../out", source, np.array(["a"]))
    given_masks.forget(workspace, "better")
    assert given_masks.kept(workspace) == []
    with pytest.raises(NotFound, match="import them again"):
        given_masks.of_source(workspace, "imported:better")


@pytest.fixture
def imported(lab, tmp_path):
    """Masks of the upper part for all but one of the test images, kept as "upper"."""
    ids = ImageSet.open(lab, "tiny").part("test").image_ids
    source = npz(tmp_path / "upper.npz", image_ids=ids[:-1].astype(str), masks=TOP[None].repeat(len(ids) - 1, 0))
    given_masks.keep(lab, "upper", source, ids)
    return lab


def test_the_entity_test_rests_on_imported_masks_and_its_pictures_show_them(imported, monkeypatch):
    run = runs.runs(imported)[0]
    result = entity.EntityTest(run.id, masks="imported:upper", methods=("gradcam",)).run(Context(imported))
    assert (result["masks"]["source"], result["n"], result["left_out"]) == ("imported:upper", 199, 1)
    assert result["masks"]["area"] == pytest.approx(12 / 32)
    assert "with imported masks named upper" in result["verdict"]
    given_masks.forget(imported, "upper")  # the study keeps what it rests on
    from pages.look.maps import entity_pictures

    part = ImageSet.open(imported, "tiny").part("test")
    shown = entity_pictures._entity(part, studies.images_of(imported, result), "imported:upper")
    assert shown.shape == (199, 32, 32)
    assert (shown[:, :12].all(), shown[:, 12:].any()) == (True, False)
    assert str(imported.home) not in json.dumps(result)


def test_masks_changed_in_a_folder_are_read_anew(lab, tmp_path):
    part = ImageSet.open(lab, "tiny").part("test")
    for mask in (TOP, ~TOP):
        npz(tmp_path / "masks.npz", image_ids=part.image_ids.astype(str), masks=mask[None].repeat(len(part), 0))
        found = masks.kept_masks(lab, part, "digest", str(tmp_path))
        assert found.entity[5, 0, 0] == mask[0, 0]


def test_masks_come_in_on_the_page_and_can_be_chosen_and_what_is_outside_cannot(lab, tmp_path, monkeypatch):
    ids = ImageSet.open(lab, "tiny").part("test").image_ids
    (lab.home / "import").mkdir()
    npz(lab.home / "import" / "upper.npz", image_ids=ids.astype(str), masks=TOP[None].repeat(len(ids), 0))
    npz(tmp_path / "outside.npz", image_ids=ids.astype(str), masks=TOP[None].repeat(len(ids), 0))
    app = AppTest.from_file(str(Path(__file__).parents[1] / "app.py"), default_timeout=120).run()
    app.switch_page("pages/look/gradcam.py").run()
    app.segmented_control(key="gradcam_view").set_value("Entity or background?").run()

    def bring(path):
        app.text_input(key="gradcam_masks_path").set_value(str(path))
        next(button for button in app.button if button.label == "Import masks").click()
        app.run()
        assert not app.exception
        return "\n".join(element.value for element in (*app.error, *app.success)).replace("\\", "")

    assert "Nothing that may be imported lies there" in bring(tmp_path / "outside.npz")
    assert "No masks are named" in bring("")
    assert "200 masks are kept as upper" in bring("upper.npz")
    shown = app.selectbox(key="gradcam_entity_masks")
    assert "imported: upper (200 of 200 images)" in shown.options
    shown.set_value("imported:upper").run()
    assert "--masks imported:upper" in "\n".join(code.value for code in app.code)
    assert "exists already" in bring("upper.npz")
    app.button(key="gradcam_masks_remove_upper").click().run()
    assert given_masks.kept(lab) == []
