"""Puts scenes together in linear light: backdrop, shadow or reflection, entity, what hides its feet.

It does not know the camera.
"""

import math
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import cv2
import numpy as np

from cifake_core.generators.demo_world.casting import Place, Scene
from cifake_core.generators.demo_world.light import GAMMA, Light, cast_shadow, lit
from cifake_core.generators.demo_world.raster import rasterised
from cifake_core.generators.demo_world.texture import Fields, fields, mixed, spread

_APART = 0.20  # least distance of the mean colours of entity and backdrop, on the screen


def composed(scenes: Sequence[Scene], side: int, dice: Sequence[Random]) -> tuple[np.ndarray, np.ndarray]:
    """((B, side, side, 3) linear light, (B, side, side) bool: where the entity is seen). One scene's dice are its own."""
    noise = [fields(d, side) for d in dice]
    horizons = [_horizon(scene, d) * side for scene, d in zip(scenes, dice, strict=True)]
    pictures = np.stack([_backdrop(s.place, n, d, h) for s, n, d, h in zip(scenes, noise, dice, horizons, strict=True)])
    surface = rasterised([scene.model for scene in scenes], [scene.view for scene in scenes], side)
    lights = [_light(*of_one) for of_one in zip(pictures, horizons, dice, strict=True)]
    colours = lit(surface, lights, noise)
    covered = surface.covered.copy()
    for i, scene in enumerate(scenes):
        part, base = surface.of(i), scene.view.bottom * side
        own = colours[:, part]
        picture = _set_apart(pictures[i], surface.covered[i], own)
        entity = _Entity(surface.covered[i], surface.where[part] - i * side * side, own)
        picture = _on_the_ground(picture, entity, base, scene, lights[i], dice[i])
        if scene.perch:
            _branch(picture, base, dice[i])
        pictures[i] = picture
        _stand_in(covered[i], base, scene.place, noise[i])
    shown = covered.ravel()[surface.where]
    pictures.reshape(-1, 3)[surface.where[shown]] = colours.T[shown]
    return pictures, covered


class _Entity(NamedTuple):
    covered: np.ndarray  # (side, side) bool
    where: np.ndarray  # (n,) flat pixel numbers
    colours: np.ndarray  # (3, n) linear light

    def picture(self) -> np.ndarray:
        """(side, side, 3), black around it."""
        out = np.zeros((*self.covered.shape, 3), np.float32)
        out.reshape(-1, 3)[self.where] = self.colours.T
        return out


def _horizon(scene: Scene, dice: Random) -> float:
    """Share of the side. A camera that looks down sees it higher; the entity always stands below it."""
    if scene.place.lower is None:
        return 1.3
    view = scene.view
    eye_level = min(view.bottom, 1.1) - min(view.height, 0.9) * dice.uniform(0.25, 0.75)
    return min(max(eye_level - 1.4 * math.sin(max(view.pitch, 0)), -0.25), min(view.bottom, 1.0) - 0.10)


