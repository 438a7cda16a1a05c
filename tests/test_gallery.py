"""The gallery of Metrics without a browser: what is chosen, filters by any column, and a map that cannot be made."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cifake_core.detectors import runs
from cifake_core.evaluation import evaluating, scored, selecting
from cifake_core.evaluation.selecting import Selection
from pages.look.measures import numbers
from pages.shared.gallery import choosing
from pages.shared.gallery.tiling import tile_ids
from pages.shared.gallery.view import View

ROOT = Path(__file__).parents[1]


class Scores(SimpleNamespace):
    def __len__(self) -> int:
        return 1000


def view_of(digest="feedbeef00", prefix="metrics") -> View:
    return View(prefix, Scores(run=SimpleNamespace(record={"dataset_digest": digest})), 0.5)


@pytest.fixture(autouse=True)
def session(monkeypatch):
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {})


def test_the_marks_of_one_page_leave_those_of_other_pages_alone():
    view = view_of()
    choosing.replace(view, [0, 1, 2], [2, 0])
    choosing.replace(view, [10, 11], [11])
    assert choosing.chosen(view).tolist() == [2, 0, 11]
    choosing.replace(view, [0, 1, 2], [1])
    assert choosing.chosen(view).tolist() == [11, 1]


def test_galleries_of_a_page_share_what_is_chosen_and_another_image_set_does_not():
    choosing.replace(view_of(), [], [5])
    assert choosing.chosen(view_of(prefix="metrics_plane")).tolist() == [5]
    assert choosing.chosen(view_of(prefix="gradcam")).tolist() == []
    assert choosing.chosen(view_of(digest="other")).tolist() == []


def test_a_link_holds_few_chosen_images_and_many_stay_out_of_it():
    view = view_of()
    choosing._link(view, np.arange(choosing.LINKED))
    assert st.query_params["metrics_chosen"].startswith("feedbeef-0-1-2-")
    assert choosing.chosen(view).tolist() == list(range(choosing.LINKED))
    choosing._link(view, np.arange(choosing.LINKED + 1))
    assert "metrics_chosen" not in st.query_params


@pytest.mark.parametrize("link", ["feedbeef-7-x-1000--3-7-2", "feedbeef-7-2"])
def test_what_makes_no_sense_in_a_link_is_passed_over(link):
    st.query_params["metrics_chosen"] = link
    found = choosing.chosen(view_of()).tolist()
    assert found == ([7, 3, 2] if "x" in link else [7, 2])


def test_a_link_to_other_images_chooses_none():
    st.query_params["metrics_chosen"] = "0badf00d-7-2"
    assert choosing.chosen(view_of()).tolist() == []


def test_a_picture_that_is_shown_twice_has_two_tiles():
    assert tile_ids(np.array(["a", "b", "a", "a"], dtype=object)) == ["a", "b", "a.2", "a.3"]


def test_any_column_filters_and_holds_the_images_its_group_counts(lab):
    one = scored.scored(lab, runs.runs(lab)[0])
    for row in evaluating.by_group(one, "generator"):
        selected = selecting.rows(one, Selection(row["truth"], group=("generator", row["group"])), 0.5)
        assert len(selected) == row["n"]
    assert len(selecting.rows(one, Selection(group=("generator", "checkerboard")), 0.5)) == 100
    assert len(selecting.rows(one, Selection(group=("generator", "nobody")), 0.5)) == 0


def test_a_network_that_cannot_be_loaded_costs_its_map_and_nothing_else(lab, monkeypatch):
    monkeypatch.undo()
    run = runs.runs(lab)[0]
    st.cache_resource.clear()
    weights = run.folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-40])
    app = _metrics(lab, monkeypatch)
    app.number_input(key="metrics_image").set_value(1).run()
    assert not app.exception, app.exception[0].message
    assert not app.error, app.error[0].value
    said = [caption.value for caption in app.caption if caption.value.startswith("No map can be shown")]
    assert len(said) == 1
    assert app.text_area(key=f"metrics_note_{scored.scored(lab, run).image_ids[_first(lab, run)][:16]}")  # all below it is there


def test_the_row_of_a_group_leads_to_exactly_its_images(lab, monkeypatch):
    one = scored.scored(lab, runs.runs(lab)[0])
    rows = evaluating.by_group(one, "generator", 0.5)
    st.session_state["metrics_group_rows"] = SimpleNamespace(selection=SimpleNamespace(rows=[0]))
    numbers._to_gallery(View("metrics", one, 0.5), "generator", rows)
    wanted = dict(st.session_state)
    assert wanted.pop("metrics_group_rows")
    monkeypatch.undo()
    app = _metrics(lab, monkeypatch)
    for name, value in wanted.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception, app.exception[0].message
    assert app.selectbox(key="metrics_value").value == rows[0]["group"] == "checkerboard"
    assert "**100** of 200 images (50.0%)" in [text.value for text in app.markdown]


def test_a_cluster_of_mistakes_leads_to_its_images(lab, monkeypatch):
    from cifake_core.explanations.embedding import Embed
    from cifake_core.step import Context

    monkeypatch.undo()
    app = _metrics(lab, monkeypatch)
    Embed(runs.runs(lab)[0].id, limit=0).run(Context(lab))
    app.session_state["metrics_view"] = "Map"
    app.session_state["metrics_threshold"] = 0.001  # every real is a mistake
    app.run()
    button = app.button(key="metrics_map_cluster_0")
    button.click().run()
    assert not app.exception, app.exception[0].message
    n = button.label.split(":")[1].split()[0]
    assert any(text.value.startswith(f"**{n}** of 200 images") for text in app.markdown)


def _metrics(lab, monkeypatch) -> AppTest:
    monkeypatch.setenv("CIFAKE_HOME", str(lab.home))
    monkeypatch.setenv("CIFAKE_THREADS", "1")
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run().switch_page("pages/look/metrics.py").run()


def _first(lab, run) -> int:
    return int(selecting.rows(scored.scored(lab, run), Selection(), 0.5)[0])
