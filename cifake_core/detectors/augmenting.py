"""Images as a training sees them when they are to look different from epoch to epoch: mirrored, moved, cut; on any device."""

import torch
from torch import Tensor

from cifake_core.detectors.presets import Recipe


def varied(pixels: Tensor, recipe: Recipe, draw: torch.Generator, side: int | None = None) -> Tensor:
    """uint8 (N, 3, H, W), each image mirrored and moved by its own draw; values are only put elsewhere, never blended.

    With a `side` smaller than the images a square of that side is cut out of each: (N, 3, side, side).
    `draw` is a generator of the CPU, so that a seed gives the same images on every device.
    """
    n, height, width = len(pixels), *pixels.shape[2:]
    tall, wide = (height, width) if side is None else (side, side)
    top = _starts(n, height - tall, recipe.shift, draw)
    left = _starts(n, width - wide, recipe.shift, draw)
    mirrored = (torch.rand(n, 1, generator=draw) < 0.5) & recipe.mirror
    rows = _reflected(torch.arange(tall) + top, height)  # (N, tall): which row stands where
    columns = _reflected(torch.arange(wide) + left, width)  # (N, wide)
    columns = torch.where(mirrored, columns.flip(1), columns)
    image, rows, columns = torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]
    where = [index.to(pixels.device) for index in (image, rows, columns)]
    return pixels.permute(0, 2, 3, 1)[tuple(where)].permute(0, 3, 1, 2)  # channels last in memory


def _starts(n: int, spare: int, shift: int, draw: torch.Generator) -> Tensor:
    """(N, 1): where the part of each image begins of which so many pixels are left out."""
    return torch.randint(-shift, spare + shift + 1, (n, 1), generator=draw)


def _reflected(index: Tensor, size: int) -> Tensor:
    """Positions beyond an edge → those as far inside it: −1 → 1, size → size − 2."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
