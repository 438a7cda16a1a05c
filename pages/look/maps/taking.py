"""The way out of the Grad-CAM page: maps as a figure with its settings below it, and as arrays."""

import numpy as np
import streamlit as st

from pages.look.maps.controls import Look, place_words
from pages.look.maps.pictures import values_of
from pages.shared import cached, gallery
from pages.shared.pickers import run_label

MOST_COMPUTED = 200  # images whose maps are computed for a file; of kept maps `MOST_KEPT`
MOST_KEPT = 5000


def buttons(view: gallery.View, rows: np.ndarray, on_page: np.ndarray, look: Look) -> None:
    """Two buttons; the files are made when asked for."""
    name = f"{view.scores.run.id}-{look.method}-{look.target}{'-before-relu' if look.place == 'raw' else ''}"
    most = MOST_KEPT if all(cached.kept_of(view.scores, asked) for asked in look.questions()) else MOST_COMPUTED
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Figure (PNG)", lambda: figure(view, on_page, look), f"{name}.png", "image/png", icon=":material/image:", on_click="ignore",
            disabled=not len(on_page), key=view.key("figure"), help="The images of this page with their maps, a caption and the settings.",
        )  # fmt: skip
        st.download_button(
            "Arrays (npz)", lambda: arrays(view, rows[:most], look), f"{name}.npz", "application/octet-stream", icon=":material/data_array:",
            on_click="ignore", disabled=not len(rows), key=view.key("npz"),
            help=f"Maps, image ids, labels, logits and settings of this selection for numpy, the first {most:,} images at most.",
        )  # fmt: skip


def figure(view: gallery.View, rows: np.ndarray, look: Look) -> bytes:
    from cifake_core.explanations import taking

    questions = look.questions()
    drawn = []
    for asked in questions:
        maps = cached.maps_of(view.scores, rows, asked)
        colour_map, limits = look.drawing(maps.signed is not None)
        drawn.append(taking.Drawn(_spoken(asked.target), values_of(view, maps, asked, look), colour_map, limits))
    return taking.figure(
        np.asarray(view.scores.pixels[rows]), drawn, _labels(view, rows), _caption(view, look), settings(view, look), look.opacity
    )


def arrays(view: gallery.View, rows: np.ndarray, look: Look) -> bytes:
    from cifake_core.explanations import taking

    found = {asked.target: cached.maps_of(view.scores, rows, asked) for asked in look.questions()}
    return taking.arrays(view.scores, rows, found, settings(view, look))


def settings(view: gallery.View, look: Look) -> dict:
    """All that is needed to make the same again."""
    return {
        "run": view.scores.run.id,
        "image_set": view.scores.run.dataset,
        "split": view.scores.split,
        "method": look.method,
        "layers": list(look.layers),
        "feature_map": place_words(look.place) if look.place else None,
        "target": look.target,
        "scaled_to": "all images" if look.shared else "each image",
        "range": [look.low, look.high],
        "opacity": look.opacity,
    }


def _spoken(target: str) -> str:
    return {"verdict": "for its verdict", "fake": "for fake", "real": "for real"}[target]


def _labels(view: gallery.View, rows: np.ndarray) -> list[str]:
    truth = np.array(["real", "fake"])[view.scores.labels[rows]]
    return [f"{word}, {share:.0%} fake" for word, share in zip(truth, view.scores.probabilities[rows], strict=True)]


def _caption(view: gallery.View, look: Look) -> str:
    return f"{run_label(view.scores.run)}. {look.said()}, on the {view.scores.split} split."
