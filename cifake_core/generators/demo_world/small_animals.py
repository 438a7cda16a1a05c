"""Birds and frogs. Lengths: a bird's body is about 1 long, a frog's too. Front is +x."""

import math
from random import Random

from cifake_core.generators.demo_world.solids import Model, Paint, Pattern

_EYE = Paint((0.04, 0.04, 0.04), 0.0, 0.9)
_PLUMAGES = (  # body, breast, wing
    ((0.50, 0.38, 0.26), (0.80, 0.72, 0.60), (0.36, 0.26, 0.18)),
    ((0.90, 0.90, 0.88), (0.95, 0.95, 0.94), (0.60, 0.62, 0.66)),
    ((0.10, 0.10, 0.12), (0.14, 0.13, 0.15), (0.07, 0.07, 0.09)),
    ((0.70, 0.16, 0.12), (0.78, 0.22, 0.16), (0.36, 0.12, 0.11)),
    ((0.20, 0.38, 0.66), (0.84, 0.70, 0.56), (0.14, 0.24, 0.48)),
    ((0.82, 0.72, 0.20), (0.88, 0.80, 0.34), (0.30, 0.30, 0.20)),
    ((0.44, 0.46, 0.50), (0.72, 0.72, 0.72), (0.30, 0.32, 0.36)),
    ((0.24, 0.34, 0.22), (0.62, 0.58, 0.44), (0.20, 0.26, 0.16)),
    ((0.46, 0.32, 0.22), (0.78, 0.40, 0.20), (0.34, 0.26, 0.20)),
)
_BEAKS = (Paint((0.82, 0.60, 0.16), 0.0, 0.2), Paint((0.18, 0.16, 0.14), 0.0, 0.3), Paint((0.72, 0.36, 0.14), 0.0, 0.2))


def _plumage(dice: Random) -> tuple[Paint, Paint, Paint]:
    body, breast, wing = dice.choice(_PLUMAGES)
    return Paint(body, 0.2, 0.0, Pattern.UNDERSIDE, breast), Paint(breast, 0.15), Paint(wing, 0.3)


def _bird_head(model: Model, at, radius: float, body: Paint, dice: Random, beak_length: float) -> None:
    x, y, _ = at
    model.ball(at, (radius * 1.1, radius * 0.95, radius), body)
    beak = dice.choice(_BEAKS)
    root, tip = x + radius * 0.7, x + radius * (1.1 + beak_length)
    for z in (-1, 1):
        side = z * radius * 0.30
        model.face(((root, y + radius * 0.30, 0), (root, y - radius * 0.25, side), (tip, y - radius * 0.2, 0)), beak)
    model.face(
        ((root, y - radius * 0.25, -radius * 0.3), (root, y - radius * 0.25, radius * 0.3), (tip, y - radius * 0.2, 0)),
        beak,
    )
    for z in (-1, 1):
        model.ball((x + radius * 0.48, y + radius * 0.25, z * radius * 0.78), radius * 0.20, _EYE)


def perched(dice: Random) -> Model:
    """Standing on thin legs, wings folded; slim or plump."""
    body, breast, wing = _plumage(dice)
    model, plump = Model(), dice.uniform(0.20, 0.29)
    lean = dice.uniform(0.25, 0.85)
    c, s = math.cos(lean), math.sin(lean)
    leg = dice.uniform(0.22, 0.36)
    y = leg + plump * 1.0
    model.ball((0, y, 0), (0.44, plump * 0.9, plump), body, axis=(c, s, 0))
    model.ball((0.12 * c, y + 0.10 * s - 0.03, 0), (0.26, plump * 0.9, plump * 0.98), breast, axis=(c, s, 0))
    _bird_head(model, (0.40 * c, y + 0.40 * s + 0.10, 0), dice.uniform(0.155, 0.20), body, dice, dice.uniform(0.6, 1.3))
    for z in (-1, 1):
        model.ball((-0.12 * c, y - 0.08 * s + 0.03, z * plump * 0.82), (0.40, 0.05, 0.15), wing, axis=(c, s * 0.8, 0))
        model.limb((0.02, y - plump * 0.7, z * 0.08), (0.06, 0.02, z * 0.09), 0.020, Paint((0.34, 0.24, 0.14)))
        model.limb((0.02, 0.015, z * 0.09), (0.16, 0.015, z * 0.09), 0.020, Paint((0.34, 0.24, 0.14)))
    model.ball((-0.56 * c, y - 0.52 * s, 0), (dice.uniform(0.22, 0.34), 0.09, 0.04), wing, axis=(c, s, 0))
    return model


def wading(dice: Random) -> Model:
    """Long legs and a long neck: heron, stork, ostrich."""
    body, breast, wing = _plumage(dice)
    model, leg = Model(), dice.uniform(0.55, 0.8)
    thick = dice.uniform(0.17, 0.26)
    model.ball((0, leg + 0.16, 0), (0.42, thick * 0.85, thick), body, axis=(1, 0.25, 0))
    top = (dice.uniform(0.35, 0.55), leg + dice.uniform(0.62, 0.85), 0.0)
    bend = (0.48, leg + 0.40, 0.0)
    model.limb((0.28, leg + 0.22, 0), bend, 0.07, breast)
    model.limb(bend, top, 0.055, body)
    _bird_head(model, top, 0.105, body, dice, dice.uniform(1.4, 2.6))
    for z in (-1, 1):
        model.ball((-0.10, leg + 0.18, z * thick * 0.8), (0.38, 0.05, 0.14), wing, axis=(1, 0.3, 0))
        model.limb((0.0, leg + 0.06, z * 0.09), (0.05, 0.02, z * 0.10), 0.026, Paint((0.46, 0.36, 0.24)))
    model.ball((-0.46, leg + 0.06, 0), (0.20, 0.08, 0.05), wing, axis=(1, 0.35, 0))
    return model


