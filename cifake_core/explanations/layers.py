"""One image on its way through a network, layer by layer: what comes out of each, down to the logit.

For the paper's networks the way is followed step by step (convolution, ReLU, pooling, dense layers); of any other network
each convolution's feature map, each pooling and each linear layer. Feature maps are those Grad-CAM takes
(`feature_maps.py`): after the ReLU, or before it where that is asked for. It draws nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core.detectors import feature_maps, places
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import ConvNet, as_input
from cifake_core.detectors.places import AFTER_RELU, NO_RELU
from cifake_core.detectors.scoring import on_device
from cifake_core.explanations.observing import undisturbed

_KINDS = {
    nn.Conv2d: "convolution", nn.Linear: "dense", nn.MaxPool2d: "pooled", nn.AvgPool2d: "pooled",
    nn.AdaptiveAvgPool2d: "pooled", nn.AdaptiveMaxPool2d: "pooled",
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """What one layer gives for one image. `values` float32: (C, h, w) for maps, (n,) for dense units."""

    name: str  # of the layer in the network
    kind: str  # convolution, pooled or dense
    values: np.ndarray
    place: str = NO_RELU  # of a convolution's feature map: after its ReLU or before it

    @property
    def silent(self) -> int:
        """How many maps or units are nowhere above nought: they say nothing about this image."""
        return int((self.values.reshape(len(self.values), -1).max(1) <= 0).sum())


@dataclass(frozen=True)
class Journey:
    """All stages, and how the logit comes about: Σ pushes + bias, where a network ends in one linear layer."""

    stages: tuple[Stage, ...]
    logit: float
    pushes: np.ndarray | None  # float32 (n,): each last unit times its weight; towards fake where positive
    bias: float
    mirrored: float | None = None  # the logit of the mirror image, where the verdict is the mean of both

    @property
    def verdict(self) -> float:
        """The logit of the verdict."""
        return self.logit if self.mirrored is None else (self.logit + self.mirrored) / 2

    @property
    def probability(self) -> float:
        """Of being fake, by the verdict."""
        return float(1 / (1 + np.exp(-self.verdict)))


def journey(detector: Detector, pixels: np.ndarray, place: str = AFTER_RELU) -> Journey:
    """pixels uint8 (3, H, W) → the image's way through the network, which is left as it was found. `place`: where the
    feature maps of convolutions are taken. Raises BadInput for another place.
    """
    places.checked_place(place)
    with detector.lock, undisturbed(detector.network), torch.no_grad():
        images = as_input(on_device(np.ascontiguousarray(pixels[None]), detector.device))
        if type(detector.network) is ConvNet:
            return _of_convnet(detector.network, images, place)
        mirrored = float(detector.network(images.flip(3)).float()[0]) if getattr(detector.network, "both_ways", False) else None
        return replace(_of_any(detector.network, images, place), mirrored=mirrored)


def _of_convnet(network: ConvNet, images: Tensor, place: str) -> Journey:
    stages, x = [], images
    for number, convolution in enumerate(network.convolutions):
        raw = convolution(x)
        activation = raw.relu()  # as the paper has it; our forward pass pools first, which changes nothing
        x = functional.max_pool2d(activation, 2)
        stages += [
            Stage(f"convolutions.{number}", "convolution", _plain(activation if place == AFTER_RELU else raw), place),
            Stage(f"pooling {number + 1}", "pooled", _plain(x)),
        ]
    x = x.flatten(1)
    for number, layer in enumerate(network.dense):
        x = layer(x).relu()
        stages.append(Stage(f"dense.{number}", "dense", _plain(x)))
    return _ended(stages, x, network.output)


def _ended(stages: list[Stage], units: Tensor, output: nn.Linear) -> Journey:
    pushes, bias = _plain(units) * _plain(output.weight), float(output.bias[0])
    return Journey(tuple(stages), float(pushes.sum() + bias), pushes, bias)


def _of_any(network: nn.Module, images: Tensor, place: str) -> Journey:
    stages: list[Stage] = []
    last: list[Tensor] = []

    def listen(name: str, kind: str, at: str):
        def keep(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            if output.dim() in (2, 4) and output[0].numel() > 1:
                stages.append(
                    Stage(name, kind if output.dim() == 4 or kind != "convolution" else "dense", _plain(output), at)
                )
            if isinstance(module, nn.Linear) and module.out_features == 1:
                last[:] = [inputs[0], module]

        return keep

    for name, module in network.named_modules():
        kind = _KINDS.get(type(module))
        if kind:
            at = feature_maps.place_at(network, [name], place) if kind == "convolution" else NO_RELU
            heard = feature_maps.module_of(network, name, place) if kind == "convolution" else module
            heard.register_forward_hook(listen(name, kind, at))  # `undisturbed` takes it away again
    logit = float(network(images).float().reshape(-1)[0])
    if last and last[0].dim() == 2 and last[1].bias is not None:
        ended = _ended(stages, last[0], last[1])
        return Journey(ended.stages, logit, ended.pushes, ended.bias)
    return Journey(tuple(stages), logit, None, 0.0)


def _plain(value: Tensor) -> np.ndarray:
    """The first of a batch as float32 on the CPU."""
    return value[0].detach().float().cpu().numpy()
