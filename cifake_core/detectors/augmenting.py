"""Images as a training sees them when they are to look different from epoch to epoch: mirrored, moved, partly hidden, on any device."""

import torch
from torch import Tensor

from cifake_core.detectors.presets import Recipe

_GREY = 115  # 0.45, about the mean of CIFAR-10's values


def varied(pixels: Tensor, recipe: Recipe, draw: torch.Generator) -> Tensor:
    """uint8 (N, 3, H, W), each image mirrored, moved and partly hidden by its own draw; values are put elsewhere or replaced, never blended.

    `draw` is a generator of the CPU, so that a seed gives the same images on every device.
    """
    n, height, width = len(pixels), *pixels.shape[2:]
    shifts = torch.randint(-recipe.shift, recipe.shift + 1, (2, n, 1), generator=draw)
    mirrored = (torch.rand(n, 1, generator=draw) < 0.5) & recipe.mirror
    rows = _reflected(torch.arange(height) + shifts[0], height)  # (N, H): which row stands where
    columns = _reflected(torch.arange(width) + shifts[1], width)  # (N, W)
    columns = torch.where(mirrored, width - 1 - columns, columns)
    image, rows, columns = torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]
    where = [index.to(pixels.device) for index in (image, rows, columns)]
    seen = pixels.permute(0, 2, 3, 1)[tuple(where)].permute(0, 3, 1, 2)  # channels last in memory
    return seen.masked_fill_(_square(recipe.cutout, n, height, width, draw).to(pixels.device), _GREY) if recipe.cutout else seen


def _square(side: int, n: int, height: int, width: int, draw: torch.Generator) -> Tensor:
    """bool (N, 1, H, W): a square of that side in each image, its centre drawn evenly from all pixels."""
    down, across = torch.randint(0, height, (n, 1), generator=draw), torch.randint(0, width, (n, 1), generator=draw)
    rows, columns = ((torch.arange(size) - at + side // 2 for size, at in ((height, down), (width, across))))  # 0 to side − 1: inside
    within = [(places >= 0) & (places < side) for places in (rows, columns)]
    return (within[0][:, :, None] & within[1][:, None, :])[:, None]


def _reflected(index: Tensor, size: int) -> Tensor:
    """Positions beyond an edge → those as far inside it: −1 → 1, size → size − 2."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
