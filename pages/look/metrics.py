"""Metrics of one run: one threshold, and six views of it, each a link. It draws; the core computes."""

from collections.abc import Callable

import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.evaluation import reference
from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace
from pages.look.measures import embedding, images, numbers, reporting, robustness, versus
from pages.look.measures.dashboard import threshold_bar
from pages.shared import cached, gallery
from pages.shared.guard import shown_errors
from pages.shared.pickers import run_picker

# what each draws is in the module of that name; only the chosen one is drawn
VIEWS: dict[str, Callable[[gallery.View, float | None], None]] = {
    "Images": images.show,
    "Numbers": numbers.show,
    "Two networks": versus.show,
    "Robustness": robustness.show,
    "Map": embedding.show,
    "Report": reporting.show,
}


def main() -> None:
    """The page."""
    title, picker = st.columns([3, 4], vertical_alignment="bottom")
    title.title("Metrics")
    title.caption("Every number has an interval, and leads to its images.")
    with picker:
        run = run_picker("metrics_run")
    if run is None:
        return
    chosen = st.segmented_control(
        "View", list(VIEWS), default="Images", required=True, key="metrics_view", bind="query-params", label_visibility="collapsed"
    )
    _view(chosen, run)


@st.fragment
def _view(chosen: str, run: Run) -> None:
    """A step of the threshold redraws this part: the frame around it stays."""
    with shown_errors():
        scores = cached.scores_of(run)
        threshold = threshold_bar(cached.thresholds_of(run))
        paper = reference.paper_accuracy(ImageSet.open(Workspace.current(), run.dataset))
        VIEWS[chosen](gallery.View("metrics", scores, threshold), paper)


main()
