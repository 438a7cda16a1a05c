"""Automobiles as solids with windows, lamps and wheels, and the parts they share with trucks. Front is +x, the road y = 0, 1 m = 1."""

from random import Random

from cifake_core.generators.demo_world.solids import Colour, Model, Paint, Point, wheel

_GLASS = Paint((0.10, 0.13, 0.16), 0.0, 1.0)
_TYRE = Paint((0.06, 0.06, 0.065), 0.1)
RIM = Paint((0.66, 0.67, 0.69), 0.0, 0.5)
BLACK = Paint((0.10, 0.10, 0.11), 0.1, 0.2)
LAMP = Paint((0.96, 0.95, 0.88), 0.0, 0.6)
_REAR_LAMP = Paint((0.72, 0.08, 0.07), 0.0, 0.5)
CHROME = Paint((0.72, 0.73, 0.75), 0.0, 0.7)

LACQUERS: tuple[Colour, ...] = (
    (0.72, 0.10, 0.09), (0.80, 0.80, 0.81), (0.12, 0.12, 0.13), (0.14, 0.24, 0.52), (0.92, 0.92, 0.92), (0.42, 0.44, 0.46),
    (0.16, 0.34, 0.22), (0.86, 0.70, 0.16), (0.46, 0.10, 0.14), (0.70, 0.64, 0.52), (0.30, 0.50, 0.70), (0.82, 0.40, 0.12),
)  # fmt: skip


def lacquer(dice: Random) -> Paint:
    return Paint(dice.choice(LACQUERS), 0.04, 0.75)


def _between(a: Point, b: Point, share: float) -> Point:
    return tuple(p + share * (q - p) for p, q in zip(a, b, strict=True))


def pane(
    model: Model, corners, inside: Point, x: tuple[float, float], y: tuple[float, float], paint: Paint = _GLASS
) -> None:
    """A decal on the quad (low front, low rear, high rear, high front): shares of its width and height."""
    low_a, low_b, high_b, high_a = corners

    def at(u: float, v: float) -> Point:
        return _between(_between(low_a, low_b, u), _between(high_a, high_b, u), v)

    quad = [at(x[0], y[0]), at(x[1], y[0]), at(x[1], y[1]), at(x[0], y[1])]
    model.face(quad, paint, inside, 0.03)


def cabin(
    model: Model, paint: Paint, low: tuple[float, float, float], high: tuple[float, float, float], half: float
) -> None:
    """Glasshouse: (front x, rear x, y) below and above; narrower above."""
    top = half * 0.80
    ring_low = [(low[0], low[2], -half), (low[1], low[2], -half), (low[1], low[2], half), (low[0], low[2], half)]
    ring_high = [(high[0], high[2], -top), (high[1], high[2], -top), (high[1], high[2], top), (high[0], high[2], top)]
    model.prism(ring_low, ring_high, paint)
    inside = ((low[0] + low[1]) / 2, (low[2] + high[2]) / 2, 0.0)
    for a, b in ((0, 1), (3, 2)):
        sheet = (ring_low[a], ring_low[b], ring_high[b], ring_high[a])
        pane(model, sheet, inside, (0.07, 0.47), (0.08, 0.84))
        pane(model, sheet, inside, (0.53, 0.93), (0.08, 0.84))
    for a, b in ((0, 3), (1, 2)):
        pane(model, (ring_low[a], ring_low[b], ring_high[b], ring_high[a]), inside, (0.06, 0.94), (0.08, 0.90))


