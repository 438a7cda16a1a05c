"""A model: ellipsoids and flat faces in object coordinates (x forward, y up, z to the left side), with paint.

It knows shapes and colours; it does not know views, light or what the shapes stand for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

Point = tuple[float, float, float]
Colour = tuple[float, float, float]  # sRGB-like, 0..1


class Pattern(IntEnum):
    """How the second colour of a paint is laid over the first."""

    PLAIN = 0
    STRIPES = 1  # bands across the long axis, wavering
    PATCHES = 2  # large irregular areas
    SPOTS = 3  # small irregular dots
    UNDERSIDE = 4  # faces pointing down
    BAND = 5  # one horizontal line at half height


class Paint(NamedTuple):
    """Colour and finish of a surface. `rough`: how strongly fine texture modulates it; `gloss`: 0 matt to 1 lacquer."""

    colour: Colour
    rough: float = 0.15
    gloss: float = 0.0
    pattern: Pattern = Pattern.PLAIN
    second: Colour = (0.0, 0.0, 0.0)


class Ball(NamedTuple):
    centre: Point
    radii: Point  # along the axis, sideways, towards `up`
    axis: Point
    paint: Paint


class Face(NamedTuple):
    corners: Sequence[Point]
    paint: Paint
    inside: Point | None  # a point inside the solid the face bounds; None: seen from both sides
    lift: float  # drawn this much nearer than it lies: decals


@dataclass
class Model:
    """What is drawn. `grounded`: stands on y = its lowest point; otherwise it flies or floats."""

    balls: list[Ball] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)
    grounded: bool = True

    def ball(self, centre: Point, radii: Point | float, paint: Paint, axis: Point = (1, 0, 0)) -> None:
        self.balls.append(Ball(centre, (radii,) * 3 if isinstance(radii, int | float) else radii, axis, paint))

    def limb(self, start: Point, end: Point, radius: float, paint: Paint, flat: float = 1.0) -> None:
        """An ellipsoid from start to end; `flat` scales its second radius."""
        (x0, y0, z0), (x1, y1, z1) = start, end
        axis, middle = (x1 - x0, y1 - y0, z1 - z0), ((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2)
        self.balls.append(Ball(middle, (math.hypot(*axis) / 2 + radius * 0.7, radius, radius * flat), axis, paint))

    def face(self, corners: Sequence[Point], paint: Paint, inside: Point | None = None, lift: float = 0.0) -> None:
        self.faces.append(Face(corners, paint, inside, lift))

    def prism(self, low: Sequence[Point], high: Sequence[Point], paint: Paint, top: Paint | None = None) -> None:
        """Closed solid between two outlines of equally many corners."""
        count = len(low)
        inside = tuple(sum(along) / (2 * count) for along in zip(*low, *high, strict=True))
        self.face(high, top or paint, inside)
        self.face(low, paint, inside)
        for i in range(count):
            j = (i + 1) % count
            self.face((low[i], low[j], high[j], high[i]), paint, inside)

    def box(self, low: Point, high: Point, paint: Paint, top: Paint | None = None) -> None:
        (x0, y0, z0), (x1, y1, z1) = low, high
        ground = ((x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1))
        self.prism(ground, [(x, y1, z) for x, _, z in ground], paint, top)

    def join(self, other: "Model", at: Point, turn: float = 0.0, tilt: float = 0.0) -> None:
        """Adds another model, turned about y by `turn` and then lifted at its front by `tilt` (radians), moved to `at`."""
        ct, st, cu, su = math.cos(turn), math.sin(turn), math.cos(tilt), math.sin(tilt)

        def rotated(p: Point) -> Point:
            x, y, z = cu * p[0] - su * p[1], su * p[0] + cu * p[1], p[2]
            return ct * x + st * z, y, ct * z - st * x

        def moved(p: Point) -> Point:
            x, y, z = rotated(p)
            return x + at[0], y + at[1], z + at[2]

        for ball in other.balls:
            self.balls.append(Ball(moved(ball.centre), ball.radii, rotated(ball.axis), ball.paint))
        for face in other.faces:
            inside = None if face.inside is None else moved(face.inside)
            self.faces.append(Face([moved(p) for p in face.corners], face.paint, inside, face.lift))


def wheel(model: Model, centre: Point, radius: float, width: float, tyre: Paint, rim: Paint) -> None:
    """A wheel on the axle z at `centre`; its outer disc lies at centre.z ± width / 2, away from the model's middle."""
    x, y, z = centre
    outward = math.copysign(1.0, z)
    model.ball(centre, (width * 0.62, radius, radius), tyre, axis=(0, 0, 1))
    for share, paint, lift in ((0.93, tyre, 0.05), (0.6, rim, 0.06), (0.2, tyre, 0.07)):
        ring = [
            (x + share * radius * math.cos(a), y + share * radius * math.sin(a), z + outward * width / 2)
            for a in (k * math.pi / 6 for k in range(12))
        ]
        model.face(ring, paint, inside=(x, y, z - outward), lift=lift * radius)
