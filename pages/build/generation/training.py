"""Training a generator of one's own from the page: what it learns from, the job, and its loss and samples as they come.

It reads what a training leaves in its scratch folder; how a generator is trained is the core's business.
"""

import json
from pathlib import Path

import pandas as pd
import streamlit as st

from cifake_core.generators import catalogue
from cifake_core.generators.designs import PRESETS
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import places, queue
from cifake_core.jobs.states import Job, State
from cifake_core.store.workspace import Workspace, checked_name
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import jobs_panel, known_jobs, moving
from pages.shared.palette import colours
from pages.shared.pickers import link_to

TRAIN = frozenset({"train-generator", "render-demo"})
REFRESH_S = 5
LEAST_REALS = 100
_PRESETS = {"demo": "Small: about an hour of two cores", "cifar10": "Larger: hours of a CPU", "cifar10-gpu": "Largest: for a GPU"}


def training_view() -> None:
    """The whole view: form, work under way, trained generators."""
    with shown_errors():
        st.caption(
            "A latent diffusion model of our own design, small enough for a CPU: an autoencoder turns 32 × 32 pictures into 8 × 8 "
            "latents, then a transformer learns to make such latents from noise, class by class. Only the real training images are seen."
        )
        _form()
        jobs_panel("generate_training", kinds=TRAIN, finished=1)
        jobs = known_jobs(frozenset({"train-generator"}))
        st.fragment(_progress, run_every=REFRESH_S if moving(jobs) else None)()
        _trained()


def _form() -> None:
    sets = {one.name: one for one in ImageSet.list(Workspace.current()) if _reals(one) >= LEAST_REALS}
    if not sets:
        _nothing_to_learn_from()
        return
    with st.container(border=True):
        left, middle, right = st.columns([2, 2, 1.4], vertical_alignment="bottom")
        dataset = left.selectbox("Learns from the reals of", list(sets), key="generate_learn_set", bind="query-params")
        preset = middle.selectbox(
            "Size", list(PRESETS), format_func=_PRESETS.get, key="generate_preset", bind="query-params",
            help="Presets differ in size and in time a step.",
        )  # fmt: skip
        minutes = right.number_input(
            "Minutes of training", 0.1, 100_000.0, PRESETS[preset].minutes, 5.0, format="%g", key=f"generate_minutes_{preset}",
            help="The learning rate falls to nothing within this time, so a longer training is not a short one continued.",
        )  # fmt: skip
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name of the generator", f"{dataset}-ldm"[:80], max_chars=80, key=f"generate_learn_name_{dataset}", width=320)
            seed = st.number_input("Seed of the training", 0, 2**31 - 1, 0, key="generate_learn_seed", bind="query-params", width=180)
        arguments = {"dataset": dataset, "name": checked_name(name.strip()), "preset": preset, "minutes": float(minutes), "seed": int(seed)}
        st.markdown(
            f":material/schedule: About **{minutes:g} minutes** on {_reals(sets[dataset]):,} real images. An interrupted training goes on where it was."
        )
        if st.button("Train this generator", type="primary", icon=":material/model_training:", key="generate_learn"):
            with st.spinner("Starting …"):
                queue.submit(Workspace.current(), "train-generator", arguments, title=f"Train the generator {name.strip()} on {dataset}")
            st.toast(f"Training {literal(name)}: it goes on when this tab is closed.", icon=":material/model_training:")


def _nothing_to_learn_from() -> None:
    with st.container(border=True):
        st.markdown(f"A generator learns from real images with a class, at least {LEAST_REALS} of them, and there is no such set yet.")
        st.caption("The demo world renders stand-ins for photographs: small scenes of the ten classes, ours, made in seconds.")
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Render the demo world", type="primary", icon=":material/draw:", key="generate_render"):
                queue.submit(Workspace.current(), "render-demo", {}, title="Render the demo world")
            link_to("data", "Or import images", icon=":material/add_photo_alternate:")


def _reals(image_set: ImageSet) -> int:
    return image_set.record["counts"].get("train", {}).get("real", 0)


def _progress() -> None:
    """Loss and samples of the training under way, or of the last one that stopped."""
    with shown_errors():
        job = next((job for job in known_jobs(frozenset({"train-generator"})) if job.state != State.QUEUED), None)
        if job is None or job.state == State.DONE:
            return
        folder = places.scratch(Workspace.current(), job.id)
        curves, sheets = _curves(folder), sorted(folder.glob("samples-*.png"))
        if not curves:
            st.caption(":material/hourglass_top: The loss appears here after the first tenth of the autoencoder's training.")
            return
        left, right = st.columns(2, gap="large")
        with left:
            _loss_chart(curves)
        with right:
            _sheets(sheets, job)


def _curves(folder: Path) -> dict[str, list[dict]]:
    found = {}
    for half in ("autoencoder", "transformer"):
        try:
            found[half] = json.loads((folder / f"{half}-{catalogue.CURVE}").read_text(encoding="utf-8"))["curve"]
        except (OSError, ValueError, KeyError):
            continue
    return {half: curve for half, curve in found.items() if curve}


def _loss_chart(curves: dict[str, list[dict]]) -> None:
    """One small chart a half: their losses are different things and share no axis."""
    for half, curve in curves.items():
        table = pd.DataFrame(curve)[["step", "loss"]]
        spec = {
            "data": {"values": table.to_dict("records")},
            "mark": {"type": "line", "color": colours()["fake"], "interpolate": "monotone"},
            "encoding": {
                "x": {"field": "step", "type": "quantitative", "title": "step", "axis": {"grid": False}},
                "y": {"field": "loss", "type": "quantitative", "title": f"loss, {half}", "scale": {"type": "log", "nice": False}, "axis": {"tickCount": 4}},
                "tooltip": [{"field": "step", "format": ","}, {"field": "loss", "format": ".4f"}],
            },
            "config": {"view": {"stroke": None}},
        }
        last = table["loss"].iloc[-1]
        st.vega_lite_chart(spec, width="stretch", height=190, alt=f"Loss of the {half} by step, {len(table)} points, the last {last:.4f}")
    st.caption("Loss by step, on a logarithmic axis.")


def _sheets(sheets: list[Path], job: Job) -> None:
    if not sheets:
        st.caption("Samples appear here when the transformer has trained for a while.")
        return
    tenths = [int(path.stem.rpartition("-")[2]) for path in sheets]
    chosen = tenths[-1]
    if len(tenths) > 1:
        chosen = st.select_slider(
            "Samples after", tenths, tenths[-1], format_func=lambda tenth: f"{10 * tenth} %", key=f"generate_tenth_{job.id}_{len(tenths)}"
        )
    picture = sheets[tenths.index(chosen)].read_bytes()
    st.image(picture, width="stretch", output_format="PNG", alt=f"Samples after {10 * chosen} % of the transformer's training, one row a class")
    st.caption("One row a class, always from the same noise: drag the slider to watch the images come out of it.")


def _trained() -> None:
    found = catalogue.trained(Workspace.current())
    if not found:
        return
    st.subheader("Trained here")
    names = {one.name: one for one in found}
    one = names[st.selectbox("Generator", list(names), key="generate_shown", bind="query-params")]
    left, right = st.columns(2, gap="large")
    with left:
        if one.curves:
            _loss_chart(one.curves)
    with right:
        if one.sheet:
            st.image(one.sheet, width="stretch", output_format="PNG", alt=f"Samples of {one.name}: one row a class, eight of each")
        link_to("generate", "Make images with it", icon=":material/auto_awesome:", generate_open="true", generate_from="Trained here", generate_trained=one.name)
