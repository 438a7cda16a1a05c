"""Cats, deer, dogs and horses: one skeleton, four builds. Lengths in units of the trunk, hip to shoulder = 1.

It knows anatomy and coats; it does not know views or scenes.
"""

import math
from dataclasses import dataclass
from random import Random

from cifake_core.generators.demo_world.heads import EARS, SNOUTS, Coat, head
from cifake_core.generators.demo_world.solids import Model, Paint, Pattern, Point


@dataclass(frozen=True)
class Build:
    """Proportions of a species (trunk = 1)."""

    leg: float  # height of the trunk's axis over the ground
    girth: float  # radius of the trunk
    leg_radius: float
    neck: float  # length
    neck_radius: float
    neck_tilt: tuple[float, float]  # range, radians above the horizontal
    head: float  # radius of the skull
    tail: str  # "long", "brush", "stub" or "hair"


BUILDS = {
    "cat": Build(0.58, 0.235, 0.075, 0.20, 0.13, (0.4, 0.9), 0.215, "long"),
    "deer": Build(0.98, 0.235, 0.055, 0.56, 0.105, (0.85, 1.25), 0.135, "stub"),
    "dog": Build(0.72, 0.245, 0.085, 0.30, 0.14, (0.5, 1.05), 0.185, "brush"),
    "horse": Build(1.02, 0.285, 0.075, 0.62, 0.165, (0.6, 1.0), 0.165, "hair"),
}


def _shade(colour, by: float):
    return tuple(min(max(c * by, 0.0), 1.0) for c in colour)


_FURS = {
    "cat": (
        (0.55, 0.47, 0.38), (0.62, 0.60, 0.57), (0.86, 0.58, 0.30), (0.14, 0.13, 0.13), (0.90, 0.87, 0.82), (0.48, 0.48, 0.50),
        (0.80, 0.68, 0.52),
    ),
    "deer": ((0.62, 0.42, 0.24), (0.55, 0.40, 0.27), (0.70, 0.50, 0.30), (0.48, 0.38, 0.29)),
    "dog": (
        (0.74, 0.56, 0.34), (0.16, 0.14, 0.13), (0.90, 0.87, 0.82), (0.48, 0.31, 0.19), (0.82, 0.70, 0.52), (0.50, 0.47, 0.45),
        (0.62, 0.38, 0.18),
    ),
    "horse": (
        (0.42, 0.24, 0.13), (0.55, 0.31, 0.16), (0.15, 0.12, 0.11), (0.86, 0.84, 0.80), (0.30, 0.19, 0.13), (0.66, 0.62, 0.58),
        (0.72, 0.54, 0.33),
    ),
}  # fmt: skip


def coat(species: str, dice: Random) -> Coat:
    """The colours of one animal."""
    fur = _shade(dice.choice(_FURS[species]), dice.uniform(0.85, 1.15))
    white, dark = (0.92, 0.90, 0.86), _shade(fur, 0.45)
    patterns = {
        "cat": ((Pattern.STRIPES, dark), (Pattern.STRIPES, dark), (Pattern.PATCHES, white), (Pattern.PLAIN, white)),
        "deer": ((Pattern.UNDERSIDE, white),) * 4 + ((Pattern.SPOTS, _shade(fur, 1.35)),),
        "dog": ((Pattern.PLAIN, white), (Pattern.PATCHES, white), (Pattern.UNDERSIDE, white), (Pattern.PATCHES, dark)),
        "horse": ((Pattern.PLAIN, white),) * 5 + ((Pattern.PATCHES, white),),
    }
    pattern, second = dice.choice(patterns[species])
    body = Paint(fur, 0.30, 0.06 if species == "horse" else 0.0, pattern, second)
    limbs = {"deer": _shade(fur, 0.85), "horse": dice.choice((_shade(fur, 0.5), fur, fur))}.get(species, fur)
    sock = dice.choice((white, limbs, limbs))
    mane = dice.choice((_shade(fur, 0.35), (0.10, 0.08, 0.07), _shade(fur, 0.8)))
    return Coat(body, Paint(limbs, 0.2), Paint(sock, 0.15), Paint(_shade(fur, 0.7), 0.2), Paint(mane, 0.4))


