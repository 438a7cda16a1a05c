"""From a model and a view to what each pixel of the entity shows: a z-buffer over ellipsoids and flat faces.

Ellipsoids are exact: along each line of sight the surface is the root of a quadratic. It does not know light or colour.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from cifake_core.generators.demo_world.solids import Model, Paint, Pattern

_FAR = np.float32(-1e9)
_DOWN = np.float32([1, -1, 1])  # from y up to rows downwards
_EDGE_ON = 0.02  # a face seen at a flatter angle than this (cosine) is not drawn


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


class Finish(NamedTuple):
    """What the paint is at each of n pixels; see solids.Paint."""

    colour: np.ndarray  # (3, n)
    rough: np.ndarray  # (n,)
    gloss: np.ndarray  # (n,)
    pattern: np.ndarray  # (n,) values of Pattern
    second: np.ndarray  # (3, n)
    patterns: set[Pattern]  # those that occur


@dataclass(frozen=True)
class Surface:
    """The n pixels at which the entity is seen."""

    covered: np.ndarray  # (side, side) bool
    depth: np.ndarray  # (side, side) float32, larger is nearer
    where: np.ndarray  # (n,) flat pixel numbers, ascending
    finish: Finish  # of each pixel
    normals: np.ndarray  # (3, n) unit; x right, y up, z to the viewer
    points: np.ndarray  # (3, n) object coordinates


def rotation(view: View) -> np.ndarray:
    """(3, 3): object to view coordinates. yaw 0 looks at the left side (+z), nose to the right."""
    cy, sy, cp, sp = math.cos(view.yaw), math.sin(view.yaw), math.cos(view.pitch), math.sin(view.pitch)
    cr, sr = math.cos(view.roll), math.sin(view.roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)


class _Balls(NamedTuple):
    centres: np.ndarray  # (N, 3)
    spreads: np.ndarray  # (N, 3, 3): axes diag(r²) axesᵀ; its diagonal is the squared reach along each coordinate
    forms: np.ndarray  # (N, 3, 3), the inverse: qᵀ form q = 1 on the surface


def _balls_in_view(model: Model, turn: np.ndarray, perspective: float) -> _Balls:
    rows = np.array([(*b.centre, *b.radii, *b.axis) for b in model.balls], np.float32).reshape(-1, 9)
    centres, radii, along = rows[:, :3] @ turn.T, rows[:, 3:6], rows[:, 6:]
    along = along / np.sqrt((along * along).sum(axis=1, keepdims=True))
    x, y, z = along.T
    zero = np.zeros_like(x)
    side = np.where(
        np.abs(y) > 0.95, np.stack([zero, -z, y]), np.stack([-z, zero, x])
    )  # across the axis and the vertical
    side /= np.sqrt((side * side).sum(axis=0))
    p, q, r = side
    up = np.stack([q * z - r * y, r * x - p * z, p * y - q * x])  # side × along
    frame = turn @ np.stack([along.T, side, up]).transpose(2, 1, 0)  # (N, 3, 3), columns are the ellipsoid's axes
    near = 1 / (1 - perspective * centres[:, 2])
    centres[:, :2] *= near[:, None]
    scale = (radii * near[:, None])[:, None, :]
    long, short = frame * scale, frame / scale
    return _Balls(centres, long @ long.transpose(0, 2, 1), short @ short.transpose(0, 2, 1))


def _corners_in_view(model: Model, turn: np.ndarray, perspective: float) -> tuple[np.ndarray, np.ndarray]:
    """(m, 3) corners of all faces one after another, and (faces + 1,) where each begins."""
    starts = np.cumsum([0] + [len(f.corners) for f in model.faces])
    corners = np.array([p for f in model.faces for p in f.corners], np.float32).reshape(-1, 3) @ turn.T
    corners[:, :2] /= 1 - perspective * corners[:, 2:]
    return corners, starts


class _Canvas:
    """Depth and the number of the nearest primitive for every pixel. Everything in px; rows run downwards."""

    def __init__(self, side: int):
        self.side = side
        self.depth = np.full((side, side), _FAR, np.float32)
        self.nearest = np.full((side, side), -1, np.int16)
        self.grid = np.arange(side, dtype=np.float32) + np.float32(0.5)

    def windows(self, low: np.ndarray, high: np.ndarray) -> list[tuple[int, int, int, int]]:
        """(left, top, right, bottom) of boxes from low to high, both (N, 2), cut at the canvas; empty where outside."""
        first = np.clip(np.floor(low), 0, self.side).astype(int)
        last = np.clip(np.ceil(high) + 1, 0, self.side).astype(int)
        return [(a, b, c, d) for (a, b), (c, d) in zip(first.tolist(), last.tolist(), strict=True)]

    def balls(self, centres: np.ndarray, forms: np.ndarray, reach: np.ndarray) -> None:
        """qᵀ form q = 1 solved for z: z = -half + sqrt(under); both are sums of a row, a column and one product."""
        a, b, c, d, e, f = (forms[:, i, j, None] for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
        dx, dy = self.grid - centres[:, :1], self.grid - centres[:, 1:2]  # (N, side)
        cf, ef = c / f, e / f
        under_x, under_y = (cf * cf - a / f) * dx * dx + 1 / f, (ef * ef - d / f) * dy * dy
        product, z_x, z_y = 2 * (cf * ef - b / f) * dx, centres[:, 2:] - cf * dx, ef * dy
        for i, (left, top, right, bottom) in enumerate(self.windows(centres[:, :2] - reach, centres[:, :2] + reach)):
            if right <= left or bottom <= top:
                continue
            under = product[i, left:right] * dy[i, top:bottom, None]
            under += under_x[i, left:right]
            under += under_y[i, top:bottom, None]
            inside = under > 0
            z = np.sqrt(np.abs(under, out=under), out=under)
            z += z_x[i, left:right]
            z -= z_y[i, top:bottom, None]
            self._put((slice(top, bottom), slice(left, right)), z, inside, i)

    def faces(
        self, corners: np.ndarray, starts: np.ndarray, normals: np.ndarray, lifts: np.ndarray, shown, first: int
    ) -> None:
        """Flat polygons; `shown`: which of them, numbered from `first`."""
        flat = corners[:, :2]
        windows = self.windows(np.minimum.reduceat(flat, starts[:-1]), np.maximum.reduceat(flat, starts[:-1]))
        slope = -normals[:, :2] / normals[:, 2:]
        origin = corners[starts[:-1]]
        z_x = (origin[:, 2] + lifts)[:, None] + slope[:, :1] * (self.grid - origin[:, :1])  # (faces, side)
        z_y = slope[:, 1:] * (self.grid - origin[:, 1:2])
        sixteenths = np.rint((flat - np.float32(0.5)) * 16).astype(np.int32)
        for i in shown:
            left, top, right, bottom = windows[i]
            if right <= left or bottom <= top:
                continue
            filled = np.zeros((bottom - top, right - left), np.uint8)
            outline = sixteenths[starts[i] : starts[i + 1]] - np.array((16 * left, 16 * top), np.int32)
            cv2.fillPoly(filled, [outline], 1, shift=4)
            z = z_x[i, left:right] + z_y[i, top:bottom, None]
            self._put((slice(top, bottom), slice(left, right)), z, filled.view(bool), first + i)

    def _put(self, window: tuple[slice, slice], z: np.ndarray, inside: np.ndarray, number: int) -> None:
        depth = self.depth[window]
        inside &= z > depth
        np.copyto(depth, z, where=inside)
        np.copyto(self.nearest[window], np.int16(number), where=inside)


def _placed(balls: _Balls, corners: np.ndarray, view: View, side: int) -> tuple[float, np.ndarray]:
    """(px of one unit, (3,) offset in px): the model's box as the view asks; rows run downwards."""
    reach = np.sqrt(balls.spreads[:, [0, 1], [0, 1]])
    low = np.concatenate([balls.centres[:, :2] - reach, corners[:, :2]]).min(axis=0)
    high = np.concatenate([balls.centres[:, :2] + reach, corners[:, :2]]).max(axis=0)
    unit = float(min(view.width / (high[0] - low[0]), view.height / (high[1] - low[1])) * side)
    left = view.centre * side - unit * (low[0] + high[0]) / 2
    zero = view.bottom * side + unit * low[1] if view.top is None else view.top * side + unit * high[1]
    return unit, np.float32([left, zero, 0])


