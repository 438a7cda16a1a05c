"""The workbench under a verdict: draw the entity, turn the sliders, and see the verdict, the map and every trace at once."""

import numpy as np
import streamlit as st

from cifake_core.images.sprite import png
from cifake_core.store.workspace import Workspace
from pages.look.trial.asking import Question
from pages.shared import cached
from pages.shared.canvas import canvas
from pages.shared.guard import literal, shown_errors
from pages.shared.palette import colours

_BADGE = {"fake": ":orange[fake]", "real": ":blue[real]", "unsure": "unsure"}
_FILL = {"its mean colour": "mean", "a blur": "blur", "coarse shading only": "low", "fine detail only": "high"}


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
            mask, whose = _mask(seen)
            _on_entity(asked, seen, mask, whose)
        with middle:
            wanted = _sliders()
        with right:
            _outcome(asked, seen, wanted, mask)
        _traces(asked, seen, wanted, mask)


def _mask(seen: np.ndarray) -> tuple[np.ndarray, str]:
    """The mask of the entity, bool (32, 32): drawn now, kept before, or guessed; and whose it is."""
    from cifake_core.explanations import drawn_masks, masks
    from cifake_core.images.schema import image_id

    workspace, identity = Workspace.current(), image_id(seen)
    st.markdown("**The entity**", help="Paint over what the picture shows. The rest is its background.")
    kept = drawn_masks.kept(workspace, identity)
    begin = st.session_state.get("try_mask_begin", {}).get(identity, "")
    start = guessed(seen) if begin == "guess" else kept if begin == "" else None
    painted = canvas(
        seen,
        key="try_canvas",
        version=f"{identity}-{begin}-{kept is not None}",
        label="Paint over the entity of this image",
        start=start,
    )
    with st.container(horizontal=True, gap="xsmall"):
        keep = st.button(
            "Keep",
            icon=":material/save:",
            key="try_mask_keep",
            help="Keep this mask with the image; `entity-test --masks user` uses it.",
        )
        st.button(
            "Begin with a guess",
            icon=":material/auto_fix_high:",
            key="try_mask_guess",
            on_click=_begin,
            args=(identity, "guess"),
            help="GrabCut's guess, to be corrected.",
        )
        if kept is not None:
            st.button(
                "Forget",
                icon=":material/delete:",
                key="try_mask_forget",
                on_click=_forget,
                args=(identity,),
                help="Remove the kept mask.",
            )
    mask, whose = (
        (kept, "your kept mask") if kept is not None else (guessed(seen), "a guess (GrabCut); paint to correct it")
    )
    if painted is not None and painted.any():
        mask, whose = masks.drawn(painted), "what you painted"
    elif begin == "guess":
        mask, whose = guessed(seen), "a guess (GrabCut)"
    if keep:
        drawn_masks.keep(workspace, identity, mask)
        st.toast(f"Kept. {drawn_masks.count(workspace)} images have a mask of yours.")
        st.session_state["try_mask_begin"] = {}
        st.rerun(scope="fragment")
    return mask, whose


def guessed(seen: np.ndarray) -> np.ndarray:
    """GrabCut's mask of uint8 (32, 32, 3)."""
    return _guessed(seen.tobytes(), seen)


@st.cache_data(max_entries=200, show_spinner=False)
def _guessed(pixels: bytes, _seen: np.ndarray) -> np.ndarray:
    from cifake_core.explanations.segmenting import grabcut

    return grabcut(np.ascontiguousarray(_seen))


def _begin(identity: str, how: str) -> None:
    st.session_state["try_mask_begin"] = {identity: how}


def _forget(identity: str) -> None:
    from cifake_core.explanations import drawn_masks

    with shown_errors():
        drawn_masks.forget(Workspace.current(), identity)


def _on_entity(asked: Question, seen: np.ndarray, mask: np.ndarray, whose: str) -> None:
    """How much of the map lies on the mask, against its area."""
    from cifake_core.explanations import localisation, methods

    images = np.ascontiguousarray(seen.transpose(2, 0, 1))[None]
    heat = methods.maps(cached.detector_of(asked.run), images, asked.method, asked.layer, asked.target).heat
    on, area = float(localisation.mass_share(heat, mask[None])[0]), float(mask.mean())
    hit = localisation.pointing(heat, mask[None])[0]
    if not np.isfinite(on):
        st.caption(f"The map is zero everywhere, so none of it lies on the entity ({whose}).")
        return
    where = "on the entity" if hit >= 0.5 else "on the background"
    st.markdown(
        f"**{on:.0%}** of the map lies on the entity, which covers **{area:.0%}** of the picture; the hottest place is {where}."
    )
    st.caption(f"The entity is {whose}. A map without preference has as much on the entity as its area.")


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
        "Put in its place", list(_FILL), key="try_if_fill", bind="query-params", disabled=masked == "nothing"
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
        temperature=asked.temperature or 1.0, method=asked.method, layer=asked.layer, target=asked.target,
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


def _traces(asked: Question, seen: np.ndarray, wanted, mask: np.ndarray) -> None:
    """The probability along every slider, with a dot where it stands: where the line crosses one half, the verdict flips."""
    from cifake_core.explanations import altering

    image = np.ascontiguousarray(seen.transpose(2, 0, 1))
    found = altering.traces(cached.detector_of(asked.run), image, wanted, mask, asked.temperature or 1.0)
    paint = colours()
    rows = [
        {"slider": t.control.title, "value": float(v), "fake": float(p)}
        for t in found
        for v, p in zip(t.values, t.probabilities, strict=True)
    ]
    here = [{"slider": t.control.title, "value": float(t.here)} for t in found]
    x = {"field": "value", "type": "quantitative", "title": None, "axis": {"grid": False, "tickCount": 4}}
    y = {
        "field": "fake",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "title": "probability of fake",
        "axis": {"format": ".0%", "tickCount": 3},
    }
    side = {"condition": {"test": "datum.fake >= 0.5", "value": paint["fake"]}, "value": paint["real"]}
    layer = [
        {"mark": {"type": "rule", "strokeDash": [4, 4], "color": paint["muted"]}, "encoding": {"y": {"datum": 0.5}}},
        {"transform": [{"filter": "!isValid(datum.fake)"}], "mark": {"type": "rule", "color": paint["muted"], "strokeWidth": 2}, "encoding": {"x": x}},
        {"transform": [{"filter": "isValid(datum.fake)"}], "mark": {"type": "line", "color": paint["muted"]}, "encoding": {"x": x, "y": y}},
        {
            "transform": [{"filter": "isValid(datum.fake)"}],
            "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": side, "tooltip": [{"field": "value", "format": ".3~g"}, {"field": "fake", "format": ".1%"}]},
        },
    ]  # fmt: skip
    titles = [t.control.title for t in found]
    st.vega_lite_chart(
        {
            "data": {"values": rows + here}, "facet": {"field": "slider", "sort": titles, "title": None}, "columns": 3,
            "spec": {"layer": layer, "width": 230, "height": 110}, "resolve": {"scale": {"x": "independent"}},
        },
        alt="Probability of fake along each slider: " + ", ".join(f"{t.control.title} {t.probabilities.min():.0%} to {t.probabilities.max():.0%}" for t in found),
    )  # fmt: skip
    flips = [t.control.title for t in found if len({p >= 0.5 for p in t.probabilities}) > 1]
    said = (
        f"The verdict flips somewhere along: {literal(', '.join(flips))}."
        if flips
        else "No slider alone flips the verdict."
    )
    st.caption(f"The probability along each slider, all others as they stand (the upright line). {said}")
