"""Pictures of a map: alone, or over the image it explains. Pure pixels; it knows no network."""

import numpy as np
from matplotlib import colormaps
from PIL import Image

COLOUR_MAPS = ("viridis", "magma", "cividis", "inferno")  # perceptually uniform: equal steps look equal
DIVERGING = ("berlin", "managua", "coolwarm")  # for signed maps: two sides of a neutral middle; Crameri 2018, Moreland 2009


def checked_colour_map(name: str, signed: bool) -> str:
    """The colour map, or the first of its kind where a signed map is asked for in one without a middle, or the reverse."""
    fitting = DIVERGING if signed else COLOUR_MAPS
    return name if name in fitting else fitting[0]


def palette(colour_map: str) -> np.ndarray:
    """uint8 (256, 3): the colours of a map's levels, the least first."""
    return (colormaps[colour_map](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def levels(heat: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Maps (…) → uint8 levels of a palette. Values at or below `low` get the first colour, at or above `high` the last.

    For signed maps give (-high, high): nought then lies in the middle of a diverging palette.
    """
    span = max(high - low, 1e-6)
    return (np.clip((heat - low) / span, 0, 1) * 255).round().astype(np.uint8)


def enlarge(pixels: np.ndarray, scale: int = 8) -> np.ndarray:
    """uint8 (H, W, 3) → (scale·H, scale·W, 3), each pixel a square: what the network sees, not a smoothed guess.

    Here and below, a picture that is large already is enlarged less: to 1,024 pixels a side at most.
    """
    scale = _bounded(scale, pixels.shape)
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def heat_picture(
    heat: np.ndarray, scale: int = 8, colour_map: str = "viridis", limits: tuple[float, float] = (0.0, 1.0)
) -> np.ndarray:
    """(H, W) → uint8 (scale·H, scale·W, 3); `limits`: the values of the first and the last colour."""
    return palette(colour_map)[levels(_smooth(heat, scale), *limits)]


def overlay(
    pixels: np.ndarray,
    heat: np.ndarray,
    opacity: float = 0.5,
    scale: int = 8,
    colour_map: str = "viridis",
    limits: tuple[float, float] = (0.0, 1.0),
) -> np.ndarray:
    """The enlarged image with the map laid over it: uint8 (scale·H, scale·W, 3). Opacity 0 shows the image alone."""
    colours = heat_picture(heat, scale, colour_map, limits).astype(np.float32)
    mixed = enlarge(pixels, scale) * (1 - opacity) + colours * opacity
    return mixed.round().clip(0, 255).astype(np.uint8)


def outlined(
    pixels: np.ndarray, mask: np.ndarray, scale: int = 8, colour: tuple[int, int, int] = (255, 214, 0)
) -> np.ndarray:
    """The enlarged image uint8 (H, W, 3) with the border of the mask (H, W) drawn on it, a quarter of a pixel wide."""
    scale = _bounded(scale, pixels.shape)
    picture, inside = enlarge(pixels, scale), mask.repeat(scale, axis=0).repeat(scale, axis=1)
    for _ in range(max(scale // 4, 1)):  # each round peels one line off the inside
        around = np.pad(inside, 1, mode="edge")
        core = inside & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        picture[inside & ~core] = colour
        inside = core
    return picture


def _smooth(heat: np.ndarray, scale: int) -> np.ndarray:
    """The map enlarged between its points; a map has no more detail than its layer, squares would pretend it had."""
    height, width = heat.shape
    scale = _bounded(scale, heat.shape)
    grown = Image.fromarray(heat.astype(np.float32)).resize((width * scale, height * scale), Image.Resampling.BILINEAR)
    return np.asarray(grown)


def _bounded(scale: int, shape: tuple[int, ...]) -> int:
    return max(1, min(scale, 1024 // max(shape[:2])))