def _cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """(n, 3) × (n, 3); numpy's own takes ten times as long on a few rows."""
    (a, b, c), (d, e, f) = p.T, q.T
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis=1)


def _face_normals(model: Model, corners: np.ndarray, starts: np.ndarray, turn: np.ndarray, perspective: float):
    """(faces, 3) unit normals, outward or to the viewer, and the numbers of the faces that can be seen."""
    first, second, third = (corners[starts[:-1] + k] for k in (0, 1, 2))
    normals = _cross(second - first, third - first)
    normals /= np.sqrt((normals * normals).sum(axis=1, keepdims=True)) + np.float32(1e-9)
    two_sided = np.array([f.inside is None for f in model.faces], bool)
    inside = np.array([f.inside or (0, 0, 0) for f in model.faces], np.float32).reshape(-1, 3) @ turn.T
    inside[:, :2] /= 1 - perspective * inside[:, 2:]
    outward = np.where(two_sided, normals[:, 2], ((first - inside) * normals).sum(axis=1))
    normals[outward < 0] *= -1
    return normals, np.flatnonzero((two_sided | (normals[:, 2] > 0)) & (np.abs(normals[:, 2]) > _EDGE_ON))


def rasterised(model: Model, view: View, side: int) -> Surface:
    """Draws the model on a (side, side) canvas."""
    turn = rotation(view)
    balls = _balls_in_view(model, turn, view.perspective)
    corners, starts = _corners_in_view(model, turn, view.perspective)
    unit, offset = _placed(balls, corners, view, side)
    canvas, flip = _Canvas(side), np.outer(_DOWN, _DOWN)
    centres, forms = balls.centres * unit * _DOWN + offset, balls.forms * (flip / np.float32(unit**2))
    canvas.balls(centres, forms, np.sqrt(balls.spreads[:, [0, 1], [0, 1]]) * unit)
    normals = np.zeros((0, 3), np.float32)
    if model.faces:
        normals, shown = _face_normals(model, corners, starts, turn, view.perspective)
        normals = normals * _DOWN
        lifts = np.array([f.lift for f in model.faces], np.float32) * unit
        safe = np.where(np.abs(normals[:, 2:]) > _EDGE_ON, normals, np.float32([0, 0, 1]))
        canvas.faces(corners * unit * _DOWN + offset, starts, safe, lifts, shown.tolist(), len(model.balls))
    return _read(canvas, model, centres, forms, normals, turn, unit, offset)


