"""Which training images an epoch sees: all, or all hard ones and a share of the easy ones that counts for all of these.

Source: InfoBatch (Qin et al. 2024): an image whose last loss lay below the mean is left out with probability `skip`, and
counts 1 / (1 − skip) times where it stays, so that the expected gradient is the whole set's. The first epoch and the last
eighth of them see every image. Late in a training on CIFAKE nine of ten losses lie below the mean.
"""

import torch
from torch import Tensor

from cifake_core.detectors.presets import Recipe


def order(n: int, losses: Tensor | None, recipe: Recipe, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """An epoch's images, shuffled, as positions int64 (K,) of the n, and what each counts, float32 (K,); None: all once.

    `losses` float32 (n,) are the last of each image, or None where all are to be seen; `draw` is a generator of the CPU.
    """
    shuffled = torch.randperm(n, generator=draw)
    if losses is None:
        return shuffled, None
    easy = losses < losses.mean()
    stays = ~easy | (torch.rand(n, generator=draw) >= recipe.skip)
    shuffled = shuffled[stays[shuffled]]
    return shuffled, torch.where(easy, 1 / (1 - recipe.skip), 1.0)[shuffled]
