"""How maps are shown: the controls of the Grad-CAM page, maps as sprites, one image large, mean maps of each outcome."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.images.sprite import png
from pages.shared import cached
from pages.shared.gallery import COLUMNS, View

TARGETS = {
    "verdict": "the verdict it gave",
    "fake": "why it might be fake",
    "real": "why it might be real",
}
COLOUR_MAPS = ("viridis", "magma", "cividis", "inferno")
PANES = ("overlay", "image | overlay", "image | map | overlay")
GROUPS = {"FP": "real called fake", "FN": "fake called real", "TN": "real called real", "TP": "fake called fake"}
SCALE = 4  # of the maps that are sent to the browser: smooth at the size of a tile


@dataclass(frozen=True)
class Look:
    """What is mapped and how it is drawn."""

    layer: str
    target: str
    opacity: float
    colour_map: str
    panes: str

    @property
    def tile(self) -> int:
        """Least width of a tile in pixels."""
        return {"overlay": 84, "image | overlay": 150, "image | map | overlay": 230}[self.panes]


def look_bar(run: Run) -> Look:
    """The controls; every one is part of the link."""
    layers = layer_names(run)
    a, b, c, d, e = st.columns([3, 3, 3, 2, 2.4], vertical_alignment="bottom")
    panes = a.selectbox("Show", PANES, key="gradcam_show", bind="query-params")
    layer = b.selectbox(
        "Layer", list(layers), index=len(layers) - 1, key="gradcam_layer", bind="query-params",
        help="Early layers see fine texture at full detail, late ones larger patterns on a coarser grid.",
    )  # fmt: skip
    target = c.selectbox(
        "Question", list(TARGETS.values()), key="gradcam_target", bind="query-params",
        help="A map answers a question. For the verdict real it shows what lowered the probability of fake.",
    )  # fmt: skip
    colour_map = d.selectbox("Colours", COLOUR_MAPS, key="gradcam_colours", bind="query-params", help="All are perceptually uniform: equal steps look equal.")
    opacity = e.slider("Opacity", 0.0, 1.0, 0.5, 0.05, key="gradcam_opacity", bind="query-params")
    asked = {shown: name for name, shown in TARGETS.items()}[target]
    return Look(layers[layer], asked, opacity, colour_map, panes)


def layer_names(run: Run) -> dict[str, str]:
    """What a user reads → the name of the convolution, first to last."""
    from cifake_core.detectors.networks import convolution_names

    names = convolution_names(cached.detector_of(run).network)
    last = len(names)
    return {f"convolution {n} of {last}": name for n, name in enumerate(names, 1)}


def sprite_of(maps, look: Look) -> bytes:
    """The maps of a page as one picture, in the order and columns of the tiles."""
    from cifake_core.explanations.overlay import heat_picture
    from cifake_core.images.sprite import sprite

    pictures = [heat_picture(heat, SCALE, look.colour_map) for heat in maps.heat]
    return sprite(np.stack(pictures).transpose(0, 3, 1, 2), COLUMNS)


def large(view: View, row: int, look: Look) -> None:
    """One image and its map, large: the image, the overlay, and what the map is scaled to."""
    from cifake_core.explanations.overlay import enlarge, heat_picture, overlay

    maps = cached.maps_of(view.scores, np.array([row]), look.layer, look.target)
    image, heat = view.scores.pixels[row].transpose(1, 2, 0), maps.heat[0]
    spoken = ("real", "fake")[int(maps.explained[0])]
    left, right = st.columns(2, gap="small")
    show = {"output_format": "PNG", "width": "stretch"}
    left.image(png(enlarge(image)), caption="what the network saw", alt="the image, enlarged eight times", **show)
    right.image(png(heat_picture(heat, 8, look.colour_map)), caption="the map", alt=f"map of evidence for {spoken}", **show)
    st.image(png(overlay(image, heat, look.opacity, 8, look.colour_map)), alt=f"the map for {spoken} over the image", **show)
    if maps.empty[0]:
        st.caption(f"No evidence: in this layer, nothing speaks for **{spoken}**. The map is zero everywhere.")
    else:
        st.caption(f"Bright: what spoke for **{spoken}**, relative to the strongest place of this image.")


def averages(view: View, look: Look) -> None:
    """What is common to the maps of each outcome, and of each class on request."""
    st.subheader("On average", anchor="averages")
    by = st.segmented_control(
        "Mean maps by", ("nothing", "outcome", "class"), default="outcome", required=True, key="gradcam_mean", bind="query-params"
    )
    if by == "nothing":
        return
    groups = _groups(view, by)
    found = cached.mean_maps_of(view.scores, groups, look.layer, look.target)
    from cifake_core.explanations.overlay import heat_picture

    for column, (name, mean) in zip(st.columns(max(len(found), 4) if by == "outcome" else 5 * 2), found.items(), strict=False):
        column.image(
            png(heat_picture(mean.heat, 5, look.colour_map)),
            output_format="PNG",
            width="stretch",
            caption=f"{name}, {mean.images:,} of {mean.of:,}",
            alt=f"mean map of {name}",
        )
    st.caption(
        "Each map is scaled to its own maximum, then averaged over a sample drawn at random: bright is where the network often looks. "
        "A bright middle follows the object; an even field says the place does not matter."
    )


def _groups(view: View, by: str) -> dict[str, np.ndarray]:
    from cifake_core.evaluation.evaluating import class_name

    if by == "class":
        labels = view.scores.class_labels
        return {class_name(int(c)): np.flatnonzero(labels == c) for c in np.unique(labels)[:10]}
    outcomes = view.scores.outcomes(view.threshold)
    return {words: np.flatnonzero(outcomes == name) for name, words in GROUPS.items()}
