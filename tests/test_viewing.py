"""Maps as pages show and give them away: kept or computed, on one scale, averaged, in colours, as files."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from cifake_core.detectors import loading, runs
from cifake_core.evaluation.scored import scored
from cifake_core.explanations import averages, methods, one_image, overlay, rim, stored_maps, taking, viewing
from cifake_core.explanations.explaining import ExplainSplit
from cifake_core.explanations.resampling import Mean
from cifake_core.explanations.viewing import Question
from cifake_core.images.sprite import painted
from cifake_core.metrics.intervals import Estimate
from cifake_core.step import Context


@pytest.fixture
def run(lab):
    return runs.runs(lab)[0]


def names_of(run):
    from cifake_core.detectors.networks import build, convolution_names

    return convolution_names(build(run.topology))


def kept(lab, run, question):
    ExplainSplit(**viewing.precomputable(run, question)).run(Context(lab))
    return viewing.kept_of(lab, run, "test", question, names_of(run))


def test_maps_that_were_kept_are_those_computed_now_signs_and_scales_included(lab, run):
    view, detector, rows = scored(lab, run), loading.load(run), np.array([5, 0, 17])
    for question in (Question("gradcam", (), "fake"), Question("integratedgradients")):
        assert viewing.kept_of(lab, run, "test", question, names_of(run)) is None
        now = viewing.maps_of(None, detector, view.pixels, rows, question)
        there = viewing.maps_of(kept(lab, run, question), detector, view.pixels, rows, question)
        np.testing.assert_allclose(viewing.values(there), viewing.values(now), atol=0.02)
        np.testing.assert_allclose(there.scale, now.scale, rtol=1e-3)
        assert (there.signed is None) == (question.method == "gradcam")
        assert there.explained.tolist() == now.explained.tolist()


def test_on_a_shared_scale_a_map_half_as_strong_is_drawn_half_as_bright():
    heat = np.ones((2, 4, 4), np.float32)
    maps = viewing.Maps(heat, np.zeros(2), np.zeros(2), "input", "x", None, np.array([1.0, 0.5], np.float32))
    np.testing.assert_allclose(viewing.values(maps, 1.0).max((1, 2)), [1, 0.5])
    np.testing.assert_array_equal(viewing.values(maps), heat)
    unitless = viewing.Maps(heat, np.zeros(2), np.zeros(2), "input", "x")
    assert viewing.strongest_of(None, unitless) is None
    np.testing.assert_array_equal(viewing.values(unitless, 1.0), heat)


def test_a_signed_map_that_only_speaks_against_the_label_is_empty_once_kept(lab, run):
    against = np.full((3, 8, 8), -1, np.float32)
    against[1, 2, 2] = 0.5
    record = {"split": "test", "method": "occlusion", "layer": "input", "target": "real", "signed": True, "unit": True}
    arrays = {"heat": against, "scale": np.ones(3), "logits": np.zeros(3), "explained": np.zeros(3, np.int8)}
    there = stored_maps.keep(lab, run, record, arrays)
    assert there.empty.tolist() == [True, False, True]
    assert there.heat()[0].max() == 0
    np.testing.assert_allclose(there.signed(size=8), against, atol=0.005)


def test_the_mean_of_kept_maps_is_the_mean_of_what_lies_there(lab, run):
    there = kept(lab, run, Question())
    found = averages.mean_of_kept(there, {"some": np.array([3, 1, 2]), "none": np.array([], int)})
    assert list(found) == ["some"]
    np.testing.assert_allclose(found["some"].heat, there.small[1:4].mean(0) / 255, atol=1e-6)
    assert found["some"].images == 3


def test_a_mean_of_fewer_than_twenty_images_is_marked_in_words_and_in_json():
    few, many = (averages.MeanMap(np.full((2, 2), 0.5, np.float32), n, 100, 1) for n in (19, 20))
    assert (few.few, many.few) == (True, False)
    assert few.note == "few images (19, below 20): what shows may be one image's accident"
    assert many.note == ""
    assert few.as_dict() == {"images": 19, "of": 100, "without_evidence": 1, "few": True, "note": few.note, "heat": [[0.5, 0.5], [0.5, 0.5]]}


def test_nought_lies_in_the_middle_of_a_diverging_palette_and_the_range_cuts_both_sides():
    values = np.array([-1, -0.5, 0, 0.5, 1])
    assert overlay.levels(values, *viewing.limits(True, 0.2, 1.0)).tolist() == [0, 64, 128, 191, 255]
    assert overlay.levels(values, *viewing.limits(True, 0.0, 0.5)).tolist() == [0, 0, 128, 255, 255]
    assert overlay.levels(values, *viewing.limits(False, 0.5, 1.0)).tolist() == [0, 0, 0, 0, 255]
    middle = overlay.palette("berlin")[126:130].astype(int).sum(1)
    assert middle.max() < 100, "berlin is dark where nothing speaks either way"


def test_a_painted_sprite_shows_each_level_in_its_colour():
    levels = np.arange(6, dtype=np.uint8).reshape(3, 1, 2) * 50
    colours = overlay.palette("viridis")
    picture = np.asarray(Image.open(io.BytesIO(painted(levels, 2, colours))).convert("RGB"))
    assert picture.shape == (2, 4, 3)
    np.testing.assert_array_equal(picture[0, :4], colours[levels[:2].ravel()])
    np.testing.assert_array_equal(picture[1, :2], colours[levels[2].ravel()])


def test_the_sheet_of_one_image_has_a_cell_a_method_and_layer_with_its_faithfulness(lab, run):
    pixels, names = np.asarray(scored(lab, run).pixels[0]), names_of(run)
    cells = one_image.sheet(loading.load(run), pixels, ("gradcam", "integratedgradients", "randomcam"), names)
    assert [(cell.method, cell.layer) for cell in cells] == [
        *(("gradcam", name) for name in names), ("integratedgradients", "input"), *(("randomcam", name) for name in names),
    ]  # fmt: skip
    assert [cell.signed for cell in cells] == [cell.method == "integratedgradients" for cell in cells]
    whole = cells[0].curves.deletion[0]
    assert all(cell.curves.deletion[0] == whole and cell.curves.insertion[-1] == pytest.approx(whole, abs=1e-5) for cell in cells)
    assert 0 <= cells[0].curves.deletion_area <= 1


def test_a_figure_carries_its_settings_and_survives_any_label(lab, run):
    view, rows = scored(lab, run), np.arange(5)
    maps = viewing.maps_of(None, loading.load(run), view.pixels, rows, Question())
    settings = {"run": run.id, "method": "gradcam", "note": "$\\frac{ 100 % _"}
    drawn = taking.Drawn("for fake", maps.heat, "viridis", (0.0, 1.0))
    data = taking.figure(np.asarray(view.pixels[rows]), [drawn], ["$x_{ <b>"] * 5, "A caption $", settings)
    picture = Image.open(io.BytesIO(data))
    assert json.loads(picture.text["settings"]) == settings
    assert min(picture.size) > 200


def test_arrays_are_readable_without_pickle_and_name_their_images(lab, run):
    view, rows = scored(lab, run), np.array([7, 2])
    maps = viewing.maps_of(None, loading.load(run), view.pixels, rows, Question("integratedgradients"))
    with np.load(io.BytesIO(taking.arrays(view, rows, {"verdict": maps}, {"method": "x"})), allow_pickle=False) as file:
        assert file["image_ids"].tolist() == view.image_ids[[7, 2]].tolist()
        np.testing.assert_allclose(file["signed_verdict"], maps.signed, atol=1e-3)
        np.testing.assert_array_equal(file["scale_verdict"], maps.scale)
        assert json.loads(str(file["settings"])) == {"method": "x"}


def test_methods_that_look_at_the_input_are_kept_under_no_layer_and_others_under_theirs():
    assert Question("occlusion", ("a",)).layer_name(["a"]) == methods.SIZE_OF_INPUT
    assert Question("gradcam").layer_name(["a", "b"]) == "b"
    assert Question("gradcam", ("a", "b", "a")).layer_name(["a", "b"]) == "a+b"


def test_every_view_of_the_page_shows_what_was_measured(lab, run, monkeypatch):
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

    from cifake_core.explanations import entity
    from cifake_core.explanations.trust import Trust

    monkeypatch.setattr(entity, "QUALITY_IMAGES", 10)
    trusted = Trust(run.id, ("gradcam",), n=20, road_n=0).run(Context(lab))
    tested = entity.EntityTest(run.id, masks="centre", methods=("gradcam",)).run(Context(lab))
    app = AppTest.from_file(str(Path(__file__).parents[1] / "app.py"), default_timeout=120).run()
    app.switch_page("pages/look/gradcam.py").run()
    expected = {
        "One image, all methods": "Faithfulness of the maps",
        "On average": "The outer 2 pixels, 23% of the picture, hold",
        "As training went on": "told right",
        "Can the map be trusted?": trusted["verdict"][:30],
        "Entity or background?": "With the background flattened",
    }
    assert tested["verdict"].startswith(expected["Entity or background?"])
    for view, words in expected.items():
        app.segmented_control(key="gradcam_view").set_value(view).run()
        assert not app.exception, (view, app.exception[0].message)
        assert not app.error, (view, app.error[0].value)
        said = "\n".join(element.value for kind in ("markdown", "caption", "info") for element in app.get(kind))
        assert words in said.replace("\\", ""), view
    app.segmented_control(key="gradcam_view").set_value("One image, all methods").run()
    app.selectbox(key="gradcam_target").set_value("fake and real side by side").run()
    app.multiselect(key="gradcam_compare").set_value(["Grad-CAM", "Grad-CAM on random weights"]).run()
    assert not app.exception
    said = "\n".join(element.value for element in app.markdown)
    assert all(f"What speaks for **{label}** in this image" in said for label in ("fake", "real"))
    assert said.count("**Grad\\-CAM on random weights**") == 2


def test_both_places_and_every_control_are_shown_and_results_of_earlier_versions_are_not(lab, run, monkeypatch):
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

    from cifake_core.explanations import entity
    from cifake_core.explanations.trust import Trust
    from cifake_core.store import artifacts

    monkeypatch.setattr(entity, "QUALITY_IMAGES", 10)
    for kind in ("trust", "entity-test"):
        with artifacts.whole_folder(lab.home / "studies" / kind / f"{run.id}-earlier") as folder:
            artifacts.write_json(folder / "result.json", {"run": run.id, "split": "test", "n": 200, "created_at": "2026-11-01T00:00:00", "verdict": "Grad-CAM is no better than random."})
            artifacts.write_record(folder, {}, ["result.json"])
    trusted = Trust(run.id, ("gradcam", "occlusion"), ("convolutions.1",), n=20, road_n=0, place="both").run(Context(lab))
    tested = entity.EntityTest(run.id, masks="centre", methods=("gradcam", "occlusion"), n=40, place="both").run(Context(lab))
    app = AppTest.from_file(str(Path(__file__).parents[1] / "app.py"), default_timeout=120).run()
    app.switch_page("pages/look/gradcam.py").run()

    def shown(view):
        app.segmented_control(key="gradcam_view").set_value(view).run()
        assert not app.exception, (view, app.exception[0].message)
        assert not app.error, (view, app.error[0].value)
        assert "1 result of an earlier version is not shown" in app.warning[0].value
        return "\n".join(element.value for kind in ("markdown", "caption", "subheader") for element in app.get(kind)).replace("\\", "")

    said = shown("Can the map be trusted?")
    assert "After the ReLU and before it" in said
    assert f"over all {trusted['comparisons']} comparisons of this table" in said
    assert "no better than" not in said
    table = app.dataframe[-1].value
    assert table["images"].tolist() == [20] * len(trusted["rows"])
    assert set(table["feature map"]) == {"", "after ReLU", "before ReLU"}
    said = shown("Entity or background?")
    for name in ("alone", "pieces", "maps", "swap"):
        assert tested["sentences"][name] in said.replace("\n", " "), name


def test_the_ring_is_two_pixels_wide_and_maps_are_weighed_in_it():
    mask = rim.ring(32, 32)
    assert mask.sum() == 32 * 32 - 28 * 28
    heat = np.zeros((4, 32, 32), np.float32)
    heat[0, 1, 5] = heat[0, 10, 10] = 1  # half of it at the rim
    heat[1, 2, 2] = 1  # just inside
    heat[2, 31, 0] = 3
    maps = lambda question: viewing.Maps(heat if "@" not in question.method else heat[[1, 1, 1, 1]], None, None, "x", "x")  # noqa: E731
    found = rim.measured(maps, Question("gradcam"), np.array([0, 1, 0, 1]))
    assert found.trained.estimate.value == pytest.approx(0.5)  # of three maps; the fourth has no evidence
    assert (found.trained.n, found.untrained.estimate.value) == (3, 0.0)
    assert found.area == pytest.approx(0.2344, abs=1e-4)
    assert rim.measured(maps, Question("randomcam"), np.array([0, 1, 0, 1])).untrained is None


def test_the_sentence_on_the_rim_follows_the_intervals():
    of = lambda low, high: Mean(Estimate((low + high) / 2, low, high), 256)  # noqa: E731
    area = 0.234
    assert "no bright rim" in rim.in_words(rim.Rim(area, of(0.20, 0.24), of(0.2, 0.3), of(0, 0.1)))
    learned = rim.in_words(rim.Rim(area, of(0.28, 0.30), of(0.20, 0.24), of(0.05, 0.1)))
    assert "The outer 2 pixels, 23% of the picture, hold 29.0 % (28.0 to 30.0) of the relevance" in learned
    assert "came with training" in learned
    padded = rim.Rim(area, of(0.28, 0.30), of(0.27, 0.31), of(-0.01, 0.01))
    assert "which random weights do as well; convolutions pad with noughts" in rim.in_words(padded)
    assert "part of it was learned" in rim.in_words(rim.Rim(area, of(0.4, 0.5), of(0.27, 0.31), of(0.1, 0.2)))
    assert "nothing of it was learned" in rim.in_words(rim.Rim(area, of(0.4, 0.5), None, None))


def test_every_method_can_be_asked_on_random_weights_too():
    names = methods.names(untrained=True)
    assert "gradcam@random" in names
    assert not {f"{name}@random" for name in methods.BASELINES} & set(names)
    assert len(names) == 2 * len(methods.names()) - len(methods.BASELINES)
    assert len({methods.title(name) for name in names}) == len(names)
