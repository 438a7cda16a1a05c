"""Tags and notes in the gallery of Metrics: filter by them, put them on the open image; and sort by disagreement."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from cifake_core.store import marks
from cifake_core.store.workspace import Workspace
from pages.look.measures import kept
from pages.shared.gallery import ANY, Page, View
from pages.shared.guard import shown_errors

_ORDERS = ("as chosen", "networks disagree most", "seeds disagree most")
_UNTAGGED = "without a tag"
_NOTED = "with a note"


@dataclass(frozen=True)
class Among:
    """What is asked beyond the filters of every gallery."""

    mark: str  # a tag, or ANY, _UNTAGGED or _NOTED
    order: str

    def apply(self, view: View, rows: np.ndarray) -> np.ndarray:
        """The rows that have the mark, in the order asked for."""
        ids = view.scores.image_ids
        workspace, dataset = Workspace.current(), view.scores.run.dataset
        if self.mark == _NOTED:
            noted = marks.notes(workspace, dataset)
            rows = np.array([row for row in rows if ids[row] in noted], dtype=int)
        elif self.mark != ANY:
            found = marks.tags(workspace, dataset)
            every = set().union(*found.values())
            wanted = found.get(self.mark.removeprefix("tag: "), set())
            keep = [(ids[row] not in every) if self.mark == _UNTAGGED else (ids[row] in wanted) for row in rows]
            rows = rows[np.array(keep, dtype=bool)] if len(rows) else rows
        if self.order != _ORDERS[0]:
            spread = kept.all_of(view.scores).spread(view.scores.run if self.order == _ORDERS[2] else None)
            rows = rows[np.argsort(-spread[rows], kind="stable")]
        return rows


def filters(view: View) -> Among:
    """Two more choices under the row of filters."""
    found = marks.tags(Workspace.current(), view.scores.run.dataset)
    bound = {"bind": "query-params", "on_change": view.rewind}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        mark = st.selectbox(
            "Marked", [ANY, *(f"tag: {name}" for name in found), _UNTAGGED, _NOTED], key=view.key("mark"), width=240,
            help="Tags and notes are yours: choose images below, then tag them. They are kept with the image set.", **bound,
        )  # fmt: skip
        order = st.selectbox(
            "Then by", _ORDERS, key=view.key("then"), width=240,
            help="Disagreement: how far apart the probabilities of all networks of this image set lie, or of the seeds of this topology.",
            **bound,
        )  # fmt: skip
    return Among(mark, order)


def notes_of(view: View, page: Page) -> dict[int, str]:
    """A mark in the caption of each tile that is tagged or has a note."""
    workspace, dataset, ids = Workspace.current(), view.scores.run.dataset, view.scores.image_ids
    found, noted = marks.tags(workspace, dataset), marks.notes(workspace, dataset)
    said = {}
    for row in page.rows.tolist():
        words = [name for name, tagged in found.items() if ids[row] in tagged] + ["✎"] * (ids[row] in noted)
        if words:
            said[row] = f"{view.scores.probabilities[row]:.0%} · {', '.join(words)}"
    return said


def tags(view: View, row: int) -> None:
    """The tags of the open image, to be added to and taken off."""
    workspace, dataset, image_id = Workspace.current(), view.scores.run.dataset, view.scores.image_ids[row]
    found = marks.tags(workspace, dataset)
    own = [name for name, tagged in found.items() if image_id in tagged]
    wanted = st.multiselect(
        "Tags", list(found), own, accept_new_options=True, key=view.key(f"tags_{image_id[:16]}"), placeholder="choose some or type a new one",
    )  # fmt: skip
    if set(wanted) == set(own):
        return
    with shown_errors():
        for name in set(wanted) - set(own):
            marks.tag(workspace, dataset, [image_id], name)
        for name in set(own) - set(wanted):
            marks.untag(workspace, dataset, [image_id], name)
        st.rerun()  # the whole page: a new tag is a new filter


def note(view: View, row: int) -> None:
    """The note of the open image, kept as soon as the field is left."""
    workspace, dataset, image_id = Workspace.current(), view.scores.run.dataset, view.scores.image_ids[row]
    key = view.key(f"note_{image_id[:16]}")

    def keep() -> None:
        with shown_errors():
            marks.note(workspace, dataset, image_id, st.session_state[key])

    st.text_area("Note", marks.notes(workspace, dataset).get(image_id, ""), key=key, on_change=keep, height=68, placeholder="what you see")
