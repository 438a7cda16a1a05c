"""Maps to take away: a figure that carries its caption and settings, and arrays for numpy. Files in memory, nothing is stored."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cifake_core.evaluation.scored import Scored
from cifake_core.explanations.cam import Maps
from cifake_core.explanations.overlay import enlarge, heat_picture, overlay

ACROSS = 4  # images a line of a figure, each with its maps beside it
SCALE = 6
DPI = 150


@dataclass(frozen=True)
class Drawn:
    """Maps of n images and how they are painted."""

    title: str
    values: np.ndarray  # float32 (n, H, W)
    colour_map: str
    limits: tuple[float, float]


def figure(
    pixels: np.ndarray, maps: Sequence[Drawn], labels: Sequence[str], caption: str, settings: dict, opacity: float = 0.5
) -> bytes:
    """PNG of images uint8 (n, 3, H, W), each beside its maps and their overlays, with labels, a colour bar and the caption.

    The settings stand below the picture and, as JSON, in the PNG's text chunk "settings".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = min(ACROSS, len(pixels))
    lines = -(-len(pixels) // across)
    wide = 1 + 2 * len(maps)  # pictures an image
    drawn = Figure(figsize=(across * wide * 0.85, lines * 1.05 + 1.1), dpi=DPI)
    FigureCanvasAgg(drawn)
    axes = drawn.subplots(lines, across, squeeze=False, gridspec_kw={"hspace": 0.3, "wspace": 0.04})
    for axis in axes.flat:
        axis.set_axis_off()
    for place, (axis, image) in enumerate(zip(axes.flat, pixels.transpose(0, 2, 3, 1), strict=False)):
        axis.imshow(_strip(image, [(one, one.values[place]) for one in maps], opacity))
        axis.set_title(labels[place], fontsize=6, pad=2, parse_math=False)
    _colour_bar(drawn, axes, maps[0])
    titles = ", ".join(["image", *(f"map and overlay {one.title}" for one in maps)])
    said = "; ".join(f"{name}: {value}" for name, value in settings.items())
    drawn.suptitle(f"{caption}\nEach: {titles}.", fontsize=7, y=0.99, va="top", wrap=True, parse_math=False)
    drawn.text(0.5, 0.01, said, fontsize=5, ha="center", va="bottom", wrap=True, parse_math=False)
    out = io.BytesIO()
    drawn.savefig(
        out, format="png", bbox_inches="tight", metadata={"settings": json.dumps(settings), "Description": caption}
    )
    return out.getvalue()


def _strip(image: np.ndarray, maps: list[tuple[Drawn, np.ndarray]], opacity: float) -> np.ndarray:
    parts = [enlarge(image, SCALE)]
    for one, values in maps:
        parts.append(heat_picture(values, SCALE, one.colour_map, one.limits))
        parts.append(overlay(image, values, opacity, SCALE, one.colour_map, one.limits))
    return np.concatenate(parts, axis=1)


def _colour_bar(drawn, axes, shown: Drawn) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = drawn.colorbar(
        ScalarMappable(Normalize(*shown.limits), shown.colour_map),
        ax=axes,
        orientation="horizontal",
        fraction=0.03,
        pad=0.06,
        aspect=60,
    )
    bar.ax.tick_params(labelsize=5)
    bar.set_label(
        "evidence for the label, relative"
        if shown.limits[0] >= 0
        else "against (left) and for (right) the label, relative",
        fontsize=6,
    )


def arrays(scored: Scored, rows: np.ndarray, found: dict[str, Maps], settings: dict) -> bytes:
    """A compressed npz without pickled objects: `heat_<target>` float16 (n, H, W) in [0, 1], `signed_<target>` in [-1, 1] and
    `scale_<target>` (n,) where the method has them, `explained_<target>`; rows, image_ids, labels, class_labels, logits and
    settings (JSON).
    """
    given = {
        "rows": rows,
        "image_ids": scored.image_ids[rows].astype(str),
        "labels": scored.labels[rows],
        "class_labels": scored.class_labels[rows],
        "logits": scored.logits[rows].astype(np.float32),
        "settings": np.array(json.dumps(settings)),
    }
    for target, maps in found.items():
        given[f"heat_{target}"] = maps.heat.astype(np.float16)
        given[f"explained_{target}"] = maps.explained
        if maps.signed is not None:
            given[f"signed_{target}"] = maps.signed.astype(np.float16)
        if maps.scale is not None:
            given[f"scale_{target}"] = maps.scale
    out = io.BytesIO()
    np.savez_compressed(out, **given)
    return out.getvalue()
