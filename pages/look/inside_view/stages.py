"""Stages of an image's way through a network as pictures: sheets of maps, bars of units, the verdict."""

import numpy as np
import streamlit as st

from cifake_core.detectors.places import PLACES
from cifake_core.explanations.layers import Journey, Stage
from cifake_core.explanations.overlay import levels, palette
from cifake_core.images.sprite import painted
from pages.shared.palette import colours
from pages.shared.sheet import Tile, sheet

_WORDS = {"convolution": "Convolution", "pooled": "Pooled", "dense": "Dense"}
_MOST_MAPS = 128
COLOUR_MAPS = ("viridis", "magma", "cividis", "inferno")


def maps(stage: Stage, number: int, colour_map: str, shared: bool, on_choose, chosen: int | None) -> None:
    """A sheet of the stage's maps; a click on one calls `on_choose(number)`."""
    count, height, width = stage.values.shape
    silent = f", {stage.silent} of them inactive for this image" if stage.silent else ""
    st.markdown(f"**{_title(stage)}** · `{stage.name}` · {count} feature maps of {height} × {width}{silent}")
    values = stage.values[:_MOST_MAPS]
    tops = np.full(len(values), values.max()) if shared else values.reshape(len(values), -1).max(1)
    shades = np.stack([levels(one, 0.0, max(float(top), 1e-6)) for one, top in zip(values, tops, strict=True)])
    quiet = colours()["muted"]
    tiles = [
        Tile(str(place), f"Map {place} of {stage.name}, at most {one.max():.3g}", str(place), quiet, quiet) for place, one in enumerate(values)
    ]
    pixels = painted(shades, 16, palette(colour_map))
    sheet(
        tiles, pixels, 16, key=f"inside_sheet_{number}", label=f"Maps of {stage.name}", on_choose=lambda picked: on_choose(number, int(picked)),
        chosen=None if chosen is None else str(chosen), tile=52 if height > 8 else 40,
    )  # fmt: skip
    if count > _MOST_MAPS:
        st.caption(f"The first {_MOST_MAPS} of {count}.")


def _title(stage: Stage) -> str:
    """ "Convolution, after ReLU"."""
    return _WORDS[stage.kind] + (f", {PLACES[stage.place]}" if stage.place else "")


def units(stage: Stage) -> None:
    """Bars of a dense layer's units, in their order."""
    st.markdown(f"**{_WORDS[stage.kind]}** · `{stage.name}` · {len(stage.values)} units, {stage.silent} of them silent for this image")
    _bars([{"unit": place, "value": float(value)} for place, value in enumerate(stage.values)], "value", "what the unit says", "line")


def verdict(journey: Journey) -> None:
    """The probability, and which of the last units pushed it where."""
    word = "fake" if journey.verdict >= 0 else "real"
    paint = "orange" if word == "fake" else "blue"
    st.markdown(f"### :{paint}[{word}], {100 * journey.probability:.1f} % fake")
    if journey.mirrored is None:
        st.caption(f"The logit is {journey.logit:.3f}; the sigmoid makes it a probability of fake.")
    else:
        st.caption(
            f"The logit is {journey.logit:.3f}. This network is also shown the mirror image, which goes the same way to {journey.mirrored:.3f}; "
            f"the sigmoid makes the mean of both, {journey.verdict:.3f}, a probability of fake."
        )
    if journey.pushes is None:
        return
    order = np.argsort(-np.abs(journey.pushes))[:40]
    rows = [{"unit": int(place), "value": float(journey.pushes[place])} for place in order]
    _bars(rows, "value", "push on the logit", "signed")
    st.caption(
        f"The last units, each times its weight: orange pushes towards fake, blue towards real. With the bias {journey.bias:.3f} "
        f"they add up to the logit. The strongest {len(order)} of {len(journey.pushes)}."
    )


def _bars(rows: list[dict], field: str, title: str, look: str) -> None:
    paint = colours()
    colour = (
        {"condition": {"test": f"datum.{field} < 0", "value": paint["real"]}, "value": paint["fake"]} if look == "signed" else {"value": paint["muted"]}
    )
    spec = {
        "data": {"values": rows},
        "mark": {"type": "bar"},
        "height": 200,
        "encoding": {
            "x": {"field": "unit", "type": "ordinal", "sort": None, "axis": {"labelOverlap": True, "title": "unit"}},
            "y": {"field": field, "type": "quantitative", "title": title},
            "color": colour,
            "tooltip": [{"field": "unit"}, {"field": field, "format": ".4g"}],
        },
    }
    st.vega_lite_chart(spec, width="stretch", height=200, alt=f"{title} of {len(rows)} units")
