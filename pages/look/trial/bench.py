"""The workbench under a verdict: draw the entity, turn the sliders, and see the verdict, the map and every trace at once."""

import numpy as np
import streamlit as st

from cifake_core.images.sprite import png
from pages.look.trial import saying
from pages.look.trial.asking import Question, predictor_of
from pages.look.trial.masking import mask_of, on_entity
from pages.look.trial.traces import traces
from pages.shared.guard import shown_errors

_FILL = {"mean colour": "mean", "blur": "blur", "shading": "low", "fine detail": "high"}


@st.fragment
def workbench(asked: Question, result) -> None:
    """What if, of one tried image; a step of a slider or a stroke of the brush redraws only this."""
    seen = result.seen
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
            _outcome(asked, result, wanted, mask)
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


def _outcome(asked: Question, result, wanted, mask: np.ndarray) -> None:
    from cifake_core.explanations import altering
    from cifake_core.explanations.overlay import enlarge, overlay

    answer = altering.asked(
        predictor_of(asked.run), np.ascontiguousarray(result.seen.transpose(2, 0, 1)), result.verdict, wanted, mask,
        size=result.size, method=asked.method, layer=asked.layer, target=asked.target,
    )  # fmt: skip
    pixels, heat, after = answer.pixels.transpose(1, 2, 0), answer.maps.heat[0], answer.after
    st.markdown(
        f"**Now:** {saying.badge(after)}, **{after.fake_probability:.1%}** fake "
        f"(before: {saying.badge(answer.before)}, {answer.before.fake_probability:.1%})"
    )
    st.progress(min(max(after.fake_probability, 0.0), 1.0))
    image, over = st.columns(2, gap="small")
    shown = {"output_format": "PNG", "width": "stretch"}
    image.image(
        png(enlarge(np.ascontiguousarray(pixels))), caption="altered", alt="the altered image, enlarged", **shown
    )
    over.image(png(overlay(pixels, heat, 0.55)), caption="its map", alt="map of the altered image", **shown)
    if answer.flipped:
        st.warning("The verdict flips: it hangs on what was altered.", icon=":material/swap_horiz:")
    if not after.is_firm:
        st.info(saying.why(after), icon=":material/help:")
    if answer.maps.empty[0]:
        st.caption("No evidence: the map of the altered image is zero everywhere.")
