"""Known artefacts in known places, so that an explanation can be held against the truth.

Each artefact resembles a trace that image generators leave: the lattice of upsampling layers (Odena et al. 2016), ringing
at high frequencies, a colour cast, a foreign patch. It does not know classes or scenes, only pixels and a mask.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from cifake_core.errors import BadInput, Refused
from cifake_core.generators.demo_world.rendering import decoded
from cifake_core.images.codec import encode_jpeg

_FEWEST_PIXELS = 16  # a smaller region cannot hold an artefact that survives the codec
_LUMA = np.float32([0.299, 0.587, 0.114])


class Kind(StrEnum):
    GRID = "grid"  # lines of period 2 to 4 px, or a checkerboard, as upsampling leaves
    RINGING = "ringing"  # waves of 3 to 5 px that fade away from a centre
    HUE_SHIFT = "hue shift"  # colours turned about the grey axis, lightness kept
    PATCH = "patch"  # texture of one flat colour with noise in place of the picture


class Where(StrEnum):
    BACKGROUND = "background"
    ENTITY = "entity"


@dataclass(frozen=True)
class Artefact:
    """What is planted. `strength` 0..1: amplitude as a share of the strongest (64 grey levels; 120° of hue; opaque patch).

    `area`: share of the picture's pixels, so that artefacts on entity and background can be made equally large; less
    where the region is smaller.
    """

    kind: Kind
    strength: float = 0.5
    area: float = 0.12

    def __post_init__(self):
        object.__setattr__(self, "kind", _member(Kind, self.kind))
        if not 0 < self.strength <= 1:
            raise BadInput(f"The strength of an artefact is {self.strength}; give a number above 0, up to 1.")
        if not 0 < self.area <= 1:
            raise BadInput(f"The area of an artefact is {self.area}; give a share of the picture above 0, up to 1.")


@dataclass(frozen=True)
class Planted:
    """A rendered picture with an artefact, after the codec. `artefact_mask` bool (H, W): the pixels changed before it."""

    jpeg: bytes
    pixels: np.ndarray
    artefact_mask: np.ndarray


def plant(pixels: np.ndarray, mask: np.ndarray, artefact: Artefact, where: Where | str, seed: int) -> Planted:
    """The picture with the artefact inside one connected-as-can-be part of the background or the entity.

    `pixels` uint8 (H, W, 3), best before the codec (`render_frame`), so that both twins are encoded once; `mask` bool
    (H, W), True on the entity. Outside `artefact_mask` nothing is changed before JPEG; JPEG itself spreads traces within
    its blocks: 8 px in lightness, 16 px in colour. Raises BadInput, or Refused where the region is under 16 pixels.
    """
    _check(pixels, mask, seed)
    random = np.random.Generator(np.random.PCG64([list(Kind).index(artefact.kind), seed]))
    region = mask if _member(Where, where) is Where.ENTITY else ~mask
    if region.sum() < _FEWEST_PIXELS:
        raise Refused(f"The {where} has {int(region.sum())} pixels, too few for an artefact; take another picture.")
    chosen, centre = _part_of(region, artefact.area, random)
    changed = _PAINTERS[artefact.kind](pixels.astype(np.float32), centre, artefact.strength, random)
    out = np.where(chosen[..., None], np.clip(changed + 0.5, 0, 255).astype(np.uint8), pixels)
    jpeg = encode_jpeg(out)
    return Planted(jpeg, decoded(jpeg), chosen)


def _part_of(region: np.ndarray, area: float, random: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """The region's pixels nearest to a centre well inside it, about `area` of the picture; and that centre."""
    inside = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    rows, columns = np.nonzero(inside >= min(2.0, float(inside.max())))
    pick = int(random.integers(len(rows)))
    centre = int(rows[pick]), int(columns[pick])
    y, x = np.nonzero(region)
    distance = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    wanted = min(max(round(area * region.size), _FEWEST_PIXELS), len(y))
    nearest = np.argsort(distance, kind="stable")[:wanted]
    chosen = np.zeros_like(region)
    chosen[y[nearest], x[nearest]] = True
    return chosen, centre


def _grid(pixels: np.ndarray, centre: tuple[int, int], strength: float, random: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    period, form = int(random.integers(2, 5)), int(random.integers(3))
    phase = (
        (rows + columns, rows, columns)[form]
        if period == 2
        else (np.minimum(rows % period, columns % period), rows, columns)[form]
    )
    wave = np.where(phase % period == 0, 1.0, -1.0 / (period - 1))
    return pixels + (64 * strength * wave)[..., None]


def _ringing(pixels: np.ndarray, centre: tuple[int, int], strength: float, random: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - centre[0], columns - centre[1])
    wave = np.cos(2 * math.pi * distance / random.uniform(3.0, 5.0)) * np.exp(-distance / (0.5 * max(height, width)))
    return pixels + (64 * strength * wave)[..., None]


def _hue_shift(pixels: np.ndarray, centre: tuple[int, int], strength: float, random: np.random.Generator) -> np.ndarray:
    """Turns chroma about grey and, as a grey pixel has none to turn, adds a cast of the same direction."""
    luma = pixels @ _LUMA
    angle = math.radians(120 * strength) * random.choice([-1, 1])
    axis = np.float64([1, 1, 1]) / math.sqrt(3)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + math.sin(angle) * skew + (1 - math.cos(angle)) * skew @ skew  # Rodrigues 1840
    direction = random.uniform(0, 2 * math.pi)
    cast = 40 * strength * np.array([math.cos(direction + k * 2 * math.pi / 3) for k in range(3)])
    turned = (pixels - luma[..., None]) @ turn.T + cast
    return turned - (turned @ _LUMA)[..., None] + luma[..., None]


def _patch(pixels: np.ndarray, centre: tuple[int, int], strength: float, random: np.random.Generator) -> np.ndarray:
    colour = random.uniform(40, 215, 3)
    texture = colour + random.normal(0, 10, pixels.shape)
    return pixels + strength * (texture - pixels)


_PAINTERS = {Kind.GRID: _grid, Kind.RINGING: _ringing, Kind.HUE_SHIFT: _hue_shift, Kind.PATCH: _patch}


def _member(kinds: type[StrEnum], value: str) -> StrEnum:
    try:
        return kinds(value)
    except ValueError:
        raise BadInput(f"{value!r} is not known here; choose {', '.join(kinds)}.") from None


def _check(pixels: np.ndarray, mask: np.ndarray, seed: int) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadInput(f"A picture of {pixels.dtype} {pixels.shape} was given; give uint8 of height × width × 3.")
    if mask.dtype != bool or mask.shape != pixels.shape[:2]:
        raise BadInput(f"The mask is {mask.dtype} {mask.shape}; give bool of {pixels.shape[:2]}, True on the entity.")
    if seed < 0:
        raise BadInput(f"The seed is {seed}; give 0 or a positive whole number.")
