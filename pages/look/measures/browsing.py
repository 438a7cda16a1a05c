"""The gallery as every view of Metrics shows it: the bar of chosen images, tiles, and the open image with all that is known."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from pages.look.measures import inspecting, marking
from pages.shared import gallery

PER_PAGE = 48


@st.fragment
def browse(view: gallery.View, rows: np.ndarray, note: Callable[[int], str] | None = None, said: str = "") -> None:
    """Turning pages, choosing and opening images redraws only this part. `note(row)`: words below a tile, explained by `said`."""
    rows = gallery.choose(view, rows, PER_PAGE)
    page = gallery.pager(view, rows, PER_PAGE)
    left, right = st.columns([12, 6], gap="medium")
    pictures = inspecting.Pictures(view)
    with right:
        number = gallery.detail(view, rows, PER_PAGE, more=pictures.draw)
        if number:
            inspecting.more(view, int(rows[number - 1]))
        gallery.exports(view, rows)
    with left:
        if len(rows):
            gallery.tiles(view, rows, page, number, notes=marking.notes_of(view, page) | ({row: note(row) for row in page.rows.tolist()} if note else {}))
            gallery.legend(view)
            if said:
                st.caption(said)
        else:
            st.info("No image fits these filters; widen them or choose another cell.", icon=":material/filter_alt_off:")
    pictures.fill()  # last: a network may have to be loaded for it, and everything else is on the screen by now
