"""The filters of a gallery as widgets: which images, of which class and generator, how sure, doubles, in which order."""

import numpy as np
import streamlit as st

from cifake_core.evaluation import evaluating, selecting
from cifake_core.evaluation.evaluating import class_name
from cifake_core.evaluation.selecting import Selection
from pages.shared.gallery.view import ANY, CELLS, View

SORTS = {
    "most wrong": "most confidently wrong",
    "least sure": "least sure",
    "surest": "surest",
    "stored order": "stored order",
}


def filters(view: View, *, cell: str = "all") -> Selection:
    """The row of filters; gives what they select. `cell` is what is shown at first."""
    first, second, third, fourth = st.columns([3, 2, 3, 1.6], vertical_alignment="bottom")
    names, present = list(CELLS), view.scores.classes
    bound = {"bind": "query-params", "on_change": view.rewind}
    chosen = first.selectbox(
        "Images",
        list(CELLS.values()),
        index=names.index(cell),
        key=view.key("cell"),
        help="TP and TN are right verdicts; FP is a real called fake, FN a fake called real.",
        **bound,
    )
    classes = {ANY: None, **{class_name(label): label for label in present}}
    word = second.selectbox("Class", list(classes), key=view.key("class"), **bound)
    order = third.selectbox(
        "Order",
        list(SORTS.values()),
        key=view.key("sort"),
        help="Most confidently wrong: mistakes far on the wrong side of the threshold first.",
        **bound,
    )
    with fourth.popover("More filters", icon=":material/tune:", width="stretch"):
        low, high = st.slider(
            "Probability of fake", 0.0, 1.0, (0.0, 1.0), 0.01, key=view.key("range"), **bound,
        )  # fmt: skip
        doubles = st.selectbox(
            "Doubles",
            list(selecting.DOUBLES),
            key=view.key("doubles"),
            help="A double is pixel-identical to a training image, or to another image shown here.",
            **bound,
        )
        generator = _generator(view, bound)
        group = _group(view, bound)
    back = {shown: name for name, shown in (CELLS | SORTS).items()}
    return Selection(back[chosen], classes[word], generator, doubles, low, high, back[order], group)


def _generator(view: View, bound: dict) -> str | None:
    found = view.scores.generator_names
    if len(found) < 2:
        return None
    chosen = st.selectbox("Generator", [ANY, *found], key=view.key("generator"), **bound)
    return None if chosen == ANY else chosen


def _group(view: View, bound: dict) -> tuple[str, str] | None:
    """(column of the manifest, value); the class has a filter of its own."""
    columns = [name for name in view.scores.group_columns if name != "class"]
    if not columns:
        return None
    column = st.selectbox(
        "Column of the manifest", [ANY, *columns], key=view.key("column"), help="Any column with at most 50 values.", **bound
    )
    if column == ANY:
        return None
    values = np.unique(evaluating.group_words(view.scores, column)).tolist()
    return column, st.selectbox("Value", values, key=view.key("value"), **bound)
