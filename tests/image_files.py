"""Small image files of our own making for the tests of image sets: random pixels, no data of others."""

import io

import numpy as np
from PIL import Image

from cifake_core.images.codec import encode_jpeg, encode_png
from cifake_core.images.schema import NewImage


def random_pixels(seed: int, height: int = 32, width: int = 32) -> np.ndarray:
    """uint8 (H, W, 3), different for every seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(seed: int, height: int = 32, width: int = 32) -> bytes:
    return encode_png(random_pixels(seed, height, width))


def jpeg(seed: int, height: int = 32, width: int = 32) -> bytes:
    return encode_jpeg(random_pixels(seed, height, width))


def saved(image: Image.Image, format: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format=format, **options)
    return out.getvalue()


def new_images(per_label_and_class: int = 30, test: int = 5, classes: int = 2, first_seed: int = 0) -> list[NewImage]:
    """Real and fake PNGs of some classes, all different, in train and test."""
    rows, seed = [], first_seed
    for split, count in (("train", per_label_and_class), ("test", test)):
        for label in (0, 1):
            for class_label in range(classes):
                for _ in range(count):
                    rows.append(NewImage(png(seed), label, class_label, split))
                    seed += 1
    return rows
