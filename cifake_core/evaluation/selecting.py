"""Which images a gallery shows, and in which order: a cell of the confusion matrix, a class, a range, a sort.

It knows scores and labels; it does not know how a gallery looks.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from cifake_core.errors import BadInput
from cifake_core.evaluation.evaluating import group_words
from cifake_core.evaluation.scored import Scored

# cell → (label, verdict), None = either. The first four are the matrix's cells, then its rows and its columns.
CELLS: dict[str, tuple[int | None, int | None]] = {
    "TN": (0, 0),
    "FP": (0, 1),
    "FN": (1, 0),
    "TP": (1, 1),
    "real": (0, None),
    "fake": (1, None),
    "called real": (None, 0),
    "called fake": (None, 1),
    "all": (None, None),
}
SORTS = ("most wrong", "least sure", "surest", "stored order")
DOUBLES = ("with doubles", "without doubles", "only doubles")


@dataclass(frozen=True)
class Selection:
    """Some images of a part; the default is all of them, the most confidently wrong first."""

    cell: str = "all"  # a key of CELLS, or "wrong" or "right"
    class_label: int | None = None  # -1 = unknown
    generator: str | None = None
    doubles: str = DOUBLES[0]
    low: float = 0.0  # probability of fake, both ends included
    high: float = 1.0
    sort: str = SORTS[0]
    group: tuple[str, str] | None = None  # (column of the manifest, value as `evaluating.group_words` tells it)

    def __post_init__(self) -> None:
        if self.cell not in (*CELLS, "wrong", "right"):
            raise BadInput(f"There is no cell {self.cell!r}; take {', '.join(CELLS)}, wrong or right.")
        if self.sort not in SORTS:
            raise BadInput(f"There is no order {self.sort!r}; take {', '.join(SORTS)}.")
        if self.doubles not in DOUBLES:
            raise BadInput(f"There is no choice {self.doubles!r}; take {', '.join(DOUBLES)}.")


def rows(scored: Scored, selection: Selection, threshold: float) -> np.ndarray:
    """Row numbers (m,) of the images selected, in the order asked for."""
    chosen = _in_cell(scored, selection.cell, threshold)
    chosen &= (scored.probabilities >= selection.low) & (scored.probabilities <= selection.high)
    if selection.class_label is not None:
        chosen &= scored.class_labels == selection.class_label
    if selection.generator is not None:
        chosen &= scored.generators == selection.generator
    if selection.doubles != DOUBLES[0]:
        chosen &= scored.doubles == (selection.doubles == DOUBLES[2])
    if selection.group is not None:
        column, value = selection.group
        chosen &= group_words(scored, column) == value
    found = np.flatnonzero(chosen)
    return found[np.argsort(_key(scored, selection.sort, threshold)[found], kind="stable")]


def _in_cell(scored: Scored, cell: str, threshold: float) -> np.ndarray:
    verdicts = scored.verdicts(threshold)
    if cell in ("wrong", "right"):
        return (verdicts == scored.labels) == (cell == "right")
    label, verdict = CELLS[cell]
    chosen = np.ones(len(scored), dtype=bool)
    if label is not None:
        chosen &= scored.labels == label
    if verdict is not None:
        chosen &= verdicts == verdict
    return chosen


def _key(scored: Scored, sort: str, threshold: float) -> np.ndarray:
    """(n,) smallest first. Distances are taken in logits, where confident images do not crowd together as at 0 and 1."""
    beyond = scored.logits - logit(threshold)  # > 0: called fake
    return {
        "most wrong": np.where(scored.labels == 1, beyond, -beyond),
        "least sure": np.abs(beyond),
        "surest": -np.abs(beyond),
        "stored order": np.zeros(len(scored)),
    }[sort]
