"""What the paper's detectors are shown of a picture: short side resized, middle square, ImageNet's mean and spread.

Source: official code, test transform: torchvision's Resize (bilinear, antialiased) and CenterCrop on 8-bit pictures. A test
holds it against torchvision. It knows pictures and sizes, no network.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional

from cifake_core.detectors.community_forensics.models import MEAN, SPREAD, Model


def resized_size(height: int, width: int, short: int) -> tuple[int, int]:
    """(height, width) with the short side at `short`; the long one is rounded down, as torchvision does."""
    if width <= height:
        return int(short * height / width), short
    return short, int(short * width / height)


def crop_corner(height: int, width: int, crop: int) -> tuple[int, int]:
    """(top, left) of the middle square."""
    return round((height - crop) / 2), round((width - crop) / 2)


def resized(pixels: np.ndarray, model: Model) -> np.ndarray:
    """uint8 (H, W, 3) → the same picture with its short side at `model.resize`."""
    height, width = resized_size(*pixels.shape[:2], model.resize)
    if (height, width) == pixels.shape[:2]:
        return pixels
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def cropped(pixels: np.ndarray, model: Model) -> np.ndarray:
    """uint8 (H, W, 3) → the middle square, (crop, crop, 3)."""
    top, left = crop_corner(*pixels.shape[:2], model.crop)
    return np.ascontiguousarray(pixels[top : top + model.crop, left : left + model.crop])


def shown(pixels: np.ndarray, model: Model) -> np.ndarray:
    """uint8 (H, W, 3) of any size → uint8 (crop, crop, 3): exactly what the published detector is shown."""
    return cropped(resized(pixels, model), model)


def framed(images: Tensor, model: Model) -> Tensor:
    """(N, 3, H, W) in [0, 1] → (N, 3, crop, crop), differentiable. A picture of the crop's size is left as it is.

    The same as `shown` but for single grey levels: Pillow rounds to 8 bits after the lines and after the columns, so does
    this, and the gradient passes the rounding as if it were not there.
    """
    if images.shape[2:] == (model.crop, model.crop):
        return images
    height, width = resized_size(*images.shape[2:], model.resize)
    grown = images
    for size in ([images.shape[2], width], [height, width]):
        grown = functional.resize(grown, size, functional.InterpolationMode.BILINEAR, antialias=True).clamp(0, 1)
        grown = grown + ((grown * 255).round() / 255 - grown).detach()
    top, left = crop_corner(height, width, model.crop)
    return grown[:, :, top : top + model.crop, left : left + model.crop]


def normalised(images: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] → ImageNet's mean 0 and spread 1."""
    return (images - images.new_tensor(MEAN)[:, None, None]) / images.new_tensor(SPREAD)[:, None, None]


def seen_share(height: int, width: int, model: Model) -> tuple[float, float, float, float]:
    """(top, left, bottom, right) of what is looked at, as shares of the picture: the rest is never seen."""
    if (height, width) == (model.crop, model.crop):
        return 0.0, 0.0, 1.0, 1.0
    grown_height, grown_width = resized_size(height, width, model.resize)
    top, left = crop_corner(grown_height, grown_width, model.crop)
    return top / grown_height, left / grown_width, (top + model.crop) / grown_height, (left + model.crop) / grown_width


def stacked(pictures: list[np.ndarray]) -> Tensor:
    """uint8 (crop, crop, 3) each → uint8 (N, 3, crop, crop)."""
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())
