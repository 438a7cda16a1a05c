"""Aeroplanes, about 2 long, front at +x. Views and scenes are not known here."""

import math
from random import Random

from cifake_core.generators.demo_world.solids import Colour, Model, Paint, Pattern, Point

GLASS = Paint((0.10, 0.13, 0.17), 0.0, 1.0)
METAL = Paint((0.60, 0.62, 0.65), 0.03, 0.5)
DARK = Paint((0.12, 0.12, 0.13), 0.1)
LIVERIES: tuple[Colour, ...] = (
    (0.14, 0.26, 0.58), (0.74, 0.12, 0.12), (0.10, 0.42, 0.36), (0.88, 0.60, 0.12), (0.20, 0.20, 0.24), (0.36, 0.52, 0.74),
)  # fmt: skip


def _wing(model: Model, root: Point, tip: Point, root_chord: float, tip_chord: float, paint: Paint) -> None:
    """A thin plate from root to tip (leading edges) and its mirror image."""
    for z in (-1, 1):
        a, b = (root[0], root[1], z * root[2]), (tip[0], tip[1], z * tip[2])
        model.face((a, b, (b[0] - tip_chord, b[1], b[2]), (a[0] - root_chord, a[1], a[2])), paint)


def _fin(
    model: Model, x: float, y: float, chord: float, height: float, paint: Paint, z: float = 0.0, lean: float = 0.0
) -> None:
    back = x - chord * 0.6
    model.face(
        ((x, y, z), (back, y + height, z + lean), (back - chord * 0.5, y + height, z + lean), (x - chord, y, z)), paint
    )


def airliner(dice: Random) -> Model:
    """Tube with swept wings, engines under them."""
    model, livery = Model(grounded=False), dice.choice(LIVERIES)
    shell = Paint(
        dice.choice(((0.93, 0.93, 0.94), (0.90, 0.91, 0.92), (0.76, 0.78, 0.81))), 0.03, 0.5, Pattern.BAND, livery
    )
    plain, wing = Paint(shell.colour, 0.03, 0.5), Paint((0.66, 0.68, 0.71), 0.04, 0.3)
    r = dice.uniform(0.125, 0.165)
    model.ball((0.15, 0, 0), (0.80, r, r), shell)
    model.ball((-0.35, 0.01, 0), (0.68, r * 0.92, r * 0.92), shell)
    model.ball((0.55, -0.005, 0), (0.42, r * 0.96, r * 0.96), plain)
    model.ball((0.87, 0.035, 0), (0.06, r * 0.5, r * 0.25), GLASS)
    sweep, span = dice.uniform(0.35, 0.6), dice.uniform(0.85, 1.05)
    _wing(model, (0.28, -0.05, 0.06), (0.28 - sweep, 0.06, span), 0.56, 0.17, wing)
    _wing(model, (-0.72, 0.04, 0.03), (-0.95, 0.08, 0.36), 0.30, 0.14, wing)
    _fin(model, -0.62, 0.06, 0.42, 0.42, Paint(livery, 0.03, 0.4))
    for share in dice.choice(((0.36,), (0.30, 0.58))):
        x, z = 0.28 - sweep * share + 0.10, span * share
        for s in (-1, 1):
            model.ball(
                (x, -0.13, s * z),
                (0.17, 0.075, 0.075),
                Paint(livery if dice.random() < 0.3 else (0.70, 0.71, 0.73), 0.03, 0.5),
            )
            model.ball((x + 0.12, -0.13, s * z), (0.03, 0.068, 0.068), DARK)
    if dice.random() < 0.5:
        _undercarriage(model, -0.30, ((0.62, 0.0), (-0.10, 0.16), (-0.10, -0.16)))
    return model


def _undercarriage(model: Model, y: float, wheels) -> None:
    for x, z in wheels:
        model.limb((x, 0, z), (x, y + 0.04, z), 0.018, METAL)
        model.ball((x, y + 0.03, z), (0.05, 0.03, 0.05), DARK)


def fighter(dice: Random) -> Model:
    """Pointed nose, delta wings, twin fins."""
    model = Model(grounded=False)
    tone = dice.choice(
        ((0.52, 0.55, 0.58), (0.42, 0.46, 0.46), (0.66, 0.68, 0.70), (0.20, 0.32, 0.58), (0.38, 0.40, 0.30))
    )
    skin, wing = Paint(tone, 0.08, 0.25), Paint(tuple(c * 0.88 for c in tone), 0.10, 0.2)
    model.ball((0.0, 0, 0), (0.92, 0.13, 0.13), skin)
    model.ball((-0.35, -0.01, 0), (0.52, 0.23, 0.12), skin)
    model.ball((0.38, 0.115, 0), (0.22, 0.065, 0.08), GLASS)
    _wing(model, (0.30, 0.0, 0.08), (-0.52, 0.0, dice.uniform(0.55, 0.72)), 1.0, 0.12, wing)
    _wing(model, (-0.60, 0.0, 0.10), (-0.88, 0.0, 0.40), 0.32, 0.12, wing)
    lean = dice.choice((0.0, 0.12))
    for z in (-1, 1):
        _fin(model, -0.42, 0.06, 0.36, 0.34, skin, z * (0.12 if lean else 0.0), z * lean)
    model.ball((-0.88, 0, 0), (0.06, 0.12, 0.07), DARK)
    return model


def propeller_plane(dice: Random) -> Model:
    """High or low straight wing, one propeller, fixed wheels; sometimes a biplane."""
    model, livery = Model(grounded=False), dice.choice(LIVERIES)
    base = dice.choice(
        ((0.92, 0.91, 0.88), (0.84, 0.72, 0.20), (0.76, 0.16, 0.14), (0.30, 0.42, 0.60), (0.90, 0.90, 0.91))
    )
    skin, trim = Paint(base, 0.04, 0.4, Pattern.BAND, livery), Paint(livery, 0.04, 0.4)
    model.ball((0.30, 0, 0), (0.50, 0.16, 0.19), skin)
    model.ball((-0.30, 0.01, 0), (0.68, 0.11, 0.13), skin)
    model.ball((0.22, 0.16, 0), (0.22, 0.12, 0.13), GLASS)
    span, dihedral = dice.uniform(0.95, 1.15), dice.uniform(0.0, 0.12)
    levels = dice.choice(((0.25,), (-0.10,), (0.28, -0.14)))
    for y in levels:
        _wing(model, (0.40, y, 0.0), (0.36, y + dihedral, span), 0.42, 0.32, Paint(base, 0.04, 0.35))
        _wing(
            model,
            (0.405, y + dihedral * 0.8 + 0.004, span * 0.8),
            (0.365, y + dihedral + 0.004, span),
            0.30,
            0.26,
            trim,
        )
    if len(levels) == 2:
        for z in (-0.6, 0.6):
            model.limb((0.28, -0.10, z), (0.28, 0.24, z), 0.015, DARK)
    _wing(model, (-0.78, 0.04, 0.0), (-0.84, 0.04, 0.38), 0.22, 0.16, Paint(base, 0.04, 0.35))
    _fin(model, -0.68, 0.05, 0.30, 0.30, trim)
    angle = dice.uniform(0, math.pi)
    reach = (0.30 * math.cos(angle), 0.30 * math.sin(angle))
    model.limb((0.80, -reach[0], -reach[1]), (0.80, reach[0], reach[1]), 0.022, DARK)
    model.ball((0.80, 0, 0), (0.07, 0.05, 0.05), trim)
    _undercarriage(model, -0.32, ((0.55, 0.0), (0.22, 0.24), (0.22, -0.24)))
    return model
