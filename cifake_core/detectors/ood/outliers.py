"""Outliers made of a dataset's own images, and drawn ones: what an out-of-distribution check learns to tell from its images.

Source: Hendrycks et al. 2019, "Deep Anomaly Detection with Outlier Exposure". We differ: no other dataset is needed, the
outliers are negatives, noise, enlarged and pixelated images, shuffled tiles, drawn patterns and rendered scenes.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cifake_core.images.codec import JPEG_QUALITY

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]  # 4:2:0 is OpenCV's default
_SMALLEST, _LARGEST = 6, 16  # pixels: the side an image is shrunk to before it is enlarged again
_TILES = (4, 8)  # pixels: sides of the tiles that are shuffled
_SIGMAS = (15.0, 60.0)  # of added noise, levels of 255


KINDS = ("negative", "scene", "other")  # what is told apart; one class for each helps the network more than one for all


def outliers(images: np.ndarray, random: np.random.Generator, scenes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (n, 3, H, W) → as many outliers, each made in one of the ways of `WAYS` or taken from `scenes`; their places in KINDS (n,)."""
    names = [*WAYS, *(["scene"] if scenes is not None else [])]
    shares = np.array([_SHARES[name] for name in names])
    chosen = random.choice(len(names), size=len(images), p=shares / shares.sum())
    made, kinds = np.empty_like(images), np.empty(len(images), np.int64)
    for number, name in enumerate(names):
        rows = np.flatnonzero(chosen == number)
        if not len(rows):
            continue
        made[rows] = scenes[random.integers(len(scenes), size=len(rows))] if name == "scene" else WAYS[name](images[rows], random)
        kinds[rows] = KINDS.index(name if name in KINDS else "other")
    return made, kinds


def negatives(images: np.ndarray, _random: np.random.Generator) -> np.ndarray:
    return 255 - images


def noisy(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    sigma = random.uniform(*_SIGMAS, (len(images), 1, 1, 1)).astype(np.float32)
    return _levels(images + random.standard_normal(images.shape, np.float32) * sigma)


def enlarged(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Shrunk to a few pixels and smoothly enlarged again: detail was made up."""
    side = int(random.integers(_SMALLEST, _LARGEST + 1))
    mode = ("bilinear", "bicubic")[int(random.integers(2))]
    return _grown(images, side, lambda small: functional.interpolate(small, images.shape[2:], mode=mode, align_corners=False))


def pixelated(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    side = int(random.integers(4, _LARGEST + 1))
    return _grown(images, side, lambda small: functional.interpolate(small, images.shape[2:], mode="nearest"))


def shuffled(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Square tiles in another order: colours and texture stay, what the picture shows does not."""
    n, channels, height, width = images.shape
    tile = int(random.choice(_TILES))
    rows, columns = height // tile, width // tile
    tiles = images.reshape(n, channels, rows, tile, columns, tile).transpose(0, 2, 4, 1, 3, 5)
    tiles = tiles.reshape(n, rows * columns, channels, tile, tile)
    order = random.permuted(np.tile(np.arange(rows * columns), (n, 1)), axis=1)
    tiles = np.take_along_axis(tiles, order[:, :, None, None, None], axis=1).reshape(n, rows, columns, channels, tile, tile)
    return tiles.transpose(0, 3, 1, 4, 2, 5).reshape(images.shape)


def patterns(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One colour, gradients, coarse blocks and noise: smooth random fields of every fineness, without a picture."""
    n, channels, height, width = images.shape
    side = int(random.choice([1, 2, 3, 4, 8, 16, 32]))
    field = torch.from_numpy(random.uniform(0, 255, (n, channels, side, side)).astype(np.float32))
    mode = ("nearest", "bilinear")[int(random.integers(2))]
    corners = {} if mode == "nearest" else {"align_corners": True}
    return _levels(functional.interpolate(field, (height, width), mode=mode, **corners).numpy())


WAYS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "negative": negatives,
    "noisy": noisy,
    "enlarged": enlarged,
    "pixelated": pixelated,
    "shuffled": shuffled,
    "pattern": patterns,
}
_SHARES = {"negative": 0.44, "scene": 0.25, "noisy": 0.06, "enlarged": 0.07, "pixelated": 0.06, "shuffled": 0.06, "pattern": 0.06}


def through_jpeg(images: np.ndarray) -> np.ndarray:
    """uint8 (n, 3, H, W) as CIFAKE's files store them, to the bit what `codec.encode_jpeg` gives; OpenCV is five times as fast."""
    stored = np.empty_like(images)
    for place, image in zip(stored, images, strict=True):
        _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[::-1].transpose(1, 2, 0)), _JPEG)
        place[:] = cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1].transpose(2, 0, 1)
    return stored


def _grown(images: np.ndarray, side: int, grow: Callable[[Tensor], Tensor]) -> np.ndarray:
    small = functional.interpolate(torch.from_numpy(images).float(), (side, side), mode="bilinear", antialias=True)
    return _levels(grow(small).numpy())


def _levels(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)
