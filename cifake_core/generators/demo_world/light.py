"""How the entity is lit: sun, sky and ground light, gloss, patterns of fur and lacquer, shadows. Colours in linear light.

It does not know what the entity is, nor the scene behind it beyond the colours of its sky and ground.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from cifake_core.generators.demo_world.raster import Surface
from cifake_core.generators.demo_world.solids import Pattern
from cifake_core.generators.demo_world.texture import Fields, smoothstep

GAMMA = 2.0  # colours are given as seen on a screen; linear light = colour ** GAMMA, cheap and near enough to sRGB


@dataclass(frozen=True)
class Light:
    """Linear-light colours (3,); `towards` is the unit vector to the sun: x right, y up, z to the viewer."""

    towards: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    ground: np.ndarray


@dataclass(frozen=True)
class _Noise:
    """The fields of B pictures in one piece, looked up with the number of the picture."""

    first: np.ndarray  # (B, side, side)
    second: np.ndarray

    def over(self, field: np.ndarray, picture: np.ndarray, points: np.ndarray, density: float) -> np.ndarray:
        """(k,) values of a field laid over object coordinates (3, k)."""
        side = field.shape[1]
        x, y, z = points
        row, column = (
            (y * density * side).astype(np.int32) % side,
            ((x + 0.3 * z) * density * side).astype(np.int32) % side,
        )
        return field.ravel()[(picture * side + row) * side + column]


def _pattern_weight(kind: Pattern, surface: Surface, chosen: np.ndarray, noise: _Noise) -> np.ndarray:
    """(k,) share of the second colour at the chosen pixels. Fixed to the object, so that it turns with it."""
    points, picture = surface.points[:, chosen], surface.picture[chosen]
    x, y, z = points
    if kind is Pattern.STRIPES:
        waver = noise.over(noise.first, picture, points, 0.5)
        return smoothstep(np.sin(26 * x + 9 * y + 1.4 * waver), -0.1, 0.6)
    if kind is Pattern.PATCHES:
        return smoothstep(noise.over(noise.second, picture, points, 0.45), 0.0, 0.25)
    if kind is Pattern.SPOTS:
        dots = np.sin(31 * x + 5 * y) + np.sin(29 * y + 17 * z)
        return smoothstep(dots + 0.6 * noise.over(noise.first, picture, points, 0.9), 0.7, 1.1)
    if kind is Pattern.UNDERSIDE:
        ragged = noise.over(noise.first, picture, points, 0.9)
        return smoothstep(-surface.normals[1, chosen] + 0.12 * ragged, 0.0, 0.5)
    return smoothstep(-np.abs(y), -0.022, -0.012)


def _albedo(surface: Surface, noise: _Noise) -> np.ndarray:
    """(3, n) linear-light reflectance with pattern and texture."""
    finish = surface.finish
    colours = finish.colour.copy()
    for kind in sorted(finish.patterns - {Pattern.PLAIN}):
        chosen = np.flatnonzero(finish.pattern == kind)
        weight = _pattern_weight(kind, surface, chosen, noise)
        colours[:, chosen] += weight * (finish.second[:, chosen] - colours[:, chosen])
    colours *= 1 + 0.5 * finish.rough * noise.second.ravel()[surface.where]
    return np.minimum(np.maximum(colours, 0), 1) ** GAMMA


def _crevices(surface: Surface) -> np.ndarray:
    """(n,) 0..1: darker where nearer parts of the entity stand around (screen-space ambient occlusion)."""
    window = ((surface.side // 12) | 1,) * 2
    depth = np.where(surface.covered, surface.depth, 0)
    inside = surface.covered.astype(np.float32)
    around = np.stack([cv2.blur(plane, window) for plane in depth]).ravel()[surface.where]
    share = np.stack([cv2.blur(plane, window) for plane in inside]).ravel()[surface.where]
    behind = (around / share - depth.ravel()[surface.where]) * np.float32(8 / surface.side)
    return 1 - 0.55 * np.minimum(np.maximum(behind, 0), 1)


class _Arriving(NamedTuple):
    """The light of each pixel's own picture, (3, n) each."""

    towards: np.ndarray
    halfway: np.ndarray  # between the sun and the viewer
    sun: np.ndarray
    sky: np.ndarray
    ground: np.ndarray

    def at(self, chosen: np.ndarray) -> "_Arriving":
        return _Arriving(*(rows[:, chosen] for rows in self))


