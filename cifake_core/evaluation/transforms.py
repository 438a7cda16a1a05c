"""What happens to pictures on their way through the world: recompression, resizing, blur, noise, crops, light, hue.

Pure functions of uint8 (n, 3, H, W), the same shape back. They know no label and no network.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from cifake_core.errors import BadInput
from cifake_core.images.codec import JPEG_420


@dataclass(frozen=True)
class Transform:
    """One kind of harm, at several strengths, mildest first."""

    name: str
    title: str
    unit: str  # what a strength is
    strengths: tuple[float, ...]
    lowest: float  # what makes sense
    highest: float
    apply: Callable[[np.ndarray, float, int], np.ndarray]  # pixels, strength, seed → pixels

    def __call__(self, pixels: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
        """uint8 (n, 3, H, W) → uint8 (n, 3, H, W); equal input, strength and seed give equal pixels."""
        return self.apply(pixels, strength, seed) if len(pixels) else pixels


def jpeg(pixels: np.ndarray, quality: float, _seed: int = 0) -> np.ndarray:
    """Saved as JPEG of that quality (1 … 100, 4:2:0) and opened again."""
    return np.stack([_through_jpeg(image, int(quality)) for image in pixels])


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(out, format="JPEG", quality=quality, subsampling=JPEG_420)
    with Image.open(out) as again:
        return np.asarray(again.convert("RGB")).transpose(2, 0, 1)


def resize(pixels: np.ndarray, factor: float, _seed: int = 0) -> np.ndarray:
    """Resized to `factor` times the side and back, both antialiased bicubic: below 1 detail is lost, above 1 nearly none."""
    side = pixels.shape[-2:]
    between = [max(1, round(length * factor)) for length in side]
    return _resized(_resized(torch.from_numpy(np.array(pixels)), between), list(side)).numpy()


def blur(pixels: np.ndarray, sigma: float, _seed: int = 0) -> np.ndarray:
    """Gaussian blur; sigma in pixels, the kernel reaches three sigmas, edges are mirrored."""
    size = 2 * max(1, int(np.ceil(3 * sigma))) + 1
    return functional.gaussian_blur(torch.from_numpy(np.array(pixels)), [size, size], [sigma, sigma]).numpy()


def noise(pixels: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """Independent Gaussian noise on every value; sigma in levels of 255."""
    drawn = np.random.default_rng(seed).standard_normal(pixels.shape, dtype=np.float32)
    return np.clip(np.rint(pixels + sigma * drawn), 0, 255).astype(np.uint8)


def crop(pixels: np.ndarray, share: float, _seed: int = 0) -> np.ndarray:
    """The middle `share` of each side, enlarged to the old size (antialiased bicubic)."""
    height, width = pixels.shape[-2:]
    kept = [max(1, round(length * share)) for length in (height, width)]
    middle = functional.center_crop(torch.from_numpy(np.array(pixels)), kept)
    return _resized(middle, [height, width]).numpy()


def brightness(pixels: np.ndarray, factor: float, _seed: int = 0) -> np.ndarray:
    """Every value times `factor`, cut off at 255."""
    return np.clip(np.rint(pixels * np.float32(factor)), 0, 255).astype(np.uint8)


def hue(pixels: np.ndarray, turn: float, _seed: int = 0) -> np.ndarray:
    """Hue (HSV) shifted by `turn` of a full circle, −0.5 … 0.5."""
    return functional.adjust_hue(torch.from_numpy(np.array(pixels)), turn).numpy()


def saturation(pixels: np.ndarray, factor: float, _seed: int = 0) -> np.ndarray:
    """Mixed with its gray version: 0 is gray, 1 unchanged, above 1 more vivid."""
    return functional.adjust_saturation(torch.from_numpy(np.array(pixels)), factor).numpy()


def _resized(images: torch.Tensor, size: list[int]) -> torch.Tensor:
    return functional.resize(images, size, interpolation=functional.InterpolationMode.BICUBIC, antialias=True)


ALL = (
    Transform("jpeg", "JPEG compression", "quality", (95, 85, 75, 60, 45, 30), 1, 100, jpeg),
    Transform("resize", "Resized and back", "factor", (2.0, 1.5, 0.75, 0.5, 0.375), 0.1, 4, resize),
    Transform("blur", "Gaussian blur", "sigma in pixels", (0.4, 0.5, 0.6, 0.8, 1.0, 1.5), 0.1, 8, blur),
    Transform("noise", "Gaussian noise", "sigma in levels of 255", (2, 4, 8, 12, 16, 24), 0, 128, noise),
    Transform("crop", "Centre crop, enlarged", "share of the side", (0.95, 0.9, 0.8, 0.7, 0.6), 0.1, 1, crop),
    Transform("brightness", "Brightness", "factor", (0.9, 1.1, 0.75, 1.25, 0.5, 1.5), 0.05, 4, brightness),
    Transform("hue", "Hue shift", "of a full circle", (0.02, -0.02, 0.05, -0.05, 0.1, -0.1, 0.25, 0.5), -0.5, 0.5, hue),
)
NAMES = tuple(transform.name for transform in ALL)


def named(name: str) -> Transform:
    """The transform of that name; raises BadInput."""
    for transform in ALL:
        if transform.name == name:
            return transform
    raise BadInput(f"There is no transform {name[:40]!r}; take {', '.join(NAMES)}.")


def checked_strengths(transform: Transform, strengths: tuple[float, ...]) -> tuple[float, ...]:
    """The strengths themselves, if each makes sense; those of the transform for none. Raises BadInput."""
    for strength in strengths:
        if not transform.lowest <= strength <= transform.highest:
            raise BadInput(
                f"{transform.title} of {strength:g} makes no sense; the {transform.unit} goes from "
                f"{transform.lowest:g} to {transform.highest:g}."
            )
    return strengths or transform.strengths
