"""The parts of the Metrics page that follow the threshold: its slider, headline numbers, panels of charts.

They draw what the core computed. It does not know single images.
"""

import numpy as np
import streamlit as st

from cifake_core.evaluation.selecting import Selection
from cifake_core.evaluation.thresholds import Threshold
from cifake_core.metrics.at_threshold import at_threshold
from cifake_core.metrics.scores import DEFINITIONS
from pages.look.measures import kept, threshold_charts
from pages.look.measures.confusion import class_matrix, class_rows
from pages.look.measures.estimates import interval, shown
from pages.shared import cached
from pages.shared.gallery import View
from pages.shared.pickers import percent

PANELS = ("Curves", "By class", "Unsure")


def threshold_bar(choices: tuple[Threshold, ...]) -> float:
    """The slider that drives everything, and the thresholds worth trying; gives the threshold."""
    left, right = st.columns([2, 3], vertical_alignment="bottom", gap="medium")
    value = left.slider(
        "Threshold: called fake from this probability on",
        0.001, 0.999, 0.5, 0.001, format="%.3f", key="metrics_threshold", bind="query-params",
        help="Moves the matrix, the numbers, the charts and the images together. Lower: more fakes are found, more reals are accused.",
    )  # fmt: skip
    # buttons, not a choice that must follow the slider: the browser would send back what it showed a moment ago, and move it
    with right.container(horizontal=True, vertical_alignment="bottom"):
        for number, choice in enumerate(choices):
            st.button(
                f"{choice.name} · {choice.value:g}" if choice.name != f"{choice.value:g}" else choice.name,
                key=f"metrics_choice_{number}",
                icon=":material/visibility:" if choice.oracle else None,
                type="primary" if choice.value == value else "secondary",
                help=choice.meaning,
                on_click=_set_threshold,
                args=(choice.value,),
            )
    return value


def _set_threshold(value: float) -> None:
    st.session_state["metrics_threshold"] = value


def headline(view: View, paper: float | None) -> None:
    """Four headline numbers at this threshold, each with its interval, its definition and its place in the matrix."""
    found = at_threshold(view.scores.confusion(view.threshold))
    for column, name in zip(st.columns(4), ("accuracy", "recall", "specificity", "precision"), strict=True):
        column.metric(
            name.capitalize(), shown(found[name]), interval(found[name]), delta_color="off", delta_arrow="off",
            border=True, height="stretch", help=f"{DEFINITIONS[name]} Below it, the exact 95 % interval.",
        )  # fmt: skip
    mark = f" The paper's best network reaches an accuracy of {percent(paper)} on this set." if paper else ""
    st.caption(f"The small figures are 95 % intervals.{mark}")


def panels(view: View, selection: Selection) -> None:
    """The charts beside the matrix, one panel at a time."""
    chosen = st.segmented_control(
        "Charts", PANELS, default=PANELS[0], required=True, key="metrics_panel", bind="query-params", label_visibility="collapsed"
    )
    {"Curves": _curves, "By class": _by_class, "Unsure": _unsure}[chosen](view, selection)


def _curves(view: View, selection: Selection) -> None:
    found, made = at_threshold(view.scores.confusion(view.threshold)), cached.curves_of(view.scores)
    threshold_charts.score_histogram(made["histogram"], view.threshold)
    st.caption(
        "How the network scores the images: what lies on the wrong side of the line is a mistake. Heights grow with the square root of the count."
    )
    left, right = st.columns(2)
    specificity = found["specificity"].value
    with left:
        threshold_charts.roc(made["roc"], (None if specificity is None else 1 - specificity, found["recall"].value))
        st.caption("ROC: fakes found for each share of reals accused; the dot is the threshold.")
    with right:
        threshold_charts.precision_recall(made["precision_recall"], (found["recall"].value, found["precision"].value))
        st.caption("Precision–recall: how clean the catch stays as more fakes are found.")


def _by_class(view: View, selection: Selection) -> None:
    left, right = st.columns([6, 5])
    with left:
        class_matrix(view, selection)
        st.caption(
            "Each class by truth and verdict, counts and shares of its reals or fakes; the stronger the colour of a mistake, the larger its share. "
            "Click to see the images."
        )
    with right:
        threshold_charts.class_accuracy(class_rows(view))
        st.caption("Right verdicts by class, with 95 % intervals: a low blue dot is a class whose photographs are accused.")


def _unsure(view: View, selection: Selection) -> None:
    band = st.slider(
        "Unsure closer to the threshold than",
        0.0, 0.49, 0.2, 0.01, key="metrics_band", bind="query-params",
        help="Images whose probability lies inside this band get no verdict.",
    )  # fmt: skip
    table = kept.coverage_of(view.scores, view.threshold)
    left, right = st.columns(2)
    with left:
        threshold_charts.coverage(table, band)
        st.caption("Accuracy of the images that get a verdict against the share that does; the ribbon is the 95 % interval.")
    with right:
        threshold_charts.score_histogram(cached.curves_of(view.scores)["histogram"], view.threshold, band)
        st.caption("The shaded band gets no verdict.")
    here = table.iloc[(table["band"] - band).abs().argmin()]
    if here["accuracy"] is not None and np.isfinite(here["accuracy"]):
        st.markdown(
            f"With this band **{here['coverage']:.1%}** of the images get a verdict, and **{here['accuracy']:.2%}** of those verdicts are right."
        )
    else:
        st.markdown("With this band no image gets a verdict.")
