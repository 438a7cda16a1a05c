"""One cell of the grid, opened: each seed's figures, log and checkpoint, its probe images, and the buttons for it."""

import streamlit as st

from cifake_core.detectors import runs
from cifake_core.detectors.presets import PRESETS
from cifake_core.detectors.runs import Run, Unfinished
from cifake_core.errors import CifakeError
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.jobs.states import Job
from cifake_core.store.workspace import Workspace
from pages.build.training.results import Cell, interval_text, job_of
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import duration
from pages.shared.pickers import link_to, run_label, run_links

_HELP = {
    "pause": "This cell alone stops; its finished epochs are kept and the others go on.",
    "cancel": "This cell alone stops and drops its epochs; the others go on.",
    "resume": "Trains this cell from its last whole epoch.",
    "retry": "Trains this cell again.",
}
_ICONS = {"pause": ":material/pause:", "cancel": ":material/stop:", "resume": ":material/play_arrow:", "retry": ":material/replay:"}


def opened_cell(image_set: ImageSet, cell: Cell, jobs: list[Job]) -> None:
    """A box for each seed: finished, under way, stopped or failed."""
    for run in sorted(cell.runs.values(), key=lambda run: run.seed):
        _finished(run)
    if cell.others:
        st.caption(f"Trained with other settings: {cell.others} more, in the leaderboard below.")
    for training in cell.under_way:
        _under_way(image_set, training, jobs)
    for seed, stopped in sorted(cell.stopped.items()):
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(f"**{literal(cell.topology)}**, seed {seed}: {literal(stopped)}", width="stretch")
            _act_buttons(job_of(image_set, jobs, cell.topology, seed), cell.topology, seed, ("resume",))
    for seed in cell.failed_seeds:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(f"**{literal(cell.topology)}**, seed {seed} failed.", width="stretch")
            _act_buttons(job_of(image_set, jobs, cell.topology, seed), cell.topology, seed, ("retry",))


def _finished(run: Run) -> None:
    record = run.record
    split = "test" if "test" in record else "validation"
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{literal(run.topology)}**, seed {run.seed}: {split} accuracy {interval_text(record[split])}, best epoch "
                f"{record['best_epoch']} of {record['epochs']}, {duration(record['duration_s'])} on {literal(record['hardware'])}",
                width="stretch",
            )
            run_links(run)
        with st.container(horizontal=True, vertical_alignment="center"):
            link_to("inside", "Layer by layer", icon=":material/layers:", inside_run=run_label(run))
            if "epochs" in record["settings"]:  # a detector that others trained was only judged here
                st.button(
                    "Run again with changes", key=f"train-again-{run.id}", icon=":material/tune:", type="tertiary",
                    help="Fills the launch form with this run's settings.", on_click=_fill_form, args=(run,),
                )  # fmt: skip
            _weights(run)


def _weights(run: Run) -> None:
    path = run.folder / runs.WEIGHTS
    if path.exists():
        st.caption(
            f"Checkpoint: `{runs.WEIGHTS}` of {path.stat().st_size / 1e6:.1f} MB in the run's folder `runs/{run.id}`, SHA-256 `{run.record['sha256'][runs.WEIGHTS][:12]}…`"
        )


def _under_way(image_set: ImageSet, training: Unfinished, jobs: list[Job]) -> None:
    last, job = training.history[-1], job_of(image_set, jobs, training.topology, training.seed)
    seen = f" of {last['images']:,} images" if last.get("images") else ""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{literal(training.topology)}**, seed {training.seed}: epoch {last['epoch']} done, validation "
                f"{100 * last['validation_accuracy']:.2f} %, {last['duration_s']:.1f} s an epoch{seen}. A checkpoint of this epoch is kept.",
                width="stretch",
            )
            _act_buttons(job, training.topology, training.seed, ("pause", "cancel"))
        if job is not None:
            log = st.expander("Log", key=f"train-log-{training.id}", on_change="rerun", type="compact", icon=":material/notes:")
            if log.open:
                text = queue.log_tail(Workspace.current(), job.id, lines=400)
                mine = [line for line in text.splitlines() if training.topology in line or "finished" in line]
                log.code("\n".join(mine[-30:]) or "Nothing has been written yet.", language=None, height=200)


def _act_buttons(job: Job | None, topology: str, seed: int, actions: tuple[str, ...]) -> None:
    for action in actions if job is not None else ():
        st.button(
            action.capitalize(), key=f"train-{action}-{topology}-{seed}", icon=_ICONS[action], type="tertiary", help=_HELP[action],
            on_click=_act, args=(job, action, topology, seed),
        )  # fmt: skip


def _act(job: Job, action: str, topology: str, seed: int) -> None:
    from cifake_core.jobs import cells

    with shown_errors():
        cells.act(Workspace.current(), job, action, topology, seed)
        st.session_state.train_told = True  # the whole page: a job may have begun


def _fill_form(run: Run) -> None:
    """The launch form's widgets take this run's settings; the next run of the page shows them."""
    settings = run.record["settings"]
    st.session_state.update(
        train_grid=run.topology if run.topology in PRESETS else "custom", train_cells=[run.topology], train_seeds=str(run.seed), train_epochs=settings["epochs"],
        train_batch=settings["batch_size"], train_rate=settings["learning_rate"], train_patience=settings["patience"],
        train_form=True, train_told=True,
    )  # fmt: skip


def told() -> bool:
    """Whether a button of this part has just changed what the rest of the page shows."""
    return bool(st.session_state.pop("train_told", False))


def probe_of(image_set: ImageSet, cell: Cell):
    """What the cell's first training keeps of its probe images, and their rows: (`Probe`, part, name) or None."""
    from cifake_core.detectors import probing

    try:
        for run in cell.runs.values():
            if (probe := probing.of_run(run.folder)) is not None:
                return probe, image_set.part("validation"), f"{run.topology} seed {run.seed}"
        for training in cell.under_way:
            work = runs.unfinished_folder(Workspace.current(), training.id)
            if (probe := probing.gathered(work, probing.unfinished_epochs(work))) is not None:
                return probe, image_set.part("validation"), f"{training.topology} seed {training.seed} …"
    except CifakeError:
        return None
    return None
