"""Grad-CAM for whole test sets: the activation and its gradient, one forward and half a backward pass a batch.

Source: Selvaraju et al. 2017, eq. 1 and 2. The values are those of the `grad-cam` package on the network in the paper's
order, convolution, ReLU, pooling (a test compares them with a plain copy): each layer's map is shifted and scaled to
[0, 1] at the layer's own size, enlarged bilinearly, averaged over the layers, and scaled once more. The paper's networks
get a shorter way through their pooling; any other network goes through a hook.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core.detectors import feature_maps
from cifake_core.detectors.feature_maps import place_at, scaled
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import ConvNet, as_input, convolution_names
from cifake_core.detectors.places import AFTER_RELU, checked_place
from cifake_core.detectors.scoring import on_device, verdict
from cifake_core.explanations.cam import Layers, Maps, Target, checked_layers, checked_target, explained_labels, placed
from cifake_core.explanations.observing import undisturbed
from cifake_core.progress import Progress, silent

BATCH = 128  # images; measured best of 16 to 256: activations of 32 maps at 32 × 32 then take 17 MB


@dataclass(frozen=True)
class LayerMaps:
    """Grad-CAM at the size of its layer, before it is enlarged."""

    heat: np.ndarray  # float32 (n, h, w) in [0, 1]
    scale: np.ndarray  # float32 (n,): heat · scale is in units of the logit's gradient, comparable between images
    logits: np.ndarray  # float32 (n,)
    explained: np.ndarray  # int8 (n,)
    place: str = AFTER_RELU  # of the feature map, see `feature_maps`


def grad_cam(
    detector: Detector,
    pixels: np.ndarray,
    layers: Layers = None,
    target: Target = "verdict",
    on_progress: Progress = silent,
    place: str = AFTER_RELU,
) -> Maps:
    """What `package_cams.maps` gives of "gradcam", within 1e-4 and several times faster. Same arguments, same errors."""
    names = checked_layers(detector.network, layers)
    found = [layer_maps(detector, pixels, name, target, on_progress, place) for name in names]
    heat, *others = (enlarged(maps.heat, pixels.shape[2:]) for maps in found)
    heat = np.mean([heat, *others], axis=0) if others else heat
    heat = scaled(torch.from_numpy(heat))[0].numpy()
    scale = found[0].scale if len(names) == 1 else None  # gradients of two layers have no common unit
    place = place_at(detector.network, names, place)
    return Maps(heat, found[0].logits, found[0].explained, "+".join(names), "gradcam", scale=scale, place=place)


def layer_maps(
    detector: Detector,
    pixels: np.ndarray,
    layer: str | None = None,
    target: Target = "verdict",
    on_progress: Progress = silent,
    place: str = AFTER_RELU,
) -> LayerMaps:
    """Grad-CAM of one layer at the layer's own size: pixels uint8 (n, 3, H, W) → heat (n, h, w). Raises BadInput."""
    (name,) = checked_layers(detector.network, layer)
    checked_target(target, len(pixels))
    checked_place(place)
    n, parts = len(pixels), []
    with detector.lock, undisturbed(detector.network):
        detector.network.requires_grad_(False)  # no gradient of a weight is wanted, and none is computed
        for start in range(0, n, BATCH):
            on_progress(start, n, "Computing maps")
            here = slice(start, start + BATCH)
            images = as_input(on_device(pixels[here], detector.device))
            parts.append(_batch(detector.network, images, name, place, target, here))
    on_progress(n, n, "Computing maps")
    if not parts:
        return LayerMaps(np.zeros((0, *pixels.shape[2:]), np.float32), *(np.zeros(0, kind) for kind in ("f4", "f4", "i1")))
    heat, scale, logits, explained = (np.concatenate(column) for column in zip(*parts, strict=True))
    place = place_at(detector.network, [name], place)
    return LayerMaps(placed(detector.network, heat, pixels.shape[2:]), scale, logits, explained, place)


