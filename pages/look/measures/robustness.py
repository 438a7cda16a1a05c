"""What a run withstands: sweeps started as jobs, curves of reals and fakes apart, several runs over one another."""

import streamlit as st

from cifake_core.detectors import runs
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from pages.shared import charts
from pages.shared.gallery import View
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import jobs_panel, known_jobs, moving
from pages.shared.pickers import run_label

_FAILS = {"threshold": "the threshold no longer fits", "signal": "the signal is lost", "none": "holds"}


def show(view: View, paper: float | None) -> None:
    from cifake_core.evaluation import robustness  # it loads torch

    run = view.scores.run
    found = robustness.studies(Workspace.current(), run.id)
    with st.expander("Measure", icon=":material/play_arrow:", expanded=not found, key="metrics_robust_measure"):
        _launch(view)
    kinds = frozenset({"robustness"})
    if moving(known_jobs(kinds)) or any(job.error for job in known_jobs(kinds)[:1]):
        jobs_panel("metrics-robustness", kinds=kinds, finished=1)
    if not found:
        st.info("Nothing has been measured for this network; a sweep of 2,000 images takes about a minute.", icon=":material/tune:")
        return
    study = _chosen(found)
    st.markdown(study["meaning"])
    _worst(study)
    _curves(run, study, _beside(run, study))


def _launch(view: View) -> None:
    from cifake_core.evaluation import transforms

    st.caption("Every image is recompressed, shrunk, blurred … at several strengths, and scored again; the run itself is left alone.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        limit = st.selectbox("Images", (2000, 500, 0), format_func=lambda n: f"{n:,}, half of each label" if n else "all", key="metrics_robust_limit", width=240)
        kinds = {transform.title: transform.name for transform in transforms.ALL}
        chosen = st.multiselect("Transforms", list(kinds), default=list(kinds), key="metrics_robust_kinds")
    names = [kinds[title] for title in chosen]
    everything = len(names) == len(kinds)
    arguments = {"run_id": view.scores.run.id, "limit": limit, "transforms": [] if everything else names, "threshold": view.threshold}
    command = f"python -m cifake_core robustness --run {view.scores.run.id} --limit {limit} --threshold {view.threshold:g}"
    st.code(command + ("" if everything else f" --transforms {','.join(names)}"), language="bash", wrap_lines=True)
    if st.button("Measure robustness", type="primary", icon=":material/play_arrow:", key="metrics_robust_launch", disabled=not names):
        with shown_errors():
            queue.submit(Workspace.current(), "robustness", arguments, title=f"Robustness of {view.scores.run.id}")
            st.rerun()


def _chosen(found: list[dict]) -> dict:
    if len(found) == 1:
        return found[0]
    named = {_named(study): study for study in reversed(found)}
    return named[st.selectbox("Study", list(reversed(named)), key="metrics_robust_study", bind="query-params")]


def _named(study: dict) -> str:
    return f"{study['n']:,} images · threshold {study['threshold']:g} · {len(study['rows'])} strengths · {study['created_at'][:16].replace('T', ' ')}"


def _worst(study: dict) -> None:
    base, worst = study["baseline"], study["worst"]
    cells = st.columns(3)
    cells[0].metric("As stored", _share(base["accuracy"]), border=True, help="Accuracy on the images as they are.")
    if worst:
        cells[1].metric(
            f"Worst: {worst['transform']} {worst['strength']:g}", _share(worst["accuracy"]), border=True,
            help=f"{_FAILS[worst['failure']]}; the best threshold in hindsight would give {worst['best_accuracy']:.1%}.",
        )  # fmt: skip
    cells[2].metric("Right throughout", _share(study["always_right"]), border=True, help="Images judged right as stored and under every harm.")


def _share(estimate: dict) -> str:
    return "–" if estimate["value"] is None else f"{estimate['value']:.1%}"


def _beside(run, study: dict) -> dict[str, dict]:
    """Studies of other runs of the same images that share a transform, chosen to be drawn over this one."""
    from cifake_core.evaluation import robustness

    others = {}
    for other in runs.runs(Workspace.current()):
        if other.id != run.id and other.dataset == run.dataset:
            found = robustness.studies(Workspace.current(), other.id)
            if found:
                others[run_label(other)] = found[0]
    if not others:
        return {}
    chosen = st.multiselect("Drawn over it", list(others), key="metrics_robust_others", bind="query-params", placeholder="other networks that were measured")
    return {label: others[label] for label in chosen}


def _curves(run, study: dict, others: dict[str, dict]) -> None:
    from cifake_core.evaluation import transforms

    drawn = {run_label(run): study} | others
    present = [t for t in transforms.ALL if any(row["transform"] == t.name for row in study["rows"])]
    measures = ("accuracy", "real", "fake", "AUC") if not others else tuple(
        st.multiselect("Curves", ("accuracy", "real", "fake", "AUC"), default=("accuracy", "AUC"), key="metrics_robust_curves")
    )
    for start in range(0, len(present), 2):
        for column, transform in zip(st.columns(2, gap="large"), present[start : start + 2], strict=False):
            with column:
                st.markdown(f"**{transform.title}**")
                charts.sweep([r for label, s in drawn.items() for r in _rows(label, s, transform.name, measures)], transform.unit)
                st.caption(_said(study, transform.name))


def _rows(label: str, study: dict, name: str, measures: tuple[str, ...]) -> list[dict]:
    chosen = [row for row in study["rows"] if row["transform"] == name]
    return [
        {"network": label, "strength": row["strength"], "measure": measure, **row["auc" if measure == "AUC" else measure]}
        for row in chosen
        for measure in measures
        if row["auc" if measure == "AUC" else measure]["value"] is not None
    ]


def _said(study: dict, name: str) -> str:
    """What fails at which strengths."""
    failing = [f"{row['strength']:g}: {_FAILS[row['failure']]}" for row in study["rows"] if row["transform"] == name and row["failure"] != "none"]
    return literal("; ".join(failing)) if failing else "It holds: no strength costs a point."
