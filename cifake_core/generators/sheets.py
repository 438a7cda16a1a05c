"""Contact sheets: many small pictures as one PNG. It does not know where they come from."""

from pathlib import Path

import numpy as np

from cifake_core.images.codec import encode_png
from cifake_core.store import artifacts

GAP = 2  # pixels between pictures


def contact_sheet(pictures: np.ndarray, columns: int, zoom: int = 2) -> np.ndarray:
    """One picture uint8 (H, W, 3) of pictures uint8 (N, h, w, 3), row by row, each pixel `zoom` wide, on white."""
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height * zoom + GAP) + GAP, columns * (width * zoom + GAP) + GAP, 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        top = GAP + (number // columns) * (height * zoom + GAP)
        left = GAP + (number % columns) * (width * zoom + GAP)
        sheet[top : top + height * zoom, left : left + width * zoom] = picture.repeat(zoom, 0).repeat(zoom, 1)
    return sheet


def write_sheet(path: Path, pictures: np.ndarray, columns: int, zoom: int = 2) -> None:
    """Writes the contact sheet as a PNG, whole: a watcher never sees half of one."""
    with artifacts.whole_file(path) as temporary:
        temporary.write_bytes(encode_png(contact_sheet(pictures, columns, zoom)))