def enlarged(heat: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Maps (n, h, w) at the size of the images (n, H, W), bilinear between the centres of pixels as OpenCV does it."""
    if heat.shape[1:] == tuple(size) or not len(heat):
        return heat.reshape(len(heat), *size)
    down, across = (_stretch(small, large) for small, large in zip(heat.shape[1:], size, strict=True))
    return (down @ torch.from_numpy(heat) @ across.T).numpy()  # half the time of torch's own interpolation


def _stretch(small: int, large: int) -> Tensor:
    """(large, small): linear interpolation of a line as a matrix."""
    line = functional.interpolate(torch.eye(small)[None], size=large, mode="linear", align_corners=False)
    return line[0].T.contiguous()


def _batch(network: nn.Module, images: Tensor, layer: str, place: str, target: Target, here: slice) -> tuple[np.ndarray, ...]:
    way = _through_pooling if type(network) is ConvNet else _through_hook
    activation, weights, logits = way(network, images, layer, place)
    explained = explained_labels(logits, target, here)
    columns = activation.permute(0, 2, 3, 1).flatten(1, 2)  # (N, h·w, K): no copy, the channels lie last in memory
    signs = weights.new_tensor(2 * explained.astype(np.float32) - 1)  # the target is ±logit, so is its gradient
    signed = (weights * signs[:, None])[:, None, :]  # (N, 1, K)
    raw = torch.bmm(signed, columns.transpose(1, 2))  # Σ_k α_k A_k, (N, 1, h·w); the other way round takes four times as long
    heat, scale = scaled(raw.view(len(images), *activation.shape[2:]).clamp_(min=0))
    return heat.cpu().numpy(), scale.cpu().numpy(), logits, explained


def _through_pooling(network: ConvNet, images: Tensor, layer: str, place: str) -> tuple[Tensor, Tensor, np.ndarray]:
    """Feature map (N, K, h, w), mean gradient of the logit over each of its channels (N, K), logits (N,).

    2 × 2 max-pooling hands each gradient to exactly one place, also where all four are nought, so the sum over a feature
    map's gradient is the sum over the pooled one's, a quarter of the numbers; no gradient below that is computed. After
    the ReLU that gradient counts whole; before it, the ReLU stands between and stops it where the pooled one is nought.
    """
    number = convolution_names(network).index(layer)
    with torch.no_grad():
        x = images
        for convolution in network.convolutions[:number]:
            x = _halved(convolution(x)).relu_()
        activation = network.convolutions[number](x)
        if place == AFTER_RELU:
            activation = activation.relu_()
        pooled = _halved(activation).relu_()
    summed = _summed_after if place == AFTER_RELU else _summed_before
    gradient, output = summed(network, number + 1, pooled)
    weights = gradient / (activation.shape[2] * activation.shape[3])
    return activation, weights, output.detach().float().cpu().numpy()


def _summed_after(network: ConvNet, following: int, pooled: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of the logit by rectified and pooled maps (N, K, h, w), summed over places (N, K), and the logits (N,).

    The way back through the following convolution is linear, so the sum needs no gradient of each place: a weight counts
    as often as the gradient by the convolution's output, summed over all places where that weight met one of the map.
    """
    if following == len(network.convolutions):
        x = pooled.requires_grad_()
        output = _ended(network, following, x)
        return torch.autograd.grad(output.sum(), x)[0].sum((2, 3)), output
    convolution = network.convolutions[following]
    with torch.no_grad():
        response = convolution(pooled)
    response.requires_grad_()
    output = _ended(network, following + 1, functional.max_pool2d(response, 2).relu_())
    (gradient,) = torch.autograd.grad(output.sum(), response)  # (N, L, h, w)
    lines = gradient.sum(2)
    lines = torch.stack([lines - gradient[:, :, 0], lines, lines - gradient[:, :, -1]], 2)  # (N, L, 3, w): padding met no map
    places = lines.sum(3)
    places = torch.stack([places - lines[..., 0], places, places - lines[..., -1]], 3)  # (N, L, 3, 3)
    return torch.einsum("nlij,lkij->nk", places, convolution.weight), output


def _summed_before(network: ConvNet, following: int, pooled: Tensor) -> tuple[Tensor, Tensor]:
    """The same by maps before their ReLU, which was done in place and hands on nothing where the pooled map is nought."""
    x = pooled.requires_grad_()
    output = _ended(network, following, x)
    (gradient,) = torch.autograd.grad(output.sum(), x)
    return torch.ops.aten.threshold_backward(gradient, pooled.detach(), 0).sum((2, 3)), output


def _ended(network: ConvNet, following: int, x: Tensor) -> Tensor:
    """Logits (N,) from the pooled maps before a convolution, or before the dense layers."""
    for convolution in network.convolutions[following:]:
        x = functional.max_pool2d(convolution(x), 2).relu_()
    x = x.flatten(1)
    for dense in network.dense:
        x = dense(x).relu_()
    return network.output(x).squeeze(1)


def _halved(activation: Tensor) -> Tensor:
    """2 × 2 max-pooling of (N, K, h, w), lines first: half the time of torch's own where channels lie last in memory."""
    height, width = activation.shape[2] // 2 * 2, activation.shape[3] // 2 * 2
    lines = torch.maximum(activation[:, :, :height:2], activation[:, :, 1:height:2])
    return torch.maximum(lines[..., :width:2], lines[..., 1:width:2])


def _through_hook(network: nn.Module, images: Tensor, layer: str, place: str) -> tuple[Tensor, Tensor, np.ndarray]:
    """The same for any network: the graph is cut below the feature map, so nothing below it is differentiated."""
    activation, output = feature_maps.cut_at(network, layer, place, images)
    (gradient,) = torch.autograd.grad(output.sum(), activation)
    with torch.no_grad():
        logits = verdict(network, images, output).cpu().numpy()
    return activation.detach(), gradient.mean((2, 3)), logits
