"""Metrics of one run: the matrix, the threshold and the images behind every number. It draws; the core computes."""

import streamlit as st

from cifake_core.evaluation import reference, selecting
from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace
from pages.look.measures.dashboard import matrix_panel, numbers, panels, threshold_bar
from pages.look.measures.versus import compare
from pages.shared import cached, gallery
from pages.shared.guard import shown_errors
from pages.shared.pickers import run_picker

PER_PAGE = 48


def main() -> None:
    """The page."""
    title, picker = st.columns([3, 4], vertical_alignment="bottom")
    title.title("Metrics")
    title.caption("Every number has an interval, and leads to its images.")
    with picker:
        run = run_picker("metrics_run")
    if run is None:
        return
    with shown_errors():
        scores = cached.scores_of(run)
        threshold = threshold_bar(cached.thresholds_of(run))
        view = gallery.View("metrics", scores, threshold)
        paper = reference.paper_accuracy(ImageSet.open(Workspace.current(), run.dataset))
        numbers(view, paper)
        above, below = st.container(), st.container()
        with below:  # first: the matrix shows which of its buttons the filters have down
            st.subheader("The images", anchor="images")
            selection = gallery.filters(view)
        with above:
            left, right = st.columns([2, 3], gap="large")
        with left:
            matrix_panel(view, selection)
        with right:
            later = panels(view, selection, paper)
        with below:
            browse(view, selecting.rows(view.scores, selection, view.threshold))
        compare(view)
        later()


@st.fragment
def browse(view: gallery.View, rows) -> None:
    """Turning pages and opening images redraws only this part."""
    page = gallery.pager(view, rows, PER_PAGE)
    left, right = st.columns([13, 5], gap="medium")
    with right:
        number = gallery.detail(view, rows, PER_PAGE)
        gallery.exports(view, rows)
    with left:
        if len(rows):
            gallery.tiles(view, rows, page, number)
            gallery.legend(view)
        else:
            st.info("No image fits these filters; widen them or choose another cell.", icon=":material/filter_alt_off:")


main()
