"""The lower part of a backdrop: grass, sea, road, floor … in perspective up to the horizon.

Painters have the same form as in backdrop.py and do not know the classes either.
"""

from random import Random

import cv2
import numpy as np

from cifake_core.generators.demo_world.backdrop import WALLS
from cifake_core.generators.demo_world.texture import (
    Fields,
    grain,
    in_perspective,
    mixed,
    ramp,
    shaded,
    smoothstep,
    spread,
    tone_of,
)


def _rough(fields: Fields, dice: Random, horizon: float, tones, coarse: float, fine: float) -> np.ndarray:
    """A plane of one material: large marks and fine grain, both finer towards the horizon."""
    marks, detail = in_perspective(
        (fields.first, grain(fields.second, fields.side // 10)), horizon, dice.uniform(0.7, 1.3)
    )
    light = 1 + coarse * marks + fine * detail
    return shaded(tone_of(dice, tones), light)


def grass(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    tones = (
        (0.34, 0.43, 0.18),
        (0.28, 0.40, 0.14),
        (0.42, 0.48, 0.22),
        (0.52, 0.48, 0.26),
        (0.60, 0.53, 0.33),
        (0.24, 0.34, 0.16),
    )
    colour = _rough(fields, dice, horizon, tones, 0.13, 0.13)
    dry = smoothstep(in_perspective((fields.second,), horizon, 1.6)[0], 0.2, 1.6)
    return colour * ramp((1, 1, 1), (1.35, 1.12, 0.95), dry * dice.uniform(0, 0.9))


def sand(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    return _rough(
        fields,
        dice,
        horizon,
        ((0.76, 0.68, 0.54), (0.68, 0.58, 0.44), (0.58, 0.50, 0.40), (0.82, 0.77, 0.68)),
        0.07,
        0.06,
    )


def earth(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    """Mud, dead leaves, stone."""
    tones = ((0.36, 0.28, 0.20), (0.28, 0.24, 0.19), (0.46, 0.38, 0.28), (0.42, 0.41, 0.38), (0.52, 0.42, 0.30))
    return _rough(fields, dice, horizon, tones, 0.17, 0.13)


def snow(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    return _rough(fields, dice, horizon, ((0.90, 0.92, 0.95), (0.84, 0.87, 0.93), (0.93, 0.92, 0.91)), 0.045, 0.02)


def tarmac(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    tones = ((0.46, 0.46, 0.47), (0.36, 0.36, 0.38), (0.58, 0.57, 0.55), (0.66, 0.65, 0.62), (0.50, 0.47, 0.43))
    return _rough(fields, dice, horizon, tones, 0.06, 0.03)


def road(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    """A road across the picture, with kerb or verge behind and often a line."""
    side = fields.side
    colour = tarmac(fields, dice, horizon)
    far = horizon + dice.uniform(0.03, 0.16) * side
    verge = tone_of(dice, ((0.33, 0.42, 0.18), (0.62, 0.60, 0.56), (0.55, 0.47, 0.34), (0.40, 0.44, 0.24)))
    slope = dice.uniform(-0.05, 0.05)
    edge = far + slope * (np.arange(side, dtype=np.float32) - side / 2)
    rows = np.arange(side, dtype=np.float32)[:, None]
    behind = np.clip(edge[None, :] - rows, 0, 1)
    colour = mixed(colour, shaded(verge, 1 + 0.16 * fields.second), behind)
    if dice.random() < 0.6:
        line = edge + dice.uniform(0.02, 0.6) * (side - far)
        width = dice.uniform(0.01, 0.02) * side
        stripe = np.clip(width - np.abs(rows - line[None, :]), 0, 1)
        colour = mixed(colour, tone_of(dice, ((0.88, 0.88, 0.86), (0.80, 0.68, 0.30))), stripe * dice.uniform(0.5, 0.9))
    return colour


def sea(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    side = fields.side
    tones = (
        (0.18, 0.34, 0.46),
        (0.22, 0.40, 0.50),
        (0.34, 0.45, 0.52),
        (0.14, 0.26, 0.40),
        (0.42, 0.50, 0.54),
        (0.24, 0.42, 0.44),
    )
    both = (fields.first, grain(fields.second, side // 8))
    waves, ripples = in_perspective(both, horizon, dice.uniform(0.7, 1.3), squash=dice.uniform(2.5, 4.5))
    near = np.clip((np.arange(side, dtype=np.float32)[:, None] - horizon) / (side - horizon + 1), 0, 1)
    light = 1.15 - 0.3 * near + 0.10 * waves + 0.13 * ripples
    colour = shaded(tone_of(dice, tones), light)
    foam = smoothstep(ripples + 0.6 * waves, 1.5, 2.4) * near
    return mixed(colour, (0.90, 0.93, 0.95), foam * dice.uniform(0, 0.8))


def pond(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    """Still water with weed."""
    waves, islands = in_perspective(fields.both, horizon, 1.2, squash=2.2)
    tone = tone_of(dice, ((0.20, 0.26, 0.20), (0.30, 0.34, 0.30), (0.16, 0.20, 0.22), (0.34, 0.36, 0.24)))
    weed = smoothstep(islands, 0.4, 0.9) * dice.choice((0.0, 0.5, 0.9))
    return mixed(shaded(tone, 1 + 0.18 * waves), tone_of(dice, ((0.38, 0.50, 0.20), (0.46, 0.52, 0.30))), weed)


def planks(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    side = fields.side
    tones = ((0.60, 0.42, 0.26), (0.48, 0.32, 0.20), (0.70, 0.54, 0.36), (0.36, 0.25, 0.18), (0.64, 0.60, 0.54))
    colour = _rough(fields, dice, horizon, tones, 0.05, 0.05)
    rows = np.maximum(np.arange(side, dtype=np.float32) - horizon, 1)[:, None]
    across = (np.arange(side, dtype=np.float32)[None, :] - side * dice.uniform(0.1, 0.9)) / rows
    width = dice.uniform(0.12, 0.3)
    board = np.floor(across / width)
    joint = np.abs(across / width - board - 0.5) > 0.47
    return colour * spread(1 + 0.10 * np.sin(board * 12.9 + 1) - 0.22 * joint.astype(np.float32))


def cloth(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    """Carpet, blanket or sofa."""
    tones = (*WALLS, (0.50, 0.16, 0.15), (0.20, 0.26, 0.42), (0.28, 0.40, 0.32), (0.30, 0.24, 0.22), (0.66, 0.62, 0.70))
    folds = cv2.GaussianBlur(fields.second, (0, 0), fields.side / 16)
    folds = folds / (float(folds.std()) + 1e-6)
    light = 1 + dice.uniform(0.03, 0.16) * folds + 0.04 * grain(fields.first, 7)
    colour = shaded(tone_of(dice, tones), light)
    if dice.random() < 0.12:  # checks
        rows, columns = np.mgrid[: fields.side, : fields.side].astype(np.float32) / fields.side * dice.uniform(20, 45)
        colour *= spread(1 + 0.12 * np.sign(np.sin(columns + folds * 0.4)) + 0.12 * np.sign(np.sin(rows)))
    return colour
