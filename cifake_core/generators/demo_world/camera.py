"""From linear light on a fine canvas to the pixels of a small 8-bit picture: lens, exposure, sensor, tone curve.

It does not know what was drawn. The codec comes after it.
"""

from random import Random

import cv2
import numpy as np

_MIDDLE = 0.26  # mean linear light after full automatic exposure; CIFAR-10 averages 0.48 on the screen


def exposed(linear: np.ndarray, size: int, dice: Random, random: np.random.Generator) -> np.ndarray:
    """(S, S, 3) linear light ≥ 0 → (size, size, 3) uint8.

    Lens blur is Gaussian; the shrink is a plain area average (no aliasing, no sharpening); shot noise grows with the
    square root of the light (Foi et al. 2008, eq. 3), read noise is constant.
    """
    blur = dice.uniform(0.2, 0.5) * linear.shape[0] / size  # standard deviation, 0.2–0.5 of a final pixel
    linear = cv2.GaussianBlur(linear, (0, 0), blur) if blur > 0.3 else linear
    light = cv2.resize(linear, (size, size), interpolation=cv2.INTER_AREA)
    light *= (_MIDDLE / max(float(light.mean()), 0.02)) ** dice.uniform(0.35, 0.8) * dice.uniform(0.8, 1.25)
    warmth, tint = dice.gauss(-0.02, 0.07), dice.gauss(-0.035, 0.02)
    light *= np.float32([1 + warmth, 1 + tint, 1 - warmth])
    shot, read = dice.uniform(0.004, 0.016), dice.uniform(0.002, 0.006)
    noise = random.standard_normal(light.shape, dtype=np.float32)
    light += noise * np.sqrt(shot**2 * np.maximum(light, 0) + read**2)
    return _developed(light, dice)


def _developed(light: np.ndarray, dice: Random) -> np.ndarray:
    """Screen gamma, a contrast curve, saturation; rounded to 8 bits."""
    screen = np.sqrt(np.maximum(light, 0))
    screen = np.where(screen > 0.75, 0.75 + 0.25 * np.tanh((screen - 0.75) * 4), screen)  # highlights roll off
    contrast = dice.uniform(1.1, 1.6)
    screen = 0.47 + (screen - 0.47) * contrast
    saturation = dice.uniform(0.5, 0.95)
    screen = cv2.transform(screen, np.full((3, 3), (1 - saturation) / 3) + np.eye(3) * saturation)
    return (np.clip(screen, 0, 1) * 255 + 0.5).astype(np.uint8)