def _leg(model: Model, build: Build, coat: Coat, hip: Point, swing: float, bend: float, hind: bool) -> None:
    """Upper and lower leg and foot; `swing` and `bend` in radians, forward and backward."""
    x, y, z = hip
    upper, lower = y * 0.50, y * 0.50
    knee = (x + upper * math.sin(swing), y - upper * math.cos(swing), z)
    below = swing - bend
    foot = (knee[0] + lower * math.sin(below), max(knee[1] - lower * math.cos(below), 0.03), z)
    model.limb((x, y + 0.08, z), knee, build.leg_radius * (1.75 if hind else 1.4), coat.body)
    model.limb(knee, foot, build.leg_radius * 0.78, coat.limbs)
    model.ball(
        (foot[0] + 0.03, foot[1] + 0.01, z),
        (build.leg_radius * 1.25, build.leg_radius, build.leg_radius * 0.8),
        coat.feet,
    )


def _trunk(model: Model, build: Build, coat: Coat) -> None:
    y, g = build.leg, build.girth
    model.ball((0, y, 0), (0.56, g * 0.86, g * 0.92), coat.body)
    model.ball((0.34, y - 0.01, 0), (0.26, g * 0.88, g * 1.08), coat.body)
    model.ball((-0.36, y + 0.02, 0), (0.26, g * 0.92, g * 1.02), coat.body)


def _tail(model: Model, build: Build, coat: Coat, dice: Random, root: Point) -> None:
    x, y, z = root
    if build.tail == "stub":
        model.limb(root, (x - 0.08, y - 0.08, z), 0.05, Paint((0.93, 0.91, 0.88)))
        model.ball((x + 0.02, y - 0.08, z), (0.05, 0.14, 0.13), Paint((0.90, 0.87, 0.82)))
    elif build.tail == "hair":
        out = dice.uniform(0.05, 0.35)
        model.limb(root, (x - out, y - 0.22, z), 0.06, coat.mane)
        model.limb((x - out, y - 0.15, z), (x - out - 0.02, y - 0.72, z), 0.085, coat.mane)
    else:
        length, curl = (0.62, dice.uniform(-0.9, 1.3)) if build.tail == "long" else (0.42, dice.uniform(0.1, 1.4))
        middle = (x - length * 0.5 * math.cos(curl * 0.5), y + length * 0.5 * math.sin(curl * 0.5), z)
        end = (middle[0] - length * 0.5 * math.cos(curl * 1.4), middle[1] + length * 0.5 * math.sin(curl * 1.4), z)
        radius = 0.05 if build.tail == "long" else 0.065
        model.limb(root, middle, radius, coat.body)
        model.limb(middle, end, radius * 0.9, coat.body)


def _neck_and_head(model: Model, species: str, coat: Coat, dice: Random, root: Point, tilt: float, male: bool) -> None:
    build = BUILDS[species]
    x, y, z = root
    crest = (x + build.neck * math.cos(tilt), y + build.neck * math.sin(tilt), z)
    model.limb((x - 0.10, y - 0.06, z), crest, build.neck_radius, coat.body, 1.35 if species == "horse" else 1.1)
    if species == "horse":
        over = (-math.sin(tilt) * 0.14, math.cos(tilt) * 0.14)
        model.limb((x + over[0], y + over[1], z), (crest[0] + over[0], crest[1] + over[1], z), 0.07, coat.mane)
    turn = dice.choice((0.0, dice.uniform(-0.5, 0.5), dice.uniform(-1.3, 1.3)))
    droop = {"horse": -0.75, "deer": -0.35, "dog": -0.15, "cat": -0.05}[species] + dice.uniform(-0.2, 0.25)
    part = head(
        build.head,
        coat,
        SNOUTS[species],
        EARS[species] if species != "dog" else dice.choice(("floppy", "pricked")),
        male,
    )
    model.join(part, crest, turn, droop if tilt > 0 else -1.1)


def standing(species: str, dice: Random) -> Model:
    """On four legs, at rest, walking, running or grazing."""
    build, paint, model = BUILDS[species], coat(species, dice), Model()
    stride = dice.choice((0.05, 0.25, 0.25, 0.6))
    phase = dice.uniform(0, 2 * math.pi)
    for index, (x, hind) in enumerate(((0.36, False), (0.36, False), (-0.38, True), (-0.38, True))):
        swing = stride * math.sin(phase + index * 2.2)
        z = build.girth * (0.55 if index % 2 else -0.55)
        _leg(model, build, paint, (x, build.leg - build.girth * 0.35, z), swing, abs(swing) * 0.7 + 0.05, hind)
    _trunk(model, build, paint)
    tilt = dice.uniform(*build.neck_tilt)
    if species in ("horse", "deer") and dice.random() < 0.18:
        tilt = -dice.uniform(0.6, 0.9)
    male = dice.random() < 0.55
    _neck_and_head(model, species, paint, dice, (0.46, build.leg + build.girth * 0.45, 0), tilt, male)
    _tail(model, build, paint, dice, (-0.56, build.leg + build.girth * 0.45, 0))
    return model


