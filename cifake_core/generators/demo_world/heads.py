"""Heads of four-legged animals: skull, snout, eyes, ears, antlers. Front is +x; the neck joins at the origin."""

from dataclasses import dataclass
from typing import NamedTuple

from cifake_core.generators.demo_world.solids import Model, Paint


class Coat(NamedTuple):
    body: Paint
    limbs: Paint
    feet: Paint
    ears: Paint
    mane: Paint


@dataclass(frozen=True)
class Snout:
    """In units of the skull's radius."""

    length: float  # from the skull's middle to the tip
    radius: float
    drop: float  # how far below the skull's middle the tip lies
    pale: bool  # a pale muzzle


SNOUTS = {
    "cat": Snout(0.98, 0.42, 0.32, True),
    "deer": Snout(2.05, 0.50, 0.55, True),
    "dog": Snout(1.75, 0.48, 0.38, False),
    "horse": Snout(2.55, 0.62, 0.55, False),
}
EARS = {"cat": "pointed", "deer": "leaf", "horse": "upright", "dog": "floppy"}

_NOSE = {"cat": (0.62, 0.38, 0.36), "other": (0.07, 0.06, 0.06)}
_EYE = Paint((0.05, 0.04, 0.04), 0.0, 0.9)
_IRIS = Paint((0.62, 0.66, 0.22), 0.0, 0.5)
_INNER_EAR = Paint((0.68, 0.52, 0.48), 0.1)
_ANTLER = Paint((0.50, 0.40, 0.28), 0.2)
_PALE = (0.88, 0.84, 0.78)


def head(radius: float, coat: Coat, snout: Snout, ears: str, antlers: bool) -> Model:
    """The whole head of that skull radius."""
    model, r = Model(), radius
    cat, deer = ears == "pointed", ears == "leaf"
    model.ball((r * 0.5, r * 0.25, 0), (r * 1.02, r * (1.08 if cat else 0.86), r * 0.98), coat.body)
    tip = (r * (0.5 + snout.length), r * (0.25 - snout.drop), 0.0)
    muzzle = Paint(_PALE, 0.15) if snout.pale else Paint(coat.body.colour, 0.2)
    model.limb((r * 0.7, r * 0.05, 0), tip, r * snout.radius, coat.body if deer else muzzle, 0.95)
    if deer or snout.length > 2.2:  # a softer end than the bridge of the nose
        model.ball(tip, (r * 0.42, r * 0.46, r * 0.44), muzzle if deer else coat.limbs)
    nose = Paint(_NOSE["cat" if cat else "other"], 0.0, 0.4)
    model.ball((tip[0] + r * 0.34, tip[1] + r * 0.12, 0), (r * 0.16, r * (0.17 if cat else 0.22), r * 0.15), nose)
    _eyes(model, r, cat, 0.78 if snout.length > 2.2 else 1.0)
    _EAR_BUILDERS[ears](model, r, coat)
    if antlers and deer:
        _antlers(model, r)
    return model


def _eyes(model: Model, r: float, cat: bool, size: float) -> None:
    for z in (-1, 1):
        if cat:
            model.ball((r * 1.32, r * 0.42, z * r * 0.46), (r * 0.17, r * 0.24, r * 0.22), _IRIS)
            model.ball((r * 1.45, r * 0.42, z * r * 0.48), (r * 0.09, r * 0.10, r * 0.19), _EYE)
        else:
            model.ball((r * 1.12, r * 0.50, z * r * 0.62), (r * 0.20 * size, r * 0.18 * size, r * 0.19 * size), _EYE)


def _pointed(model: Model, r: float, coat: Coat) -> None:
    for z in (-1, 1):
        out, near, tip = (
            (r * 0.35, r * 0.75, z * r * 1.0),
            (r * 0.45, r * 1.15, z * r * 0.25),
            (r * 0.45, r * 2.05, z * r * 0.85),
        )
        back = (r * 0.05, r * 0.95, z * r * 0.55)
        inside = (r * 0.3, r * 1.1, z * r * 0.62)
        for face in ((out, near, tip), (out, back, tip), (near, back, tip)):
            model.face(face, coat.ears, inside)
        middle = [tuple(0.72 * a + 0.28 * b for a, b in zip(p, inside, strict=True)) for p in (out, near, tip)]
        model.face([(x + r * 0.06, y, z_) for x, y, z_ in middle], _INNER_EAR, inside, r * 0.1)


def _leaf(model: Model, r: float, coat: Coat) -> None:
    for z in (-1, 1):
        model.ball(
            (r * 0.15, r * 1.15, z * r * 1.25), (r * 0.85, r * 0.22, r * 0.38), coat.ears, axis=(-0.2, 0.55, z * 1.0)
        )
        model.ball(
            (r * 0.25, r * 1.15, z * r * 1.27), (r * 0.6, r * 0.16, r * 0.26), _INNER_EAR, axis=(-0.2, 0.55, z * 1.0)
        )


def _upright(model: Model, r: float, coat: Coat) -> None:
    for z in (-1, 1):
        model.ball(
            (r * 0.05, r * 1.25, z * r * 0.45), (r * 0.55, r * 0.20, r * 0.24), coat.body, axis=(0.15, 1, z * 0.15)
        )
    model.limb((r * 0.1, r * 1.1, 0), (r * 1.0, r * 0.75, 0), r * 0.22, coat.mane)  # forelock


def _floppy(model: Model, r: float, coat: Coat) -> None:
    for z in (-1, 1):
        model.ball(
            (r * 0.40, r * 0.10, z * r * 1.02), (r * 0.90, r * 0.24, r * 0.48), coat.ears, axis=(0.1, 1, -z * 0.22)
        )


def _pricked(model: Model, r: float, coat: Coat) -> None:
    for z in (-1, 1):
        model.ball((r * 0.25, r * 1.20, z * r * 0.60), (r * 0.66, r * 0.20, r * 0.34), coat.ears, axis=(0, 1, z * 0.25))


def _antlers(model: Model, r: float) -> None:
    for z in (-1, 1):
        root, fork = (r * 0.3, r * 1.0, z * r * 0.4), (-r * 0.5, r * 2.6, z * r * 1.4)
        end = (r * 0.5, r * 4.1, z * r * 1.7)
        model.limb(root, fork, r * 0.17, _ANTLER)
        model.limb(fork, end, r * 0.15, _ANTLER)
        model.limb((-r * 0.1, r * 1.8, z * r * 0.9), (r * 1.0, r * 2.7, z * r * 1.1), r * 0.13, _ANTLER)
        model.limb(fork, (-r * 1.1, r * 3.7, z * r * 1.9), r * 0.13, _ANTLER)


_EAR_BUILDERS = {"pointed": _pointed, "leaf": _leaf, "upright": _upright, "floppy": _floppy, "pricked": _pricked}
