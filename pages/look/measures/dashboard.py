"""The parts of the Metrics page: threshold, headline numbers, matrix, charts. It draws what the core computed.

A cell, a row or a column clicked here sets the gallery's filters (gallery.View.pick); nothing else is remembered.
"""

import numpy as np
import streamlit as st

from cifake_core.evaluation.evaluating import class_name
from cifake_core.evaluation.selecting import Selection
from cifake_core.evaluation.thresholds import Threshold
from cifake_core.metrics.at_threshold import at_threshold
from cifake_core.metrics.intervals import Estimate, share
from cifake_core.metrics.scores import DEFINITIONS
from pages.look.measures import kept, threshold_charts
from pages.look.measures.matrix import Cell, matrix
from pages.shared import cached
from pages.shared.gallery import CELLS, View
from pages.shared.palette import colours
from pages.shared.pickers import percent

WORDS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall (fakes found)",
    "specificity": "Specificity (reals cleared)",
    "f1": "F1",
    "auc": "AUC",
    "average_precision": "Average precision",
    "loss": "Loss",
    "brier": "Brier score",
    "ece": "Calibration error",
}
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


def interval(estimate: Estimate, percent: bool = True) -> str:
    """ "92.61 – 93.34 %": the 95 % interval as text."""
    if estimate.low is None:
        return "not defined here"
    return f"{_number(estimate.low, percent)} – {_number(estimate.high, percent)}{' %' if percent else ''}"


def _number(value: float, percent: bool) -> str:
    return f"{100 * value:.2f}" if percent else f"{value:.4f}"


def shown(estimate: Estimate, percent: bool = True) -> str:
    return "–" if estimate.value is None else _number(estimate.value, percent) + (" %" if percent else "")


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


def matrix_panel(view: View, selection: Selection) -> None:
    """The 2 × 2 matrix of buttons, and what it says in one sentence."""
    counts = view.scores.confusion(view.threshold)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            "**Confusion matrix**",
            help="Truth down, verdict across. Click a cell, a row or a column: the images below are exactly those.",
            width="content",
        )
        mute = st.toggle("Mute what is right", key="metrics_mute", bind="query-params")
    paint = (colours()["real"], colours()["fake"])
    cells = {"TN": counts.tn, "FP": counts.fp, "FN": counts.fn, "TP": counts.tp}
    totals = {"real": counts.tn + counts.fp, "fake": counts.fn + counts.tp}
    called = {"called real": counts.tn + counts.fn, "called fake": counts.fp + counts.tp}
    heads = [Cell(name, name, f"{n:,}", f"all {n:,} images {name}") for name, n in called.items()]
    rows = []
    for truth, line in (("real", ("TN", "FP")), ("fake", ("FN", "TP"))):
        rows.append([Cell(truth, truth, f"{totals[truth]:,}", f"all {totals[truth]:,} {truth} images")])
        for verdict, name in enumerate(line):
            part = cells[name] / totals[truth] if totals[truth] else 0.0
            rows[-1].append(
                Cell(
                    name,
                    f"{cells[name]:,}",
                    f"{part:.1%} of the {truth}s",
                    f"{cells[name]:,} {CELLS[name]}, {part:.1%} of the {truth} images",
                    paint[verdict],
                    0.10 + 0.5 * part,
                    mute and name in ("TN", "TP"),
                )
            )
    matrix(heads, rows, key="metrics_matrix", label="Confusion matrix", on_pick=view.pick, picked=_picked(selection))
    st.caption(_in_words(view.threshold, counts))


def _picked(selection: Selection) -> tuple[str, ...]:
    """The buttons that are down: a cell of all classes, or of one."""
    if selection.class_label is None:
        return (selection.cell,)
    return (f"{selection.cell}|{class_name(selection.class_label)}",)


def _in_words(threshold: float, counts) -> str:
    if not counts.n:
        return "There is no image to judge."
    wrong, per = counts.fp + counts.fn, counts.n / max(1, counts.fp + counts.fn)
    if not wrong:
        return f"At {threshold:.3f}, none of {counts.n:,} verdicts is wrong."
    lean = "as many reals called fake as fakes called real"
    if counts.fp != counts.fn:
        lean = "most of them are " + ("reals called fake" if counts.fp > counts.fn else "fakes called real")
    return f"At {threshold:.3f}, {wrong:,} of {counts.n:,} verdicts are wrong (about one in {per:,.0f}); {lean}."


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
    scores, paint = view.scores, (colours()["real"], colours()["fake"])
    mute = st.session_state.get("metrics_mute", False)
    heads, lines, rows = [], [], []
    for name in ("TN", "FP", "FN", "TP"):
        heads.append(Cell(name, CELLS[name].split(" (")[0].replace("called", "→"), "", CELLS[name]))
    for label in scores.classes:
        word = class_name(int(label))
        counts = scores.confusion(view.threshold, scores.class_labels == label)
        n = {"TN": counts.tn, "FP": counts.fp, "FN": counts.fn, "TP": counts.tp}
        of = {"TN": counts.tn + counts.fp, "FN": counts.fn + counts.tp}
        of |= {"FP": of["TN"], "TP": of["FN"]}
        line = [Cell(f"all|{word}", word, "", f"all images of the class {word}")]
        for name in n:
            part = n[name] / of[name] if of[name] else 0.0
            right = name in ("TN", "TP")
            strength = 0.08 + (0.3 * part if right else min(0.75, 3 * part))
            told = f"{n[name]:,} {CELLS[name]}, {part:.1%}, {word}"
            line.append(Cell(f"{name}|{word}", f"{n[name]:,}", f"{part:.1%}", told, paint[name in ("FP", "TP")], strength, mute and right))
        lines.append(line)
        for truth, name in (("real", "TN"), ("fake", "TP")):
            found = share(n[name], of[name])
            if found.value is not None:
                rows.append({"class": word, "truth": truth, **found.as_dict()})

    def pick(chosen: str) -> None:
        cell, _, word = chosen.partition("|")
        label = next((c for c in scores.classes if class_name(int(c)) == word), None)
        view.pick(cell, label)

    left, right = st.columns([6, 5])
    with left:
        matrix(heads, lines, key="metrics_classes", label="Confusion matrix by class", on_pick=pick, picked=_picked(selection), dense=True)
        st.caption("Each class by truth and verdict, counts and shares of its reals or fakes; the stronger the colour of a mistake, the larger its share. Click to see the images.")
    with right:
        threshold_charts.class_accuracy(rows)
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
        st.caption("Leaving out the unsure images buys accuracy on the others; the ribbon is the 95 % interval.")
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
