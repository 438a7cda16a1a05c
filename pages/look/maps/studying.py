"""What the two studies of maps share on the page: which result is shown, and how one is started."""

from collections.abc import Callable

import streamlit as st

from cifake_core.detectors.places import BEFORE_RELU, recorded_place
from cifake_core.detectors.runs import Run
from cifake_core.jobs import queue
from cifake_core.store.studies import is_current
from cifake_core.store.workspace import Workspace
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import jobs_panel, known_jobs, moving


def chosen_study(kind: str, run: Run, describe: Callable[[dict], str]) -> dict | None:
    """The result that is shown: the newest of this run with feature maps after the ReLU, or the one picked where there are
    several; and a sentence where its feature maps were taken before it.
    """
    from cifake_core.explanations import studies

    every = studies.studies(Workspace.current(), kind, run.id)
    found = [study for study in every if is_current(kind, study)]
    _left_out(len(every) - len(found))
    found.sort(key=lambda study: recorded_place(study, run.topology) == BEFORE_RELU)  # a stable sort: newest first among equals
    chosen = found[0] if found else None
    if len(found) > 1:
        named = {f"{_described(study, run, describe)} · {study['created_at'][:16].replace('T', ' ')}": study for study in found}
        chosen = named[st.selectbox("Result", list(named), key=f"gradcam_{kind}_result", bind="query-params")]
    if chosen is not None:
        taken_before(chosen, run)
    return chosen


def _described(study: dict, run: Run, describe: Callable[[dict], str]) -> str:
    before = recorded_place(study, run.topology) == BEFORE_RELU
    return describe(study) + (", before ReLU" if before else "")


def taken_before(study: dict, run: Run) -> None:
    """A sentence above results whose feature maps were taken before the ReLU; nothing above all others."""
    if recorded_place(study, run.topology) != BEFORE_RELU:
        return
    if "feature_map" in study:
        st.info("These heatmaps are of feature maps **before ReLU**, as asked for; the paper takes them after it.", icon=":material/info:")
    else:
        st.warning(
            "This result is of an earlier version, which took feature maps **before ReLU**, not after it as the paper does. "
            "Measure again; the two are not comparable.",
            icon=":material/history:",
        )


def _left_out(results: int) -> None:
    """Says that results of earlier versions are not shown: what they concluded does not stand any more."""
    if results:
        st.warning(
            f"{results} result{'s' if results > 1 else ''} of an earlier version {'are' if results > 1 else 'is'} not shown: heatmaps were taken before the ReLU, or "
            "comparisons had no control for place and for their number. Measure again.",
            icon=":material/history:",
        )


def launcher(kind: str, title: str, arguments: dict, command: str) -> None:
    """The button that starts a study as a job, with the command line that does the same, and what is under way."""
    st.code(command, language="bash", wrap_lines=True)
    if st.button("Measure", type="primary", icon=":material/play_arrow:", key=f"gradcam_{kind}_launch"):
        with shown_errors(), st.spinner("Starting …"):
            queue.submit(Workspace.current(), kind, arguments, title=title)
            st.toast(f"{literal(title)}: it runs on, also when this tab is closed.", icon=":material/play_arrow:")


def under_way(kind: str) -> None:
    kinds = frozenset({kind})
    if moving(known_jobs(kinds)) or any(not job.is_final or job.error for job in known_jobs(kinds)[:1]):
        jobs_panel(f"gradcam-{kind}", kinds=kinds, finished=1)


def number(estimate: dict | None, digits: int = 2) -> str:
    """ "0.41 (0.39 to 0.43)", or a dash."""
    if not estimate or estimate["value"] is None:
        return "–"
    value, low, high = (round(estimate[name], digits) + 0.0 for name in ("value", "low", "high"))  # + 0: no "-0.00"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def share(estimate: dict | None) -> str:
    """ "41.2 % (39.8 to 42.5)", or a dash."""
    if not estimate or estimate["value"] is None:
        return "–"
    return f"{100 * estimate['value']:.1f} % ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"
