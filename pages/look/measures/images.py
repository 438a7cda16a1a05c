"""The first view of Metrics: headline numbers, the matrix, the charts, and the gallery they all lead to."""

import streamlit as st

from cifake_core.evaluation import selecting
from pages.look.measures import browsing, marking
from pages.look.measures.confusion import matrix_panel
from pages.look.measures.dashboard import headline, panels
from pages.shared import gallery


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
        browsing.browse(view, among.apply(view, selecting.rows(view.scores, selection, view.threshold)))
