"""The controls of the Grad-CAM page: what is asked of the network, and how the answer is drawn. All of it is in the link."""

from dataclasses import dataclass

import streamlit as st

from cifake_core.detectors import places
from cifake_core.detectors.runs import Run
from pages.shared import cached

TARGETS = {
    "verdict": "the verdict it gave",
    "fake": "why it might be fake",
    "real": "why it might be real",
    "both": "fake and real side by side",
}
PANES = {
    "overlay": ("overlay",),
    "image | overlay": ("image", "overlay"),
    "image | map | overlay": ("image", "map", "overlay"),
}
PANES_OF_TWO = {
    "overlay": ("overlay", "overlay 2"),
    "image | overlay": ("image", "overlay", "overlay 2"),
    "image | map | overlay": ("image", "map", "map 2", "overlay", "overlay 2"),
}
PLACES = {words: name for name, words in places.PLACES.items()}
PLACES_HELP = (
    "The paper's feature map is what the ReLU after a convolution lets through (so do the authors of Grad-CAM: `relu5_3` of VGG-16). Before the ReLU, "
    "units that are off count as well, with their sign: the heatmap is another one, and its gradient stops where a unit is off."
)
PER_PAGE = {"overlay": 40, "image | overlay": 20, "image | map | overlay": 20}
COLOUR_MAPS = ("viridis", "magma", "cividis", "inferno")  # overlay.COLOUR_MAPS and DIVERGING, without loading matplotlib
DIVERGING = ("berlin", "managua", "coolwarm")
BOTH = "both"


@dataclass(frozen=True)
class Look:
    """What is mapped and how it is drawn."""

    method: str
    layers: tuple[str, ...]
    target: str  # verdict, fake, real or both
    place: str  # of the feature maps: relu (after the ReLU) or raw (before it); "" where no ReLU is concerned
    show: str  # a key of PANES
    opacity: float
    colour_map: str
    diverging: str
    low: float
    high: float
    shared: bool

    @property
    def panes(self) -> tuple[str, ...]:
        return (PANES_OF_TWO if self.target == BOTH else PANES)[self.show]

    @property
    def tile(self) -> int:
        """Least width of a tile in pixels."""
        return {1: 84, 2: 150, 3: 230}.get(len(self.panes), 360)

    @property
    def per_page(self) -> int:
        return PER_PAGE[self.show]

    def questions(self):
        """One `viewing.Question` for each map of an image: two where both labels are asked for."""
        from cifake_core.explanations.viewing import Question

        targets = ("fake", "real") if self.target == BOTH else (self.target,)
        return [Question(self.method, self.layers, target, self.place or "relu") for target in targets]

    def drawing(self, signed: bool) -> tuple[str, tuple[float, float]]:
        """(colour map, values of its first and last colour)."""
        from cifake_core.explanations import viewing

        return (self.diverging if signed else self.colour_map), viewing.limits(signed, self.low, self.high)

    def said(self) -> str:
        """ "Grad-CAM at convolutions.1, feature maps after ReLU, the verdict it gave": the settings in words, for captions."""
        from cifake_core.explanations import methods

        where = f" at {', '.join(self.layers)}" if methods.uses_layers(self.method) and self.layers else ""
        taken = f", feature maps {place_words(self.place)}" if self.place else ""
        return f"{methods.title(self.method)}{where}{taken}, {TARGETS[self.target]}"


def look_bar(run: Run) -> Look:
    """The row of controls."""
    from cifake_core.explanations import methods

    a, b, c, g, d, e, f = st.columns([2.0, 2.3, 2.9, 2.5, 2.4, 1.4, 2.2], vertical_alignment="bottom")
    bound = {"bind": "query-params"}
    show = a.selectbox("Show", list(PANES), key="gradcam_show", **bound)
    titles = {methods.title(name): name for name in methods.names(untrained=True)}
    method = titles[b.selectbox("Method", list(titles), key="gradcam_method", help=_methods_help(), **bound)]
    layers = layer_names(run)
    chosen = c.multiselect(
        "Layers", list(layers), default=list(layers)[-1:], key="gradcam_layers", disabled=not methods.uses_layers(method),
        placeholder="the last convolution",
        help="Early layers see fine texture at full detail, late ones larger patterns on a coarser grid. Maps of several are averaged.",
        **bound,
    )  # fmt: skip
    with g:
        place = place_picker(run, "gradcam_place", disabled=not methods.uses_layers(method))
    target = d.selectbox(
        "Question", list(TARGETS.values()), key="gradcam_target",
        help="A map answers a question. For the verdict real it shows what lowered the probability of fake.", **bound,
    )  # fmt: skip
    opacity = e.slider("Opacity", 0.0, 1.0, 0.5, 0.05, key="gradcam_opacity", **bound)
    with f.popover("Colours", icon=":material/palette:", width="stretch"):
        colour_map, diverging, low, high, shared = _colours()
    asked = {shown: name for name, shown in TARGETS.items()}[target]
    names = tuple(layers[label] for label in chosen) if methods.uses_layers(method) else ()
    return Look(method, names, asked, place, show, opacity, colour_map, diverging, low, high, shared)


def _colours() -> tuple[str, str, float, float, bool]:
    bound = {"bind": "query-params"}
    colour_map = st.selectbox(
        "Colours", COLOUR_MAPS, key="gradcam_colours", help="All are perceptually uniform: equal steps look equal.", **bound
    )
    diverging = st.selectbox(
        "Colours of signed maps", DIVERGING, key="gradcam_diverging",
        help="Integrated gradients and occlusion also say what speaks against the label: the other side of the neutral middle.", **bound,
    )  # fmt: skip
    low, high = st.slider(
        "Range of values", 0.0, 1.0, (0.0, 1.0), 0.01, key="gradcam_levels",
        help="Values below get the first colour, values above the last. Signed maps use the upper end on both sides.", **bound,
    )  # fmt: skip
    scaling = st.segmented_control(
        "Scaled to", ("each image", "all images"), default="each image", required=True, key="gradcam_scaling",
        help="Each image: its strongest place is full. All images: one scale for all, so faint maps look faint. "
        "Methods whose maps have no common unit are scaled to each image.", **bound,
    )  # fmt: skip
    return colour_map, diverging, low, max(high, low + 0.01), scaling == "all images"


def place_picker(run: Run, key: str, disabled: bool = False, both: bool = False) -> str:
    """Where feature maps are taken, relu or raw (or both side by side), a choice in the link; "" where it makes no difference."""
    differ = cached.has_relu(run) and not disabled
    known = PLACES | ({"both side by side": places.BOTH} if both else {})
    chosen = st.selectbox("Feature map", list(known), key=key, help=PLACES_HELP, disabled=not differ, bind="query-params")
    return known[chosen] if differ else ""


def place_words(place: str) -> str:
    """ "after ReLU" for relu, "" where no ReLU is concerned."""
    return places.PLACES.get(place, "")


def layer_names(run: Run) -> dict[str, str]:
    """What a user reads → the name of the convolution, first to last."""
    names = cached.layers_of(run)
    return {f"conv {n} of {len(names)}": name for n, name in enumerate(names, 1)}


def _methods_help() -> str:
    from cifake_core.explanations import methods

    lines = [f"- **{method.title}**: {method.meaning}" for method in methods.METHODS.values()]
    lines.append("- **… on random weights**: the same method on this network with all weights drawn anew. What looks the same there was not learned.")
    return "\n".join(lines)
