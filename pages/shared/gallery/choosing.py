"""Choosing many images: what is chosen stays while pages turn and filters change, until it is cleared, and can be taken away.

Kept in the session as row numbers of the image set, shared by the galleries of a page; a few are also in the address.
"""

import numpy as np
import streamlit as st

from pages.shared.gallery import tagging
from pages.shared.gallery.taking import exports
from pages.shared.gallery.view import View

LINKED = 40  # at most so many are part of the link: an address has to fit into a message


def choose(view: View, rows: np.ndarray, per_page: int) -> np.ndarray:
    """The bar above the tiles: how many are chosen, and what can be done with them; gives the rows to show."""
    found = chosen(view)
    _link(view, found)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.toggle(
            "Select", key=view.key("select"), help="While on, a click chooses an image. Ctrl-click, Shift-click and Space always do.",
        )  # fmt: skip
        if clicks_choose(view):
            st.button(
                "This page", key=view.key("choose_page"), icon=":material/select_all:", on_click=_choose_page, args=(view, rows, per_page),
                disabled=not len(rows),
            )  # fmt: skip
            st.button(
                f"All {len(rows):,}", key=view.key("choose_all"), icon=":material/library_add_check:", on_click=replace,
                args=(view, [], rows.tolist()), disabled=not len(rows),
            )  # fmt: skip
        if not len(found):
            return rows
        st.markdown(f"**{len(found):,} chosen**", width="content")
        only = st.toggle(
            "Only these", key=view.key("only"), bind="query-params", on_change=view.rewind, help="Shows exactly the chosen images, whatever the filters.",
        )  # fmt: skip
        st.button("Open", key=view.key("open_chosen"), icon=":material/zoom_in:", on_click=_open, args=(view, per_page), help="Shows only these, the first one large.")
        tagging.popover(view, found)
        exports(view, found, "chosen")
        st.button("Clear", key=view.key("clear"), icon=":material/close:", on_click=_clear, args=(view,))
    return found if only else rows


def chosen(view: View) -> np.ndarray:
    """Row numbers of the chosen images, in the order they were chosen. Those of another image set are forgotten."""
    kept = st.session_state.get(view.page_key("basket"))
    if kept is None:
        kept = _linked(view)
    return np.array(kept[1] if kept[0] == _images(view) else (), dtype=int)


def replace(view: View, shown: list[int], marked: list[int]) -> None:
    """Of the images shown, exactly the marked are chosen from now on; marked ones that were not shown join them."""
    now = dict.fromkeys(chosen(view).tolist())
    for row in shown:
        if row not in marked:
            now.pop(row, None)
    st.session_state[view.page_key("basket")] = (_images(view), [*(now | dict.fromkeys(marked))])


def clicks_choose(view: View) -> bool:
    """Whether a plain click on a tile chooses it rather than opens it."""
    return bool(st.session_state.get(view.key("select")))


def _choose_page(view: View, rows: np.ndarray, per_page: int) -> None:
    start = (st.session_state.get(view.key("page"), 1) - 1) * per_page
    replace(view, [], rows[start : start + per_page].tolist())


def _open(view: View, per_page: int) -> None:
    st.session_state[view.key("only")] = True
    view.open(1, per_page)


def _clear(view: View) -> None:
    was_only = st.session_state.get(view.key("only"))
    st.session_state[view.page_key("basket")] = (_images(view), [])
    if was_only:  # the places of the images are others now
        view.rewind()


def _images(view: View) -> str:
    """What row numbers refer to."""
    return view.scores.run.record["dataset_digest"][:8]


def _link(view: View, found: np.ndarray) -> None:
    name = view.page_key("chosen")
    text = "-".join([_images(view), *map(str, found.tolist())]) if 0 < len(found) <= LINKED else None
    if text is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != text:
        st.query_params[name] = text


def _linked(view: View) -> tuple[str, list[int]]:
    """What the address says is chosen; nothing where it makes no sense."""
    images, *rows = st.query_params.get(view.page_key("chosen"), "").split("-")
    known = [int(row) for row in rows if row.isascii() and row.isdigit() and int(row) < len(view.scores)]
    return images, [*dict.fromkeys(known[:LINKED])]
