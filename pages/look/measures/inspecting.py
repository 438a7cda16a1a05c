"""More of the open image: its note, what every network says of it, its map, and the images most like it."""

import numpy as np
import streamlit as st

from cifake_core.images.sprite import sprite
from pages.look.measures import kept, marking
from pages.shared import charts
from pages.shared.gallery import View
from pages.shared.pickers import link_to, run_label

_ENLARGED = 3


def more(view: View, row: int) -> None:
    """Under the facts of the open image; what costs time is drawn only where it is unfolded."""
    marking.note(view, row)
    link_to("gradcam", "Its map", icon=":material/visibility:", gradcam_run=run_label(view.scores.run), gradcam_cell="all images")
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
