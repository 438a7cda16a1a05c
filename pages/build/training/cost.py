"""What a launch costs: how many trainings, how long, cell by cell, timed on this machine or judged by past runs."""

import pandas as pd
import streamlit as st

from cifake_core.detectors import estimating
from cifake_core.detectors.grid import TrainGrid
from cifake_core.detectors.past_pace import PastPace
from cifake_core.detectors.runs import Run
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from pages.build.training.plan import Plan
from pages.shared.guard import shown_errors
from pages.shared.jobs_panel import duration


def cost(plan: Plan, image_set: ImageSet, runs: list[Run]) -> None:
    """One line, each cell's time behind it, and a button that times the cells if nothing is known."""
    count = plan.trainings()
    said = [f"**{count}** {'training' if count == 1 else 'trainings'}"]
    left = plan.left(image_set, runs)
    if len(left) < count:
        said.append(f"{count - len(left)} finished already, taken as they are")
    told = estimating.estimate(Workspace.current(), TrainGrid(**plan.arguments()))
    if told is not None:
        said.append(f"at most about **{duration(told['seconds'])}** with {told['workers']} at once, each cell timed on this machine")
        st.markdown(" · ".join(said))
        _each_cell(told)
        return
    pace = PastPace.of(runs, ImageSet.list(Workspace.current())) if left else None
    if pace:
        said.append(f"at most about {duration(pace.seconds(left, count, image_set))}, judged by past runs on this machine")
    st.markdown(" · ".join(said))
    if left:
        st.button(
            "Time it on this machine", icon=":material/timer:", type="tertiary", key="train_time", on_click=_time, args=(plan,),
            help="Trains each different cell for a moment, a second or two each, and tells how long all of it will take.",
        )  # fmt: skip


def _time(plan: Plan) -> None:
    with shown_errors():
        queue.submit(Workspace.current(), "estimate-training", plan.arguments(), title=f"Time {plan.title()[0].lower()}{plan.title()[1:]}")


def _each_cell(told: dict) -> None:
    with st.expander("Each cell's time", key="train_each", type="compact", on_change="rerun") as box:
        if box.open:
            table = pd.DataFrame(told["cells"]).sort_values("seconds", ascending=False, ignore_index=True)
            column = st.column_config
            st.dataframe(
                table, hide_index=True, alt="Estimated seconds of each training, the longest first",
                column_config={
                    "topology": "Topology", "seed": column.NumberColumn("Seed", width="small"),
                    "seconds": column.NumberColumn("At most, s", format="%.0f"), "state": "State",
                },
            )  # fmt: skip
