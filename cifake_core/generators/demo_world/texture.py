"""Random fields with the spectrum of natural scenes, and how they are stretched, put in perspective and mixed.

It knows fields and colours; it does not know what a cloud or a meadow is (backdrop.py does).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import cv2
import numpy as np
import scipy.fft

_AMPLITUDE_SLOPE = 1.15  # amplitude ~ 1/f^slope; photographs lie near 1 (Field 1987), CIFAR-10 a little steeper


@lru_cache(maxsize=8)
def _filter(side: int) -> np.ndarray:
    """(side, side) gains of unit-variance 1/f noise, periodic in the square."""
    frequency = np.fft.fftfreq(side, 1 / side)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    radius[0, 0] = np.inf
    gain = radius**-_AMPLITUDE_SLOPE
    return (gain * side / np.sqrt((gain**2).sum())).astype(np.float32)


@dataclass(frozen=True)
class Fields:
    """Two independent periodic 1/f fields of one image, (side, side) float32, mean 0, variance 1."""

    first: np.ndarray
    second: np.ndarray

    @property
    def side(self) -> int:
        return self.first.shape[0]

    @property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        return self.first, self.second


_BANK = 24


@lru_cache(maxsize=4)
def _bank(side: int) -> np.ndarray:
    """(24, 2 side, 2 side): independent periodic fields, each laid out twice by twice; the same in every process."""
    random = np.random.Generator(np.random.PCG64([20, side]))
    white = random.standard_normal((_BANK // 2, side, 2 * side), dtype=np.float32).view(np.complex64)
    pairs = scipy.fft.ifft2(white * _filter(side)) * side  # real and imaginary part are independent
    return np.tile(np.concatenate([pairs.real, pairs.imag]), (1, 2, 2))


def fields(dice: Random, side: int) -> Fields:
    """Two fields, each mixed from two of the bank, shifted and mirrored; turned by an angle, so that variance stays 1."""
    bank, chosen = _bank(side), dice.sample(range(_BANK), 4)
    return Fields(*(_blend(bank[chosen[i]], bank[chosen[i + 1]], dice) for i in (0, 2)))


def _blend(one: np.ndarray, other: np.ndarray, dice: Random) -> np.ndarray:
    side, angle = one.shape[0] // 2, dice.uniform(0, 2 * math.pi)
    parts = []
    for field, weight in ((one, math.cos(angle)), (other, math.sin(angle))):
        top, left = dice.randrange(side), dice.randrange(side)
        part = field[top : top + side, left : left + side]
        parts.append((part[:, ::-1] if dice.random() < 0.5 else part) * np.float32(weight))
    return np.ascontiguousarray(parts[0] + parts[1])


def stretched(field: np.ndarray, across: float, down: float, dice: Random) -> np.ndarray:
    """A random part of the field enlarged by `across` and `down` (both ≥ 1)."""
    side = field.shape[0]
    width, height = int(side / across), int(side / down)
    left, top = dice.randint(0, side - width), dice.randint(0, side - height)
    return cv2.resize(field[top : top + height, left : left + width], (side, side), interpolation=cv2.INTER_LINEAR)


def in_perspective(
    fields: tuple[np.ndarray, ...], horizon: float, scale: float, squash: float = 1.0
) -> tuple[np.ndarray, ...]:
    """The fields as seen on a plane below the row `horizon` (px): finer and flatter towards it.

    `scale`: how large a mark on the ground looks at the bottom edge; `squash` > 1 flattens marks further (waves).
    """
    side = fields[0].shape[0]
    rows = np.maximum(np.arange(side, dtype=np.float32) - np.float32(horizon), 1)
    distance = np.float32(max(side - horizon, 8) / scale) / rows  # 1 / scale at the bottom edge
    across = distance[:, None] * (np.arange(side, dtype=np.float32) - side / 2)[None, :]
    along = np.repeat(distance[:, None] * np.float32(side * 0.55 * squash), side, axis=1)
    stacked = cv2.merge(fields) if len(fields) > 1 else fields[0]
    seen = cv2.remap(stacked, across, along, cv2.INTER_NEAREST, borderMode=cv2.BORDER_WRAP)
    return cv2.split(seen) if len(fields) > 1 else (seen,)


@lru_cache(maxsize=16)
def _grain_gain(side: int, window: int) -> float:
    """1 / standard deviation of what the box of `window` px leaves of a 1/f field."""
    frequency = np.fft.fftfreq(side)
    box = np.abs(np.sinc(window * frequency) / np.sinc(frequency)) * np.sign(np.sinc(window * frequency))
    left = _filter(side) * (1 - box[:, None] * box[None, :]) / side
    return float(1 / np.sqrt((left**2).sum()))


def grain(field: np.ndarray, window: int) -> np.ndarray:
    """Only the fine part of the field, about unit variance: what is left after a mean over `window` px is taken out."""
    window |= 1
    fine = field - cv2.blur(field, (window, window), borderType=cv2.BORDER_REFLECT)
    return fine * np.float32(_grain_gain(field.shape[0], window))


def smoothstep(field: np.ndarray, low: float, high: float) -> np.ndarray:
    t = (field - np.float32(low)) * np.float32(1 / (high - low))
    np.minimum(np.maximum(t, 0, out=t), 1, out=t)
    return t * t * (3 - 2 * t)


def spread(plane: np.ndarray) -> np.ndarray:
    """(H, W) → (H, W, 3), the same in each channel. Contiguous: numpy is six times slower on a broadcast last axis of 3."""
    return cv2.merge((plane, plane, plane))


def mixed(below: np.ndarray, above, weight: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3), a picture or a colour over it, (H, W) in 0..1 → (H, W, 3)."""
    three = spread(weight)
    over = three * above if isinstance(above, np.ndarray) and above.ndim == 3 else shaded(above, weight)
    return below - three * below + over


def ramp(low, high, weight: np.ndarray) -> np.ndarray:
    """From one colour to another by (H, W) in 0..1 → (H, W, 3)."""
    return cv2.merge([weight * np.float32(b - a) + np.float32(a) for a, b in zip(low, high, strict=True)])


def shaded(colour, light: np.ndarray) -> np.ndarray:
    """A colour times (H, W) light → (H, W, 3)."""
    return cv2.merge([light * np.float32(c) for c in colour])


def tone_of(dice: Random, colours) -> tuple[float, float, float]:
    """One of the colours, a little off."""
    chosen, gain = dice.choice(colours), dice.uniform(0.85, 1.12)
    return tuple(min(max(c * gain + dice.uniform(-0.015, 0.015), 0.02), 1.0) for c in chosen)
