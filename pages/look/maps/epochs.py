"""How maps came to be: the same 24 validation images after every epoch of the training, as a slider turns."""

import numpy as np
import streamlit as st

from cifake_core.detectors import probing
from cifake_core.detectors.runs import Run
from cifake_core.evaluation.evaluating import class_name
from cifake_core.images.image_set import ImageSet
from cifake_core.images.sprite import painted, png, sprite
from cifake_core.store.workspace import Workspace
from pages.look.maps.controls import COLOUR_MAPS, place_words
from pages.look.maps.figures import trajectory
from pages.shared.palette import colours
from pages.shared.sheet import Tile, sheet

COLUMNS = 8
LABELS = ("real", "fake")
BEFORE_RELU = (
    "These heatmaps were recorded by an earlier version, which took feature maps before the ReLU, not after it as the paper does. They "
    "cannot be made again, because the weights of past epochs are not kept; train the network again to see them after the ReLU."
)


def epochs(run: Run) -> None:
    """The slider, the images with their maps at that epoch, and one image through all epochs."""
    probe, part = _probe(str(Workspace.current().home), run.id, run.record["created_at"])
    if probe is None:
        st.info(
            "This network was trained before maps of each epoch were kept. Train it again, under another seed, to see them grow.",
            icon=":material/history:",
        )
        return
    _show(probe, part, run.topology)


@st.fragment
def _show(probe, part, topology: str) -> None:
    a, b, c = st.columns([5, 2, 2], vertical_alignment="bottom")
    last = int(probe.epochs[-1])
    epoch = a.slider("Epoch", 1, max(last, 2), last, key="gradcam_epoch", bind="query-params") if last > 1 else 1
    opacity = b.slider("Opacity", 0.0, 1.0, 0.5, 0.05, key="gradcam_epoch_opacity", bind="query-params")
    colour_map = c.selectbox("Colours", COLOUR_MAPS, key="gradcam_epoch_colours", bind="query-params")
    at = int(np.clip(epoch, 1, last)) - 1
    rows = probing.positions_of(part, probe.image_ids)
    there = np.flatnonzero(rows >= 0)
    truth = part.labels[rows[there]]
    right = ((probe.probabilities[at, there] >= 0.5) == (truth == 1)).sum()
    st.markdown(f"After epoch **{at + 1}** of {last}: **{right}** of {len(there)} of these validation images are told right.")
    before = probe.taken_before(at + 1, topology)
    if before:
        st.warning(BEFORE_RELU, icon=":material/history:")
    left, beside = st.columns([12, 6], gap="medium")
    with beside:
        number = _number(len(there))
        _through_all(probe, part, rows, int(there[number - 1]), at, colour_map, opacity)
    with left:
        _tiles(probe, part, rows, there, at, colour_map, opacity, number)
        place = place_words("raw" if before else probe.places[at])
        st.caption(
            f"Grad-CAM at {probe.layer}{f', feature maps {place}' if place else ''}, for the verdict of that epoch; the same images for every network trained on this image set. "
            "Below each: the probability of fake. The bar's left half is the truth, the right half the verdict."
        )


def _number(images: int) -> int:
    return st.number_input("Image no.", 1, images, 1, key="gradcam_probe", bind="query-params")


def _tiles(probe, part, rows: np.ndarray, there: np.ndarray, at: int, colour_map: str, opacity: float, number: int) -> None:
    from cifake_core.explanations.overlay import palette

    paint = colours()

    def tile(place: int) -> Tile:
        row, share = rows[place], float(probe.probabilities[at, place])
        truth, verdict = LABELS[part.labels[row]], LABELS[int(share >= 0.5)]
        word = class_name(int(part.class_labels[row]))
        none = "" if probe.scale[at, place] > 0 else ", no evidence"
        name = f"{word}, {truth}, called {verdict}, {share:.1%} fake{none}"
        return Tile(probe.image_ids[place], name, f"{share:.0%} {word}", paint[truth], paint[verdict])

    def chose(image_id: str) -> None:
        st.session_state["gradcam_probe"] = 1 + [probe.image_ids[place] for place in there].index(image_id)

    levels = probe.heat[at][there]
    sheet(
        [tile(place) for place in there],
        sprite(np.asarray(part.pixels[rows[there]]), COLUMNS),
        COLUMNS,
        key="gradcam_epoch_sheet",
        label=f"{len(there)} validation images after epoch {at + 1}; choose one to follow it",
        on_choose=chose,
        chosen=probe.image_ids[there[number - 1]],
        heat=painted(levels, COLUMNS, palette(colour_map)),
        opacity=opacity,
        panes=("image", "overlay"),
        tile=150,
    )


def _through_all(probe, part, rows: np.ndarray, place: int, at: int, colour_map: str, opacity: float) -> None:
    """One image through all epochs: its probability as a curve, its maps as a strip."""
    from cifake_core.explanations.overlay import overlay

    truth = LABELS[part.labels[rows[place]]]
    st.markdown(f"A {truth} {class_name(int(part.class_labels[rows[place]]))} through the training")
    trajectory(
        [{"epoch": int(e), "probability": float(p)} for e, p in zip(probe.epochs, probe.probabilities[:, place], strict=True)], at + 1
    )
    image = part.pixels[rows[place]].transpose(1, 2, 0)
    alike = np.flatnonzero(probe.alike(at + 1))  # maps taken elsewhere are not shown beside these
    maps = [overlay(image, _grown(probe.heat[e, place]), opacity, 2, colour_map) for e in alike]
    which = "1, 2, 3 …" if len(alike) == len(probe.epochs) else ", ".join(str(probe.epochs[e]) for e in alike)
    across = min(5, len(maps))
    solid = [np.pad(one, ((0, 0), (0, 0), (0, 1)), constant_values=255) for one in maps]
    blank = np.zeros_like(solid[0])  # nothing there, in light and dark: transparent
    lines = [np.concatenate((solid[i : i + across] + [blank] * across)[:across], axis=1) for i in range(0, len(maps), across)]
    st.image(
        png(np.concatenate(lines)), output_format="PNG", width="stretch", caption=f"its map after epoch {which}, line by line",
        alt=f"the map over the image after epochs {which}",
    )  # fmt: skip


def _grown(heat: np.ndarray) -> np.ndarray:
    from cifake_core.explanations.fast_cam import enlarged

    return enlarged(heat[None].astype(np.float32) / 255, (32, 32))[0]


@st.cache_resource(max_entries=10, show_spinner=False)
def _probe(home: str, run_id: str, created_at: str):
    from cifake_core.detectors import runs

    workspace = Workspace.current()
    run = runs.open_run(workspace, run_id)
    probe = probing.of_run(run.folder)
    return probe, ImageSet.open(workspace, run.dataset).part("validation") if probe else None
