"""Many small images as one picture, so that a page sends one file for a whole gallery. Pixels in, PNG out."""

import io

import numpy as np
from PIL import Image


def sprite(pixels: np.ndarray, columns: int) -> bytes:
    """PNG of images uint8 (n, 3, side, side), row by row, `columns` a row; empty places are black.

    The images keep their size, pixel by pixel: whoever shows them enlarges them. n = 0 gives one black image.
    """
    n, _, height, width = pixels.shape if len(pixels) else (0, 3, 1, 1)
    lines = max(1, -(-n // columns))
    canvas = np.zeros((lines, columns, height, width, 3), np.uint8)
    if n:
        canvas.reshape(-1, height, width, 3)[:n] = pixels.transpose(0, 2, 3, 1)
    picture = canvas.transpose(0, 2, 1, 3, 4).reshape(lines * height, columns * width, 3)
    return png(picture)


def painted(levels: np.ndarray, columns: int, colours: np.ndarray) -> bytes:
    """The same of maps uint8 (n, h, w) painted with colours uint8 (256, 3): one byte a pixel, a third of the size."""
    n, height, width = levels.shape if len(levels) else (0, 1, 1)
    lines = max(1, -(-n // columns))
    canvas = np.zeros((lines, columns, height, width), np.uint8)
    canvas.reshape(-1, height, width)[:n] = levels
    picture = Image.fromarray(canvas.transpose(0, 2, 1, 3).reshape(lines * height, columns * width), "P")
    picture.putpalette(colours.tobytes())
    out = io.BytesIO()
    picture.save(out, format="PNG", compress_level=1)
    return out.getvalue()


def png(picture: np.ndarray) -> bytes:
    """A lossless PNG of uint8 (H, W, 3), or (H, W, 4) with alpha, compressed lightly: for a screen, made anew on every click."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="PNG", compress_level=1)
    return out.getvalue()
