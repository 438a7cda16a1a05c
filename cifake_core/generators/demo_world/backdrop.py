"""What is behind and under the entity: an upper part (sky, trees, wall …) and a lower part (grass, sea, floor …).

Every part is painted from 1/f fields in screen colours; values outside 0..1 are cut where the parts are joined. It does not know the classes: casting.py says what goes where.
"""

from collections.abc import Callable
from random import Random

import cv2
import numpy as np

from cifake_core.generators.demo_world.solids import Colour
from cifake_core.generators.demo_world.texture import (
    Fields,
    grain,
    mixed,
    ramp,
    shaded,
    smoothstep,
    spread,
    stretched,
    tone_of,
)

Painter = Callable[[Fields, Random, float], np.ndarray]  # (fields, dice, horizon row in px) → (side, side, 3) in 0..1


def _down(side: int, horizon: float) -> np.ndarray:
    """(side, 1): 0 at the top, 1 at the horizon."""
    return np.clip(np.arange(side, dtype=np.float32)[:, None] / max(horizon, 1), 0, 1)


def sky(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    side = fields.side
    zenith, low = dice.choice(
        (
            ((0.22, 0.42, 0.74), (0.68, 0.82, 0.93)),
            ((0.36, 0.56, 0.82), (0.80, 0.88, 0.94)),
            ((0.16, 0.30, 0.60), (0.50, 0.68, 0.88)),
            ((0.66, 0.70, 0.75), (0.86, 0.88, 0.90)),
            ((0.50, 0.56, 0.63), (0.78, 0.81, 0.84)),
            ((0.88, 0.90, 0.92), (0.95, 0.95, 0.95)),
            ((0.35, 0.38, 0.55), (0.95, 0.70, 0.48)),
        )
    )
    down = np.broadcast_to(_down(side, horizon) ** 0.8, (side, side))
    colour = ramp(tone_of(dice, (zenith,)), tone_of(dice, (low,)), down)
    clouds = stretched(fields.first, dice.uniform(1.0, 1.6), dice.uniform(1.0, 1.3), dice)
    cover = smoothstep(clouds, (start := dice.uniform(-0.4, 1.9)), start + dice.uniform(0.5, 1.6))
    bright = 0.93 + 0.05 * fields.second
    return mixed(colour, shaded((1.0, 0.99, 0.98), bright), cover * dice.uniform(0.35, 0.95))


def _skyline(fields: Fields, dice: Random, horizon: float, height: float, smooth: float) -> np.ndarray:
    """(side, side) 0..1: below a wavering line about `height` px above the horizon."""
    side = fields.side
    row = fields.second[dice.randrange(side)]
    row = cv2.GaussianBlur(row[None, :], (0, 0), smooth, borderType=cv2.BORDER_REFLECT)[0]
    line = horizon - height * (1 + 0.35 * row / (float(row.std()) + 1e-6))
    return np.clip(np.arange(side, dtype=np.float32)[:, None] - line[None, :], 0, 1)


_LEAVES = (
    (0.16, 0.27, 0.10),
    (0.22, 0.33, 0.13),
    (0.28, 0.37, 0.16),
    (0.14, 0.22, 0.13),
    (0.42, 0.32, 0.13),
    (0.33, 0.35, 0.25),
)


def trees(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    above = sky(fields, dice, horizon)
    weight = _skyline(fields, dice, horizon, dice.uniform(0.10, 0.55) * fields.side, fields.side / 50)
    crowns = 1 + 0.38 * fields.first
    return mixed(above, shaded(tone_of(dice, _LEAVES), crowns), weight)


def hills(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    above = sky(fields, dice, horizon)
    for share, tones in (
        (dice.uniform(0.15, 0.4), ((0.45, 0.52, 0.60), (0.55, 0.56, 0.60), (0.40, 0.45, 0.48))),
        (dice.uniform(0.04, 0.18), ((0.34, 0.38, 0.26), (0.45, 0.40, 0.30), (0.30, 0.36, 0.34))),
    ):
        weight = _skyline(fields, dice, horizon, share * fields.side, fields.side / 16)
        above = mixed(above, shaded(tone_of(dice, tones), 1 + 0.13 * fields.second), weight)
    return above


def forest(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    side = fields.side
    leaves = 0.85 + 0.45 * fields.first
    colour = shaded(tone_of(dice, _LEAVES), leaves)
    gaps = smoothstep(fields.second, 1.2, 2.2)
    colour = mixed(colour, tone_of(dice, ((0.75, 0.82, 0.70), (0.80, 0.85, 0.90))), gaps)
    for _ in range(dice.randrange(2, 9)):
        x, width = dice.uniform(0, side), dice.uniform(0.015, 0.07) * side
        lean = dice.uniform(-0.05, 0.05) * side
        trunk = np.array(
            [(x, 0), (x + width, 0), (x + width * 1.3 + lean, side), (x - width * 0.3 + lean, side)], np.int32
        )
        bark = tone_of(dice, ((0.24, 0.20, 0.16), (0.36, 0.32, 0.28), (0.15, 0.13, 0.10)))
        cv2.fillConvexPoly(colour, trunk, bark, cv2.LINE_8)
    return colour * spread(1 + 0.12 * grain(fields.second, side // 12))


def foliage(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    """Leaves near or far, often out of focus."""
    zoom = dice.uniform(1.0, 2.5)
    leaves = stretched(fields.first, zoom, zoom, dice)
    tone = tone_of(dice, (*_LEAVES, (0.36, 0.48, 0.20), (0.45, 0.55, 0.30), (0.50, 0.42, 0.26), (0.55, 0.58, 0.50)))
    colour = ramp([0.45 * c for c in tone], [min(1.5 * c, 1) for c in tone], smoothstep(leaves, -2.0, 2.0))
    other = tone_of(dice, ((0.62, 0.66, 0.52), (0.30, 0.26, 0.18), (0.70, 0.72, 0.66), (0.20, 0.30, 0.14)))
    return mixed(colour, other, 0.7 * smoothstep(stretched(fields.second, zoom, zoom, dice), 0.6, 1.8))


def buildings(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    side = fields.side
    colour = sky(fields, dice, horizon)
    x = -dice.uniform(0, 0.3) * side
    while x < side:
        width = dice.uniform(0.18, 0.6) * side
        top = max(horizon - dice.uniform(0.25, 1.0) * side, -2)
        wall = tone_of(
            dice, ((0.62, 0.55, 0.46), (0.50, 0.30, 0.24), (0.70, 0.68, 0.64), (0.45, 0.46, 0.48), (0.78, 0.72, 0.60))
        )
        _block(colour, dice, (x, top, x + width, side), wall)
        x += width + dice.choice((0.0, 0.0, 0.08)) * side
    return colour * spread(1 + 0.07 * fields.first)


def _block(colour: np.ndarray, dice: Random, box: tuple[float, float, float, float], wall: Colour) -> None:
    side = colour.shape[0]
    x0, y0, x1, y1 = (int(v) for v in box)
    cv2.rectangle(colour, (x0, y0), (x1, y1), wall, -1)
    pane = tone_of(dice, ((0.20, 0.24, 0.28), (0.32, 0.38, 0.44), (0.13, 0.13, 0.14)))
    step_x, step_y = dice.uniform(0.08, 0.16) * side, dice.uniform(0.10, 0.2) * side
    for i in range(int((x1 - x0) / step_x)):
        for j in range(int((y1 - y0) / step_y)):
            left, top = int(x0 + (i + 0.25) * step_x), int(y0 + (j + 0.3) * step_y)
            cv2.rectangle(colour, (left, top), (int(left + 0.5 * step_x), int(top + 0.55 * step_y)), pane, -1)


WALLS = (
    (0.80, 0.77, 0.70), (0.70, 0.66, 0.58), (0.60, 0.62, 0.64), (0.74, 0.62, 0.48), (0.52, 0.44, 0.36), (0.62, 0.68, 0.62),
    (0.40, 0.36, 0.34), (0.66, 0.50, 0.44), (0.46, 0.52, 0.60), (0.86, 0.85, 0.82),
)  # fmt: skip


def wall(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    """Indoors: a lit wall with what hangs on or stands before it."""
    side = fields.side
    across = np.linspace(dice.uniform(-0.25, 0.25), dice.uniform(-0.25, 0.25), side, dtype=np.float32)[None, :]
    colour = shaded(tone_of(dice, WALLS), 0.95 + across + 0.07 * fields.first)
    if dice.random() < 0.25:  # a curtain
        folds = np.sin(np.linspace(0, dice.uniform(20, 50), side, dtype=np.float32) + 0.5 * fields.second[0])
        colour *= spread(np.broadcast_to(1 + 0.14 * folds, (side, side)).copy())
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        x, y = dice.uniform(-0.1, 0.9) * side, dice.uniform(-0.2, 0.5) * side
        end = (int(x + dice.uniform(0.15, 0.5) * side), int(y + dice.uniform(0.2, 0.9) * side))
        tone = tone_of(dice, (*WALLS, (0.20, 0.16, 0.13), (0.30, 0.18, 0.10), (0.16, 0.20, 0.28), (0.92, 0.92, 0.90)))
        cv2.rectangle(colour, (int(x), int(y)), end, tone, -1)
    return colour


def studio(fields: Fields, dice: Random, horizon: float) -> np.ndarray:
    """A seamless backdrop, as in a catalogue."""
    side = fields.side
    tone = tone_of(dice, ((0.93, 0.93, 0.93), (0.97, 0.97, 0.96), (0.75, 0.76, 0.78), (0.88, 0.86, 0.82)))
    fall = np.linspace(dice.uniform(-0.02, 0.06), dice.uniform(-0.18, 0.02), side, dtype=np.float32)[:, None]
    return shaded([min(c, 0.98) for c in tone], 1 + fall + 0.012 * fields.first)
