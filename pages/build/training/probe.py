"""The same 24 validation images through the epochs of a training, while it goes on: what it says of them and where it looks."""

import numpy as np
import streamlit as st

from cifake_core.detectors import probing
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import LABELS
from cifake_core.images.sprite import painted, sprite
from pages.build.training.cell import probe_of
from pages.build.training.results import Cell
from pages.shared.palette import colours
from pages.shared.sheet import Tile, sheet

_COLUMNS = 12


def probe(image_set: ImageSet, cell: Cell) -> None:
    """An epoch slider over the probe images, and the curve of their probabilities."""
    found = probe_of(image_set, cell)
    if found is None:
        return
    seen, part, name = found
    last = int(seen.epochs[-1])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown(f"**24 validation images through the epochs** of {name}", width="stretch")
        at = st.slider("Epoch", 1, last, last, key="train_probe_epoch", width=260) if last > 1 else 1
        maps = st.toggle("Maps", True, key="train_probe_maps", bind="query-params", help="Grad-CAM of that epoch over each image.")
    rows = probing.positions_of(part, seen.image_ids)
    there = np.flatnonzero(rows >= 0)
    _tiles(seen, part, rows, there, min(at, last) - 1, maps)
    if maps and seen.taken_before(min(at, last), cell.topology):
        st.caption(":material/history: The heatmaps of this epoch are of an earlier version, which took feature maps before the ReLU; they cannot be made again.")
    _lines(seen, part.labels[rows[there]], there, at)
    st.caption(
        "Below each image: the probability of fake at that epoch; the bar's left half is the truth, its right half the verdict. "
        "The lines are the same probabilities epoch by epoch: blue for real images, orange for fakes."
    )


def _tiles(seen: probing.Probe, part, rows: np.ndarray, there: np.ndarray, at: int, maps: bool) -> None:
    from cifake_core.explanations.overlay import palette

    paint, tiles = colours(), []
    for place in there:
        share, truth = float(seen.probabilities[at, place]), LABELS[part.labels[rows[place]]]
        verdict = LABELS[int(share >= 0.5)]
        name = f"{truth} image, called {verdict}: {100 * share:.1f} % fake after epoch {at + 1}"
        tiles.append(Tile(str(place), name, f"{100 * share:.0f} %", paint[truth], paint[verdict]))
    pixels = sprite(part.split_pixels[part.rows[rows[there]]], _COLUMNS)
    heat = painted(seen.heat[at, there], _COLUMNS, palette("viridis")) if maps else None
    sheet(
        tiles, pixels, _COLUMNS, key="train_probe", label="Probe images", on_choose=lambda _: None, heat=heat,
        opacity=0.5, panes=("overlay",) if maps else ("image",), tile=58,
    )  # fmt: skip


def _lines(seen: probing.Probe, labels: np.ndarray, there: np.ndarray, at: int) -> None:
    if len(seen.epochs) < 2:
        return
    paint = colours()
    values = [
        {"epoch": int(epoch), "fake": float(seen.probabilities[row, place]), "truth": LABELS[label], "image": int(place)}
        for row, epoch in enumerate(seen.epochs)
        for place, label in zip(there, labels, strict=True)
    ]
    spec = {
        "height": 220,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "line", "opacity": 0.6, "strokeWidth": 1.5},
                "encoding": {
                    "x": {"field": "epoch", "type": "quantitative", "axis": {"tickMinStep": 1, "grid": False}},
                    "y": {"field": "fake", "type": "quantitative", "title": "probability of fake", "axis": {"format": ".0%"}},
                    "detail": {"field": "image"},
                    "color": {"field": "truth", "scale": {"domain": list(LABELS), "range": [paint[word] for word in LABELS]}, "legend": None},
                },
            },
            {"data": {"values": [{"epoch": at}]}, "mark": {"type": "rule", "strokeDash": [4, 3], "color": paint["muted"]}, "encoding": {"x": {"field": "epoch", "type": "quantitative"}}},
        ],
    }  # fmt: skip
    st.vega_lite_chart(spec, width="stretch", height=220, alt="Probability of fake of each probe image by epoch; reals should fall, fakes rise.")