def _read(canvas: _Canvas, model: Model, ball_px, forms, normals, turn, unit: float, offset: np.ndarray) -> Surface:
    covered = canvas.nearest >= 0
    where = np.flatnonzero(covered)
    number = canvas.nearest.ravel()[where]
    rows, columns = np.divmod(where.astype(np.int32), canvas.side)
    half = np.float32(0.5)
    seen = np.stack([columns + half, rows + half, canvas.depth.ravel()[where]])  # (3, n)
    count = len(model.balls)
    # a ball's normal is form @ (point - centre); a face's is given: one table of both, form 0 for faces
    table = np.zeros((15, count + len(model.faces)), np.float32)
    table[:9, :count], table[9:12, :count] = forms.reshape(-1, 9).T, ball_px.T
    table[12:, count:] = normals.T
    own = table.take(number, axis=1)  # (15, n)
    q = seen - own[9:12]
    out = own[12:]
    for k in range(3):
        out += own[3 * k : 3 * k + 3] * q[k]  # the forms are symmetric
    out *= np.float32([[1], [-1], [1]]) / np.sqrt(
        out[0] * out[0] + out[1] * out[1] + out[2] * out[2] + np.float32(1e-12)
    )
    turned = (turn.T * np.float32([1, -1, 1])) / np.float32(unit)  # perspective left out: points only place patterns
    points = np.stack([r[0] * seen[0] + r[1] * seen[1] + r[2] * seen[2] - r @ offset for r in turned])
    paints = [b.paint for b in model.balls] + [f.paint for f in model.faces]
    return Surface(covered, canvas.depth, where, _finish(paints, number), out, points)


def _finish(paints: list[Paint], number: np.ndarray) -> Finish:
    rows = [(*p.colour, p.rough, p.gloss, p.pattern, *p.second) for p in paints]
    table = np.array(rows, np.float32).T.take(number, axis=1)  # (9, n)
    return Finish(table[:3], table[3], table[4], table[5], table[6:], {p.pattern for p in paints})
