"""Networks: one logit an image, 1 = fake. They take pixels in [0, 1] and know nothing of data or training."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core.detectors import trainable
from cifake_core.detectors.community_forensics.models import is_forensic
from cifake_core.detectors.presets import Preset
from cifake_core.detectors.residual import ResidualNet
from cifake_core.detectors.topology import Topology

SIDE = 32  # pixels; the detectors of this project look at images of this side


class ConvNet(nn.Module):
    """The paper's network for a topology: [3×3 convolution, ReLU, 2×2 max-pool] × n, dense layers, one logit.

    We differ in two places that change no result: the maximum is taken before the ReLU (the two commute, and a quarter
    of the ReLUs remain), and the sigmoid is left to the loss.
    """

    def __init__(self, topology: Topology) -> None:
        super().__init__()
        channels = [3] + [topology.filters] * topology.conv_layers
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, padding=1) for before, after in itertools.pairwise(channels)
        )
        widths = [topology.filters * (SIDE >> topology.conv_layers) ** 2] + [
            topology.dense_units
        ] * topology.dense_layers
        self.dense = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(widths))
        self.output = nn.Linear(widths[-1], 1)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, 3, 32, 32) in [0, 1] → logits (N,)."""
        first, *others = self.convolutions
        x = _first_stage(first, images) if _trains_on_cpu(self, images) else functional.max_pool2d(first(images), 2).relu()
        for convolution in others:
            x = functional.max_pool2d(convolution(x), 2).relu()  # (N, filters, side, side), the side halved
        x = x.flatten(1)  # (N, filters · side²)
        for layer in self.dense:
            x = layer(x).relu()
        return self.output(x).squeeze(1)


def _trains_on_cpu(network: nn.Module, images: Tensor) -> bool:
    """Where `_first_stage` gains: not in evaluation, where others look at the maps between the layers."""
    plain = images.device.type == "cpu" and images.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return network.training and torch.is_grad_enabled() and plain and torch.backends.mkldnn.is_available()


def _first_stage(convolution: nn.Conv2d, images: Tensor) -> Tensor:
    """The same numbers in oneDNN's own layout, whose max-pool is the faster one on the largest maps.

    Later stages stay as they are: with 128 filters their convolutions are slower in that layout.
    """
    x = functional.max_pool2d(convolution(images.to_mkldnn()), 2, 2).relu()  # (N, filters, side / 2, side / 2)
    return x.to_dense().contiguous(memory_format=torch.channels_last)


class MapPlace(nn.Identity):
    """Changes nothing: a place in a network without convolutions where a map can be taken, (N, C, h, w) in and out."""


def build(topology: str, preset: Preset | None = None) -> nn.Module:
    """A freshly initialised network for the name of a topology, a preset or a detector of Community Forensics. Draws from torch's global random state.

    `preset`: one with other numbers than that of its name has today.
    """
    if is_forensic(topology):
        from cifake_core.detectors.community_forensics import network

        return network.build(topology)
    described = preset or trainable.described(topology)
    network = ResidualNet(described) if isinstance(described, Preset) else ConvNet(described)
    return network.to(memory_format=torch.channels_last)


def convolution_names(network: nn.Module) -> list[str]:
    """The names of every convolution (and `MapPlace`), first to last: where a map can be taken."""
    return [name for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, MapPlace))]


def as_input(pixels: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) → float32 in [0, 1], channels last in memory: the form convolutions are fastest on."""
    return pixels.to(memory_format=torch.channels_last).float().div_(255)
