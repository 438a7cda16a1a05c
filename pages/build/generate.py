"""Generate: fakes of each class from a diffusion model, watched while they appear, looked at, judged and taken away."""

import streamlit as st

from cifake_core.generators.catalogue import generated
from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace
from pages.build.generation.form import generate_form
from pages.build.generation.many import MANY_VIEW, many_view
from pages.build.generation.progress import live_preview, stopped_sets
from pages.build.generation.quality import QUALITY_VIEW, quality_view
from pages.build.generation.results import results
from pages.build.generation.source import TRAIN_VIEW
from pages.build.generation.training import training_view
from pages.shared.guard import shown_errors
from pages.shared.jobs_panel import jobs_panel

ERRANDS = frozenset({"generate", "keep-done", "estimate", "regenerate", "discard", "export"})

st.title("Generate")
st.caption("A generator makes images of each class from noise. These are the fakes a detector learns to find.")

view = st.segmented_control(
    "View", ["Make images", TRAIN_VIEW, MANY_VIEW, QUALITY_VIEW], default="Make images", required=True, key="generate_view", bind="query-params",
    label_visibility="collapsed",
)  # fmt: skip
if view == TRAIN_VIEW:
    training_view()
elif view == MANY_VIEW:
    many_view()
elif view == QUALITY_VIEW:
    quality_view()
else:
    with shown_errors():
        made = [image_set for image_set in ImageSet.list(Workspace.current()) if generated(image_set.record)]
        with st.expander("Make images", icon=":material/auto_awesome:", expanded=not made, key="generate_open", bind="query-params"):
            generate_form()
        stopped_sets()
        jobs_panel("generate", kinds=ERRANDS, finished=1)
        live_preview()
        results(made)
