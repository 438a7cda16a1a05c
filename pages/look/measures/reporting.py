"""The report of a run: one self-contained file to pass on, and the same numbers as a table and as JSON."""

import json

import streamlit as st

from cifake_core.store.workspace import Workspace
from pages.shared import cached
from pages.shared.gallery import View
from pages.shared.guard import shown_errors


def show(view: View, paper: float | None) -> None:
    run, threshold = view.scores.run, view.threshold
    st.subheader("Report", anchor="report")
    st.markdown(
        "One HTML file without scripts, with figures, numbers and intervals at this threshold, mistakes, calibration, doubles, robustness "
        "and audit where they were measured, settings, versions, and the exact commands that repeat it."
    )
    digest = cached.predictions_digest(run)
    with st.container(horizontal=True):
        for label, kind, mime, icon in (
            ("Report (HTML)", "html", "text/html", ":material/article:"),
            ("Every number (CSV)", "csv", "text/csv", ":material/table:"),
            ("Everything (JSON)", "json", "application/json", ":material/data_object:"),
        ):
            st.download_button(
                label, lambda kind=kind: _file(run.id, threshold, kind), f"{run.id}-{threshold:g}.{kind}", mime,
                icon=icon, on_click="ignore", type="primary" if kind == "html" else "secondary", key=f"metrics_report_{kind}_{digest[:8]}",
            )  # fmt: skip
    st.caption("The file is written when you click: some seconds. The same from the command line:")
    st.code(f"python -m cifake_core report --run {run.id} --threshold {threshold:g} --out {run.id}.html --tables", language="bash", wrap_lines=True)
    with shown_errors():
        from cifake_core.evaluation.reporting import commands
        from cifake_core.images.image_set import ImageSet

        with st.expander("Every command that leads here"):
            image_set = ImageSet.open(Workspace.current(), run.dataset)
            st.code("\n".join(commands.to_repeat(run, image_set, "test", threshold)), language="bash", wrap_lines=True)


def _file(run_id: str, threshold: float, kind: str) -> bytes:
    from cifake_core.detectors import runs
    from cifake_core.evaluation import exporting
    from cifake_core.evaluation.reporting.contents import contents
    from cifake_core.evaluation.reporting.page import page
    from cifake_core.evaluation.reporting.writing import table

    workspace = Workspace.current()
    found, view = contents(workspace, runs.open_run(workspace, run_id), "test", threshold)
    if kind == "html":
        return page(found, view).encode()
    if kind == "csv":
        return exporting.csv(table(found))
    return (json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
