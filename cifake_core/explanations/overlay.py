"""Pictures of a map: alone, or over the image it explains. Pure pixels; it knows no network."""

import numpy as np
from matplotlib import colormaps
from PIL import Image

COLOUR_MAPS = ("viridis", "magma", "cividis", "inferno")  # perceptually uniform: equal steps look equal


def enlarge(pixels: np.ndarray, scale: int = 8) -> np.ndarray:
    """uint8 (H, W, 3) → (scale·H, scale·W, 3), each pixel a square: what the network sees, not a smoothed guess."""
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def heat_picture(heat: np.ndarray, scale: int = 8, colour_map: str = "viridis") -> np.ndarray:
    """(H, W) in [0, 1] → uint8 (scale·H, scale·W, 3)."""
    return (colormaps[colour_map](_smooth(heat, scale))[..., :3] * 255).round().astype(np.uint8)


def overlay(
    pixels: np.ndarray, heat: np.ndarray, opacity: float = 0.5, scale: int = 8, colour_map: str = "viridis"
) -> np.ndarray:
    """The enlarged image with the map laid over it: uint8 (scale·H, scale·W, 3). Opacity 0 shows the image alone."""
    colours = heat_picture(heat, scale, colour_map).astype(np.float32)
    mixed = enlarge(pixels, scale) * (1 - opacity) + colours * opacity
    return mixed.round().clip(0, 255).astype(np.uint8)


def outlined(
    pixels: np.ndarray, mask: np.ndarray, scale: int = 8, colour: tuple[int, int, int] = (255, 214, 0)
) -> np.ndarray:
    """The enlarged image uint8 (H, W, 3) with the border of the mask (H, W) drawn on it, a quarter of a pixel wide."""
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
    grown = Image.fromarray(heat.astype(np.float32)).resize((width * scale, height * scale), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(grown), 0, 1)
