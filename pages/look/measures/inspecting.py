"""More of the open image: where the network looked, tags and note, what every network says of it, the images most like it."""

import numpy as np
import streamlit as st

from cifake_core.errors import CifakeError
from cifake_core.images.sprite import png, sprite
from pages.look.measures import kept, marking
from pages.shared import cached, charts
from pages.shared.gallery import View
from pages.shared.gallery.opening import enlarged
from pages.shared.guard import literal, log
from pages.shared.pickers import link_to, run_label

_ENLARGED = 3
_LABELS = ("real", "fake")


class Pictures:
    """The open image large, and beside it where the network looked. The map comes last: its network may have to be loaded."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._row: int | None = None

    def draw(self, row: int) -> None:
        """The image now, and an empty place for its map."""
        self._row = row
        wanted = st.toggle("Where it looked", True, key=self._view.key("map"), bind="query-params", help="The Grad-CAM of this network's verdict, over the image.")
        left, right = st.columns(2, gap="small") if wanted else (st.container(), None)
        with left:
            enlarged(self._view.scores, row)
        self._place = right.empty() if right is not None else None

    def fill(self) -> None:
        """The map in its place; one sentence where the network cannot be loaded."""
        if self._row is None or self._place is None:
            return
        with self._place.container():
            try:
                _map(self._view, self._row)
            except CifakeError as error:
                log.warning("no map for the open image", exc_info=True)
                st.caption(f"No map can be shown: {literal(str(error))}")


def _map(view: View, row: int) -> None:
    """Grad-CAM over the image, computed once."""
    from cifake_core.explanations import overlay, viewing

    maps = cached.maps_of(view.scores, np.array([row]), viewing.Question())
    spoken = _LABELS[int(maps.explained[0])]
    image = view.scores.pixels[row].transpose(1, 2, 0)
    picture = overlay.overlay(image, viewing.values(maps)[0], 0.5)
    st.image(png(picture), width="stretch", output_format="PNG", alt=f"where the network looked for {spoken}, over the image")
    if maps.empty[0]:
        st.caption(f"Nothing here speaks for **{spoken}**: the map is zero everywhere.")
    elif maps.even[0]:
        st.caption(f"Evidence for **{spoken}**, the same everywhere: no place is preferred.")
    else:
        st.caption(f"Bright: what spoke for **{spoken}**.")


def more(view: View, row: int) -> None:
    """Under the facts of the open image; what costs time is drawn only where it is unfolded."""
    marking.tags(view, row)
    marking.note(view, row)
    link_to("gradcam", "Other maps", icon=":material/visibility:", gradcam_run=run_label(view.scores.run), gradcam_cell="all images")
    under_all = st.expander("Under every network", icon=":material/grid_on:", key=view.key("under_all"), on_change="rerun")
    if under_all.open:
        with under_all:
            _under_every_network(view, row)
    nearest = st.expander("Images most like it", icon=":material/image_search:", key=view.key("alike"), on_change="rerun")
    if nearest.open:
        with nearest:
            _neighbours(view, row)


def _under_every_network(view: View, row: int) -> None:
    found = kept.all_of(view.scores).of(row)
    charts.votes([{"network": f"{run.topology} · seed {run.seed}", "run": run.id, "probability": p} for run, p in found], view.threshold)
    fakes = sum(p >= view.threshold for _, p in found)
    st.caption(f"{fakes} of {len(found)} networks call it fake at {view.threshold:.3f}.")


def _neighbours(view: View, row: int) -> None:
    found = kept.neighbours_of(view.scores, row)
    label = ("real", "fake")[view.scores.labels[row]]
    other = ("fake", "real")[view.scores.labels[row]]
    for word, rows, distance in ((label, found.same, found.same_distance), (other, found.other, found.other_distance)):
        if len(rows):
            strip = sprite(np.asarray(view.scores.pixels[rows]).repeat(_ENLARGED, 2).repeat(_ENLARGED, 3), len(rows))
            st.image(strip, width="stretch", output_format="PNG", alt=f"The {len(rows)} most similar {word} images")
            called = ", ".join(f"{view.scores.probabilities[r]:.0%}" for r in rows)
            st.caption(f"Nearest **{word}** images by colours and layout ({distance[0]:.0f} to {distance[-1]:.0f} levels away); fake: {called}.")
