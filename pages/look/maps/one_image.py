"""One image in every way: a sheet of methods × layers, each map with how faithful it is."""

import numpy as np
import streamlit as st

from cifake_core.evaluation.evaluating import class_name
from cifake_core.images.sprite import png
from pages.look.maps.browse import LABELS, large
from pages.look.maps.controls import BOTH, Look, layer_names, place_words
from pages.look.maps.figures import curve_chart
from pages.look.maps.pictures import map_picture, overlay_picture
from pages.shared import cached, gallery
from pages.shared.guard import literal

FIRST = ("Grad-CAM", "HiResCAM", "LayerCAM", "Integrated gradients", "RandomCAM")


def one_image(view: gallery.View, rows: np.ndarray, look: Look) -> None:
    """The sheet of the open image; the first of the selection where none is open."""
    if not len(rows):
        st.info("No image fits these filters; widen them, or choose all images.", icon=":material/filter_alt_off:")
        return
    left, right = st.columns([12, 6], gap="medium")
    with right:
        number = gallery.detail(view, rows, look.per_page, more=lambda row: large(view, row, look))
    with left:
        if not number:
            st.caption("No image is open, so this is the first of the selection; choose another by its place on the right.")
        sheet(view, int(rows[(number or 1) - 1]), look)


def sheet(view: gallery.View, row: int, look: Look) -> None:
    """Methods down, layers across."""
    from cifake_core.explanations import methods

    titles = {methods.title(name): name for name in methods.names(untrained=True)}
    chosen = st.multiselect(
        "Methods to compare", list(titles), default=list(FIRST), key="gradcam_compare", bind="query-params",
        help="RandomCAM and maps on random weights know nothing of what was learned: a map that looks like them deserves no trust.",
    )  # fmt: skip
    if not chosen:
        st.caption("Choose at least one method.")
        return
    _the_image(view, row)
    asked = {name: titles[name] for name in chosen}
    for target in ("fake", "real") if look.target == BOTH else (look.target,):
        _sheet(view, row, asked, target, look)
    st.caption(
        "Below each map: the area under its deletion curve (↓ lower is better) and its insertion curve (↑ higher is better). "
        "One image proves little; “Can the map be trusted?” measures a sample, with intervals."
    )


def _the_image(view: gallery.View, row: int) -> None:
    scores = view.scores
    truth, called = LABELS[scores.labels[row]], LABELS[int(scores.probabilities[row] >= view.threshold)]
    picture, words = st.columns([1, 5], vertical_alignment="center")
    image = scores.pixels[row].transpose(1, 2, 0)
    picture.image(png(image.repeat(4, 0).repeat(4, 1)), output_format="PNG", width="stretch", alt="the image, enlarged four times")
    words.markdown(f"A {truth} {class_name(int(scores.class_labels[row]))}, called **{called}**: {scores.probabilities[row]:.1%} fake.")


def _sheet(view: gallery.View, row: int, asked: dict[str, str], target: str, look: Look) -> None:
    """`asked`: titles → methods."""
    layers = layer_names(view.scores.run)
    cells = cached.sheet_of(view.scores, row, tuple(asked.values()), tuple(layers.values()), target, look.place or "relu")
    spoken = LABELS[cells[0].explained]
    st.markdown(f"What speaks for **{spoken}** in this image, by method and layer{f', feature maps {place_words(look.place)}' if look.place else ''}")
    for name, method in asked.items():
        _line(view, row, name, [cell for cell in cells if cell.method == method], layers, look)
    _curves(cells, layers)


def _line(view: gallery.View, row: int, name: str, cells: list, layers: dict[str, str], look: Look) -> None:
    image = view.scores.pixels[row].transpose(1, 2, 0)
    back = {layer: label for label, layer in layers.items()}
    st.markdown(f"**{literal(name)}**")
    for column, cell in zip(st.columns(max(len(layers), 2)), cells, strict=False):
        where = back.get(cell.layer, "the input")
        with column, st.container(gap="xsmall"):
            pair = _pair(image, cell, look)
            st.image(pair, output_format="PNG", width="stretch", alt=f"{name} at {where}: the map, and the map over the image")
            said = "no evidence" if cell.empty else "evenly everywhere" if cell.even else f"↓ {cell.curves.deletion_area:.2f} · ↑ {cell.curves.insertion_area:.2f}"
            st.caption(f"{where}: {said}")


def _pair(image: np.ndarray, cell, look: Look) -> bytes:
    import io

    from PIL import Image

    pictures = [
        map_picture(cell.values, cell.signed, look, 4),
        overlay_picture(image, cell.values, cell.signed, look, 4),
    ]
    return png(np.concatenate([np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in pictures], axis=1))


def _curves(cells: list, layers: dict[str, str]) -> None:
    last = list(layers.values())[-1]
    shown = [cell for cell in cells if cell.layer in (last, "input")]
    from cifake_core.explanations import methods

    rows = [
        {"kind": kind, "map": methods.title(cell.method), "share": step / (len(curve) - 1), "probability": float(value)}
        for cell in shown
        for kind, curve in (
            ("deletion: lower is better", cell.curves.deletion),
            ("insertion: higher is better", cell.curves.insertion),
        )
        for step, value in enumerate(curve)
    ]
    if rows:
        st.markdown("Faithfulness of the maps at the last convolution and of those at the input")
        curve_chart(rows, list(dict.fromkeys(row["map"] for row in rows)), height=190)
