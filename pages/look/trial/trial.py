"""The parts of Try an image: where a file comes from, and how a `trying.Tried` is shown. The core does the rest."""

import hashlib

import numpy as np
import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.errors import NotFound
from cifake_core.evaluation.evaluating import class_name
from cifake_core.images.image_set import ImageSet
from cifake_core.images.sprite import png
from cifake_core.store.workspace import Workspace
from pages.shared import cached
from pages.shared.guard import literal
from pages.shared.palette import colours

MOST = 12  # files shown at a time
_SHOWN = 224  # pixels: the longest side of a picture of a stage


def chosen_files(run: Run) -> list[tuple[str, bytes]]:
    """(name, bytes) of the uploads, or of a test image of the run's set."""
    source = st.segmented_control(
        "From", ("my files", "the test images"), default="my files", required=True, key="try_from", bind="query-params",
        help="Test images were not used in training; for these the truth is known.",
    )  # fmt: skip
    if source == "my files":
        return _uploads()
    return _sample(run)


def _uploads() -> list[tuple[str, bytes]]:
    given = st.file_uploader(
        "Images", ["jpg", "jpeg", "png", "webp", "bmp"], accept_multiple_files=True, key="try_files",
        help="JPEG, PNG, WEBP or BMP. They are not stored.",
    )  # fmt: skip
    if len(given) > MOST:
        st.warning(f"{len(given)} files were given; the first {MOST} are shown.")
    return [(file.name, file.getvalue()) for file in given[:MOST]]


def _sample(run: Run) -> list[tuple[str, bytes]]:
    image_set = ImageSet.open(Workspace.current(), run.dataset)
    if not image_set.has("test"):
        raise NotFound(f"{run.dataset!r} has no test images; upload a file instead.")
    total = image_set.record["rows"]["test"]
    left, middle, right = st.columns([2, 2, 4], vertical_alignment="bottom")
    number = left.number_input("Test image no.", 1, total, 1, key="try_number", bind="query-params", help=f"1 to {total:,}")
    middle.button("Draw one at random", icon=":material/casino:", on_click=_draw, args=(total,), width="stretch")
    known = image_set.manifest("test").iloc[number - 1]
    truth = (":blue[real]", ":orange[fake]")[int(known["label"])]
    right.markdown(f"The truth: a **{truth}** {class_name(int(known['class_label']))}.")
    return [(f"Test image {number}", image_set.encoded("test", number - 1))]


def _draw(total: int) -> None:
    st.session_state["try_number"] = int(np.random.default_rng().integers(1, total + 1))


def codec_choice(run: Run) -> bool:
    """Whether images go through CIFAKE's JPEG path first; on where the network learned from JPEGs."""
    formats = ImageSet.open(Workspace.current(), run.dataset).record.get("formats", {})
    learned = bool(formats) and max(formats, key=formats.get) == "JPEG"
    known = f"This network learned from {' and '.join(sorted(formats))} files. " if formats else ""
    return st.toggle(
        "Encode as CIFAKE's files are (JPEG 75)", learned, key=f"try_jpeg_{'on' if learned else 'off'}", bind="query-params",
        help=f"{known}An image that came by another codec may be told by the codec, not by what it shows.",
    )  # fmt: skip


def nothing_yet() -> None:
    """What the page says before a file is given."""
    with st.container(border=True):
        st.markdown(
            "**What will happen.** The picture is cut to a square, shrunk to the 32 × 32 pixels the network looks at and encoded like its "
            "training images; every stage is shown. You then see the verdict, the place it came from, and whether it survives a little "
            "compression or resizing. If it does not, the honest answer is *unsure*."
        )


def tried(run: Run, name: str, data: bytes, jpeg: bool):
    """The core's answer, kept for a while by the file's digest."""
    return _tried(run.id, run.record["sha256"]["weights.safetensors"], hashlib.sha256(data).hexdigest(), name, jpeg, run, data)


@st.cache_data(max_entries=60, show_spinner="Looking …")
def _tried(run_id: str, weights: str, image: str, name: str, jpeg: bool, _run: Run, _data: bytes):
    from cifake_core.explanations import trying

    return trying.try_image(cached.detector_of(_run), _data, name=name, jpeg=jpeg)


