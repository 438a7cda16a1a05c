"""Curves of several trainings as they go: which are shown, accuracy or loss, smoothed, on a logarithmic scale."""

import streamlit as st

from cifake_core.detectors import runs
from cifake_core.detectors.runs import Run
from cifake_core.store.workspace import Workspace
from pages.build.training.curve_figure import curves_figure
from pages.build.training.figures import CONFIG
from pages.build.training.results import Cell

_MOST = 8


def curves(cells: dict[str, Cell], chosen: Cell | None, paper: float | None) -> None:
    """Of the named runs; else of the chosen cell, of everything under way, or of the best. `paper`: its accuracy on these images."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        everything = _named(list(cells.values()))
        wanted = st.multiselect(
            "Trainings side by side", list(everything), key="train_side", bind="query-params", max_selections=_MOST,
            placeholder="of the chosen cell, of what is under way, or of the best few",
        )  # fmt: skip
        quantity = st.segmented_control("Curves", ["accuracy", "loss"], default="accuracy", required=True, key="train_curve", bind="query-params")
        smooth = st.slider(
            "Smoothing", 0.0, 0.9, 0.0, 0.1, key="train_smooth", bind="query-params", width=160,
            help="Exponential moving average: the share of the past that each epoch keeps.",
        )  # fmt: skip
        log_scale = st.toggle(
            "Log scale", key="train_log", bind="query-params", help="Loss, or the share of errors: equal steps are equal ratios."
        )
    shown = {name: everything[name] for name in wanted} or _named([chosen] if chosen else _interesting(cells))
    histories = {name: found() for name, found in list(shown.items())[:_MOST]}
    if not histories:
        return
    st.plotly_chart(
        curves_figure(histories, quantity, smooth, log_scale, paper), key="train_curves", config=CONFIG, alt=f"{quantity} by epoch of {len(histories)} trainings"
    )
    said = " Thin: each epoch as it was; thick: smoothed." if smooth else ""
    st.caption("Solid: validation. Dotted: the training images. Where the two part, the network overfits." + said)


def _interesting(cells: dict[str, Cell]) -> list[Cell]:
    under_way = [cell for cell in cells.values() if cell.under_way]
    return under_way or sorted((c for c in cells.values() if c.runs), key=lambda c: -(c.value("validation") or 0))[:4]


def _named(cells: list[Cell]) -> dict:
    """How each training is called → a function that gives its history; finished ones are read only when shown."""
    found = {}
    for cell in cells:
        found |= {f"{one.topology} seed {one.seed} …": (lambda one=one: one.history) for one in cell.under_way}
        found |= {f"{run.topology} seed {run.seed}": (lambda run=run: history_of(run)) for run in cell.runs.values()}
    return found


def history_of(run: Run) -> list[dict]:
    return _read_history(str(run.folder), run.id, run.record["created_at"])


@st.cache_data(max_entries=200, show_spinner=False)
def _read_history(_folder: str, identity: str, created_at: str) -> list[dict]:
    """A run never changes, so its history is read and checked once."""
    return runs.open_run(Workspace.current(), identity).history()
