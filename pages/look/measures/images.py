"""The first view of Metrics: headline numbers, the matrix, the charts, and the gallery they all lead to."""

import streamlit as st

from cifake_core.evaluation import selecting
from pages.look.measures import inspecting, marking
from pages.look.measures.dashboard import headline, matrix_panel, panels
from pages.shared import gallery

PER_PAGE = 48


def show(view: gallery.View, paper: float | None) -> None:
    headline(view, paper)
    above, below = st.container(), st.container()
    with below:  # first: the matrix shows which of its buttons the filters have down
        st.subheader("The images", anchor="images")
        selection = gallery.filters(view)
        among = marking.filters(view)
    with above:
        left, right = st.columns([2, 3], gap="large")
    with left:
        matrix_panel(view, selection)
    with right:
        panels(view, selection)
    with below:
        browse(view, among.apply(view, selecting.rows(view.scores, selection, view.threshold)))


@st.fragment
def browse(view: gallery.View, rows) -> None:
    """Turning pages and opening images redraws only this part."""
    page = gallery.pager(view, rows, PER_PAGE)
    left, right = st.columns([13, 5], gap="medium")
    with right:
        number = gallery.detail(view, rows, PER_PAGE)
        if number:
            inspecting.more(view, int(rows[number - 1]))
        marking.panel(view, rows, page)
        gallery.exports(view, rows)
    with left:
        if len(rows):
            gallery.tiles(view, rows, page, number, notes=marking.notes_of(view, page))
            gallery.legend(view)
        else:
            st.info("No image fits these filters; widen them or choose another cell.", icon=":material/filter_alt_off:")
