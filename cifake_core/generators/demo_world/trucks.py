"""Trucks: a cab, a load and wheels. Front is +x, the road y = 0, 1 m = 1. Views and scenes are not known here."""

from random import Random

from cifake_core.generators.demo_world.solids import Model, Paint
from cifake_core.generators.demo_world.vehicles import (
    BLACK,
    CHROME,
    LACQUERS,
    LAMP,
    RIM,
    body,
    cabin,
    lacquer,
    pane,
    wheels,
)


def _truck_cab(model: Model, paint: Paint, front: float, depth: float, half: float, floor: float, roof: float) -> float:
    """Flat-nosed cab; returns the x of its rear wall."""
    rear, lean = front - depth, 0.16
    low = [(front, floor, -half), (rear, floor, -half), (rear, floor, half), (front, floor, half)]
    high = [
        (front - lean, roof, -half * 0.95),
        (rear, roof, -half * 0.95),
        (rear, roof, half * 0.95),
        (front - lean, roof, half * 0.95),
    ]
    model.prism(low, high, paint)
    inside = (front - depth / 2, (floor + roof) / 2, 0.0)
    pane(model, (low[0], low[3], high[3], high[0]), inside, (0.07, 0.93), (0.52, 0.90))
    pane(model, (low[0], low[3], high[3], high[0]), inside, (0.2, 0.8), (0.16, 0.40), BLACK)
    pane(model, (low[0], low[3], high[3], high[0]), inside, (0.0, 1.0), (0.0, 0.10), CHROME)
    for span in ((0.03, 0.18), (0.82, 0.97)):
        pane(model, (low[0], low[3], high[3], high[0]), inside, span, (0.18, 0.32), LAMP)
    for a, b in ((0, 1), (3, 2)):
        pane(model, (low[a], low[b], high[b], high[a]), inside, (0.14, 0.72), (0.54, 0.88))
    return rear


def _bonnet(model: Model, paint: Paint, front: float, length: float, half: float, floor: float, height: float) -> None:
    model.box((front, floor, -half * 0.75), (front + length, height, half * 0.75), paint)
    x, inside = front + length, (front, height / 2, 0.0)
    model.face(
        (
            (x, floor + 0.2, -half * 0.5),
            (x, floor + 0.2, half * 0.5),
            (x, height - 0.1, half * 0.5),
            (x, height - 0.1, -half * 0.5),
        ),
        CHROME,
        inside,
        0.04,
    )


def truck(dice: Random) -> Model:
    """Box truck, articulated truck, tipper, tanker, flat-bed with load, fire engine or pick-up."""
    kind = dice.choice(("box", "box", "artic", "tipper", "tanker", "flat", "fire", "pickup"))
    if kind == "pickup":
        return _pickup(dice)
    model = Model()
    paint = Paint((0.74, 0.08, 0.07), 0.03, 0.6) if kind == "fire" else lacquer(dice)
    half, floor, roof = 1.2, 0.65, dice.uniform(2.5, 2.9)
    length = {"artic": 9.5}.get(kind, dice.uniform(6.0, 7.2))
    front, rear = length / 2, -length / 2
    nosed = kind in ("artic", "tipper", "tanker") and dice.random() < 0.5
    wall = _truck_cab(model, paint, front, 1.75, half, floor, roof)
    if nosed:
        _bonnet(model, paint, front, 1.5, half, floor, 1.75)
    model.box((rear, 0.62, -half * 0.75), (wall + 0.2, 0.95, half * 0.75), BLACK)
    _LOADS[kind](model, dice, wall - 0.18, rear, half, paint)
    axles = [front - 0.85 + (1.4 if nosed else 0.0), rear + 1.1, rear + 2.2] + ([wall - 0.9] if kind == "artic" else [])
    wheels(model, axles, 0.52, half, dice.choice((RIM, Paint((0.4, 0.4, 0.42), 0, 0.3))))
    return model


def _box_load(model: Model, dice: Random, front: float, rear: float, half: float, paint: Paint) -> None:
    tone = dice.choice(((0.90, 0.90, 0.89), (0.93, 0.93, 0.90), (0.70, 0.72, 0.74), dice.choice(LACQUERS)))
    shell, height = Paint(tone, 0.06, 0.25), dice.uniform(3.1, 3.7)
    model.box((rear, 0.95, -half * 1.04), (front, height, half * 1.04), shell)
    if dice.random() < 0.5:  # a painted band along the side
        stripe, y = Paint(dice.choice(LACQUERS), 0.05, 0.25), dice.uniform(1.5, 2.6)
        for z in (-half * 1.04, half * 1.04):
            quad = ((rear + 0.4, y, z), (front - 0.4, y, z), (front - 0.4, y + 0.6, z), (rear + 0.4, y + 0.6, z))
            model.face(quad, stripe, ((front + rear) / 2, 2.0, 0.0), 0.04)


