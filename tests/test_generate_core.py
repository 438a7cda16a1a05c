"""What the Generate page stands on: the light list of generators, errands around a generation, exports, discarding, verdicts."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from cifake_core import hardware
from cifake_core.detectors import loading, runs
from cifake_core.errors import BadInput, Cancelled, NotFound
from cifake_core.evaluation.classifying import classify
from cifake_core.generators import catalogue, errands, pipelines, remaking
from cifake_core.generators.generating import Generate
from cifake_core.images import exporting
from cifake_core.images.discarding import Discard, free_name
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import ImportImages
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace
from tests.generator_models import stand_ins, tiny_training
from tests.test_generate_page import made


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "use_threads", lambda threads=0: torch.set_num_threads(1))
        torch.set_num_threads(1)
        yield


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Workspace:
    """A workspace with a tiny generator and a set of six images of it."""
    workspace = Workspace(tmp_path_factory.mktemp("studio"))
    stand_ins(workspace)
    tiny_training().run(Context(workspace))
    Generate("six", "tiny", 3, ("cat", "dog"), seed=1, batch=2).run(Context(workspace))
    return workspace


# ---- catalogue


def test_the_light_list_names_what_the_real_one_finds(studio):
    there = [one.name for one in catalogue.bundled() if one.record] + ["tiny"]
    assert pipelines.names(studio) == there
    (tiny,) = catalogue.trained(studio)
    assert (tiny.name, tiny.record["sampling"]["steps"]) == ("tiny", 2)
    assert tiny.sheet.startswith(b"\x89PNG")
    assert set(tiny.curves) == {"autoencoder", "transformer"}
    assert catalogue.asked_by(tiny.folder) == "class"


def test_a_bundled_generator_needs_nothing_but_its_folder(studio, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "BUNDLED_FOLDER", tmp_path)
    with pytest.raises(NotFound, match="'cifar10-ldm' is not in"):
        pipelines.find(studio, "cifar10-ldm")
    shutil.copytree(studio.generators / "tiny", tmp_path / "cifar10-ldm")
    found = pipelines.find(studio, "cifar10-ldm")
    assert (found.kind, found.title, found.folder) == ("bundled", "cifar10-ldm", tmp_path / "cifar10-ldm")
    assert pipelines.names(studio)[0] == "cifar10-ldm"
    assert found.revision == pipelines.find(studio, "tiny").revision


_BUNDLED_HERE = [one.name for one in catalogue.bundled() if one.record is not None]


@pytest.mark.parametrize("name", _BUNDLED_HERE)
def test_a_bundled_generator_makes_the_same_pixels_in_two_fresh_homes(name, tmp_path):
    made = []
    for home in ("one", "other"):
        workspace = Workspace(tmp_path / home)
        Generate("g7", name, 2, ("cat", "truck"), seed=7).run(Context(workspace))
        made.append(ImageSet.open(workspace, "g7"))
    assert made[0].digest == made[1].digest
    np.testing.assert_array_equal(made[0].pixels("train"), made[1].pixels("train"))
    assert made[0].pixels("train").std() > 20  # pictures, not one colour


@pytest.mark.parametrize("name", _BUNDLED_HERE)
def test_a_bundled_generator_stays_small_and_brings_its_curve_and_samples(name):
    (one,) = (found for found in catalogue.bundled() if found.name == name)
    sizes = [path.stat().st_size for path in one.folder.rglob("*") if path.is_file()]
    assert sum(sizes) <= {"demo": 8e6, "cifar10-ldm": 40e6}[name]
    assert max(sizes) <= 15e6
    assert one.sheet.startswith(b"\x89PNG")
    assert set(one.curves) == {"autoencoder", "transformer"}


def test_listing_generators_loads_no_torch():
    import subprocess
    import sys

    program = "import sys, cifake_core.generators.catalogue, cifake_core.generators.recipe; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- errands


def stopped_after(images: int):
    def on_progress(done: int, total: int, message: str) -> None:
        if done >= images:
            raise Cancelled("stopped")

    return on_progress


def test_what_a_stopped_generation_has_made_is_listed_and_kept_once(studio):
    asked = Generate("half", "tiny", 3, ("cat", "dog"), seed=2, batch=2)
    with pytest.raises(Cancelled):
        asked.run(Context(studio, stopped_after(2)))
    (begun,) = catalogue.begun(studio)
    assert (begun.name, begun.made, begun.asked) == ("half", 2, 6)
    step = json.loads(json.dumps(begun.step))
    first = errands.KeepDone(step).run(Context(studio))
    again = errands.KeepDone(step).run(Context(studio))
    assert (first["images"], first["digest"]) == (2, again["digest"])
    assert catalogue.begun(studio) == []


def test_keeping_nothing_is_refused(studio):
    with pytest.raises(NotFound, match="Nothing of 'never'"):
        errands.KeepDone({"name": "never", "generator": "tiny"}).run(Context(studio))


def test_an_estimate_counts_the_images_of_the_plan(studio):
    found = errands.EstimateTime({"name": "estimate", "generator": "tiny", "per_class": 4}).run(Context(studio))
    assert (found["images"], found["device"]) == (40, "cpu")
    assert found["seconds"] >= found["loading_s"] > 0


def test_an_image_is_made_again_from_its_record_alone(studio, tmp_path):
    found = errands.Remake("six", "train", 4).run(Context(studio, scratch=tmp_path))
    assert found == {"same": True, "largest_difference": 0}
    remade = np.array(Image.open(tmp_path / errands.REMADE))
    assert np.array_equal(remade, ImageSet.open(studio, "six").pixels("train")[4].transpose(1, 2, 0))


def test_pixels_that_differ_are_counted(studio, monkeypatch):
    there = ImageSet.open(studio, "six").pixels("train")[0].transpose(1, 2, 0)
    again = there.copy()
    again[5, 6, 1] ^= 3
    monkeypatch.setattr(remaking, "regenerate", lambda *_: (again, again))
    found = errands.Remake("six", "train", 0).run(Context(studio))
    assert found == {"same": False, "largest_difference": abs(int(again[5, 6, 1]) - int(there[5, 6, 1]))}


# ---- exports


@pytest.mark.parametrize("form", ["cifake", "parquet"])
def test_an_exported_set_comes_back_with_the_same_pixels_labels_and_classes(form, lab, tmp_path):
    images = made(lab)
    path = tmp_path / exporting.file_name(images, form)
    exporting.export(images, form, path)
    ImportImages((str(path),), "back").run(Context(lab))
    back = ImageSet.open(lab, "back").manifest("train+validation").sort_values("image_id")
    there = images.manifest("train+validation").sort_values("image_id")
    for column in ("image_id", "label", "class_label", "split"):
        assert back[column].tolist() == there[column].tolist()


def test_the_same_set_exports_to_the_same_bytes(workspace, tmp_path):
    images = made(workspace)
    for form in exporting.FORMS:
        exporting.export(images, form, tmp_path / "a")
        exporting.export(images, form, tmp_path / "b")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_exported_png_is_lossless_and_tells_how_it_was_made(workspace, tmp_path):
    images = made(workspace)
    exporting.export(images, "png", tmp_path / "pngs.zip")
    with zipfile.ZipFile(tmp_path / "pngs.zip") as packed:
        assert sorted(packed.namelist())[0] == "train/fake/cat/00000.png"
        data = packed.read("train/fake/dog/00001.png")
    picture = Image.open(io.BytesIO(data))
    assert np.array_equal(np.array(picture), images.pixels("train")[3].transpose(1, 2, 0))
    assert picture.text["class"] == "dog"
    assert exporting.provenance_in(data) == json.loads(images.manifest("train+validation")["provenance"].iloc[3])


def test_what_is_no_exported_png_is_refused():
    plain = io.BytesIO()
    Image.new("RGB", (4, 4)).save(plain, format="PNG")
    for data in (b"", b"GIF89a", plain.getvalue(), plain.getvalue()[:40]):
        with pytest.raises(BadInput, match="PNG"):
            exporting.provenance_in(data)



# ---- discarding


def test_a_set_without_the_discarded_images_keeps_the_others_as_they_were(workspace):
    images = made(workspace)
    before = images.manifest("train+validation")
    gone = before["image_id"].iloc[[1, 4]].tolist()
    Discard("made-1", tuple(gone), "made-2").run(Context(workspace))
    kept = ImageSet.open(workspace, "made-2")
    after = kept.manifest("train+validation")
    expected = before.drop(index=[1, 4]).reset_index(drop=True)
    assert after.equals(expected)
    assert kept.encoded_rows("train", [0, 3]) == images.encoded_rows("train", [0, 5])
    assert kept.record["source"]["step"] == images.record["source"]["step"]
    assert len(before) == 6


def test_discarding_everything_nothing_or_the_unknown_is_refused(workspace):
    ids = tuple(made(workspace).manifest("train+validation")["image_id"])
    with pytest.raises(BadInput, match="none would be left"):
        Discard("made-1", ids, "made-2").run(Context(workspace))
    with pytest.raises(NotFound):
        Discard("made-1", ("0" * 64,), "made-2").run(Context(workspace))
    with pytest.raises(BadInput):
        Discard("made-1", (), "made-2")
    with pytest.raises(BadInput):
        Discard("made-1", ids, "made-1")


def test_a_free_name_counts_on(workspace):
    made(workspace, "g7")
    made(workspace, "g7-2")
    assert free_name(workspace, "g7") == "g7-3"
    assert free_name(workspace, "g7-2") == "g7-3"
    assert free_name(workspace, "new") == "new-2"


# ---- verdicts


def test_a_detectors_answers_are_those_stored_with_its_run(lab):
    run = runs.runs(lab)[0]
    part = ImageSet.open(lab, run.dataset).part("test")
    logits = run.predictions("test")["logit"].to_numpy()
    found = classify(loading.load(run), np.ascontiguousarray(part.pixels), part.class_labels)
    assert found.fake_probability == pytest.approx(1 / (1 + np.exp(-logits)), abs=2e-2)
    assert found.flagged_count == int((found.fake_probability >= 0.5).sum())
    assert found.flagged.value == found.flagged_count / len(part)
    assert sum(hits for hits, _ in found.by_class.values()) == found.flagged_count
    assert sum(total for _, total in found.by_class.values()) == len(part)
