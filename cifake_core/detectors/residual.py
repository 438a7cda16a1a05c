"""The presets' network: stages of a convolution and residual blocks, each at half the side of the one before."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core.detectors.presets import Preset


class ResidualNet(nn.Module):
    """images (N, 3, 32, 32) in [0, 1] → one logit an image.

    Source: He et al. 2016, basic blocks. We differ: stages begin with a 2×2 max-pool and a plain convolution instead of
    a strided block, and mean and maximum over the last places are both handed on.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.both_ways = preset.both_ways  # how `scoring` asks it
        before, self.stages = 3, nn.ModuleList()
        for width, blocks in zip(preset.channels, preset.blocks, strict=True):
            first = nn.Sequential(convolution(before, width), nn.ReLU())
            self.stages.append(nn.Sequential(first, *(Block(width) for _ in range(blocks))))
            before = width
        self.output = nn.Linear(2 * before, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for number, stage in enumerate(self.stages):
            x = stage(functional.max_pool2d(x, 2) if number else x)  # (N, channels, side, side)
        return self.output(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)).squeeze(1)

    def rectified(self, layer: str) -> str:
        """The module that gives a convolution's feature map after its ReLU: the ReLU that follows its normalisation, or
        for the second convolution of a block the block itself, where what came in is added before the ReLU.
        """
        sequence, _, place = layer.removesuffix(".0").rpartition(".")  # `convolution` puts it first, its normalisation next
        return sequence.removesuffix(".inner") if place == "2" else f"{sequence}.1"


class Block(nn.Module):
    """Two convolutions whose outcome is added to what came in; (N, width, h, w) in and out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(convolution(width, width), nn.ReLU(), convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.inner(x)).relu()


def convolution(before: int, after: int) -> nn.Sequential:
    """3×3, the side kept, then batch normalisation."""
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after))
