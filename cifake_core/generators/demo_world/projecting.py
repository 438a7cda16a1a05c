"""From models and views to solids in pixels: turned, in perspective, put where the view wants them in its frame.

Several pictures at once, because most of the time of one goes into calls. No result may depend on a picture's
neighbours, so sums over coordinates are written out: a BLAS call rounds by a row's place in the batch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cifake_core.generators.demo_world.solids import Model

DOWN = np.float32([1, -1, 1])  # from y up to rows downwards
EDGE_ON = 0.02  # a face seen at a flatter angle than this (cosine) is not drawn


@dataclass(frozen=True)
class View:
    """Where the model is seen from (radians) and how it lies in the frame (shares of the side)."""

    yaw: float
    pitch: float  # camera above the ground: > 0
    roll: float
    width: float  # of the frame's side that the model's box fills at most
    height: float
    centre: float  # of the box, from the left
    bottom: float  # lower edge of the box, from the top
    perspective: float = 0.15
    top: float | None = None  # where given, the upper edge of the box, and `bottom` does not count


def rotation(view: View) -> np.ndarray:
    """(3, 3): object to view coordinates. yaw 0 looks at the left side (+z), nose to the right."""
    cy, sy, cp, sp = math.cos(view.yaw), math.sin(view.yaw), math.cos(view.pitch), math.sin(view.pitch)
    cr, sr = math.cos(view.roll), math.sin(view.roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)


def _turned(points: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """(N, 3) points, each by its own (3, 3)."""
    x, y, z = points.T
    return (turns[:, :, 0].T * x + turns[:, :, 1].T * y + turns[:, :, 2].T * z).T


class Balls(NamedTuple):
    picture: np.ndarray  # (N,)
    centres: np.ndarray  # (N, 3)
    reach: np.ndarray  # (N, 2) along x and y
    forms: np.ndarray  # (N, 3, 3): qᵀ form q = 1 on the surface


class Faces(NamedTuple):
    picture: np.ndarray  # (F,)
    corners: np.ndarray  # (m, 3), face after face
    starts: np.ndarray  # (F + 1,) where each begins
    normals: np.ndarray  # (F, 3) unit, outward or to the viewer
    lifts: np.ndarray  # (F,)
    shown: np.ndarray  # numbers of those that can be seen


class Solids(NamedTuple):
    """The solids of B pictures, in px; rows run downwards."""

    balls: Balls
    faces: Faces
    back: np.ndarray  # (B, 3, 3): (px - offset) @ back[b] are object coordinates
    offset: np.ndarray  # (B, 3)


def _balls_in_view(models: Sequence[Model], turns: np.ndarray, perspective: np.ndarray) -> Balls:
    rows = np.array([(*b.centre, *b.radii, *b.axis) for m in models for b in m.balls], np.float32).reshape(-1, 9)
    picture = np.repeat(np.arange(len(models)), [len(m.balls) for m in models])
    turn = turns[picture]
    centres, radii, along = _turned(rows[:, :3], turn), rows[:, 3:6], rows[:, 6:].T
    along = along / np.sqrt(along[0] * along[0] + along[1] * along[1] + along[2] * along[2])
    x, y, z = along
    zero = np.zeros_like(x)
    steep = np.abs(y) > 0.95
    side = np.stack([np.where(steep, zero, -z), np.where(steep, -z, zero), np.where(steep, y, x)])
    side /= np.sqrt(side[0] * side[0] + side[1] * side[1] + side[2] * side[2])  # across the axis and the vertical
    p, q, r = side
    up = np.stack([q * z - r * y, r * x - p * z, p * y - q * x])  # side × along
    axes = [_turned(axis.T, turn) for axis in (along, side, up)]  # of each ellipsoid, (N, 3) each
    near = 1 / (1 - perspective[picture] * centres[:, 2])
    centres[:, :2] *= near[:, None]
    scale = (radii * near[:, None]).T[..., None]  # (3, N, 1)
    reach = np.sqrt(sum((axis[:, :2] * long) ** 2 for axis, long in zip(axes, scale, strict=True)))
    short = [axis / long for axis, long in zip(axes, scale, strict=True)]
    return Balls(picture, centres, reach, sum(s[:, :, None] * s[:, None, :] for s in short))


def _faces_in_view(models: Sequence[Model], turns: np.ndarray, perspective: np.ndarray) -> Faces:
    faces = [f for m in models for f in m.faces]
    picture = np.repeat(np.arange(len(models)), [len(m.faces) for m in models])
    lengths = [len(f.corners) for f in faces]
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=int)])
    corners = np.array([p for f in faces for p in f.corners], np.float32).reshape(-1, 3)
    inside = np.array([f.inside or (0, 0, 0) for f in faces], np.float32).reshape(-1, 3)
    owner = np.concatenate([np.repeat(picture, lengths), picture])
    seen = _turned(np.concatenate([corners, inside]), turns[owner])
    seen[:, :2] /= (1 - perspective[owner] * seen[:, 2])[:, None]
    corners, inside = seen[: len(corners)], seen[len(corners) :]
    first, second, third = (corners[starts[:-1] + k] for k in (0, 1, 2))
    normals = _unit(_cross(second - first, third - first))
    two_sided = np.array([f.inside is None for f in faces], bool)
    away = (first - inside) * normals
    outward = np.where(two_sided, normals[:, 2], away[:, 0] + away[:, 1] + away[:, 2])
    normals[outward < 0] *= -1
    lifts = np.array([f.lift for f in faces], np.float32)
    shown = np.flatnonzero((two_sided | (normals[:, 2] > 0)) & (np.abs(normals[:, 2]) > EDGE_ON))
    return Faces(picture, corners, starts, normals, lifts, shown)


def _cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """(n, 3) × (n, 3); numpy's own takes ten times as long on a few rows."""
    (a, b, c), (d, e, f) = p.T, q.T
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis=1)


