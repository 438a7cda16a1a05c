"""The confusion matrices of the Metrics page: of all images, and class by class.

A cell, a row or a column clicked here sets the gallery's filters (gallery.View.pick); nothing else is remembered.
"""

import streamlit as st

from cifake_core.evaluation.evaluating import class_name
from cifake_core.evaluation.selecting import Selection
from cifake_core.metrics.at_threshold import Confusion
from cifake_core.metrics.intervals import share
from pages.look.measures.matrix import Cell, matrix
from pages.shared.gallery import CELLS, View
from pages.shared.palette import colours

_RIGHT = ("TN", "TP")


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
    cells, totals = _cells(counts), {"real": counts.tn + counts.fp, "fake": counts.fn + counts.tp}
    called = {"called real": counts.tn + counts.fn, "called fake": counts.fp + counts.tp}
    heads = [Cell(name, name, f"{n:,}", f"all {n:,} images {name}") for name, n in called.items()]
    rows = [
        [Cell(truth, truth, f"{totals[truth]:,}", f"all {totals[truth]:,} {truth} images")]
        + [_cell(name, cells[name], totals[truth], truth, mute) for name in line]
        for truth, line in (("real", ("TN", "FP")), ("fake", ("FN", "TP")))
    ]
    matrix(heads, rows, key="metrics_matrix", label="Confusion matrix", on_pick=view.pick, picked=_picked(selection))
    st.caption(_in_words(view.threshold, counts))


def _cells(counts: Confusion) -> dict[str, int]:
    return {"TN": counts.tn, "FP": counts.fp, "FN": counts.fn, "TP": counts.tp}


def _cell(name: str, n: int, of: int, truth: str, mute: bool) -> Cell:
    part = n / of if of else 0.0
    told = f"{n:,} {CELLS[name]}, {part:.1%} of the {truth} images"
    return Cell(name, f"{n:,}", f"{part:.1%} of the {truth}s", told, _paint(name), 0.10 + 0.5 * part, mute and name in _RIGHT)


def _paint(name: str) -> str:
    """The colour of the verdict, not of the truth."""
    return colours()["fake" if name in ("FP", "TP") else "real"]


def _picked(selection: Selection) -> tuple[str, ...]:
    """The buttons that are down: a cell of all classes, or of one."""
    if selection.class_label is None:
        return (selection.cell,)
    return (f"{selection.cell}|{class_name(selection.class_label)}",)


def _in_words(threshold: float, counts: Confusion) -> str:
    if not counts.n:
        return "There is no image to judge."
    wrong, per = counts.fp + counts.fn, counts.n / max(1, counts.fp + counts.fn)
    if not wrong:
        return f"At {threshold:.3f}, none of {counts.n:,} verdicts is wrong."
    lean = "as many reals called fake as fakes called real"
    if counts.fp != counts.fn:
        lean = "most of them are " + ("reals called fake" if counts.fp > counts.fn else "fakes called real")
    return f"At {threshold:.3f}, {wrong:,} of {counts.n:,} verdicts are wrong (about one in {per:,.0f}); {lean}."


def class_matrix(view: View, selection: Selection) -> None:
    """A row of four buttons a class; a class's name means all its images."""
    scores, mute = view.scores, st.session_state.get("metrics_mute", False)
    named = {class_name(int(label)): label for label in scores.classes}
    heads = [Cell(name, CELLS[name].split(" (")[0].replace("called", "→"), "", CELLS[name]) for name in ("TN", "FP", "FN", "TP")]
    rows = []
    for word, label in named.items():
        counts = scores.confusion(view.threshold, scores.class_labels == label)
        of = {"TN": counts.tn + counts.fp, "FP": counts.tn + counts.fp, "FN": counts.fn + counts.tp, "TP": counts.fn + counts.tp}
        first = Cell(f"all|{word}", word, "", f"all images of the class {word}")
        rows.append([first, *(_class_cell(name, n, of[name], word, mute) for name, n in _cells(counts).items())])

    def pick(chosen: str) -> None:
        cell, _, word = chosen.partition("|")
        view.pick(cell, named.get(word))

    matrix(heads, rows, key="metrics_classes", label="Confusion matrix by class", on_pick=pick, picked=_picked(selection), dense=True)


def _class_cell(name: str, n: int, of: int, word: str, mute: bool) -> Cell:
    """Mistakes take on colour three times as fast as right verdicts: they are few, and what one looks for."""
    part, right = n / of if of else 0.0, name in _RIGHT
    strength = 0.08 + (0.3 * part if right else min(0.75, 3 * part))
    told = f"{n:,} {CELLS[name]}, {part:.1%}, {word}"
    return Cell(f"{name}|{word}", f"{n:,}", f"{part:.1%}", told, _paint(name), strength, mute and right)


def class_rows(view: View) -> list[dict]:
    """{"class", "truth", and the share of right verdicts with its interval}, for each class and truth that has images."""
    scores, rows = view.scores, []
    for label in scores.classes:
        counts = scores.confusion(view.threshold, scores.class_labels == label)
        for truth, right, wrong in (("real", counts.tn, counts.fp), ("fake", counts.tp, counts.fn)):
            found = share(right, right + wrong)
            if found.value is not None:
                rows.append({"class": class_name(int(label)), "truth": truth, **found.as_dict()})
    return rows