def show(result, number: int) -> None:
    """One image: verdict and map on the left, how it came before the network on the right, what shakes it below."""
    with st.container(border=True):
        left, right = st.columns([5, 7], gap="large")
        with left:
            _verdict(result)
        with right:
            _stages(result)
            _checks(result)


def _verdict(result) -> None:
    from cifake_core.explanations.overlay import enlarge, overlay

    p, word = result.fake_probability, ("real", "fake")[result.label]
    badge = {"fake": ":orange[fake]", "real": ":blue[real]", "unsure": "unsure"}[result.verdict]
    st.markdown(f"##### {literal(result.name)}")
    st.markdown(f"## {badge}")
    st.markdown(f"{_in_words(p)}: **{p:.1%}** fake.")
    if result.reasons:
        st.markdown(f"Unsure, because {'; and '.join(result.reasons)}. It leans to **{word}**.")
    image, heat = st.columns(2, gap="small")
    shown = {"output_format": "PNG", "width": "stretch"}
    image.image(png(enlarge(result.seen)), caption="what it saw", alt="the 32 by 32 pixels the network saw, enlarged", **shown)
    heat.image(png(overlay(result.seen, result.heat, 0.55)), caption=f"what spoke for {word}", alt=f"map of evidence for {word}", **shown)
    if not result.heat.any():
        st.caption(f"No evidence: the map is zero everywhere; in the last layer nothing speaks for {word}.")


def _in_words(p: float) -> str:
    """The probability as a phrase; the bounds are ours."""
    sides = ((0.02, "Almost certainly real"), (0.2, "Probably real"), (0.4, "Rather real"), (0.6, "Could be either"))
    sides += ((0.8, "Rather fake"), (0.98, "Probably fake"))
    return next((words for bound, words in sides if p < bound), "Almost certainly fake")


def _stages(result) -> None:
    st.markdown("**What was done to it before the network looked**")
    for column, stage in zip(st.columns(max(4, len(result.stages))), result.stages, strict=False):
        column.image(
            png(_fit(stage.pixels)), output_format="PNG", width="stretch", caption=stage.title, alt=f"{stage.title}: {stage.meaning}"
        )
        column.caption(stage.meaning)
    for warning in result.warnings:
        st.warning(warning, icon=":material/info:")


def _fit(pixels: np.ndarray) -> np.ndarray:
    """For the screen only: small pictures enlarged pixel by pixel, large ones thinned."""
    longest = max(pixels.shape[:2])
    if longest < _SHOWN:
        scale = max(1, _SHOWN // longest)
        return pixels.repeat(scale, 0).repeat(scale, 1)
    step = -(-longest // (2 * _SHOWN))
    return np.ascontiguousarray(pixels[::step, ::step])


def _checks(result) -> None:
    st.markdown("**Does the verdict survive?**", help="The same picture, treated once more: a firm verdict should not flip.")
    paint = colours()
    rows = [("As it is", result.fake_probability), *((c.name, c.fake_probability) for c in result.checks)]
    spec = {
        "data": {"values": [{"image": n, "fake": p, "side": "fake" if p >= 0.5 else "real"} for n, p in rows]},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [4, 4], "color": paint["muted"]}, "encoding": {"x": {"datum": 0.5}}},
            {
                "mark": {"type": "point", "filled": True, "size": 140, "opacity": 1},
                "encoding": {
                    "y": {"field": "image", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 220}},
                    "x": {
                        "field": "fake",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1]},
                        "axis": {"format": ".0%"},
                        "title": "probability of fake",
                    },
                    "color": {
                        "field": "side",
                        "scale": {"domain": ["real", "fake"], "range": [paint["real"], paint["fake"]]},
                        "legend": None,
                    },
                    "tooltip": [{"field": "image"}, {"field": "fake", "format": ".2%"}],
                },
            },
        ],
    }
    st.vega_lite_chart(spec, width="stretch", height=34 * len(rows) + 50, alt="Probability of fake as the image is, and after each small treatment")
    st.caption("Dots on one side of the dashed line: the verdict holds. Dots on both: it hangs on the file more than on the picture.")
