"""Where a network looked: maps over its test set, whether they can be trusted, and what they say about the paper's claim."""

from collections.abc import Callable

import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.evaluation import selecting
from pages.look.maps.averages import averages
from pages.look.maps.browse import browse
from pages.look.maps.controls import look_bar
from pages.look.maps.epochs import epochs
from pages.look.maps.one_image import one_image
from pages.look.maps.precomputing import KINDS
from pages.shared import cached, gallery
from pages.shared.guard import shown_errors
from pages.shared.jobs_panel import jobs_panel, known_jobs, moving
from pages.shared.pickers import run_picker

MAPS = {"Images": browse, "One image, all methods": one_image, "On average": averages}


def main() -> None:
    """The page."""
    title, picker = st.columns([3, 4], vertical_alignment="bottom")
    title.title("Grad-CAM")
    title.caption("Where the network looked for its verdict, and how far that picture can be trusted.")
    with picker:
        run = run_picker("gradcam_run")
    if run is None:
        return
    name = st.segmented_control(
        "View",
        VIEWS,
        default="Images",
        required=True,
        key="gradcam_view",
        bind="query-params",
        label_visibility="collapsed",
    )
    with shown_errors():
        VIEWS[name](run)


def maps(run: Run) -> None:
    """The three views that share controls and filters."""
    if moving(known_jobs(KINDS)):
        jobs_panel("gradcam-jobs", kinds=KINDS, finished=0)
    _maps(run)


@st.fragment
def _maps(run: Run) -> None:
    """Every click in here redraws only this part of the page."""
    with shown_errors():
        view = gallery.View("gradcam", cached.scores_of(run), threshold=0.5)
        look = look_bar(run)
        rows = selecting.rows(view.scores, gallery.filters(view, cell="wrong"), view.threshold)
        MAPS[st.session_state.get("gradcam_view", "Images")](view, rows, look)


def trust(run: Run) -> None:
    """Measures of faithfulness beside RandomCAM."""
    from pages.look.maps.trust import trust as shown

    shown(run)


def entity(run: Run) -> None:
    """The paper's claim, our figures."""
    from pages.look.maps.entity import entity as shown

    shown(run)


# What the switch at the top shows, by its label: add a line for a further view.
VIEWS: dict[str, Callable[[Run], None]] = {
    **dict.fromkeys(MAPS, maps),
    "As training went on": epochs,
    "Can the map be trusted?": trust,
    "Entity or background?": entity,
}

main()
