"""Train: the paper's grid of networks, launched as a job, watched while it fills in, ranked when it is done."""

import streamlit as st

from cifake_core.detectors import runs
from cifake_core.store.workspace import Workspace
from pages.build.training.launch import launch_form
from pages.build.training.results import runs_on
from pages.build.training.view import results
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import jobs_panel, known_jobs, moving
from pages.shared.pickers import image_set_picker, why_not_trainable

TRAIN = frozenset({"train"})

st.title("Train")
st.caption("Small networks learn real from fake. Which shape of network does it best, and how much is luck?")

with shown_errors():
    chosen = image_set_picker("train_set", help="What the networks learn from; validation is a tenth of its train split.")
    if chosen is not None:
        problem = why_not_trainable(chosen)
        trained = runs.runs(Workspace.current())
        if problem:
            st.info(f"**{literal(chosen.name)}** cannot be trained on. {literal(problem)}", icon=":material/info:")
        else:
            first = not runs_on(chosen, trained)
            with st.expander("Launch", icon=":material/play_arrow:", expanded=first, key="train_form", on_change="rerun", bind="query-params"):
                launch_form(chosen, trained)
        jobs_panel("train", kinds=TRAIN | {"estimate-training"}, finished=1)
        results(chosen, moving(known_jobs(TRAIN)))
