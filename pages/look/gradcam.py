"""Where a network looked: Grad-CAM over the images of its test set, mistakes first. It draws; the core computes maps."""

import numpy as np
import streamlit as st

from cifake_core.evaluation import selecting
from pages.look.maps.heat import Look, averages, large, look_bar, sprite_of
from pages.shared import cached, gallery
from pages.shared.guard import shown_errors
from pages.shared.pickers import run_picker

PER_PAGE = {"overlay": 36, "image | overlay": 24, "image | map | overlay": 15}


def main() -> None:
    """The page."""
    title, picker = st.columns([3, 4], vertical_alignment="bottom")
    title.title("Grad-CAM")
    title.caption("Where the network looked for its verdict; the images it got most confidently wrong come first.")
    with picker:
        run = run_picker("gradcam_run")
    if run is None:
        return
    with shown_errors():
        view = gallery.View("gradcam", cached.scores_of(run), threshold=0.5)
        look = look_bar(run)
        rows = selecting.rows(view.scores, gallery.filters(view, cell="wrong"), view.threshold)
        browse(view, rows, look)
        averages(view, look)


@st.fragment
def browse(view: gallery.View, rows: np.ndarray, look: Look) -> None:
    """Turning pages and opening images redraws only this part; only the maps of this page are computed."""
    per_page = PER_PAGE[look.panes]
    page = gallery.pager(view, rows, per_page)
    left, right = st.columns([12, 6], gap="medium")
    with right:
        number = gallery.detail(view, rows, per_page, more=lambda row: large(view, row, look))
        gallery.exports(view, rows)
    with left:
        if len(rows):
            maps = cached.maps_of(view.scores, page.rows, look.layer, look.target)
            notes = {int(row): "no evidence" for row, empty in zip(page.rows, maps.empty, strict=True) if empty}
            gallery.tiles(
                view, rows, page, number, heat=sprite_of(maps, look), opacity=look.opacity,
                panes=tuple(look.panes.split(" | ")), tile=look.tile, notes=notes,
            )  # fmt: skip
            if notes:
                st.caption(
                    f"{len(notes)} of these maps are zero everywhere: in this layer, nothing speaks for the label asked about. "
                    "That is a finding, not a fault."
                )
            gallery.legend(view)
        else:
            st.info("No image fits these filters; widen them, or choose all images.", icon=":material/filter_alt_off:")


main()
