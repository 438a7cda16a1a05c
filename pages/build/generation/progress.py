"""A generation as it happens: the latest images while they arrive, and sets that were stopped and wait to be finished.

It reads what a job leaves in its scratch folder; it does not know how images are made.
"""

import json

import streamlit as st

from cifake_core.generators import catalogue
from cifake_core.generators.catalogue import Begun
from cifake_core.jobs import places, queue
from cifake_core.jobs.states import Job, State
from cifake_core.store.workspace import Workspace
from pages.build.generation.recall import recall
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import known_jobs, moving

MAKE = frozenset({"generate"})
REFRESH_S = 2


def live_preview() -> None:
    """The latest images of the generation under way; refreshes itself only while there is one."""
    jobs = known_jobs(MAKE)
    if moving(jobs):
        st.fragment(_preview, run_every=REFRESH_S)()


def _preview() -> None:
    with shown_errors():
        running = next((job for job in known_jobs(MAKE) if job.state == State.RUNNING), None)
        found = _read(running) if running else None
        if found is None:
            if running:
                st.caption(":material/hourglass_top: The first images appear here as soon as a batch is finished.")
            return
        picture, images = found
        st.image(picture, width="content", output_format="PNG", alt=f"The latest {len(images)} images of {running.title}, ten in a row")
        latest = images[-1]
        words = f" · {literal(latest['prompt'])}" if latest["prompt"] else ""
        st.caption(
            f"The latest {len(images)} images, ten in a row, the newest last: {literal(latest['class'])} no. {latest['index'] + 1}, "
            f"seed {latest['seed']}{words}. Classes take turns, so that a set stopped early is balanced too."
        )


def _read(job: Job) -> tuple[bytes, list[dict]] | None:
    """The sheet and what is on it; None before the first batch."""
    folder = places.scratch(Workspace.current(), job.id)
    try:
        images = json.loads((folder / "preview.json").read_text(encoding="utf-8"))["images"]
        return (folder / "preview.png").read_bytes(), images
    except (OSError, ValueError, KeyError):
        return None


def stopped_sets() -> None:
    """Sets with finished images that nobody is working on: finish them, keep what is there, or read their settings."""
    workspace = Workspace.current()
    at_work = {_name(job) for job in known_jobs(MAKE | {"keep-done"}) if not job.is_final}
    for begun in catalogue.begun(workspace):
        if begun.name not in at_work:
            _stopped(begun)


def _name(job: Job) -> str | None:
    return job.arguments.get("step", job.arguments).get("name")


def _stopped(begun: Begun) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{literal(begun.name)}** was stopped: {begun.made:,} of {begun.asked:,} images are made.", width="stretch")
        key = f"generate-stopped-{begun.name}"
        st.button("Make the rest", key=f"{key}-rest", icon=":material/play_arrow:", type="primary", on_click=_go_on, args=(begun,))
        st.button(
            "Keep what is done", key=f"{key}-keep", icon=":material/save:", on_click=_keep, args=(begun,),
            help="The finished images become the image set; nothing more is made.",
        )  # fmt: skip
        st.button("Show its settings", key=f"{key}-recall", type="tertiary", on_click=recall, args=(begun.step,))


def _go_on(begun: Begun) -> None:
    with shown_errors():
        queue.submit(Workspace.current(), "generate", begun.step, title=f"Make {begun.asked:,} images as {begun.name}")


def _keep(begun: Begun) -> None:
    with shown_errors():
        queue.submit(Workspace.current(), "keep-done", {"step": begun.step}, title=f"Keep {begun.made:,} images as {begun.name}")
