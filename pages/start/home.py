"""Start: the question of this lab as a picture, what is in the workspace, and the next step."""

import streamlit as st

from cifake_core.detectors import runs
from cifake_core.evaluation import reference
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue, registry
from cifake_core.store.workspace import Workspace
from pages.build.sets.import_sources import CIFAKE_FACTS, start_download
from pages.shared.guard import shown_errors
from pages.shared.jobs_panel import jobs_panel, known_jobs
from pages.shared.palette import FAKE_TEXT, REAL_TEXT
from pages.shared.pickers import accuracy_interval, link_to, run_links
from pages.shared.set_pictures import rendered_strip, riddle

workspace = Workspace.current()
sets, trained = ImageSet.list(workspace), runs.runs(workspace)


def question() -> None:
    """A row of images to guess, from the user's own sets if one has both labels."""
    riddles = [s for s in sets if all(any(split[word] for split in s.record["counts"].values()) for word in ("real", "fake"))]
    st.subheader("Real or AI?")
    if not riddles:
        st.image(rendered_strip(), width="stretch", output_format="PNG", alt="Ten small rendered scenes, one of each class")
        st.caption("The ten classes, rendered by this program, no photographs. With images to compare, this becomes a riddle.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        solved = st.toggle("Show the answer", key="home_answer", bind="query-params")
        if st.button("Other images", icon=":material/shuffle:", type="tertiary"):
            st.session_state.home_draw = st.session_state.get("home_draw", 0) + 1
    picture = riddle(riddles[0], st.session_state.get("home_draw", 0), solved=solved)
    st.image(picture, width="stretch", output_format="PNG", alt="Ten small images, some photographs, some made by a generator")
    st.caption(
        f"Framed blue: {REAL_TEXT}; framed orange: {FAKE_TEXT}."
        if solved
        else " ".join(filter(None, ["Each is 32 pixels wide.", reference.people_sentence(riddles[0])]))
    )


def first_steps() -> None:
    """An empty workspace: the demo, or the real thing."""
    st.subheader("Begin")
    demo = "demo" in registry.KINDS
    columns = iter(st.columns(2, gap="large"))
    if demo:
        with next(columns), st.container(border=True, height="stretch"):
            st.markdown("**Start with the demo**")
            st.caption("Rendered scenes, fakes from a bundled generator, six trained networks. Offline, about two minutes.")
            if st.button("Start with the demo", type="primary", icon=":material/play_arrow:"):
                queue.submit(workspace, "demo", {}, title="Demo")
    with next(columns), st.container(border=True, height="stretch"):
        st.markdown("**Get the real CIFAKE**")
        st.caption(CIFAKE_FACTS)
        if st.button("Get the real CIFAKE", type="secondary" if demo else "primary", icon=":material/download:"):
            start_download()
    link_to("data", "Or import images of your own", icon=":material/add_photo_alternate:")


def next_step() -> None:
    """What is there, and the one thing that makes sense now."""
    images = sum(sum(s.record["rows"].values()) for s in sets)
    with st.container(horizontal=True):
        st.metric("Image sets", len(sets), border=True, help=f"{images:,} images")
        st.metric("Trained networks", len(trained), border=True)
        tested = (run for run in trained if {"test", "validation"} <= run.record.keys())
        best = max(tested, key=lambda run: run.record["validation"]["accuracy"], default=None)  # never chosen on test
        if best is not None:
            st.metric(
                "Test accuracy of the best",
                accuracy_interval(best),
                border=True,
                help=f"{best.topology} on {best.dataset}, 95 % interval for the choice of images; the best on validation images, so that nothing is chosen on test.",
            )
    if not trained:
        link_to("train", "Next: train the quick grid, six small networks", icon=":material/grid_on:")
    else:
        shown = best or trained[0]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Look at **{shown.topology}**, seed {shown.seed}:", width="content")
            run_links(shown)


def papers() -> None:
    """The two papers, a sentence each."""
    left, right = st.columns(2, gap="large")
    with left, st.container(border=True, height="stretch"):
        st.markdown(
            "**CIFAKE** · [Bird and Lotfi, IEEE Access 2024](https://arxiv.org/abs/2303.14126)  \n"
            "36 small networks learn to tell CIFAR-10 photographs from Stable Diffusion images. The paper reports 92.98 % test accuracy for the best "
            "and concludes from Grad-CAM that it looks at the background: a claim this lab puts to the test."
        )
        link_to("train", "Train the 36 networks", icon=":material/grid_on:")
    with right, st.container(border=True, height="stretch"):
        st.markdown(
            "**Community Forensics** · [Park and Owens, CVPR 2025](https://arxiv.org/abs/2411.04125)  \n"
            "Detectors are tested on generators they have never seen. The paper reports that they do better the more generators they are trained on."
        )
        link_to("generate", "Make fakes with a generator", icon=":material/auto_awesome:")


st.title("CIFAKE Lab")
st.markdown(
    "How does a computer tell a photograph from an AI-generated image, and why does it think so? "
    "Make fakes, train small networks, measure them honestly, and look at where they look."
)
with shown_errors():
    question()
    if sets:
        next_step()
    else:
        first_steps()
    if known_jobs(limit=1):
        st.subheader("Work")
        jobs_panel("home")
    papers()