def _backdrop(place: Place, noise: Fields, dice: Random, horizon: float) -> np.ndarray:
    """(side, side, 3) linear light: the upper part runs softly into the lower one at the horizon; both out of focus."""
    side = noise.side
    if place.lower is None:
        picture = np.array(place.upper(noise, dice, horizon), np.float32)
    elif horizon <= 0:
        picture = np.array(place.lower(noise, dice, horizon), np.float32)
    else:
        above = place.upper(noise, dice, horizon if place.upper is not place.lower else -1.0)
        below = place.lower(noise, dice, horizon)
        wave = 0.01 * side * noise.first[side // 2]
        seam = np.clip(np.arange(side, dtype=np.float32)[:, None] - (horizon + wave)[None, :], 0, 1)
        picture = mixed(above, below, seam)
    blur = dice.choice((0.0, dice.uniform(0.0, 0.02), dice.uniform(0.01, 0.045))) * side
    picture = np.clip(picture, 0, 1.1).astype(np.float32)
    return (cv2.GaussianBlur(picture, (0, 0), blur) if blur > 0.5 else picture) ** GAMMA


def _set_apart(picture: np.ndarray, covered: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Relights a backdrop that the entity would melt into, as one chooses a place where the subject stands out."""
    behind = np.float32(cv2.mean(picture, covered.view(np.uint8))[:3])
    before = colours.mean(axis=1)
    if np.linalg.norm(np.sqrt(before) - np.sqrt(behind)) > _APART:
        return picture
    return picture * np.float32(0.5 if behind.mean() < max(before.mean(), 0.2) else 1.7)


def _light(picture: np.ndarray, horizon: float, dice: Random) -> Light:
    """Sun or overcast; sky and ground light take up the colours of the picture itself."""
    side = picture.shape[0]
    cut = int(min(max(horizon, side * 0.3), side * 0.8))
    sky, ground = (np.float32(cv2.mean(part)[:3]) for part in (picture[:cut], picture[cut:]))
    sun = dice.choice((0.25, 0.6, 0.9, 1.1))
    azimuth, height = dice.uniform(-1.2, 1.2), dice.uniform(0.5, 1.25)
    towards = np.float32([math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height)])
    neutral = np.float32(0.30)
    return Light(
        towards,
        np.float32([1.0, dice.uniform(0.90, 1.0), dice.uniform(0.78, 1.0)]) * sun,
        (0.5 * sky + 0.5 * neutral + 0.12) * (1.15 - 0.3 * sun),
        (0.6 * ground + 0.4 * neutral) * 0.75,
    )


def _stand_in(covered: np.ndarray, base: float, place: Place, noise: Fields) -> None:
    """Grass and snow hide an uneven strip of the feet."""
    if place.sinks:
        edge = base - place.sinks * noise.side * (1 + 0.9 * np.clip(noise.second[7], -1.5, 1.5))
        covered &= np.arange(noise.side, dtype=np.float32)[:, None] < edge[None, :]


def _on_the_ground(picture, entity: _Entity, base: float, scene: Scene, light: Light, dice: Random) -> np.ndarray:
    """Shadow on land, reflection on water, neither in the air."""
    side = picture.shape[0]
    if scene.place.lower is None or base > side:
        return picture
    if scene.place.mirrors:
        return _mirrored(picture, entity.picture(), entity.covered, base, dice)
    depth = cast_shadow(entity.covered, base, light, side * dice.uniform(0.008, 0.03))
    sun = float(light.sun.max())
    return picture * spread(1 - depth * np.float32(min(0.45 + 0.4 * sun, 0.8)))


def _mirrored(picture: np.ndarray, entity: np.ndarray, covered: np.ndarray, base: float, dice: Random) -> np.ndarray:
    """The entity upside down below the water line, blurred along the waves and darkened."""
    side = covered.shape[0]
    flip = np.array([[1, 0, 0], [0, -1.25, 2.25 * base - 2]], np.float32)
    layer = cv2.merge([entity, covered.astype(np.float32)])
    layer = cv2.GaussianBlur(cv2.warpAffine(layer, flip, (side, side)), (0, 0), side * 0.02, sigmaY=side * 0.035)
    strength = dice.uniform(0.3, 0.7)
    return picture * spread(1 - strength * layer[..., 3]) + 0.6 * strength * layer[..., :3]


def _branch(picture: np.ndarray, base: float, dice: Random) -> None:
    side = picture.shape[0]
    y, lean, width = base + 0.015 * side, dice.uniform(-0.08, 0.08) * side, dice.uniform(0.02, 0.04) * side
    bark = dice.uniform(0.03, 0.12)
    for share, gain in ((1.0, 0.6), (0.55, 1.5)):
        ends = [
            (0, y - lean - width * share),
            (side, y + lean - width * share),
            (side, y + lean + width),
            (0, y - lean + width * (2 - share)),
        ]
        cv2.fillConvexPoly(picture, np.array(ends, np.int32), (bark * gain, bark * gain * 0.8, bark * gain * 0.62))
