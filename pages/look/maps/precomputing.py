"""Whether the maps on the screen are kept for the whole test set, and the button that computes them as a job."""

import streamlit as st

from cifake_core.evaluation.scored import Scored
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from pages.shared import cached
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import duration

KINDS = frozenset({"explain"})
PER_SECOND = {"gradcam": 4000, "eigencam": 150, "scorecam": 8, "ablationcam": 60, "integratedgradients": 60, "occlusion": 20}
OTHERS_PER_SECOND = 800  # a rough figure for a small network on one core, for the estimate beside the button


def offer(scores: Scored, questions: list) -> None:
    """One line: all maps are kept, or they are computed page by page and can be computed for all."""
    missing = [asked for asked in questions if cached.kept_of(scores, asked) is None]
    if not missing:
        st.caption(f":material/check: All {len(scores):,} maps of this method are kept: turning pages only reads them.")
        return
    seconds = len(missing) * len(scores) / PER_SECOND.get(missing[0].method.split("@")[0], OTHERS_PER_SECOND)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("These maps are computed page by page. Computed once for all images, browsing is faster, and averages are over all of them.")
        clicked = st.button(
            f"Compute all {len(scores):,}", key="gradcam_compute", icon=":material/bolt:",
            help=f"As a job: about {duration(max(seconds, 1))} on one core for a small network.",
        )  # fmt: skip
    if clicked:
        submit(scores, missing)
        st.rerun(scope="app")  # the panel of jobs stands outside of this fragment


def submit(scores: Scored, questions: list) -> None:
    """One job a question; what the queue refuses is shown."""
    from cifake_core.explanations import methods, viewing

    with shown_errors():
        for asked in questions:
            title = f"{methods.title(asked.method)} of {scores.run.topology}, {len(scores):,} images, target {asked.target}"
            title += ", before ReLU" if asked.place == "raw" and methods.uses_layers(asked.method) else ""
            queue.submit(Workspace.current(), "explain", viewing.precomputable(scores.run, asked, scores.split), title=title)
            st.toast(f"{literal(title)}: it runs on, also when this tab is closed.", icon=":material/bolt:")
