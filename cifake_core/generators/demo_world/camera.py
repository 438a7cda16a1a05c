"""From linear light on a fine canvas to the pixels of a small 8-bit picture: lens, exposure, sensor, tone curve.

It does not know what was drawn. The codec comes after it.
"""

from collections.abc import Sequence
from random import Random

import cv2
import numpy as np

_MIDDLE = 0.26  # mean linear light after full automatic exposure; CIFAR-10 averages 0.48 on the screen


def exposed(linear: np.ndarray, size: int, dice: Sequence[Random], random: Sequence[np.random.Generator]) -> np.ndarray:
    """(B, S, S, 3) linear light ≥ 0 → (B, size, size, 3) uint8; each picture by its own dice.

    Lens blur is Gaussian; the shrink is a plain area average (no aliasing, no sharpening); shot noise grows with the
    square root of the light (Foi et al. 2008, eq. 3), read noise is constant.
    """
    finer = linear.shape[1] / size
    light = np.empty((len(linear), size, size, 3), np.float32)
    for own, picture, d in zip(light, linear, dice, strict=True):
        blur = d.uniform(0.2, 0.5) * finer  # standard deviation, 0.2–0.5 of a final pixel
        blurred = cv2.GaussianBlur(picture, (0, 0), blur) if blur > 0.3 else picture
        cv2.resize(blurred, (size, size), dst=own, interpolation=cv2.INTER_AREA)
    rows = light.reshape(len(light), size, size * 3)  # numpy is slow where the last axis is 3
    rows *= (
        np.float32([_gains(d, float(mean)) for d, mean in zip(dice, light.mean(axis=(1, 2, 3)), strict=True)])[:, None]
        .repeat(size, axis=1)
        .reshape(-1, 1, size * 3)
    )
    noise = np.stack([r.standard_normal((size, size * 3), dtype=np.float32) for r in random])
    shot, read = np.float32([(d.uniform(0.004, 0.016), d.uniform(0.002, 0.006)) for d in dice]).T[:, :, None, None]
    rows += noise * np.sqrt(shot * shot * np.maximum(rows, 0) + read * read)
    return _developed(rows, dice).reshape(light.shape)


def _gains(dice: Random, mean: float) -> tuple[float, float, float]:
    """Exposure and white balance of one picture, by channel."""
    exposure = (_MIDDLE / max(mean, 0.02)) ** dice.uniform(0.35, 0.8) * dice.uniform(0.8, 1.25)
    warmth, tint = dice.gauss(-0.02, 0.07), dice.gauss(-0.035, 0.02)
    return exposure * (1 + warmth), exposure * (1 + tint), exposure * (1 - warmth)


def _developed(light: np.ndarray, dice: Sequence[Random]) -> np.ndarray:
    """(B, size, size * 3): screen gamma, a contrast curve, saturation; rounded to 8 bits."""
    screen = np.sqrt(np.maximum(light, 0))
    bright = screen > 0.75
    screen[bright] = 0.75 + 0.25 * np.tanh((screen[bright] - 0.75) * 4)  # highlights roll off
    contrast, saturation = np.float32([(d.uniform(1.1, 1.6), d.uniform(0.5, 0.95)) for d in dice]).T[:, :, None, None]
    screen = 0.47 + (screen - 0.47) * contrast
    grey = (screen[..., 0::3] + screen[..., 1::3] + screen[..., 2::3]) * np.float32(1 / 3)
    screen = screen * saturation + (grey * (1 - saturation)).repeat(3, axis=2)
    return (np.clip(screen, 0, 1) * 255 + 0.5).astype(np.uint8)
