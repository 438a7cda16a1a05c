"""One gallery on one page: whose scores it shows, at which threshold, and under which keys its choices lie.

The matrix and the tiles change widgets' values through it; it holds no state of its own.
"""

from dataclasses import dataclass

import streamlit as st

from cifake_core.evaluation.evaluating import class_name
from cifake_core.evaluation.scored import Scored

CELLS = {
    "all": "all images",
    "wrong": "wrong verdicts",
    "right": "right verdicts",
    "FP": "real called fake (FP)",
    "FN": "fake called real (FN)",
    "TN": "real called real (TN)",
    "TP": "fake called fake (TP)",
    "real": "all reals",
    "fake": "all fakes",
    "called real": "called real",
    "called fake": "called fake",
}
COLUMNS = 12  # of the sprite that is sent; the browser arranges the tiles by itself
ANY = "any"


@dataclass(frozen=True)
class View:
    """One gallery on one page: `prefix` keeps its keys apart from another page's."""

    prefix: str
    scores: Scored
    threshold: float

    def key(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def page_key(self, name: str) -> str:
        """A key that all galleries of a page share: its prefix is "metrics", or "metrics_" and the name of a view."""
        return f"{self.prefix.split('_')[0]}_{name}"

    def pick(self, cell: str, class_label: int | None = None) -> None:
        """What a click on the matrix does; the same pick again shows all images."""
        wanted = (CELLS[cell], ANY if class_label is None else class_name(class_label))
        there = (st.session_state.get(self.key("cell")), st.session_state.get(self.key("class"), ANY))
        if wanted == there:
            wanted = (CELLS["all"], ANY)
        st.session_state[self.key("cell")], st.session_state[self.key("class")] = wanted
        self.rewind()

    def rewind(self) -> None:
        """Back to the first page with no image open: what stood there is another one now."""
        st.session_state[self.key("page")] = 1
        st.session_state[self.key("image")] = None

    def keep_within(self, name: str, most: int) -> None:
        """Before its widget is drawn: a place beyond the end is the last one, for instance after a filter has left fewer images."""
        if (st.session_state.get(self.key(name)) or 0) > most:
            st.session_state[self.key(name)] = most

    def open(self, number: int, per_page: int) -> None:
        """Opens the image at that place of the selection, from 1, and turns to its page."""
        st.session_state[self.key("image")] = number
        st.session_state[self.key("page")] = (number - 1) // per_page + 1
