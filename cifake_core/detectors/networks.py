"""Networks: one logit an image, 1 = fake. They take pixels in [0, 1] and know nothing of data or training."""

import itertools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core import hardware
from cifake_core.detectors import trainable
from cifake_core.detectors.community_forensics.models import is_forensic
from cifake_core.detectors.presets import Preset
from cifake_core.detectors.residual import ResidualNet
from cifake_core.detectors.topology import Topology

SIDE = 32  # pixels; the detectors of this project look at images of this side


class ConvNet(nn.Module):
    """The paper's network for a topology: [3×3 convolution, ReLU, 2×2 max-pool] × n, dense layers, one logit.

    We differ in two places that change no logit: the maximum is taken before the ReLU (the two commute, and a quarter
    of the ReLUs remain), and the sigmoid is left to the loss. So no module here gives the rectified feature map of a
    layer; who wants it looks at `feature_maps.observable`, the same parameters in the paper's order.
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
        x = (_trained_stages if _trains_on_cpu(self, images) else _stages)(self.convolutions, images)
        x = x.flatten(1)  # (N, filters · side²)
        for layer in self.dense:
            x = layer(x).relu()
        return self.output(x).squeeze(1)


def _stages(convolutions: Iterable[nn.Conv2d], x: Tensor) -> Tensor:
    for convolution in convolutions:
        x = functional.max_pool2d(convolution(x), 2).relu()  # (N, filters, side, side), the side halved
    return x


def _trains_on_cpu(network: nn.Module, images: Tensor) -> bool:
    """Where `_trained_stages` gains: not in evaluation, where others look at the maps between the layers."""
    plain = images.device.type == "cpu" and images.dtype == torch.float32
    fast = hardware.multiplies_bf16() if torch.is_autocast_enabled("cpu") else torch.backends.mkldnn.is_available()
    return network.training and torch.is_grad_enabled() and plain and fast


def _trained_stages(convolutions: Sequence[nn.Conv2d], images: Tensor) -> Tensor:
    """`_stages` in oneDNN's own layout, whose max-pool is faster, above all its way back; equal but for rounding.

    In bf16 all of them; what it gave: benchmarks/RESULTS.md. In float32 the first alone, with the largest maps: with 128
    filters further convolutions are slower in that layout (measured with AVX2).
    """
    if torch.is_autocast_enabled("cpu"):
        x = images.to_mkldnn(torch.bfloat16)
        for convolution in convolutions:
            x = functional.max_pool2d(_in_bf16(convolution, x), 2, 2).relu()
        return x.to_dense()
    first, *others = convolutions
    x = functional.max_pool2d(first(images.to_mkldnn()), 2, 2).relu().to_dense()
    return _stages(others, x.contiguous(memory_format=torch.channels_last)) if others else x


def _in_bf16(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution by its operator's own name: `conv2d` takes no such layout in bf16 together with weights that learn."""
    weight, bias = convolution.weight.bfloat16(), convolution.bias.bfloat16()
    return torch.mkldnn_convolution(x, weight, bias, convolution.padding, convolution.stride, convolution.dilation, 1)


class MapPlace(nn.Identity):
    """Changes nothing: a layer of a network without convolutions or ReLUs that gives a feature map, (N, C, h, w) in and out."""


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
    """The names of every convolution (and `MapPlace`), first to last: the layers a heatmap can be of; see `feature_maps` for where."""
    return [name for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, MapPlace))]


def as_input(pixels: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) → float32 in [0, 1], laid out in memory as they came: a convolution brings them into the layout it wants."""
    return pixels.float().div_(255)
