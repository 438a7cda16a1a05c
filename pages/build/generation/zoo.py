"""The zoo's part of Many generators: what it would make, from which reals, in how long, and the launch."""

import streamlit as st

from cifake_core.generators.zoo import VARIANTS, BuildZoo
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace, checked_name
from pages.build.generation.source import TRAIN_VIEW
from pages.shared.guard import literal
from pages.shared.pickers import link_to

LEAST_REALS = 100  # what a generator needs to be trained at all


def zoo_part() -> None:
    st.subheader("A zoo of our own")
    st.caption(
        "Small latent diffusion models that differ in width, depth, latent channels, training images, steps, guidance or scheduler; two only "
        "send real pictures through an autoencoder. For studies of unseen generators without any network."
    )
    sets = {
        one.name: one
        for one in ImageSet.list(Workspace.current())
        if one.record["counts"].get("train", {}).get("real", 0) >= LEAST_REALS
    }
    if not sets:
        with st.container(border=True):
            st.markdown(
                f"The zoo learns from real images with a class, at least {LEAST_REALS} of them, and there is no such set yet."
            )
            with st.container(horizontal=True):
                link_to("data", "Import images", icon=":material/add_photo_alternate:")
                link_to("generate", "Render the demo world", icon=":material/draw:", generate_view=TRAIN_VIEW)
        return
    with st.container(border=True):
        left, middle, right = st.columns([2, 1, 1])
        dataset = left.selectbox("Learns from the reals of", list(sets), key="zoo_set", bind="query-params")
        minutes = middle.number_input(
            "Minutes of training",
            1.0,
            100_000.0,
            60.0,
            5.0,
            format="%g",
            key="zoo_minutes",
            help="Of all trainings together.",
        )
        per_class = right.number_input("Images a class from each", 1, 5000, 20, key="zoo_per_class")
        name = left.text_input("Name of the image set", f"{dataset}-zoo"[:60], max_chars=60, key=f"zoo_name_{dataset}")
        chosen = st.pills(
            "Generators", [one.name for one in VARIANTS], selection_mode="multi", default=[one.name for one in VARIANTS], key="zoo_variants",
            help="The first six are trainings; the others sample one of them in another way, or reconstruct real pictures.",
        )  # fmt: skip
        if not chosen:
            st.caption("Choose at least one generator.")
            return
        every = len(chosen) == len(VARIANTS)
        step = BuildZoo(
            dataset, checked_name(name.strip()), () if every else tuple(chosen), int(per_class), float(minutes)
        )
        trainings, images = len(step.trainings()), 10 * int(per_class) * len(chosen)
        st.markdown(
            f":material/schedule: **{len(chosen)} generators** of {trainings} trainings in {minutes:g} minutes, then {images:,} images."
        )
        if st.button("Build the zoo", type="primary", icon=":material/pets:", key="zoo_build"):
            arguments = {
                "dataset": dataset,
                "name": step.name,
                "variants": list(step.variants),
                "per_class": step.per_class,
                "minutes": step.minutes,
            }
            queue.submit(Workspace.current(), "zoo", arguments, title=f"Build the zoo {step.name} from {dataset}")
            st.toast(f"Building {literal(step.name)}: it goes on when this tab is closed.", icon=":material/pets:")
