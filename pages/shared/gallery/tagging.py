"""Putting a tag on many images at once, and taking it off again."""

import numpy as np
import streamlit as st

from cifake_core.store import marks
from cifake_core.store.workspace import Workspace
from pages.shared.gallery.view import View
from pages.shared.guard import literal, shown_errors


def popover(view: View, rows: np.ndarray) -> None:
    """A button that unfolds the choice of a tag for those images."""
    with st.popover("Tag", icon=":material/sell:"):
        known = list(marks.tags(Workspace.current(), view.scores.run.dataset))
        name = st.selectbox(
            "Tag", known, index=None, accept_new_options=True, key=view.key("tag"), placeholder="choose one or type a new one",
        )  # fmt: skip
        with st.container(horizontal=True):
            for label, act in (("Tag them", marks.tag), ("Take it off", marks.untag)):
                if st.button(label, key=view.key(f"do_{act.__name__}"), disabled=not name):
                    _act(view, act, rows, name)


def _act(view: View, act, rows: np.ndarray, name: str) -> None:
    with shown_errors():
        changed = act(Workspace.current(), view.scores.run.dataset, view.scores.image_ids[rows].tolist(), name)
        st.toast(f"{changed:,} images changed: {literal(name)}", icon=":material/sell:")
        st.rerun()  # the whole page: a new tag is a new filter