def swimming(dice: Random) -> Model:
    """Duck or swan, cut by the water line."""
    body, breast, wing = _plumage(dice)
    model, neck = Model(), dice.choice((0.18, 0.22, 0.45))
    model.ball((0, 0.10, 0), (0.50, 0.22, 0.19), body, axis=(1, 0.06, 0))
    model.ball((0.22, 0.10, 0), (0.26, 0.20, 0.18), breast)
    model.limb((0.36, 0.16, 0), (0.44, 0.22 + neck, 0), 0.085, body)
    _bird_head(model, (0.47, 0.28 + neck, 0), 0.13, dice.choice((body, Paint((0.10, 0.32, 0.20), 0.1, 0.3))), dice, 1.2)
    for z in (-1, 1):
        model.ball((-0.10, 0.17, z * 0.15), (0.38, 0.06, 0.13), wing, axis=(1, 0.08, 0))
    model.ball((-0.50, 0.18, 0), (0.16, 0.09, 0.05), wing, axis=(1, -0.5, 0))
    return model


def soaring(dice: Random) -> Model:
    """In flight: two bent wings, fanned tail."""
    body, _, wing = _plumage(dice)
    model = Model(grounded=False)
    model.ball((0, 0, 0), (0.36, 0.10, 0.10), body)
    _bird_head(model, (0.36, 0.03, 0), 0.095, body, dice, 1.0)
    lift, fold = dice.uniform(-0.35, 0.75), dice.uniform(-0.9, 0.4)
    span, chord = dice.uniform(0.34, 0.46), dice.uniform(0.24, 0.36)
    outer = Paint(tuple(c * 0.55 for c in wing.colour), 0.3)
    for z in (-1, 1):
        elbow = (0.06, span * math.sin(lift), z * span * math.cos(lift))
        bent = lift + fold
        tip = (-0.22, elbow[1] + span * 1.2 * math.sin(bent), elbow[2] + z * span * 1.2 * math.cos(bent))
        model.face(((0.18, 0.03, 0), elbow, (elbow[0] - chord, elbow[1], elbow[2]), (-0.16, 0.03, 0)), wing)
        model.face((elbow, tip, (tip[0] - 0.12, tip[1], tip[2]), (elbow[0] - chord, elbow[1], elbow[2])), outer)
    model.face(
        ((-0.26, 0.0, -0.05), (-0.26, 0.0, 0.05), (-0.62, 0.02, 0.16), (-0.66, 0.02, 0), (-0.62, 0.02, -0.16)), outer
    )
    return model


_SKINS = (
    ((0.36, 0.58, 0.14), (0.82, 0.84, 0.60)),
    ((0.24, 0.44, 0.12), (0.72, 0.74, 0.52)),
    ((0.44, 0.36, 0.20), (0.74, 0.68, 0.52)),
    ((0.30, 0.50, 0.24), (0.76, 0.78, 0.58)),
    ((0.50, 0.62, 0.20), (0.86, 0.86, 0.66)),
    ((0.48, 0.42, 0.24), (0.78, 0.74, 0.58)),
)


def frog(dice: Random) -> Model:
    """Squatting: broad head with eyes on top, folded hind legs."""
    skin, pale = dice.choice(_SKINS)
    pattern = dice.choice((Pattern.UNDERSIDE, Pattern.UNDERSIDE, Pattern.SPOTS))
    back = Paint(skin, 0.15, 0.3, pattern, pale if pattern is Pattern.UNDERSIDE else tuple(c * 0.6 for c in skin))
    leg, belly = Paint(tuple(c * 0.9 for c in skin), 0.25, 0.45), Paint(pale, 0.15, 0.2)
    model, rise = Model(), dice.uniform(0.10, 0.32)
    model.ball((-0.06, 0.26, 0), (0.46, 0.31, 0.21), back, axis=(1, rise, 0))
    model.ball((0.02, 0.19, 0), (0.34, 0.27, 0.17), belly, axis=(1, rise, 0))
    x, y = 0.36, 0.34 + rise * 0.42
    model.ball((x, y, 0), (0.25, 0.27, 0.15), back)
    model.ball((x + 0.02, y - 0.07, 0), (0.23, 0.25, 0.10), belly)  # the throat
    iris = Paint(dice.choice(((0.80, 0.62, 0.16), (0.60, 0.36, 0.14), (0.74, 0.72, 0.30))), 0.0, 0.5)
    for z in (-1, 1):
        model.ball((x - 0.03, y + 0.14, z * 0.165), 0.105, back)
        model.ball((x + 0.01, y + 0.155, z * 0.205), 0.085, iris)
        model.ball((x + 0.03, y + 0.158, z * 0.240), (0.055, 0.045, 0.055), _EYE)
        model.ball((-0.22, 0.22, z * 0.33), (0.31, 0.12, 0.15), leg, axis=(1, 0.5, z * 0.12))
        model.limb((0.02, 0.30, z * 0.40), (-0.40, 0.08, z * 0.44), 0.08, leg)
        model.ball((-0.20, 0.035, z * 0.52), (0.28, 0.09, 0.035), leg, axis=(1, 0, z * 0.25))
        model.limb((0.26, 0.22, z * 0.24), (0.30, 0.05, z * 0.36), 0.065, leg)
        model.ball((0.38, 0.03, z * 0.40), (0.13, 0.08, 0.03), leg, axis=(1, 0, z * 0.5))
    return model