def body(
    model: Model, paint: Paint, length: float, half: float, sill: float, belt: float, nose: float, tail: float
) -> None:
    """Lower body: `nose` and `tail` are the heights of its ends, below the belt line; edges drawn in a little."""
    front, rear = length / 2, -length / 2
    side = [(front, sill), (front, nose * 0.95), (front - 0.12 * length, nose * 1.0), (front - 0.30 * length, belt)]
    side += [(rear + 0.14 * length, belt), (rear + 0.02 * length, tail), (rear, tail * 0.95), (rear, sill)]
    model.prism([(x, y, -half) for x, y in side], [(x, y, half) for x, y in side], paint)
    inside = (0.0, (sill + belt) / 2, 0.0)
    for x, lamp in ((front, LAMP), (rear, _REAR_LAMP)):
        height = nose if x > 0 else tail
        y0, y1 = sill + 0.52 * (height - sill), sill + 0.84 * (height - sill)
        for z in (-1, 1):
            model.face(
                (
                    (x, y0, z * half * 0.62),
                    (x, y0, z * half * 0.97),
                    (x, y1, z * half * 0.97),
                    (x, y1, z * half * 0.62),
                ),
                lamp,
                inside,
                0.04,
            )
            length_back = -0.10 if x > 0 else 0.10
            model.face(
                (
                    (x, y0, z * half),
                    (x + length_back, y0, z * half),
                    (x + length_back, y1, z * half),
                    (x, y1, z * half),
                ),
                lamp,
                inside,
                0.04,
            )
        model.face(
            ((x, sill, -half), (x, sill, half), (x, sill + 0.14, half), (x, sill + 0.14, -half)), BLACK, inside, 0.03
        )
    x, y0, y1 = front, sill + 0.42 * (nose - sill), sill + 0.80 * (nose - sill)
    model.face(
        ((x, y0, -half * 0.55), (x, y0, half * 0.55), (x, y1, half * 0.55), (x, y1, -half * 0.55)), BLACK, inside, 0.04
    )


def wheels(model: Model, axles, radius: float, half: float, rim: Paint = RIM) -> None:
    for x in axles:
        for z in (-1, 1):
            model.ball((x, radius * 1.06, z * half * 0.965), (radius * 1.16, 0.06, radius * 1.16), BLACK)  # the arch
            wheel(model, (x, radius, z * (half - 0.08)), radius, 0.24, _TYRE, rim)


def automobile(dice: Random) -> Model:
    """Saloon, hatchback, estate, coupé, off-roader or convertible."""
    model, paint = Model(), lacquer(dice)
    kind = dice.choice(("saloon", "saloon", "hatch", "estate", "coupe", "off-road", "open"))
    length = {"hatch": 3.8, "coupe": 4.2, "off-road": 4.3}.get(kind, 4.6) * dice.uniform(0.95, 1.06)
    tall = kind == "off-road"
    half, sill, belt = dice.uniform(0.82, 0.92), 0.40 if tall else 0.26, 1.10 if tall else dice.uniform(0.86, 0.95)
    roof = 1.85 if tall else {"coupe": 1.26, "open": 1.18}.get(kind, 1.45) * dice.uniform(0.97, 1.04)
    nose, tail = belt * (0.92 if tall else dice.uniform(0.74, 0.86)), belt * dice.uniform(0.9, 1.0)
    body(model, paint, length, half, sill, belt, nose, tail)
    end = {"hatch": -0.47, "estate": -0.48, "off-road": -0.49, "open": -0.02}.get(kind, -0.36) * length
    slope = {"saloon": 0.13, "coupe": 0.22, "hatch": 0.10}.get(kind, 0.05) * length
    start = 0.22 * length
    if kind == "open":
        screen = (
            (start, belt, -half * 0.8),
            (start, belt, half * 0.8),
            (start - 0.35, roof, half * 0.7),
            (start - 0.35, roof, -half * 0.7),
        )
        model.face(screen, _GLASS)
        model.box((-0.25 * length, belt - 0.02, -half * 0.75), (0.12 * length, belt + 0.02, half * 0.75), BLACK)
        model.box(
            (-0.16 * length, belt, -half * 0.6), (-0.08 * length, belt + 0.28, half * 0.6), Paint((0.34, 0.24, 0.18))
        )
    else:
        cabin(
            model,
            paint,
            (start, end, belt),
            (start - dice.uniform(0.10, 0.16) * length, end + slope, roof),
            half * 0.95,
        )
    radius = 0.40 if tall else dice.uniform(0.31, 0.35)
    wheels(model, (length * 0.31, -length * 0.30), radius, half)
    return model