def _unit(rows: np.ndarray) -> np.ndarray:
    x, y, z = rows.T
    return rows / (np.sqrt(x * x + y * y + z * z) + np.float32(1e-9))[:, None]


def _placed(balls: Balls, faces: Faces, views: Sequence[View], side: int) -> tuple[np.ndarray, np.ndarray]:
    """((B,) px of one unit, (B, 3) offset in px): each model's box as its view asks; rows run downwards."""
    corner_picture = np.repeat(faces.picture, np.diff(faces.starts))
    order = np.argsort(np.concatenate([balls.picture, corner_picture]), kind="stable")
    flat, corners = balls.centres[:, :2], faces.corners[:, :2]
    lowest, highest = np.concatenate([flat - balls.reach, corners]), np.concatenate([flat + balls.reach, corners])
    counts = np.bincount(balls.picture, minlength=len(views)) + np.bincount(corner_picture, minlength=len(views))
    starts = np.cumsum(counts) - counts
    low, high = np.minimum.reduceat(lowest[order], starts), np.maximum.reduceat(highest[order], starts)
    asked = np.array([(v.width, v.height, v.centre, v.bottom, v.top or 0) for v in views], np.float32)
    hung = np.array([v.top is not None for v in views])
    unit = (asked[:, :2] / (high - low)).min(axis=1) * np.float32(side)
    left = asked[:, 2] * side - unit * (low[:, 0] + high[:, 0]) / 2
    zero = np.where(hung, asked[:, 4] * side + unit * high[:, 1], asked[:, 3] * side + unit * low[:, 1])
    return unit, np.stack([left, zero, np.zeros_like(left)], axis=1)


def in_pixels(models: Sequence[Model], views: Sequence[View], side: int) -> Solids:
    """Every solid of the models, each model holding at least one, on frames of (side, side) px."""
    turns = np.stack([rotation(view) for view in views])
    perspective = np.array([view.perspective for view in views], np.float32)
    balls, faces = _balls_in_view(models, turns, perspective), _faces_in_view(models, turns, perspective)
    unit, offset = _placed(balls, faces, views, side)
    own, flip = unit[balls.picture, None], np.outer(DOWN, DOWN)
    balls = balls._replace(
        centres=balls.centres * own * DOWN + offset[balls.picture],
        forms=balls.forms * (flip / (own * own)[..., None]),
        reach=balls.reach * own,
    )
    owner = np.repeat(faces.picture, np.diff(faces.starts))
    faces = faces._replace(
        corners=faces.corners * unit[owner, None] * DOWN + offset[owner],
        normals=faces.normals * DOWN,
        lifts=faces.lifts * unit[faces.picture],
    )
    return Solids(balls, faces, turns * DOWN[None, :, None] / unit[:, None, None], offset)
