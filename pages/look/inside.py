"""Layer by layer: one image on its way through a network of yours, every map of every layer, down to the verdict."""

import numpy as np
import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.evaluation.evaluating import class_name
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import LABELS
from cifake_core.store.workspace import Workspace
from pages.look.maps.controls import PLACES, PLACES_HELP
from pages.shared import cached
from pages.shared.guard import shown_errors
from pages.shared.pickers import link_to, run_label, run_picker


def main() -> None:
    """The page."""
    title, picker = st.columns([3, 4], vertical_alignment="bottom")
    title.title("Layer by layer")
    title.caption("What each layer of your network makes of one image, from its pixels to the verdict.")
    with picker:
        run = run_picker("inside_run")
    if run is None:
        return
    with shown_errors():
        _view(run)


@st.fragment
def _view(run: Run) -> None:
    from cifake_core.explanations.layers import journey
    from pages.look.inside_view import stages

    with shown_errors():
        image_set = ImageSet.open(Workspace.current(), run.dataset)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = [name for name in ("test", "validation") if image_set.has("test" if name == "test" else "train")]
            split = st.segmented_control("Images of", names, default=names[0], required=True, key="inside_split", bind="query-params")
            part = image_set.part(split)
            number = st.number_input("Image no.", 1, len(part), 1, key="inside_image", bind="query-params", width=170)
            colour_map = st.selectbox("Colours", stages.COLOUR_MAPS, key="inside_colours", bind="query-params", width=150)
            differ = cached.has_relu(run)
            place = st.segmented_control(
                "Feature map", list(PLACES), default="after ReLU", required=True, key="inside_place", bind="query-params", help=PLACES_HELP, disabled=not differ,
            )  # fmt: skip
            shared = st.toggle("One scale a layer", key="inside_scale", bind="query-params", help="Bright then means the same for all maps of a layer.")
        row = min(int(number), len(part)) - 1
        pixels = np.asarray(part.split_pixels[part.rows[row]])
        found = journey(cached.detector_of(run), pixels, PLACES[place])
        left, right = st.columns([4, 13], gap="large")
        with left:
            _image(pixels, part, row)
            stages.verdict(found)
            link_to("gradcam", "Open in Grad-CAM", icon=":material/visibility:", gradcam_run=run_label(run))
        with right:
            _stages(found, pixels, colour_map, shared, stages)


def _image(pixels: np.ndarray, part, row: int) -> None:
    from cifake_core.explanations.overlay import enlarge
    from cifake_core.images.sprite import png

    truth = LABELS[part.labels[row]]
    words = f"{truth}, {class_name(int(part.class_labels[row]))}"
    st.image(png(enlarge(pixels.transpose(1, 2, 0), 8)), caption=f"The input, 3 × 32 × 32. Truth: {words}.", output_format="PNG")


def _stages(found, pixels: np.ndarray, colour_map: str, shared: bool, stages) -> None:
    def choose(number: int, place: int) -> None:
        st.session_state.inside_map = f"{number}.{place}"

    picked = st.session_state.get("inside_map", "")
    for number, stage in enumerate(found.stages):
        if stage.values.ndim == 1:
            stages.units(stage)
            continue
        chosen = int(picked.split(".")[1]) if picked.startswith(f"{number}.") else None
        chosen = chosen if chosen is not None and chosen < len(stage.values) else None
        stages.maps(stage, number, colour_map, shared, choose, chosen)
        if chosen is not None:
            _large(stage, chosen, pixels, colour_map)
    said = "Bright: the layer found what it looks for at that place. An inactive feature map is nowhere above 0. Click a feature map to see it over the image."
    if any(stage.place == "raw" for stage in found.stages):
        said += " Before the ReLU there are values below 0, too; they are as dark as 0 here, and the ReLU stops them: the next layer never gets them."
    st.caption(said)


def _large(stage, place: int, pixels: np.ndarray, colour_map: str) -> None:
    """One map alone and over the image."""
    from cifake_core.explanations.overlay import heat_picture, overlay
    from cifake_core.images.sprite import png

    heat, top = stage.values[place], max(float(stage.values[place].max()), 1e-6)
    grown = np.kron(heat, np.ones((max(1, 32 // heat.shape[0]),) * 2, np.float32))[:32, :32]
    with st.container(horizontal=True):
        st.image(png(heat_picture(grown, 7, colour_map, (0.0, top))), caption=f"Map {place} of {stage.name}, at most {top:.3g}", output_format="PNG")
        if grown.shape == (32, 32):
            laid = overlay(pixels.transpose(1, 2, 0), grown, 0.55, 7, colour_map, (0.0, top))
            st.image(png(laid), caption="The same over the image", output_format="PNG")


main()
