"""The workbench under a verdict: draw the entity, turn the sliders, and see the verdict, the map and every trace at once."""

import numpy as np
import streamlit as st

from cifake_core.images.sprite import png
from pages.look.trial.asking import Question
from pages.look.trial.masking import mask_of, on_entity
from pages.look.trial.traces import traces
from pages.shared import cached
from pages.shared.guard import shown_errors

_BADGE = {"fake": ":orange[fake]", "real": ":blue[real]", "unsure": "unsure"}
_FILL = {"mean colour": "mean", "blur": "blur", "shading": "low", "fine detail": "high"}


@st.fragment
def workbench(asked: Question, seen: np.ndarray) -> None:
    """One image uint8 (32, 32, 3); a step of a slider or a stroke of the brush redraws only this."""
    st.subheader("What if?", anchor="what-if")
    st.caption(
        "Change the image as the world might, or take its entity or background away. A verdict that flips is called unsure."
    )
    left, middle, right = st.columns([4, 4, 4], gap="large")
    with shown_errors():
        with left:
            mask, whose = mask_of(seen)
            on_entity(asked, seen, mask, whose)
        with middle:
            wanted = _sliders()
        with right:
            _outcome(asked, seen, wanted, mask)
        traces(asked, seen, wanted, mask)


def _sliders():
    """The controls, each part of the link (`altering.Alterations`)."""
    from cifake_core.explanations.altering import CONTROLS, MASKED, Alterations

    st.markdown("**Alterations**")
    values = {
        c.name: st.slider(
            c.title,
            c.low,
            c.high,
            c.neutral,
            c.step,
            key=f"try_if_{c.name}",
            bind="query-params",
            format="%d" if c.step >= 1 else "%.2f",
            help=f"{c.unit[0].upper()}{c.unit[1:]}.",
        )
        for c in CONTROLS
    }
    one, two = st.columns(2)
    masked = one.selectbox(
        "Take away",
        MASKED,
        key="try_if_masked",
        bind="query-params",
        help="Needs to know where the entity is: paint it on the left.",
    )
    fill = two.selectbox(
        "Put there", list(_FILL), key="try_if_fill", bind="query-params", disabled=masked == "nothing",
        help="The region's mean colour, a strong blur of it, its coarse shading only, or its fine detail only.",
    )
    neutral = {f"try_if_{c.name}": c.neutral for c in CONTROLS} | {"try_if_masked": "nothing"}
    st.button(
        "As it was",
        icon=":material/restart_alt:",
        key="try_if_reset",
        on_click=st.session_state.update,
        args=(neutral,),
    )
    return Alterations(**values, masked=masked, fill=_FILL[fill])


def _outcome(asked: Question, seen: np.ndarray, wanted, mask: np.ndarray) -> None:
    from cifake_core.explanations import altering
    from cifake_core.explanations.overlay import enlarge, overlay

    answer = altering.asked(
        cached.detector_of(asked.run), np.ascontiguousarray(seen.transpose(2, 0, 1)), wanted, mask,
        calibrator=asked.calibrator, method=asked.method, layer=asked.layer, target=asked.target,
    )  # fmt: skip
    pixels, heat = answer.pixels.transpose(1, 2, 0), answer.maps.heat[0]
    st.markdown(f"**Now:** {_BADGE[answer.verdict]}, **{answer.after:.1%}** fake (before: {answer.before:.1%})")
    st.progress(min(max(answer.after, 0.0), 1.0))
    image, over = st.columns(2, gap="small")
    shown = {"output_format": "PNG", "width": "stretch"}
    image.image(
        png(enlarge(np.ascontiguousarray(pixels))), caption="altered", alt="the altered image, enlarged", **shown
    )
    over.image(png(overlay(pixels, heat, 0.55)), caption="its map", alt="map of the altered image", **shown)
    if answer.flipped:
        st.warning("The verdict flips: unsure. It hangs on what was altered.", icon=":material/swap_horiz:")
    elif answer.verdict == "unsure":
        st.info("Close to one half: unsure.", icon=":material/help:")
    if answer.maps.empty[0]:
        st.caption("No evidence: the map of the altered image is zero everywhere.")