def sitting(species: str, dice: Random) -> Model:
    """Cat or dog on its haunches."""
    build, paint, model = BUILDS[species], coat(species, dice), Model()
    g = build.girth
    model.limb((-0.28, g * 1.1, 0), (0.10, 0.72, 0), g * 0.95, paint.body)
    model.ball((-0.26, g * 1.05, 0), (g * 1.25, g * 1.2, g * 1.1), paint.body)
    model.ball((0.12, 0.60, 0), (g * 0.95, g * 0.9, g * 1.1), paint.body)
    for z in (-0.13, 0.13):
        model.limb((0.16, 0.55, z), (0.22, 0.06, z), build.leg_radius * 1.1, paint.limbs)
        model.ball((0.26, 0.05, z), (0.11, 0.07, 0.055), paint.feet)
        model.ball((-0.12, 0.17, z * 1.7), (0.23, 0.10, 0.19), paint.body)
        model.ball((0.06, 0.05, z * 1.9), (0.13, 0.06, 0.05), paint.feet)
    _neck_and_head(model, species, paint, dice, (0.12, 0.80, 0), dice.uniform(0.9, 1.4), False)
    _tail(model, build, paint, dice, (-0.50, 0.14, 0.1))
    return model


def lying(species: str, dice: Random) -> Model:
    """Cat, dog or deer with its legs folded."""
    build, paint, model = BUILDS[species], coat(species, dice), Model()
    g = build.girth
    model.ball((0, g * 0.95, 0), (0.58, g * 1.05, g), paint.body)
    model.ball((-0.36, g * 0.95, 0), (0.27, g * 1.15, g * 1.02), paint.body)
    for z in (-0.15, 0.15):
        model.limb((0.36, 0.12, z), (0.74, 0.06, z), build.leg_radius, paint.limbs)
        model.ball((0.78, 0.06, z), (0.08, 0.06, 0.055), paint.feet)
        model.ball((-0.26, 0.16, z * 1.6), (0.26, 0.09, 0.17), paint.body)
    _neck_and_head(
        model, species, paint, dice, (0.46, g * 1.5, 0), max(dice.uniform(*build.neck_tilt), 0.4), dice.random() < 0.4
    )
    _tail(model, build, paint, dice, (-0.58, 0.16, 0.12))
    return model


def portrait(species: str, dice: Random) -> Model:
    """Head and shoulders; the frame cuts the rest off."""
    build, paint, model = BUILDS[species], coat(species, dice), Model(grounded=False)
    tilt = {"horse": 0.9, "deer": 1.2}.get(species, 1.2)
    h = build.head
    length = max(build.neck * 0.7, h * 0.9)
    crest = (length * math.cos(tilt), length * math.sin(tilt), 0.0)
    if species in ("cat", "dog"):
        model.limb((-0.06, -h * 1.2, 0), crest, build.neck_radius * 1.3, paint.body, 1.15)
        model.ball((-h * 0.6, -h * 1.7, 0), (h * 1.35, h * 1.30, h * 1.75), paint.body)
    else:
        deep = 0.40 if species == "deer" else 0.75
        model.limb((-0.30 * deep - 0.07, -deep, 0), crest, build.neck_radius * 1.05, paint.body, 1.25)
        model.ball((-0.30, -deep - 0.10, 0), (0.30, 0.26, 0.40), paint.body)
    if species == "horse":
        model.limb((-0.34, -0.35, 0), (crest[0] - 0.12, crest[1] + 0.12, 0), 0.09, paint.mane)
    ears = EARS[species] if species != "dog" else dice.choice(("floppy", "floppy", "pricked"))
    droop = {"horse": -0.75, "deer": -0.3, "dog": -0.1, "cat": 0.0}[species] + dice.uniform(-0.15, 0.2)
    model.join(head(h, paint, SNOUTS[species], ears, dice.random() < 0.5), crest, dice.uniform(-0.5, 0.5), droop)
    return model
