"""Maps as pictures for the page: sprites for tiles, one large picture, and the colour bar that says what colours mean."""

import numpy as np
import streamlit as st

from cifake_core.images.sprite import painted, png
from pages.look.maps.controls import Look
from pages.shared import cached
from pages.shared.gallery import COLUMNS, View

SCALE = 3  # of the maps that are sent to the browser, which smooths the rest of the way to the size of a tile


def sprite_of(view: View, maps, asked, look: Look) -> bytes:
    """The maps of a page as one picture, in the order and columns of the tiles."""
    from cifake_core.explanations import fast_cam, overlay

    drawn = values_of(view, maps, asked, look)
    colour_map, limits = look.drawing(maps.signed is not None)
    side = drawn.shape[1] * SCALE
    levels = overlay.levels(fast_cam.enlarged(np.ascontiguousarray(drawn, np.float32), (side, side)), *limits)
    return painted(levels, COLUMNS, overlay.palette(colour_map))


def values_of(view: View, maps, asked, look: Look) -> np.ndarray:
    """The values that are drawn, on the scale the user chose."""
    from cifake_core.explanations import viewing

    strongest = viewing.strongest_of(cached.kept_of(view.scores, asked), maps) if look.shared else None
    return viewing.values(maps, strongest[0] if strongest else None)


def scaling_said(view: View, maps, asked, look: Look) -> str:
    """What full colour means, in words."""
    from cifake_core.explanations import viewing

    if not look.shared:
        return "each map is scaled from its own weakest to its own strongest place"
    found = viewing.strongest_of(cached.kept_of(view.scores, asked), maps)
    if found is None:
        return "this method's maps have no common unit, so each is scaled from its own weakest to its own strongest place"
    whom = "of all images" if found[1] else "of the images on this page (compute all maps to share one scale)"
    return f"all maps share one scale, full at the 99th percentile {whom}"


def map_picture(values: np.ndarray, signed: bool, look: Look, scale: int = 8) -> bytes:
    """PNG of one map (H, W)."""
    from cifake_core.explanations.overlay import heat_picture

    return png(heat_picture(values, scale, *look.drawing(signed)))


def overlay_picture(image: np.ndarray, values: np.ndarray, signed: bool, look: Look, scale: int = 8) -> bytes:
    """PNG of one map over its image uint8 (H, W, 3)."""
    from cifake_core.explanations.overlay import overlay

    return png(overlay(image, values, look.opacity, scale, *look.drawing(signed)))


def colour_bar(look: Look, signed: bool) -> None:
    """A strip of the colours for means that were stretched to their own range."""
    from cifake_core.explanations.overlay import palette

    colour_map, (low, high) = look.drawing(signed)
    strip = palette(colour_map)[None].repeat(12, axis=0)
    left, middle, right = st.columns([3, 5, 3], vertical_alignment="center", gap="small")
    left.caption("against the label" if signed else "least often")
    middle.image(png(strip), output_format="PNG", width="stretch", alt=f"the colours of {colour_map}, from {low:.2f} to {high:.2f}")
    right.caption("for the label" if signed else "most often")
