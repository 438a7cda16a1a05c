"""Who appears where: for each class its models, fitting backdrops and the views they are seen from.

Backdrops are shared between classes on purpose: a network that looks at the background alone must not get far.
It does not draw.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from cifake_core.generators.demo_world import aircraft, ground, quadrupeds, ships, small_animals, trucks, vehicles
from cifake_core.generators.demo_world import backdrop as up
from cifake_core.generators.demo_world.backdrop import Painter
from cifake_core.generators.demo_world.projecting import View
from cifake_core.generators.demo_world.solids import Model


@dataclass(frozen=True)
class Place:
    """`lower` is None where no ground is seen. `sinks`: share of the side that grass, snow or water hides of the foot."""

    upper: Painter
    lower: Painter | None
    sinks: float = 0.0
    mirrors: bool = False


SKY = Place(up.sky, None)
MEADOW, PASTURE, GLADE = (
    Place(up.trees, ground.grass, 0.03),
    Place(up.hills, ground.grass, 0.03),
    Place(up.forest, ground.grass, 0.03),
)
LAWN, BEACH, DUNES = Place(up.foliage, ground.grass, 0.03), Place(ground.sea, ground.sand), Place(up.hills, ground.sand)
WOODS, UNDERGROWTH, BANK = (
    Place(up.forest, ground.earth),
    Place(up.foliage, ground.earth),
    Place(up.foliage, ground.sand),
)
WINTER, SNOWFIELD = Place(up.trees, ground.snow, 0.03), Place(up.sky, ground.snow, 0.02)
STREET, YARD, HIGHWAY = (
    Place(up.buildings, ground.road),
    Place(up.buildings, ground.tarmac),
    Place(up.trees, ground.road),
)
APRON, DESERT_ROAD, VERGE = (
    Place(up.trees, ground.tarmac),
    Place(up.hills, ground.road),
    Place(up.sky, ground.grass, 0.02),
)
SHOWROOM, ROOM, COUCH, PARLOUR = (
    Place(up.studio, up.studio),
    Place(up.wall, ground.planks),
    Place(up.wall, ground.cloth),
    Place(ground.cloth, ground.cloth),
)
OPEN_SEA, COAST, HARBOUR = (
    Place(up.sky, ground.sea, 0.0, True),
    Place(up.hills, ground.sea, 0.0, True),
    Place(up.buildings, ground.sea, 0.0, True),
)
WOODED_SHORE, POND, LAKE = (
    Place(up.trees, ground.sea, 0.0, True),
    Place(up.foliage, ground.pond, 0.0, True),
    Place(ground.pond, ground.pond, 0.0, True),
)
CLIFF, LEAVES = Place(up.hills, None), Place(up.foliage, None)


@dataclass(frozen=True)
class Role:
    """One way a class can appear."""

    weight: float
    build: Callable[[Random], Model]
    places: tuple[Place, ...]
    yaws: tuple[tuple[float, float], ...]  # ranges in degrees; 0 shows the left side, -90 the front
    pitch: tuple[float, float] = (2, 14)  # degrees the camera looks down
    roll: tuple[float, float] = (-3, 3)
    fill: tuple[float, float] = (0.66, 0.95)  # of the frame's side
    perspective: float = 0.15  # per unit of depth, after the model's size
    perch: bool = False  # a branch under its feet
    cropped: bool = False  # hung from the top of the frame, which cuts it off below


_SIDES = ((-28, 28), (152, 208))
_FRONTS = ((-68, -25), (-155, -112))
_ALL_ROUND = (*_SIDES, *_FRONTS)
_FACES = ((-125, -55),)
_STREETS = (STREET, STREET, YARD, HIGHWAY, HIGHWAY, APRON, DESERT_ROAD, DUNES, MEADOW, WINTER, SHOWROOM, VERGE)
_GREENS = (MEADOW, MEADOW, PASTURE, GLADE, LAWN, VERGE)
_HOMES = (ROOM, ROOM, COUCH, COUCH, PARLOUR, LAWN, YARD, UNDERGROWTH)
_WATERS = (OPEN_SEA, OPEN_SEA, COAST, HARBOUR, WOODED_SHORE)


def _animal(kind: Callable, species: str) -> Callable[[Random], Model]:
    return lambda dice: kind(species, dice)


def _flying(weight: float, build: Callable[[Random], Model]) -> tuple[Role, ...]:
    """In the air, seen from anywhere, and on the ground."""
    return (
        Role(weight, build, (SKY, SKY, SKY, CLIFF), ((-60, 60), (120, 240)), (-38, 18), (-24, 24), (0.76, 1.02), 0.12),
        Role(
            weight * 0.6,
            build,
            (APRON, YARD, VERGE, DESERT_ROAD, SHOWROOM),
            _ALL_ROUND,
            (2, 10),
            (0, 0),
            (0.85, 1.02),
            0.12,
        ),
    )


CAST: dict[str, tuple[Role, ...]] = {
    "airplane": (*_flying(3, aircraft.airliner), *_flying(1.6, aircraft.fighter), *_flying(2, aircraft.propeller_plane)),
    "automobile": (Role(1, vehicles.automobile, _STREETS, _ALL_ROUND, (3, 18), (-1.5, 1.5), (0.78, 0.98), 0.055),),
    "bird": (
        Role(3.0, small_animals.perched, (*_GREENS, SKY, LEAVES, LEAVES, BEACH, SNOWFIELD, WOODS, BANK), _SIDES, (0, 14), (-8, 8), (0.70, 0.96)),
        Role(1.5, small_animals.perched, (SKY, LEAVES, LEAVES, CLIFF), _ALL_ROUND, (-6, 10), (-6, 6), (0.66, 0.92), perch=True),
        Role(1.4, small_animals.wading, (*_GREENS, POND, BANK, BEACH, DUNES, WOODED_SHORE), _SIDES, (0, 10), (-3, 3), (0.85, 1.0)),
        Role(1.3, small_animals.swimming, (POND, LAKE, LAKE, OPEN_SEA, WOODED_SHORE), _SIDES, (4, 16), (-3, 3), (0.68, 0.92)),
        Role(1.6, small_animals.soaring, (SKY, SKY, CLIFF, OPEN_SEA), ((-60, 60), (120, 240)), (-50, 40), (-30, 30), (0.76, 1.0)),
    ),
    "cat": (
        Role(2.6, _animal(quadrupeds.portrait, "cat"), _HOMES, _FACES, (-4, 14), (-10, 10), (0.95, 1.4), cropped=True),
        Role(2.4, _animal(quadrupeds.sitting, "cat"), _HOMES, (*_FACES, *_FRONTS, *_SIDES), (2, 22), (-4, 4), (0.75, 0.97)),
        Role(1.4, _animal(quadrupeds.lying, "cat"), _HOMES, (*_FRONTS, *_SIDES), (6, 28), (-4, 4), (0.75, 0.95)),
        Role(1.4, _animal(quadrupeds.standing, "cat"), (*_HOMES, MEADOW), _ALL_ROUND, (4, 20), (-3, 3), (0.72, 0.95)),
    ),
    "deer": (
        Role(4, _animal(quadrupeds.standing, "deer"), (*_GREENS, WOODS, WOODS, WINTER, UNDERGROWTH, DUNES), _ALL_ROUND, (1, 10), (-2, 2), (0.78, 0.97)),
        Role(1, _animal(quadrupeds.lying, "deer"), (*_GREENS, WOODS), (*_FRONTS, *_SIDES), (3, 12), (-2, 2), (0.72, 0.92)),
        Role(1.5, _animal(quadrupeds.portrait, "deer"), (*_GREENS, WOODS, LEAVES), (*_FACES, *_FRONTS), (-4, 8), (-4, 4), (1.1, 1.4), cropped=True),
    ),
    "dog": (
        Role(2.4, _animal(quadrupeds.portrait, "dog"), (*_HOMES, *_GREENS[:3], BEACH), (*_FACES, *_FRONTS), (-4, 14), (-8, 8), (0.95, 1.35), cropped=True),
        Role(2.2, _animal(quadrupeds.sitting, "dog"), (*_HOMES, *_GREENS, SNOWFIELD), (*_FACES, *_FRONTS, *_SIDES), (2, 18), (-3, 3), (0.75, 0.97)),
        Role(2.6, _animal(quadrupeds.standing, "dog"), (*_HOMES, *_GREENS, BEACH, WINTER, DUNES), _ALL_ROUND, (2, 16), (-3, 3), (0.74, 0.96)),
        Role(0.8, _animal(quadrupeds.lying, "dog"), (*_HOMES, *_GREENS), (*_FRONTS, *_SIDES), (4, 24), (-3, 3), (0.75, 0.95)),
    ),
    "frog": (
        Role(1, small_animals.frog, (UNDERGROWTH, LAWN, BANK, POND, LAKE, SHOWROOM, COUCH, PARLOUR, YARD, Place(ground.earth, ground.earth)), (*_ALL_ROUND, *_FACES), (6, 40), (-6, 6), (0.78, 1.0)),
    ),
    "horse": (
        Role(5, _animal(quadrupeds.standing, "horse"), (*_GREENS, DUNES, BEACH, WINTER, YARD, WOODS), _ALL_ROUND, (1, 9), (-2, 2), (0.82, 0.98)),
        Role(1.4, _animal(quadrupeds.portrait, "horse"), (*_GREENS, LEAVES, SKY, YARD), (*_FRONTS, *_SIDES), (-4, 8), (-4, 4), (1.15, 1.4), cropped=True),
    ),
    "ship": (
        Role(2.4, ships.freighter, _WATERS, _ALL_ROUND, (2, 14), (-1, 1), (0.90, 1.06), 0.10),
        Role(2.0, ships.liner, _WATERS, _ALL_ROUND, (2, 12), (-1, 1), (0.90, 1.06), 0.10),
        Role(0.6, ships.warship, _WATERS, _SIDES, (2, 10), (-1, 1), (0.92, 1.06), 0.10),
        Role(1.6, ships.sailing_boat, _WATERS, _ALL_ROUND, (2, 10), (-7, 7), (0.75, 0.95), 0.10),
        Role(1.4, ships.motor_boat, _WATERS, _ALL_ROUND, (4, 18), (-4, 4), (0.80, 1.0), 0.10),
    ),
    "truck": (Role(1, trucks.truck, _STREETS, _ALL_ROUND, (2, 13), (-1.5, 1.5), (0.82, 0.99), 0.045),),
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """One picture before it is drawn."""

    model: Model
    place: Place
    view: View
    perch: bool


def scene(class_name: str, dice: Random) -> Scene:
    """Chooses model, place and view. Draws only from `dice`."""
    role = dice.choices(CAST[class_name], [r.weight for r in CAST[class_name]])[0]
    model, place = role.build(dice), dice.choice(role.places)
    yaw = dice.uniform(*dice.choice(role.yaws))
    fill = dice.uniform(*role.fill)
    floor = dice.uniform(0.80, 0.94) if place.lower is not None else dice.uniform(0.55, 0.75) + fill * 0.22
    return Scene(model, place, _view(role, dice, yaw, fill, floor), role.perch)


def _view(role: Role, dice: Random, yaw: float, fill: float, floor: float) -> View:
    return View(
        yaw=math.radians(yaw),
        pitch=math.radians(dice.uniform(*role.pitch)),
        roll=math.radians(dice.uniform(*role.roll)),
        width=9.0 if role.cropped else fill,
        height=fill * (1.3 if role.cropped else 0.92),
        centre=0.5 + dice.uniform(-0.5, 0.5) * max(0.02, 1 - fill) * 0.8,
        bottom=2.0 if role.cropped else floor,
        top=dice.uniform(0.0, 0.10) if role.cropped else None,
        perspective=role.perspective,
    )