def _tipper_load(model: Model, dice: Random, front: float, rear: float, half: float, paint: Paint) -> None:
    bed, edge = Paint(dice.choice(LACQUERS), 0.15, 0.3), dice.uniform(1.9, 2.4)
    low = [
        (front - 0.3, 1.0, -half * 0.8),
        (rear + 0.5, 1.0, -half * 0.8),
        (rear + 0.5, 1.0, half * 0.8),
        (front - 0.3, 1.0, half * 0.8),
    ]
    high = [(front, edge + 0.3, -half), (rear, edge, -half), (rear, edge, half), (front, edge + 0.3, half)]
    model.prism(low, high, bed, Paint((0.40, 0.32, 0.24), 0.5))
    model.ball(
        ((front + rear) / 2, edge + 0.05, 0),
        (abs(front - rear) * 0.42, half * 0.8, 0.5),
        Paint((0.42, 0.34, 0.26), 0.6),
    )


def _tank_load(model: Model, dice: Random, front: float, rear: float, half: float, paint: Paint) -> None:
    shell = Paint(dice.choice(((0.80, 0.81, 0.83), (0.92, 0.92, 0.92), (0.82, 0.70, 0.22))), 0.03, 0.8)
    reach = (front - rear) / 2
    for shift in (-0.45, -0.15, 0.15, 0.45):
        model.ball(((front + rear) / 2 + shift * reach, 1.95, 0), (reach * 0.55, half * 0.95, 1.05), shell)


def _flat_load(model: Model, dice: Random, front: float, rear: float, half: float, paint: Paint) -> None:
    model.box((rear, 0.95, -half), (front, 1.15, half), Paint((0.44, 0.32, 0.22), 0.2))
    if dice.random() < 0.5:
        timber = Paint((0.56, 0.40, 0.26), 0.4)
        for z, y in ((-0.7, 1.45), (0.0, 1.45), (0.7, 1.45), (-0.35, 1.95), (0.35, 1.95)):
            model.ball(((front + rear) / 2, y, z), ((front - rear) * 0.52, 0.33, 0.33), timber)
    else:
        x = front - 0.2
        while x - 1.2 > rear:
            tone = Paint(dice.choice(LACQUERS), 0.15, 0.1)
            model.box((x - 1.2, 1.15, -half * 0.85), (x, 1.15 + dice.uniform(0.6, 1.5), half * 0.85), tone)
            x -= 1.35


def _fire_load(model: Model, dice: Random, front: float, rear: float, half: float, paint: Paint) -> None:
    model.box((rear, 0.8, -half), (front, 2.45, half), paint)
    steel = Paint((0.78, 0.79, 0.80), 0.05, 0.5)
    for z in (-half, half):
        for share in (0.06, 0.38, 0.70):
            x0, x1 = front + (rear - front) * share, front + (rear - front) * (share + 0.26)
            model.face(
                ((x0, 1.15, z), (x1, 1.15, z), (x1, 2.1, z), (x0, 2.1, z)), steel, ((front + rear) / 2, 1.6, 0.0), 0.05
            )
    model.box((rear + 0.2, 2.55, -0.3), (front + 1.2, 2.8, 0.3), steel)


_LOADS = {
    "box": _box_load,
    "artic": _box_load,
    "tipper": _tipper_load,
    "tanker": _tank_load,
    "flat": _flat_load,
    "fire": _fire_load,
}


def _pickup(dice: Random) -> Model:
    model, paint = Model(), lacquer(dice)
    length, half, belt = 5.3, 0.95, 1.15
    body(model, paint, length, half, 0.48, belt, belt * 0.94, belt)
    cabin(model, paint, (1.15, -0.45, belt), (0.65, -0.30, 1.88), half * 0.94)
    model.box((-length / 2 + 0.12, belt - 0.02, -half * 0.85), (-0.6, belt + 0.02, half * 0.85), BLACK)
    wheels(model, (1.65, -1.55), 0.44, half)
    return model
