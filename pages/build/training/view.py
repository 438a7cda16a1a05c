"""The results half of the Train page: heat maps that fill in, one cell in detail, curves, and the leaderboard."""

import streamlit as st

from cifake_core.detectors import runs
from cifake_core.detectors.runs import Run, Unfinished
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs.states import Job
from cifake_core.store.workspace import Workspace
from pages.build.training.figures import CONFIG, clicked_cell, curves_figure, in_picture, results_figure
from pages.build.training.plan import GRIDS, Plan
from pages.build.training.results import (
    MEASURES,
    ORDERS,
    Cell,
    best_cell,
    cells_of,
    interval_text,
    leaderboard,
    runs_on,
)
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import known_jobs
from pages.shared.pickers import run_links

REFRESH_S = 3
_MOST_CURVES = 8


def results(image_set: ImageSet, live: bool) -> None:
    """Everything known of this set's networks; refreshes itself while something is being trained."""
    st.fragment(_results, run_every=REFRESH_S if live else None)(image_set, live)


def _results(image_set: ImageSet, live: bool) -> None:
    with shown_errors():
        workspace, jobs = Workspace.current(), known_jobs(frozenset({"train"}))
        finished = runs.runs(workspace)
        under_way = _under_way(image_set, jobs, runs.unfinished(workspace)) if live else []
        cells = cells_of(image_set, finished, under_way, jobs)
        st.subheader("Results")
        if not cells:
            st.caption("Nothing has been trained on this image set yet." if not live else "The first epoch is under way.")
            return
        _heat_maps(cells)
        _one_cell(cells)
        _ranking(runs_on(image_set, finished))


def _under_way(image_set: ImageSet, jobs: list[Job], unfinished: list[Unfinished]) -> list[Unfinished]:
    """Those that an active job on this set has asked for."""
    asked = set()
    for job in jobs:
        if not job.is_final and job.arguments.get("dataset") == image_set.name:
            grid = job.arguments.get("grid") or "custom"
            names = Plan("", grid, tuple(job.arguments.get("topologies", ())), (0,)).names() if grid in GRIDS else []
            asked |= {(name, seed) for name in names for seed in job.arguments.get("seeds", ())}
    return [training for training in unfinished if (training.topology, training.seed) in asked]


def _heat_maps(cells: dict[str, Cell]) -> None:
    measure = st.segmented_control(
        "Colour by", list(MEASURES), default="test", required=True, format_func=MEASURES.get, key="train_measure", bind="query-params"
    )
    best = best_cell(cells)
    st.plotly_chart(
        results_figure(cells, measure, best), key="train_map", on_select=_choose_clicked, selection_mode="points", config=CONFIG,
        alt=f"{MEASURES[measure]} of {len(cells)} cells of the grid; the best on validation is {best or 'not known yet'}",
    )  # fmt: skip
    st.caption(
        "The brighter, the higher; means over seeds. Outlined: the best on validation, so that the test set chooses nothing. "
        "Numbers with … are still training and show validation accuracy; ✕ failed. Hover for intervals, click for curves."
    )
    outside = sorted(set(cells) - in_picture())
    if outside:
        st.caption(f"Outside the paper's grid, listed below: {literal(', '.join(outside))}.")
    for cell in cells.values():
        for reason in cell.failures:
            st.warning(f"**{literal(cell.topology)}**, {literal(reason)}", icon=":material/error:")


def _choose_clicked() -> None:
    name = clicked_cell("train_map")
    if name is not None:
        st.session_state.train_cell = name


def _one_cell(cells: dict[str, Cell]) -> None:
    """Curves: of the chosen cell, or of everything under way, or of the best."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        chosen = st.selectbox(
            "Cell", list(cells), index=None, placeholder="what is under way, or the best few", key="train_cell", bind="query-params",
            help="Choose one here or by a click in the picture.",
        )  # fmt: skip
    with right:
        quantity = st.segmented_control("Curves", ["accuracy", "loss"], default="accuracy", required=True, key="train_curve", bind="query-params")
    cell = cells.get(chosen) if chosen else None
    histories = _histories([cell] if cell else _interesting(cells))
    if histories:
        st.plotly_chart(curves_figure(histories, quantity), key="train_curves", config=CONFIG, alt=f"{quantity} by epoch of {len(histories)} trainings")
        st.caption("Solid: validation. Dotted: the training images. Where the two part, the network begins to learn by heart.")
    for run in sorted(cell.runs.values(), key=lambda run: run.seed) if cell else ():
        _facts(run)


def _interesting(cells: dict[str, Cell]) -> list[Cell]:
    under_way = [cell for cell in cells.values() if cell.under_way]
    return under_way or sorted((c for c in cells.values() if c.runs), key=lambda c: -(c.value("validation") or 0))[:4]


def _histories(cells: list[Cell]) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for cell in cells:
        found |= {f"{training.topology} seed {training.seed} …": training.history for training in cell.under_way}
        found |= {f"{run.topology} seed {run.seed}": _history(run) for run in cell.runs.values()}
    return dict(list(found.items())[:_MOST_CURVES])


def _history(run: Run) -> list[dict]:
    return _read_history(str(run.folder), run.id)


@st.cache_data(max_entries=200, show_spinner=False)
def _read_history(_folder: str, identity: str) -> list[dict]:
    """A run never changes, so its history is read and checked once."""
    return runs.open_run(Workspace.current(), identity).history()


def _facts(run: Run) -> None:
    record = run.record
    split = "test" if "test" in record else "validation"
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(
            f"**{literal(run.topology)}**, seed {run.seed}: {split} accuracy {interval_text(record[split])}, best epoch "
            f"{record['best_epoch']} of {record['epochs']}, {record['duration_s']:.0f} s on {literal(record['hardware'])}",
            width="stretch",
        )
        run_links(run)


def _ranking(finished: list[Run]) -> None:
    if not finished:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Leaderboard", width="stretch")
        order = st.selectbox("Sort by", ORDERS, key="train_order", bind="query-params", width=240)
    table = leaderboard(finished, order)
    column = st.column_config
    st.dataframe(
        table, hide_index=True, key="train_board", alt="Every run on this image set with its accuracy, interval, size and time",
        column_order=["topology", "seed", "test", "interval", "validation", "parameters", "epochs", "seconds", "metrics", "gradcam"],
        column_config={
            "topology": column.TextColumn("Topology", pinned=True),
            "seed": column.NumberColumn("Seed", width="small"),
            "test": column.NumberColumn("Test accuracy", format="%.2f %%"),
            "interval": column.TextColumn("95 % interval", help="Where the accuracy on endlessly many such images would lie."),
            "validation": column.NumberColumn("Validation", format="%.2f %%"),
            "parameters": column.NumberColumn("Parameters", format="localized"),
            "epochs": column.TextColumn("Best epoch"),
            "seconds": column.NumberColumn("Time, s", format="%.0f"),
            "metrics": column.LinkColumn("Metrics", display_text="open"),
            "gradcam": column.LinkColumn("Grad-CAM", display_text="open"),
        },
    )  # fmt: skip
    st.caption(f"{len(finished)} runs. The paper's best network has 92.98 % on CIFAKE; gaps under half a point need several seeds.")
