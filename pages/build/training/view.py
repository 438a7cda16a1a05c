"""The results half of the Train page: heat maps that fill in, one cell in detail, curves, and the leaderboard."""

import streamlit as st

from cifake_core.detectors import runs, wishes
from cifake_core.detectors.runs import Unfinished
from cifake_core.evaluation.reference import paper_accuracy
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs.states import Job
from cifake_core.store.workspace import Workspace
from pages.build.training.board import ranking
from pages.build.training.cell import opened_cell, told
from pages.build.training.curves import curves
from pages.build.training.figures import CONFIG, clicked_cell, in_picture, results_figure
from pages.build.training.meter import meter
from pages.build.training.plan import GRIDS, Plan
from pages.build.training.probe import probe
from pages.build.training.results import MEASURES, Cell, best_cell, cells_of, runs_on, stopped_cells
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import known_jobs

REFRESH_S = 3


def results(image_set: ImageSet, live: bool) -> None:
    """Everything known of this set's networks; refreshes itself while something is being trained."""
    st.fragment(_results, run_every=REFRESH_S if live else None)(image_set, live)


def _results(image_set: ImageSet, live: bool) -> None:
    with shown_errors():
        workspace, jobs = Workspace.current(), known_jobs(frozenset({"train"}))
        finished = runs.runs(workspace)
        unfinished = runs.unfinished(workspace)
        stopped = stopped_cells(image_set, jobs, wishes.standing(workspace), unfinished)
        under_way = _under_way(image_set, jobs, unfinished) if live else []
        under_way = [training for training in under_way if (training.topology, training.seed) not in stopped]
        cells = cells_of(image_set, finished, under_way, jobs)
        for (name, seed), said in stopped.items():
            cells.setdefault(name, Cell(name)).stopped[seed] = said
        st.subheader("Results")
        if not cells:
            st.caption("Nothing has been trained on this image set yet." if not live else "The first epoch is under way.")
            return
        paper = paper_accuracy(image_set)
        meter()
        _heat_maps(cells, paper)
        _one_cell(image_set, cells, jobs, paper)
        ranking(runs_on(image_set, finished), image_set.name, paper)
        if told():
            st.rerun()  # the whole page: the launch form or the jobs have changed


def _under_way(image_set: ImageSet, jobs: list[Job], unfinished: list[Unfinished]) -> list[Unfinished]:
    """Those that an active job on this set has asked for."""
    asked = set()
    for job in jobs:
        if not job.is_final and job.arguments.get("dataset") == image_set.name:
            grid = job.arguments.get("grid") or "custom"
            names = Plan("", grid, tuple(job.arguments.get("topologies", ())), (0,)).names() if grid in GRIDS else []
            asked |= {(name, seed) for name in names for seed in job.arguments.get("seeds", ())}
    return [training for training in unfinished if (training.topology, training.seed) in asked]


def _heat_maps(cells: dict[str, Cell], paper: float | None) -> None:
    measure = st.segmented_control(
        "Colour by", list(MEASURES), default="test", required=True, format_func=MEASURES.get, key="train_measure", bind="query-params"
    )
    best = best_cell({name: cell for name, cell in cells.items() if name in in_picture()})
    st.plotly_chart(
        results_figure(cells, measure, best, paper), key="train_map", on_select=_choose_clicked, selection_mode="points", config=CONFIG,
        alt=f"{MEASURES[measure]} of {len(cells)} cells of the grid; the best on validation is {best or 'not known yet'}",
    )  # fmt: skip
    st.caption(
        "The brighter, the higher; means over seeds. Outlined: the best of the grid on validation, so that the test set chooses nothing. "
        "Numbers with … are still training and show validation accuracy; ✕ failed, ‖ was stopped alone. Hover for intervals, click for curves."
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


def _one_cell(image_set: ImageSet, cells: dict[str, Cell], jobs: list[Job], paper: float | None) -> None:
    """The chosen cell with its figures, curves and probe images; without one, the curves alone."""
    chosen = st.selectbox(
        "Cell", list(cells), index=None, placeholder="choose one here, or by a click in the picture", key="train_cell", bind="query-params"
    )
    cell = cells.get(chosen) if chosen else None
    if cell:
        opened_cell(image_set, cell, jobs)
    curves(cells, cell, paper)
    if cell:
        probe(image_set, cell)
