"""From models and views to what each pixel of the entities shows: a z-buffer over ellipsoids and flat faces.

Ellipsoids are exact: along each line of sight the surface is the root of a quadratic. It does not know light or colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from cifake_core.generators.demo_world.projecting import EDGE_ON, Balls, Faces, Solids, View, in_pixels
from cifake_core.generators.demo_world.solids import Model, Paint, Pattern

_FAR = np.float32(-1e9)


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
    """The n pixels of B pictures at which their entities are seen."""

    covered: np.ndarray  # (B, side, side) bool
    depth: np.ndarray  # (B, side, side) float32, larger is nearer
    where: np.ndarray  # (n,) flat pixel numbers of the whole stack, ascending
    picture: np.ndarray  # (n,) which of the B
    finish: Finish  # of each pixel
    normals: np.ndarray  # (3, n) unit; x right, y up, z to the viewer
    points: np.ndarray  # (3, n) object coordinates

    @property
    def side(self) -> int:
        return self.covered.shape[1]

    def of(self, number: int) -> slice:
        """Which of the n pixels belong to one picture."""
        start, stop = np.searchsorted(self.picture, (number, number + 1))
        return slice(int(start), int(stop))


class _Canvas:
    """Depth and the number of the nearest primitive for every pixel. Everything in px; rows run downwards."""

    def __init__(self, pictures: int, side: int):
        self.side = side
        self.depth = np.full((pictures, side, side), _FAR, np.float32)
        self.nearest = np.full((pictures, side, side), -1, np.int32)
        self.grid = np.arange(side, dtype=np.float32) + np.float32(0.5)

    def windows(self, picture: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[tuple[int, int, int, int, int]]:
        """(picture, left, top, right, bottom) of boxes from low to high, both (N, 2), cut at the canvas; empty outside."""
        first = np.clip(np.floor(low), 0, self.side).astype(int)
        last = np.clip(np.ceil(high) + 1, 0, self.side).astype(int)
        return np.column_stack([picture, first, last]).tolist()

    def balls(self, balls: Balls) -> None:
        """qᵀ form q = 1 solved for z: z = -half + sqrt(under); both are sums of a row, a column and one product.

        Beside the ellipsoid `under` is negative and its root not a number, which is nearer than nothing.
        """
        a, b, c, d, e, f = (balls.forms[:, i, j, None] for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
        centres = balls.centres
        dx, dy = self.grid - centres[:, :1], self.grid - centres[:, 1:2]  # (N, side)
        cf, ef = c / f, e / f
        under_x, under_y = (cf * cf - a / f) * dx * dx + 1 / f, (ef * ef - d / f) * dy * dy
        product, z_x, z_y = 2 * (cf * ef - b / f) * dx, centres[:, 2:] - cf * dx, -ef * dy
        flat = centres[:, :2]
        boxes = self.windows(balls.picture, flat - balls.reach, flat + balls.reach)
        with np.errstate(invalid="ignore"):
            for i, (picture, left, top, right, bottom) in enumerate(boxes):
                if right <= left or bottom <= top:
                    continue
                z = dy[i, top:bottom, None] * product[i, left:right]
                z += under_x[i, left:right]
                z += under_y[i, top:bottom, None]
                np.sqrt(z, out=z)
                z += z_x[i, left:right]
                z += z_y[i, top:bottom, None]
                depth = self.depth[picture, top:bottom, left:right]
                nearer = z > depth
                np.copyto(depth, z, where=nearer)
                np.copyto(self.nearest[picture, top:bottom, left:right], i, where=nearer)

    def faces(self, faces: Faces, first: int) -> None:
        """Flat polygons, numbered from `first`."""
        flat, starts, normals = faces.corners[:, :2], faces.starts, faces.normals
        low, high = np.minimum.reduceat(flat, starts[:-1]), np.maximum.reduceat(flat, starts[:-1])
        boxes = self.windows(faces.picture, low, high)
        slope = -normals[:, :2] / np.where(np.abs(normals[:, 2:]) > EDGE_ON, normals[:, 2:], 1)
        origin = faces.corners[starts[:-1]]
        z_x = (origin[:, 2] + faces.lifts)[:, None] + slope[:, :1] * (self.grid - origin[:, :1])  # (F, side)
        z_y = slope[:, 1:] * (self.grid - origin[:, 1:2])
        sixteenths = np.rint((flat - np.float32(0.5)) * 16).astype(np.int32)
        for i in faces.shown.tolist():
            picture, left, top, right, bottom = boxes[i]
            if right <= left or bottom <= top:
                continue
            filled = np.zeros((bottom - top, right - left), np.uint8)
            outline = sixteenths[starts[i] : starts[i + 1]] - np.array((16 * left, 16 * top), np.int32)
            cv2.fillPoly(filled, [outline], 1, shift=4)
            z = z_y[i, top:bottom, None] + z_x[i, left:right]
            depth = self.depth[picture, top:bottom, left:right]
            nearer = z > depth
            nearer &= filled.view(bool)
            np.copyto(depth, z, where=nearer)
            np.copyto(self.nearest[picture, top:bottom, left:right], first + i, where=nearer)


def rasterised(models: Sequence[Model], views: Sequence[View], side: int) -> Surface:
    """Draws each model, which must hold at least one solid, on a (side, side) canvas of its own."""
    solids = in_pixels(models, views, side)
    canvas = _Canvas(len(models), side)
    canvas.balls(solids.balls)
    if len(solids.faces.picture):
        canvas.faces(solids.faces, len(solids.balls.picture))
    paints = [b.paint for m in models for b in m.balls] + [f.paint for m in models for f in m.faces]
    return _read(canvas, solids, paints)


def _read(canvas: _Canvas, solids: Solids, paints: list[Paint]) -> Surface:
    balls, faces = solids.balls, solids.faces
    where = np.flatnonzero(canvas.nearest >= 0)
    number = canvas.nearest.ravel()[where]
    picture, rest = np.divmod(where.astype(np.int32), canvas.side**2)
    rows, columns = np.divmod(rest, canvas.side)
    half = np.float32(0.5)
    seen = np.stack([columns + half, rows + half, canvas.depth.ravel()[where]])  # (3, n)
    count = len(balls.picture)
    # a ball's normal is form @ (point - centre); a face's is given: one table of both, form 0 for faces
    table = np.zeros((15, count + len(faces.picture)), np.float32)
    table[:9, :count], table[9:12, :count] = balls.forms.reshape(-1, 9).T, balls.centres.T
    table[12:, count:] = faces.normals.T
    own = table.take(number, axis=1)  # (15, n)
    q = seen - own[9:12]
    out = own[12:]
    for k in range(3):
        out += own[3 * k : 3 * k + 3] * q[k]  # the forms are symmetric
    out *= np.float32([[1], [-1], [1]]) / np.sqrt(
        out[0] * out[0] + out[1] * out[1] + out[2] * out[2] + np.float32(1e-12)
    )
    seen -= solids.offset.T.take(picture, axis=1)
    back = solids.back.reshape(-1, 9).T.take(picture, axis=1)
    points = sum(back[3 * k : 3 * k + 3] * seen[k] for k in range(3))  # perspective left out: they only place patterns
    return Surface(canvas.nearest >= 0, canvas.depth, where, picture, _finish(paints, number), out, points)


def _finish(paints: list[Paint], number: np.ndarray) -> Finish:
    rows = [(*p.colour, p.rough, p.gloss, p.pattern, *p.second) for p in paints]
    table = np.array(rows, np.float32).T.take(number, axis=1)  # (9, n)
    return Finish(table[:3], table[3], table[4], table[5], table[6:], {p.pattern for p in paints})
