"""Feature maps of a network: which module gives a layer's, after its ReLU or before it.

In the papers' terms the feature map of a convolutional layer is what its ReLU lets through (Bird and Lotfi 2024 build
`Conv2D(activation="relu")`; the code of Selvaraju et al. 2017 takes `relu5_3` of VGG-16). The raw convolution output is another
thing: a unit that is off there still counts, with its sign (docs/results/before-and-after-relu.md says how different heatmaps
are). Both places can be asked for; after the ReLU is the default.

| network | after the ReLU | before it |
|---|---|---|
| the paper's (`ConvNet`) | the ReLU between convolution and pooling | the convolution |
| presets (`ResidualNet`) | the ReLU after convolution and normalisation; of a block's second convolution the block, whose sum is rectified | the convolution |
| vision transformer of Community Forensics | it has no ReLU: the patch tokens of `MapPlace`, whichever place is asked for | the same |
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core.detectors.networks import ConvNet
from cifake_core.detectors.places import AFTER_RELU, BEFORE_RELU, BOTH, NO_RELU, checked_place

TINY = 1e-7  # the `grad-cam` package's guard against division by nought
EVEN = 1e-5  # a map whose values differ by less than this share of the largest is the same everywhere but for rounding

_NORMALISATIONS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)


class ConvReluPool(nn.Module):
    """A `ConvNet` in the paper's order, convolution, ReLU, pooling: the same parameters and the same logits.

    Its modules are its own, so that hooks and layers put in place of others never reach the network it stands for.
    """

    def __init__(self, network: ConvNet) -> None:
        super().__init__()
        self.convolutions = shared(network.convolutions)
        self.relus = nn.ModuleList(nn.ReLU() for _ in self.convolutions)
        self.dense = shared(network.dense)
        self.output = shared(network.output)
        self.train(network.training)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, 3, 32, 32) in [0, 1] → logits (N,)."""
        x = images
        for convolution, relu in zip(self.convolutions, self.relus, strict=True):
            x = functional.max_pool2d(relu(convolution(x)), 2)
        x = x.flatten(1)
        for layer in self.dense:
            x = layer(x).relu()
        return self.output(x).squeeze(1)

    def rectified(self, layer: str) -> str:
        return layer.replace("convolutions", "relus")


def shared(module: nn.Module) -> nn.Module:
    """A module of its own over the same parameters and buffers."""
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return copy.deepcopy(module, tensors)


def place_at(network: nn.Module, layers: Iterable[str], place: str) -> str:
    """The place, or NO_RELU where none of the layers is followed by a ReLU."""
    checked_place(place)
    return place if type(network) is ConvNet or any(_rectified(network, layer) for layer in layers) else NO_RELU


def places_at(network: nn.Module, layers: Iterable[str], place: str) -> list[str]:
    """The same for `place` or BOTH: each place once, after the ReLU first."""
    asked = (AFTER_RELU, BEFORE_RELU) if place == BOTH else (place,)
    return list(dict.fromkeys(place_at(network, layers, one) for one in asked))


def observable(network: nn.Module, place: str) -> nn.Module:
    """The network itself, or one over the same parameters that has a module for each feature map at that place."""
    return ConvReluPool(network) if place == AFTER_RELU and type(network) is ConvNet else network


def module_of(network: nn.Module, layer: str, place: str) -> nn.Module:
    """The module of an `observable` network whose output is the layer's feature map (N, C, h, w)."""
    name = _rectified(network, layer) if place == AFTER_RELU else None
    return network.get_submodule(name or layer)


def _rectified(network: nn.Module, layer: str) -> str | None:
    """The name of the module that rectifies the layer's output, or None.

    A network may say so itself (`rectified`); else it is the ReLU that comes next, a normalisation aside.
    """
    if hasattr(network, "rectified"):
        return network.rectified(layer)
    leaves = [(name, module) for name, module in network.named_modules() if not next(module.children(), None)]
    place = next((number for number, (name, _) in enumerate(leaves) if name == layer), len(leaves))
    following = (leaf for leaf in leaves[place + 1 :] if not isinstance(leaf[1], _NORMALISATIONS))
    name, module = next(following, ("", None))
    return name if isinstance(module, nn.ReLU) else None


def cut_at(network: nn.Module, layer: str, place: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """(feature map (N, C, h, w), logits (N,)) of images; the logits' gradient reaches the feature map and nothing below it."""
    seen: dict[str, Tensor] = {}

    def cut(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        seen["map"] = output.detach().requires_grad_()
        return seen["map"].clone()  # a layer after it may work in place

    watched = observable(network, place)
    hook = module_of(watched, layer, place).register_forward_hook(cut)
    try:
        logits = watched(images)
    finally:
        hook.remove()
    return seen["map"], logits


def scaled(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Heatmaps (N, h, w) ≥ 0 → the same from 0 at each one's minimum to 1 at its maximum, and what they were divided by (N,).

    So heat · scale + minimum is the heatmap. One that is nought everywhere stays nought: no evidence. We differ from the
    `grad-cam` package in one case: a heatmap that is the same everywhere but not nought becomes 1 everywhere, evidence
    without a preferred place, with its value as scale; there it becomes nought, as if nothing had been found.
    """
    low, high = raw.amin((1, 2), keepdim=True), raw.amax((1, 2), keepdim=True)
    even = (high > 0) & (high - low <= EVEN * high)
    scale = torch.where(even, high, high - low + TINY)
    return torch.where(even, 1.0, (raw - low) / scale), scale.flatten()
