"""Ships, about 2 long, front at +x, water line at y = 0. Views and scenes are not known here."""

from random import Random

from cifake_core.generators.demo_world.aircraft import DARK, GLASS, LIVERIES, METAL
from cifake_core.generators.demo_world.solids import Colour, Model, Paint, Point


def _hull(
    model: Model, length: float, half: float, deck: float, draught: float, paint: Paint, top: Paint, line: Paint | None
) -> None:
    """Pointed bow, full stern; a waterline strip in another colour where asked."""
    stations = ((-1.0, 0.72), (-0.85, 0.92), (-0.3, 1.0), (0.35, 0.95), (0.75, 0.55), (1.0, 0.03))

    def outline(y: float, spread: float, rake: float) -> list[Point]:
        side = [
            (x * length / 2 * (1 + rake * (x > 0.5)), y + 0.06 * deck * (x > 0.9), w * half * spread)
            for x, w in stations
        ]
        return side + [(x, y_, -z) for x, y_, z in reversed(side)]

    water = outline(-draught, 0.86, -0.08)
    middle = outline(deck * 0.25, 0.92, -0.05)
    model.prism(middle, outline(deck, 1.0, 0.03), paint, top)
    model.prism(water, middle, line or paint)


def _portholes(model: Model, x0: float, x1: float, y: float, half: float, count: int, size: float) -> None:
    for i in range(count):
        x = x0 + (x1 - x0) * (i + 0.5) / count
        for z in (-half, half):
            quad = ((x - size, y - size, z), (x + size, y - size, z), (x + size, y + size, z), (x - size, y + size, z))
            model.face(quad, GLASS, (x, y, 0.0), 0.008)


_HULLS: tuple[Colour, ...] = (
    (0.10, 0.12, 0.20), (0.14, 0.14, 0.15), (0.52, 0.10, 0.09), (0.92, 0.92, 0.91), (0.16, 0.30, 0.48), (0.48, 0.52, 0.56),
    (0.12, 0.32, 0.26),
)  # fmt: skip
_WHITE = Paint((0.93, 0.93, 0.91), 0.04, 0.2)
_RED_LEAD = Paint((0.52, 0.16, 0.12), 0.1)


def _house(model: Model, x0: float, x1: float, half: float, y: float, storeys: int, height: float) -> float:
    """White decks one above another, each a little shorter; returns the height of the roof."""
    for level in range(storeys):
        inset = level * 0.035
        low, high = y + level * height, y + (level + 1) * height
        width = half * (1 - 0.10 * level)
        model.box((x0 + inset, low, -width), (x1 - inset * 2, high, width), _WHITE)
        _portholes(
            model, x0 + inset, x1 - inset * 2, (low + high) / 2, width, max(int((x1 - x0) / 0.10), 2), height * 0.24
        )
    return y + storeys * height


def freighter(dice: Random) -> Model:
    """Long hull, bridge aft, containers, tanks or cranes on deck."""
    model, half, deck = Model(grounded=False), 0.19, dice.uniform(0.14, 0.22)
    _hull(
        model, 2.1, half, deck, 0.05, Paint(dice.choice(_HULLS), 0.12, 0.15), Paint((0.42, 0.30, 0.26), 0.2), _RED_LEAD
    )
    roof = _house(model, -0.90, -0.62, half * 0.85, deck, dice.choice((3, 4)), 0.085)
    model.box((-0.86, roof, -0.05), (-0.76, roof + 0.12, 0.05), Paint(dice.choice(LIVERIES), 0.1))
    if dice.random() < 0.6:
        x = -0.52
        while x < 0.62:
            tone = Paint(dice.choice((*LIVERIES, (0.62, 0.40, 0.20), (0.80, 0.80, 0.78))), 0.10)
            model.box((x, deck, -half * 0.85), (x + 0.19, deck + dice.choice((0.10, 0.2, 0.2, 0.3)), half * 0.85), tone)
            x += 0.205
    else:
        for x in (-0.3, 0.1, 0.5):
            model.limb((x, deck, 0), (x, deck + 0.42, 0), 0.018, Paint((0.80, 0.62, 0.22)))
            model.limb((x, deck + 0.36, 0), (x + 0.22, deck + 0.22, 0), 0.014, Paint((0.80, 0.62, 0.22)))
    model.limb((0.90, deck, 0), (0.90, deck + 0.22, 0), 0.012, METAL)
    return model


