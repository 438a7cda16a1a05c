"""Mean maps: what is common to the maps of an outcome, of a class, or of the images selected."""

import json

import numpy as np
import streamlit as st

from cifake_core.evaluation.evaluating import class_name
from pages.look.maps import precomputing
from pages.look.maps.controls import Look
from pages.look.maps.pictures import colour_bar, map_picture
from pages.shared import cached
from pages.shared.gallery import View

OUTCOMES = {"TP": "fake called fake", "FN": "fake called real", "TN": "real called real", "FP": "real called fake"}
BY = ("outcome", "class", "class and label", "class and outcome", "this selection")


def averages(view: View, rows: np.ndarray, look: Look) -> None:
    """One picture a group; over all images where the maps are kept, else over a sample."""
    by = st.segmented_control("Mean maps by", BY, default="outcome", required=True, key="gradcam_mean", bind="query-params")
    groups, across = groups_of(view, rows, by)
    for asked in look.questions():
        if look.target == "both":
            st.markdown(f"What speaks for **{asked.target}**")
        found = cached.mean_maps_of(view.scores, groups, asked)
        _pictures(found, across, look, asked)
        _export(found, by, look, asked)
        _rim(view, asked)
    st.caption(
        f"{look.said()}. Each map is scaled from its own weakest to its own strongest place, then averaged, and the mean is stretched to its own range: "
        "bright is where the heatmaps are often strong. Objects lie in the middle, but a map may prefer the middle whatever lies there: “Entity or background?” tells them apart."
    )
    precomputing.offer(view.scores, look.questions())


def _pictures(found: dict, across: int, look: Look, asked) -> None:
    if not found:
        st.caption("No image fits these filters, so there is nothing to average.")
        return
    signed = any(mean.heat.min() < 0 for mean in found.values())
    means = list(found.items())
    for start in range(0, len(means), across):
        for column, (name, mean) in zip(st.columns(across), means[start : start + across], strict=False):
            whole = "" if mean.images == mean.of else f" of {mean.of:,}"
            none = f" · {mean.empty:,} without evidence" if mean.empty else ""
            few = f" · {mean.note}" if mean.few else ""
            column.image(
                map_picture(_stretched(mean.heat, signed), signed, look, 256 // mean.heat.shape[0]), output_format="PNG", width="stretch",
                caption=f"{name}: {mean.images:,}{whole} images{none}{few}", alt=f"mean map of {name} by {asked.method}",
            )  # fmt: skip
    with st.container(width=420):
        colour_bar(look, signed)


def _export(found: dict, by: str, look: Look, asked) -> None:
    """The means as numbers, each with its images and whether they are few."""
    if found:
        given = {"by": by, "settings": look.said(), "target": asked.target, "groups": {name: mean.as_dict() for name, mean in found.items()}}
        st.download_button("Export as JSON", json.dumps(given), "mean-heatmaps.json", "application/json", icon=":material/download:", key=f"gradcam_mean_export_{asked.target}", type="tertiary")


def _rim(view: View, asked) -> None:
    """Stretched means show a rim brightly; how bright it is, and whether it was learned, is said in figures."""
    from cifake_core.explanations import rim

    st.caption(f"**The rim.** {rim.in_words(cached.rim_of(view.scores, asked))}")


def _stretched(mean: np.ndarray, signed: bool) -> np.ndarray:
    """A mean of many maps is nearly flat: its own range is what can be seen."""
    if signed:
        return mean / max(float(np.abs(mean).max()), 1e-9)
    return (mean - mean.min()) / max(float(np.ptp(mean)), 1e-9)


def groups_of(view: View, rows: np.ndarray, by: str) -> tuple[dict[str, np.ndarray], int]:
    """(name → rows, pictures a line)."""
    scores = view.scores
    outcomes = scores.outcomes(view.threshold)
    present = [int(label) for label in np.unique(scores.class_labels)[:10]]
    if by == "class":
        return {class_name(c): np.flatnonzero(scores.class_labels == c) for c in present}, 5
    if by == "class and label":
        pairs = [(c, label) for label in (0, 1) for c in present]
        return {
            f"{class_name(c)}, {('real', 'fake')[label]}": np.flatnonzero((scores.class_labels == c) & (scores.labels == label))
            for c, label in pairs
        }, len(present)
    if by == "class and outcome":
        return {
            f"{class_name(c)} {name}": np.flatnonzero((scores.class_labels == c) & (outcomes == name)) for name in OUTCOMES for c in present
        }, len(present)
    if by == "this selection":
        return {"this selection": rows}, 4
    return {f"{words} ({name})": np.flatnonzero(outcomes == name) for name, words in OUTCOMES.items()}, 4
