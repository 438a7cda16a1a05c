"""One tried image as it is shown: the verdict and its map, what was done to the image first, what shakes the verdict."""

import numpy as np
import streamlit as st

from cifake_core.images.sprite import png
from pages.look.maps.controls import place_words
from pages.look.trial import saying
from pages.look.trial.asking import Question
from pages.shared.guard import literal
from pages.shared.palette import colours

_SHOWN = 224  # pixels: the longest side of a picture of a stage


def show(asked: Question, result) -> None:
    """Verdict and map on the left, how the image came before the network and what shakes it on the right."""
    with st.container(border=True):
        left, right = st.columns([5, 7], gap="large")
        with left:
            _verdict(asked, result)
        with right:
            _stages(result)
            for warning in result.warnings:
                st.warning(warning, icon=":material/info:")
            _checks(result)


def _verdict(asked: Question, result) -> None:
    from cifake_core.explanations import methods
    from cifake_core.explanations.overlay import enlarge, overlay

    verdict, p = result.verdict, result.verdict.fake_probability
    st.markdown(f"##### {literal(result.name)}")
    st.markdown(f"## {saying.badge(verdict)}")
    st.markdown(f"{saying.in_words(p)}: **{p:.1%}** fake." if verdict.is_firm else f"The network says **{p:.1%}** fake.")
    if not verdict.is_firm:
        st.markdown(saying.why(verdict))
    image, heat = st.columns(2, gap="small")
    spoken = ("real", "fake")[int(result.maps.explained[0])]
    shown = {"output_format": "PNG", "width": "stretch"}
    image.image(
        png(enlarge(result.seen)), caption="what it saw", alt=f"the {len(result.seen)} by {len(result.seen)} pixels the network saw, enlarged", **shown
    )
    heat.image(
        png(overlay(result.seen, result.heat, 0.55)),
        caption=f"what spoke for {spoken}",
        alt=f"map of evidence for {spoken}",
        **shown,
    )
    if not result.heat.any():
        st.caption(f"No evidence: the map is zero everywhere; in this layer nothing speaks for {spoken}.")
    elif result.maps.even[0]:
        st.caption(f"Evidence for {spoken}, the same everywhere: no place is preferred.")
    taken = f", feature map {place_words(result.maps.place)}" if result.maps.place else ""
    st.caption(f"{methods.title(asked.method)}, {result.maps.layer}{taken}. {saying.calibration(asked)} {saying.seeds(verdict.evidence.spread)}")
    st.caption(saying.domain(verdict))


def _stages(result) -> None:
    st.markdown("**What was done to it before the network looked**")
    for column, stage in zip(st.columns(max(4, len(result.stages))), result.stages, strict=False):
        column.image(
            png(_fit(stage.pixels)),
            output_format="PNG",
            width="stretch",
            caption=stage.title,
            alt=f"{stage.title}: {stage.meaning}",
        )
        column.caption(stage.meaning)


def _fit(pixels: np.ndarray) -> np.ndarray:
    """For the screen only: small pictures enlarged pixel by pixel, large ones thinned."""
    longest = max(pixels.shape[:2])
    if longest < _SHOWN:
        scale = max(1, _SHOWN // longest)
        return pixels.repeat(scale, 0).repeat(scale, 1)
    step = -(-longest // (2 * _SHOWN))
    return np.ascontiguousarray(pixels[::step, ::step])


def _checks(result) -> None:
    st.markdown(
        "**Does the verdict survive?**", help="The same picture, treated once more: a firm verdict should not flip."
    )
    paint = colours()
    verdict = result.verdict
    rows = [("As it is", verdict.fake_probability), *((c.name, c.fake_probability) for c in verdict.evidence.checks)]
    side = {
        "field": "side",
        "scale": {"domain": ["real", "fake"], "range": [paint["real"], paint["fake"]]},
        "legend": None,
    }
    x = {
        "field": "fake",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%"},
        "title": "probability of fake",
    }
    y = {"field": "image", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 220}}
    tooltip = [{"field": "image"}, {"field": "fake", "format": ".2%"}]
    half = {"mark": {"type": "rule", "strokeDash": [4, 4], "color": paint["muted"]}, "encoding": {"x": {"datum": 0.5}}}
    dots = {
        "mark": {"type": "point", "filled": True, "size": 140, "opacity": 1},
        "encoding": {"y": y, "x": x, "color": side, "tooltip": tooltip},
    }
    values = [{"image": n, "fake": p, "side": "fake" if p >= 0.5 else "real"} for n, p in rows]
    st.vega_lite_chart(
        {"data": {"values": values}, "layer": [half, dots]}, width="stretch", height=34 * len(rows) + 50,
        alt="Probability of fake as the image is, and after each small treatment",
    )  # fmt: skip
    st.caption(
        "Dots on one side of the dashed line: the verdict holds. Dots on both: it hangs on the file more than on the picture."
    )
