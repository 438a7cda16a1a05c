"""Pictures of image sets: contact sheets by class and label, and the riddle of the start page. Every pixel as it is.

All of it is PNG bytes, cached by the digest of the set; text and gaps are see-through, so that they fit both themes.
It reads train images, and test images only to be looked at.
"""

import io
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw, ImageFont

from cifake_core import CLASS_NAMES
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.images.schema import UNKNOWN_CLASS
from cifake_core.store.workspace import Workspace
from pages.shared.palette import colours

_TEXT = "#7f8a9c"  # readable on white and on near-black
_SIDE, _GAP = 96, 6  # a 32-pixel image three times enlarged


def classes_of(image_set: ImageSet, split: str) -> dict[str, int]:
    """Class name → number, for the classes that have images in that split; "unknown" last."""
    present = {name for per_class in image_set.record["classes"][split].values() for name in per_class}
    numbers = {name: number for number, name in enumerate(CLASS_NAMES)} | {"unknown": UNKNOWN_CLASS}
    return {name: number for name, number in numbers.items() if name in present}


def overview_sheet(image_set: ImageSet, split: str, draw: int, per_class: int = 12) -> bytes:
    """PNG: a row a class, `per_class` reals on the left and as many fakes on the right, drawn at random by `draw`."""
    return _overview(str(image_set.folder), image_set.digest, split, draw, per_class, tuple(colours().items()))


@st.cache_data(max_entries=24, show_spinner=False)
def _overview(folder: str, digest: str, split: str, draw: int, per_class: int, tones: tuple) -> bytes:
    image_set = _opened(folder)
    part, names = image_set.part(split), classes_of(image_set, split)
    words = [word for word in ("real", "fake") if image_set.record["counts"][split][word]]
    columns = per_class if len(words) == 2 else 2 * per_class
    tile = _SIDE + _GAP
    left, top, block = 158, 48, columns * tile
    sheet = Image.new("RGBA", (left + len(words) * (block + 36), top + len(names) * tile), (0, 0, 0, 0))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(28)
    for place, word in enumerate(words):
        x0 = left + place * (block + 36)
        pen.text((x0, 0), word, fill=dict(tones)[word], font=ImageFont.load_default(34))
        for row, (name, number) in enumerate(names.items()):
            y0 = top + row * tile
            pen.text((left - 16, y0 + tile // 2), name, fill=_TEXT, font=font, anchor="rm")
            for column, pixels in enumerate(_drawn(part, ("real", "fake").index(word), number, draw, columns)):
                sheet.paste(_enlarged(pixels, _SIDE), (x0 + column * tile, y0))
    return _png(sheet)


def class_sheet(image_set: ImageSet, split: str, label: int, class_label: int, draw: int, count: int = 60) -> bytes | None:
    """PNG of up to `count` images of one class and label, ten in a row; None if there is none."""
    return _one_class(str(image_set.folder), image_set.digest, split, label, class_label, draw, count)


@st.cache_data(max_entries=24, show_spinner=False)
def _one_class(folder: str, digest: str, split: str, label: int, class_label: int, draw: int, count: int) -> bytes | None:
    pictures = _drawn(_opened(folder).part(split), label, class_label, draw, count)
    if not len(pictures):
        return None
    columns, tile = 10, _SIDE + _GAP
    sheet = Image.new("RGBA", (columns * tile, -(-len(pictures) // columns) * tile), (0, 0, 0, 0))
    for number, pixels in enumerate(pictures):
        sheet.paste(_enlarged(pixels, _SIDE), (number % columns * tile, number // columns * tile))
    return _png(sheet)


def riddle(image_set: ImageSet, draw: int, count: int = 10, solved: bool = False) -> bytes:
    """PNG of `count` images of a set in one row, reals and fakes mixed; `solved` frames each in its label's colour."""
    return _riddle(str(image_set.folder), image_set.digest, draw, count, solved, tuple(colours().items()))


@st.cache_data(max_entries=24, show_spinner=False)
def _riddle(folder: str, digest: str, draw: int, count: int, solved: bool, tones: tuple) -> bytes:
    image_set = _opened(folder)
    part = image_set.part("train" if image_set.has("train") else "test")
    random = np.random.default_rng(draw)
    fakes = int(random.integers(3, count - 2))
    rows = [random.choice(np.flatnonzero(part.labels == label), n) for label, n in ((1, fakes), (0, count - fakes))]
    mixed = random.permutation(np.concatenate(rows))
    frames = [dict(tones)["fake" if part.labels[row] else "real"] if solved else None for row in mixed]
    return _strip(list(part.pixels[mixed]), frames)


@st.cache_data(max_entries=2, show_spinner=False)
def rendered_strip(count: int = 10) -> bytes:
    """PNG of one rendered picture of each class of the demo world: our own, and no photographs."""
    from cifake_core.generators.demo_world import render

    pictures = [render(number % len(CLASS_NAMES), 3).pixels.transpose(2, 0, 1) for number in range(count)]
    return _strip(pictures, [None] * count)


def _strip(pictures: list[np.ndarray], frames: list[str | None]) -> bytes:
    """Pictures uint8 (3, 32, 32) in a row, five times enlarged, each on a frame of its colour or on nothing."""
    side, border, gap = 160, 10, 12
    whole = side + 2 * border
    sheet = Image.new("RGBA", (len(pictures) * (whole + gap) - gap, whole), (0, 0, 0, 0))
    pen = ImageDraw.Draw(sheet)
    for number, (pixels, frame) in enumerate(zip(pictures, frames, strict=True)):
        x = number * (whole + gap)
        if frame:
            pen.rounded_rectangle((x, 0, x + whole - 1, whole - 1), radius=14, fill=frame)
        sheet.paste(_enlarged(pixels, side), (x + border, border))
    return _png(sheet)


def _opened(folder: str) -> ImageSet:
    path = Path(folder)
    return ImageSet.open(Workspace(path.parents[1]), path.name)


def _drawn(part: Part, label: int, class_label: int, draw: int, count: int) -> np.ndarray:
    """Up to `count` images of that label and class, uint8 (n, 3, 32, 32); the same for the same `draw`."""
    rows = np.flatnonzero((part.labels == label) & (part.class_labels == class_label))
    random = np.random.default_rng([draw, label, class_label + 1])
    return part.pixels[np.sort(random.permutation(rows)[:count])]


def _enlarged(pixels: np.ndarray, side: int) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return picture.resize((side, side), Image.Resampling.NEAREST)


def _png(sheet: Image.Image) -> bytes:
    out = io.BytesIO()
    sheet.save(out, format="PNG", compress_level=3)
    return out.getvalue()
