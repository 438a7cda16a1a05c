"""Browsing maps of a whole test set: filters, a page of tiles, one image large with its maps and how faithful they are."""

import numpy as np
import streamlit as st

from cifake_core.images.sprite import png
from pages.look.maps import precomputing, taking
from pages.look.maps.controls import Look
from pages.look.maps.figures import faithfulness_curves
from pages.look.maps.pictures import map_picture, overlay_picture, scaling_said, sprite_of, values_of
from pages.shared import cached, gallery

LABELS = ("real", "fake")


def browse(view: gallery.View, rows: np.ndarray, look: Look) -> None:
    """The tiles, and the open image beside them."""
    questions = look.questions()
    rows = gallery.choose(view, rows, look.per_page)
    page = gallery.pager(view, rows, look.per_page)
    left, right = st.columns([12, 6], gap="medium")
    with right:
        number = gallery.detail(view, rows, look.per_page, more=lambda row: large(view, row, look))
        gallery.exports(view, rows)
        taking.buttons(view, rows, page.rows, look)
    with left:
        if not len(rows):
            st.info("No image fits these filters; widen them, or choose all images.", icon=":material/filter_alt_off:")
            return
        found = [cached.maps_of(view.scores, page.rows, asked) for asked in questions]
        sprites = [sprite_of(view, maps, asked, look) for maps, asked in zip(found, questions, strict=True)]
        notes = _notes(found, page.rows)
        gallery.tiles(
            view, rows, page, number, heat=sprites[0], second=sprites[1] if len(sprites) > 1 else None,
            opacity=look.opacity, panes=look.panes, tile=look.tile, notes=notes,
        )  # fmt: skip
        _explained(view, found, questions, look)
        _other_place(view, page.rows, found[0], questions[0], look)
        gallery.legend(view)
        precomputing.offer(view.scores, questions)


def _notes(found: list, rows: np.ndarray) -> dict[int, str]:
    if len(found) == 1:
        even = {int(row): "evenly everywhere" for row, even in zip(rows, found[0].even, strict=True) if even}
        return even | {int(row): "no evidence" for row, empty in zip(rows, found[0].empty, strict=True) if empty}
    words = {(True, True): "no evidence at all", (True, False): "none for fake", (False, True): "none for real"}
    pairs = zip(rows, found[0].empty, found[1].empty, strict=True)
    return {int(row): words[bool(fake), bool(real)] for row, fake, real in pairs if fake or real}


def _explained(view: gallery.View, found: list, questions: list, look: Look) -> None:
    said = f"{look.said()}: {scaling_said(view, found[0], questions[0], look)}."
    if len(questions) == 2:
        said += " The first map speaks for fake, the second for real."
    empty, even = (int(np.any([getattr(maps, name) for maps in found], axis=0).sum()) for name in ("empty", "even"))
    if empty:
        said += (
            f" {empty} of these images have a map that is zero everywhere: nothing there speaks for the label asked about. "
            "That is a finding, not a fault."
        )
    if even:
        said += f" {even} have evidence that is the same everywhere: no place is preferred."
    st.caption(said)


def _other_place(view: gallery.View, rows: np.ndarray, maps, asked, look: Look) -> None:
    """For feature maps before the ReLU: how much these heatmaps differ from those after it, on the images shown."""
    from dataclasses import replace

    from cifake_core.explanations import methods
    from cifake_core.explanations.agreement import NEAR, agreement

    if look.place != "raw" or look.method.split("@")[0] in methods.SLOW:
        return
    found = agreement(maps.heat, cached.maps_of(view.scores, rows, replace(asked, place="relu")).heat)
    if not found.n:
        return
    r, same = found.correlation, found.same_place
    st.caption(
        f"**Before ReLU** is not where the paper takes feature maps. On {found.n} of these images the heatmaps of the two places correlate "
        f"at {r.value:.2f} (median; 95 % interval {r.low:.2f} to {r.high:.2f}), and the hottest pixels lie within {NEAR} pixels in "
        f"{100 * same.value:.0f} % of them."
    )


def large(view: gallery.View, row: int, look: Look) -> None:
    """One image and its maps, large, and on request how faithful they are."""
    image = view.scores.pixels[row].transpose(1, 2, 0)
    st.image(
        png(image.repeat(8, 0).repeat(8, 1)), output_format="PNG", width="stretch", caption="what the network saw",
        alt="the image, enlarged eight times",
    )  # fmt: skip
    for asked in look.questions():
        _map(view, row, image, asked, look)
    curves = st.expander(
        "Is this map faithful?", key="gradcam_faithful", on_change="rerun", type="compact", icon=":material/rule:"
    )
    if curves.open:
        with curves:
            faithfulness(view, row, look)


def _map(view: gallery.View, row: int, image: np.ndarray, asked, look: Look) -> None:
    maps = cached.maps_of(view.scores, np.array([row]), asked)
    signed, values = maps.signed is not None, values_of(view, maps, asked, look)[0]
    spoken = LABELS[int(maps.explained[0])]
    left, right = st.columns(2, gap="small")
    show = {"output_format": "PNG", "width": "stretch"}
    left.image(map_picture(values, signed, look), caption="the map", alt=f"map of evidence for {spoken}", **show)
    right.image(overlay_picture(image, values, signed, look), caption="over the image", alt=f"the map for {spoken} over the image", **show)
    if maps.empty[0]:
        st.caption(f"No evidence: nothing here speaks for **{spoken}**. The map is zero everywhere.")
    elif maps.even[0]:
        st.caption(f"Evidence for **{spoken}**, the same everywhere: no place is preferred.")
    elif signed:
        st.caption(f"One end of the colours: what spoke for **{spoken}**; the other end: what spoke against it.")
    else:
        st.caption(f"Bright: what spoke for **{spoken}**.")


def faithfulness(view: gallery.View, row: int, look: Look) -> None:
    """Deletion and insertion of the open image's map beside RandomCAM."""
    found = {title: cached.curves_of_map(view.scores, row, asked) for title, asked in _compared(look).items()}
    faithfulness_curves(found)
    st.caption(
        "As the pixels a map calls most relevant are removed, the probability of the verdict should fall sooner than for RandomCAM; "
        "as they return to a blurred image, it should rise sooner. One image proves little: see “Can the map be trusted?”."
    )


def _compared(look: Look) -> dict:
    from dataclasses import replace

    from cifake_core.explanations import methods

    asked = look.questions()[0]
    return {methods.title(asked.method): asked, "RandomCAM": replace(asked, method="randomcam")}
