"""RandomStateAugmentation: what a picture may go through on its way to training, as published.

Source: Park and Owens 2025, section 4 and official code. Each of eleven operations is applied 0, 1 or 2 times, all in
random order; then a random crop. We differ: padding gives height and width back in their order (the official code swaps
them for a picture that is not square), and one generator draws everything, so a seed decides the picture.
"""

import io
import math
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

Draw = np.random.Generator
_SMOOTH = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
_ANY = (
    *_SMOOTH,
    InterpolationMode.NEAREST,
    InterpolationMode.LANCZOS,
    InterpolationMode.HAMMING,
    InterpolationMode.BOX,
)


class RandomStateAugmentation:
    """An 8-bit RGB picture of at least `crop` pixels a side → one of exactly `crop` × `crop`."""

    def __init__(self, crop: int, most: int = 2) -> None:
        self.crop, self.most = crop, most
        self.operations: dict[str, Callable[[Image.Image, Draw], Image.Image]] = {
            "jpeg": _jpeg,
            "resize": self._resize,
            "crop": self._crop,
            "horizontal flip": lambda image, draw: F.hflip(image) if draw.random() < 0.5 else image,
            "vertical flip": lambda image, draw: F.vflip(image) if draw.random() < 0.5 else image,
            "resized crop": self._resized_crop,
            "rotation": lambda image, draw: F.rotate(image, draw.uniform(-15, 15), InterpolationMode.BILINEAR),
            "translation": _translation,
            "shear": lambda image, draw: _affine(image, shear=[draw.uniform(-15, 15), draw.uniform(-15, 15)]),
            "padding": _padding,
            "cutout": _cutout,
        }

    def __call__(self, image: Image.Image, draw: Draw) -> Image.Image:
        for name in self.plan(draw):
            image = self.operations[name](image, draw)
        return self._crop(image, draw)

    def plan(self, draw: Draw) -> list[str]:
        """Which operations come, each as often as its own count in 0 … most says, in random order."""
        counts = draw.integers(0, self.most + 1, len(self.operations))
        names = [name for name, count in zip(self.operations, counts, strict=True) for _ in range(count)]
        return [names[place] for place in draw.permutation(len(names))]

    def _resize(self, image: Image.Image, draw: Draw) -> Image.Image:
        side = int(
            draw.integers(self.crop + 1, round(self.crop * 1.228) + 1)
        )  # not smaller: the crop after it must fit
        return F.resize(image, side, _SMOOTH[draw.integers(len(_SMOOTH))])

    def _crop(self, image: Image.Image, draw: Draw) -> Image.Image:
        top = int(draw.integers(0, image.height - self.crop + 1))
        left = int(draw.integers(0, image.width - self.crop + 1))
        return F.crop(image, top, left, self.crop, self.crop)

    def _resized_crop(self, image: Image.Image, draw: Draw) -> Image.Image:
        top, left, height, width = _part(image, draw, (0.9, 1.0), (3 / 4, 4 / 3))
        part = image.crop((left, top, left + width, top + height))
        return F.resize(part, [self.crop, self.crop], _ANY[draw.integers(len(_ANY))])


def _jpeg(image: Image.Image, draw: Draw) -> Image.Image:
    """Quality 75 to 100, by one of two encoders: their tables and rounding differ, and neither shall be learned."""
    quality = int(draw.integers(75, 101))
    if draw.random() < 0.5:
        packed = io.BytesIO()
        image.save(packed, format="JPEG", quality=quality)
        return Image.open(packed, formats=("JPEG",)).convert("RGB")
    _, data = cv2.imencode(".jpg", np.asarray(image)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return Image.fromarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])


def _part(
    image: Image.Image, draw: Draw, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a random part with that share of the area and that width : height; torchvision's way."""
    for _ in range(10):
        target = draw.uniform(*area) * image.width * image.height
        shape = math.exp(draw.uniform(math.log(ratio[0]), math.log(ratio[1])))
        width, height = round(math.sqrt(target * shape)), round(math.sqrt(target / shape))
        if 0 < width <= image.width and 0 < height <= image.height:
            return (
                int(draw.integers(0, image.height - height + 1)),
                int(draw.integers(0, image.width - width + 1)),
                height,
                width,
            )
    side = min(image.width, image.height)
    return (image.height - side) // 2, (image.width - side) // 2, side, side


def _affine(
    image: Image.Image, translate: tuple[int, int] = (0, 0), shear: tuple[float, ...] = (0.0, 0.0)
) -> Image.Image:
    return F.affine(image, 0.0, list(translate), 1.0, list(shear), InterpolationMode.BILINEAR)


def _translation(image: Image.Image, draw: Draw) -> Image.Image:
    x, y = (round(draw.uniform(-0.1, 0.1) * side) for side in image.size)
    return _affine(image, translate=(x, y))


def _padding(image: Image.Image, draw: Draw) -> Image.Image:
    """Up to 5 % a side in one grey, then back to the size it had."""
    left, top, right, bottom = (int(draw.uniform(0, 0.05) * side) for side in (*image.size, *image.size))
    padded = F.pad(image, [left, top, right, bottom], fill=int(draw.integers(0, 256)))
    return F.resize(padded, [image.height, image.width], InterpolationMode.BILINEAR)


def _cutout(image: Image.Image, draw: Draw) -> Image.Image:
    """With probability one half, a rectangle of 2 to 6 % of the area becomes one grey."""
    if draw.random() >= 0.5:
        return image
    top, left, height, width = _part(image, draw, (0.02, 0.06), (0.3, 3.3))
    holed = image.copy()
    holed.paste((int(draw.integers(0, 256)),) * 3, (left, top, left + width, top + height))
    return holed
