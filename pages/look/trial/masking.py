"""The mask of the entity on the workbench: painted now, kept before or guessed, and how much of the map lies on it."""

import numpy as np
import streamlit as st

from cifake_core.store.workspace import Workspace
from pages.look.trial.asking import Question
from pages.shared import cached
from pages.shared.canvas import canvas
from pages.shared.guard import shown_errors


def mask_of(seen: np.ndarray) -> tuple[np.ndarray, str]:
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


def on_entity(asked: Question, seen: np.ndarray, mask: np.ndarray, whose: str) -> None:
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