def _arriving(lights: Sequence[Light], picture: np.ndarray) -> _Arriving:
    halves = [light.towards + np.float32([0, 0, 1]) for light in lights]
    rows = np.array(
        [(li.towards, h / np.linalg.norm(h), li.sun, li.sky, li.ground) for li, h in zip(lights, halves, strict=True)],
        np.float32,
    )
    return _Arriving(*rows.reshape(-1, 15).T.take(picture, axis=1).reshape(5, 3, -1))


def lit(surface: Surface, lights: Sequence[Light], fields: Sequence[Fields]) -> np.ndarray:
    """(3, n) linear light leaving the entities of B pictures towards the viewer; one light and two fields a picture."""
    noise = _Noise(np.stack([f.first for f in fields]), np.stack([f.second for f in fields]))
    light = _arriving(lights, surface.picture)
    x, y, z = surface.normals
    sx, sy, sz = light.towards
    facing = np.maximum((x * sx + y * sy + z * sz + np.float32(0.15)) / np.float32(1.15), 0)
    from_above = 0.5 + 0.5 * y
    falling = light.sun * facing + light.ground + (light.sky - light.ground) * from_above
    colour = _albedo(surface, noise) * falling * _crevices(surface)
    return _with_gloss(colour, surface, light)


def _with_gloss(colour: np.ndarray, surface: Surface, light: _Arriving) -> np.ndarray:
    shiny = np.flatnonzero(surface.finish.gloss)
    (x, y, z), gloss, light = surface.normals[:, shiny], surface.finish.gloss[shiny], light.at(shiny)
    hx, hy, hz = light.halfway
    highlight = np.maximum(x * hx + y * hy + z * hz, 0)
    for _ in range(5):  # to the 32nd power, by squaring
        highlight *= highlight
    sky = smoothstep(2 * z * y + np.float32(0.25), -0.15, 0.25)  # how far up the mirrored line of sight points
    around = light.ground * (0.6 - 0.6 * sky) + light.sky * (1.5 * sky)
    grazing = 1 - z
    share = gloss * (0.10 + 0.6 * grazing * grazing * grazing)
    own = colour[:, shiny]
    colour[:, shiny] = own + share * (around - own) + light.sun * (0.8 * gloss * highlight)
    return colour


def cast_shadow(covered: np.ndarray, base: float, light: Light, softness: float) -> np.ndarray:
    """(side, side) 0..1: the silhouette laid on the ground away from the sun, and the dark line of contact.

    `base`: row on which the entity stands. The silhouette's heights are read as heights above that row.
    """
    side = covered.shape[0]
    silhouette = covered.astype(np.float32)
    x, y, z = (float(v) for v in light.towards)
    lean = -x / max(y, 0.35)
    rise = (
        max(min(0.30 * z / max(y, 0.35), 0.35), -0.35) or 0.05
    )  # shadow falls behind the entity where the light is in front
    rise = rise if abs(rise) > 0.06 else 0.06
    forward = np.array([[1, -lean, lean * base], [0, rise, base * (1 - rise)]], np.float32)
    laid = cv2.warpAffine(silhouette, forward, (side, side), flags=cv2.INTER_LINEAR)
    contact = np.array([[1.04, 0, -0.02 * side], [0, 0.10, base * 0.90]], np.float32)
    under = cv2.warpAffine(silhouette, contact, (side, side), flags=cv2.INTER_LINEAR)
    spread = (0, 0)
    return np.clip(
        0.65 * cv2.GaussianBlur(laid, spread, softness) + 0.55 * cv2.GaussianBlur(under, spread, side * 0.012 + 0.5),
        0,
        0.92,
    )
