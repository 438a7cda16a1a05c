"""Two networks on the same images: who is better, how sure that is, and only the images where they disagree."""

import numpy as np
import streamlit as st

from cifake_core.detectors import runs
from cifake_core.evaluation import comparing
from cifake_core.evaluation.comparing import Comparison
from cifake_core.store.workspace import Workspace
from pages.look.measures import browsing, kept
from pages.look.measures.estimates import WORDS, interval, shown
from pages.look.measures.matrix import Cell, matrix
from pages.shared import cached, charts
from pages.shared.gallery import View
from pages.shared.guard import shown_errors
from pages.shared.pickers import run_label

NOBODY = "nobody"
SIDES = {
    "both": "one of the two is right",
    "first": "only this network is right",
    "second": "only the other is right",
    "both wrong": "both are wrong",
    "both right": "both are right",
}


def show(view: View, paper: float | None) -> None:
    """The view; draws nothing more until another network of the same image set is chosen."""
    run = view.scores.run
    others = {run_label(r): r for r in runs.runs(Workspace.current()) if r.dataset == run.dataset and r.id != run.id}
    st.subheader("Against another network", anchor="compare")
    if not others:
        st.caption("Train a second network on this image set to compare the two image by image.")
        return
    chosen = st.selectbox("Compare with", [NOBODY, *others], key="metrics_other", bind="query-params")
    if chosen == NOBODY:
        st.caption("Choose one to see who is better, how sure that is, and the images on which the two disagree.")
        return
    with shown_errors():
        other = cached.scores_of(others[chosen])
        found = comparing.compare(view.scores, other, view.threshold)
        _verdict(found, view.threshold)
        _every_difference(view, other)
        _disagreements(view, other, found)


def _every_difference(view: View, other) -> None:
    found = kept.paired_of(view.scores, other, view.threshold)
    plain = ("loss", "brier")
    charts.differences([{"name": WORDS[n], **e.as_dict()} for n, e in found.items() if n not in plain and e.value is not None])
    st.caption("This network minus the other, in points, with 95 % intervals that keep the images paired; an interval without 0 is a difference.")
    with st.expander("The same as a table"):
        rows = {WORDS[n]: (e, n not in plain) for n, e in found.items()}
        st.dataframe(
            {
                "Number": list(rows),
                "Difference": [shown(e, as_share) for e, as_share in rows.values()],
                "95 % interval": [interval(e, as_share) for e, as_share in rows.values()],
            },
            hide_index=True,
            width="stretch",
        )


def _verdict(found: Comparison, threshold: float) -> None:
    d = found.difference
    sure = "more than chance would give" if found.p_value < 0.05 else "no more than chance would give"
    better = "better" if d.value > 0 else "worse"
    st.markdown(
        f"At {threshold:.3f}, this network is **{abs(100 * d.value):.2f} points {better}** (95 % interval "
        f"{100 * d.low:+.2f} to {100 * d.high:+.2f}). They disagree on {found.only_first + found.only_second:,} of "
        f"{found.n:,} images, and the imbalance is {sure} (McNemar's exact test, p = {found.p_value:.2g}).",
        help="McNemar's test looks only at images that one network gets right and the other wrong: between equally good ones these split evenly.",
    )


def _disagreements(view: View, other, found: Comparison) -> None:
    against = View("metrics_vs", view.scores, view.threshold)
    left, right = st.columns([2, 3], gap="large")
    with left:
        _agreement(found, against)
    with right:
        side = st.selectbox("Images where", list(SIDES.values()), key="metrics_side", bind="query-params", on_change=against.rewind)
        st.caption("Largest gap between the two probabilities first.")
    rows = _rows_of(view, other, found, side)
    gap = np.abs(view.scores.probabilities[rows] - other.probabilities[rows])
    browsing.browse(
        against, rows[np.argsort(-gap, kind="stable")],
        lambda row: f"{view.scores.probabilities[row]:.0%}|{other.probabilities[row]:.0%}",
        "Two figures: probability of fake under this network | under the other.",
    )  # fmt: skip


def _rows_of(view: View, other, found: Comparison, side: str) -> np.ndarray:
    if side == SIDES["both"]:
        return found.rows
    here, there = (one.verdicts(view.threshold) == one.labels for one in (view.scores, other))
    inside = {"first": here & ~there, "second": there & ~here, "both right": here & there, "both wrong": ~here & ~there}
    return np.flatnonzero(inside[next(name for name, words in SIDES.items() if words == side)])


def _agreement(found: Comparison, against: View) -> None:
    heads = [Cell("", "other right"), Cell("", "other wrong")]
    rows = [
        [Cell("", "right"), Cell("both right", f"{found.both_right:,}", "both right"), Cell("first", f"{found.only_first:,}", "only this one")],
        [Cell("", "wrong"), Cell("second", f"{found.only_second:,}", "only the other"), Cell("both wrong", f"{found.both_wrong:,}", "both wrong")],
    ]  # fmt: skip

    def pick(side: str) -> None:
        if side:  # a heading is no choice of its own
            st.session_state["metrics_side"] = SIDES[side]
            against.rewind()

    chosen = next((name for name, words in SIDES.items() if words == st.session_state.get("metrics_side")), "both")
    picked = ("first", "second") if chosen == "both" else (chosen,)
    matrix(heads, rows, key="metrics_agreement", label="Agreement of the two networks", on_pick=pick, picked=picked)
    st.caption("This network down, the other across. The two mixed cells are what decides; click a cell to see its images.")