def liner(dice: Random) -> Model:
    """Passenger ship or ferry: rows of windows, funnels."""
    model, half, deck = Model(grounded=False), 0.20, dice.uniform(0.13, 0.2)
    _hull(model, 2.1, half, deck, 0.05, Paint(dice.choice(_HULLS), 0.05, 0.2), Paint((0.62, 0.50, 0.38), 0.1), None)
    _portholes(model, -0.8, 0.55, deck * 0.62, half * 1.0, 12, 0.014)
    roof = _house(model, -0.85, dice.uniform(0.45, 0.62), half * 0.9, deck, dice.choice((2, 3, 4)), 0.08)
    funnel = Paint(dice.choice(LIVERIES), 0.05, 0.2)
    for x in dice.choice(((-0.45,), (-0.5, -0.1), (-0.5, -0.2, 0.1))):
        model.prism(
            [(x + dx, roof, dz) for dx, dz in ((0.09, 0.05), (-0.09, 0.05), (-0.09, -0.05), (0.09, -0.05))],
            [
                (x - 0.05 + dx, roof + 0.20, dz)
                for dx, dz in ((0.08, 0.045), (-0.08, 0.045), (-0.08, -0.045), (0.08, -0.045))
            ],
            funnel,
            DARK,
        )
    model.limb((0.25, roof, 0), (0.22, roof + 0.32, 0), 0.012, METAL)
    return model


def warship(dice: Random) -> Model:
    """Grey, low, with a mast and a gun."""
    model, half, deck = Model(grounded=False), 0.15, 0.13
    tone = dice.choice(((0.50, 0.53, 0.56), (0.42, 0.45, 0.48), (0.60, 0.62, 0.64)))
    grey, light = Paint(tone, 0.08, 0.1), Paint(tuple(c * 1.1 for c in tone), 0.08, 0.1)
    _hull(model, 2.2, half, deck, 0.05, grey, light, None)
    model.box((-0.55, deck, -half * 0.75), (0.35, deck + 0.10, half * 0.75), light)
    model.box((-0.05, deck + 0.10, -half * 0.55), (0.28, deck + 0.26, half * 0.55), light)
    model.box((-0.45, deck + 0.10, -half * 0.45), (-0.22, deck + 0.24, half * 0.45), grey)
    _portholes(model, 0.0, 0.26, deck + 0.20, half * 0.55, 4, 0.02)
    model.limb((0.06, deck + 0.2, 0), (0.02, deck + 0.62, 0), 0.022, grey)
    model.limb((0.02, deck + 0.46, -0.1), (0.02, deck + 0.46, 0.1), 0.014, grey)
    model.ball((0.55, deck + 0.05, 0), (0.09, 0.07, 0.06), light)
    model.limb((0.58, deck + 0.07, 0), (0.80, deck + 0.11, 0), 0.016, grey)
    return model


def sailing_boat(dice: Random) -> Model:
    """Small hull, mast and two sails."""
    model, half, deck = Model(grounded=False), 0.17, 0.13
    _hull(model, 1.3, half, deck, 0.04, Paint(dice.choice(_HULLS), 0.05, 0.4), Paint((0.66, 0.48, 0.30), 0.1), None)
    model.box((-0.15, deck, -0.08), (0.18, deck + 0.07, 0.08), _WHITE)
    height, belly = dice.uniform(1.2, 1.6), dice.uniform(-0.16, 0.16)
    model.limb((0.06, deck, 0), (0.06, height, 0), 0.014, METAL)
    cloth = dice.choice(((0.95, 0.95, 0.93), (0.95, 0.94, 0.90), (0.72, 0.20, 0.16), (0.90, 0.80, 0.60)))
    main, jib = Paint(cloth, 0.05), Paint(tuple(c * 0.94 for c in cloth), 0.05)
    model.face(
        ((0.04, deck + 0.14, 0), (0.04, height, 0), (-0.30, deck + 0.5, belly), (-0.58, deck + 0.14, belly)), main
    )
    model.face(((0.09, deck + 0.12, 0), (0.08, height * 0.9, 0), (0.62, deck + 0.06, -belly * 0.5)), jib)
    return model


def motor_boat(dice: Random) -> Model:
    """Speedboat, tug or yacht."""
    model, half, deck = Model(grounded=False), 0.26, dice.uniform(0.20, 0.28)
    _hull(model, 1.5, half, deck, 0.05, Paint(dice.choice(_HULLS), 0.04, 0.5), Paint((0.80, 0.74, 0.64), 0.1), None)
    low = [(0.30, deck, -0.18), (-0.35, deck, -0.18), (-0.35, deck, 0.18), (0.30, deck, 0.18)]
    height = dice.uniform(0.18, 0.34)
    high = [
        (0.12, deck + height, -0.15),
        (-0.32, deck + height, -0.15),
        (-0.32, deck + height, 0.15),
        (0.12, deck + height, 0.15),
    ]
    model.prism(low, high, _WHITE)
    inside = (0.0, deck + height / 2, 0.0)
    for a, b in ((0, 1), (3, 2), (0, 3)):
        corners = [low[a], low[b], high[b], high[a]]
        shares = ((0.08, 0.35), (0.92, 0.35), (0.92, 0.88), (0.08, 0.88))
        pane = [
            tuple(
                (1 - v) * ((1 - u) * p + u * q) + v * ((1 - u) * s + u * r) for p, q, r, s in zip(*corners, strict=True)
            )
            for u, v in shares
        ]
        model.face(pane, GLASS, inside, 0.01)
    model.limb((-0.2, deck + height, 0), (-0.26, deck + height + 0.35, 0), 0.012, METAL)
    return model
