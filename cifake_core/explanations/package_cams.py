"""Class activation maps by the `grad-cam` package: its classes as this lab uses them, and the loop over batches.

Loading the package takes seconds (it brings torchvision along), so only what asks for one of these methods loads this.
"""

import zlib

import numpy as np
import pytorch_grad_cam
import pytorch_grad_cam.ablation_cam
import pytorch_grad_cam.score_cam
from pytorch_grad_cam.ablation_layer import AblationLayer
from pytorch_grad_cam.utils.model_targets import BinaryClassifierOutputTarget
from torch import Tensor, nn

from cifake_core.detectors import feature_maps, places
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import as_input
from cifake_core.detectors.places import AFTER_RELU
from cifake_core.detectors.scoring import on_device
from cifake_core.explanations import cam
from cifake_core.explanations.cam import Layers, Maps, Target
from cifake_core.explanations.observing import undisturbed
from cifake_core.progress import Progress, silent


class _Quiet:
    """In place of tqdm inside the package: progress is reported by `on_progress`, nothing in the core prints."""

    @staticmethod
    def tqdm(things):
        return things


pytorch_grad_cam.score_cam.tqdm = pytorch_grad_cam.ablation_cam.tqdm = _Quiet


class _Evident:
    """Keeps how much evidence there was, which the package's scaling by minimum and maximum hides: of a map that is the
    same everywhere it leaves nought. `evidence`: a list of (n,), one a layer.
    """

    def get_cam_image(self, *arguments, **named):
        cam = super().get_cam_image(*arguments, **named)
        high, low = cam.max((1, 2)), np.maximum(cam.min((1, 2)), 0)
        self.evidence = [*getattr(self, "evidence", []), np.maximum(high, 0)]
        even = (high > 0) & (high - low <= feature_maps.EVEN * high)
        return np.where(even[:, None, None], high[:, None, None], cam)


class _Random(_Evident, pytorch_grad_cam.RandomCAM):
    """Weights drawn from the image itself: the same image has the same map, whoever asks, and in any batch."""

    def get_cam_weights(self, input_tensor, target_layer, target_category, activations, grads):
        rows = [np.random.default_rng(zlib.crc32(image.numpy().tobytes())) for image in input_tensor.cpu().contiguous()]
        return np.stack([row.uniform(-1, 1, activations.shape[1]) for row in rows])


class _Score(_Evident, pytorch_grad_cam.ScoreCAM):
    batch_size = 128  # masked images at a time; the package takes 16


class _Ablation(_Evident, pytorch_grad_cam.AblationCAM):
    """We differ: the package divides by the score, which turns the map of a label the network denies upside down."""

    def __init__(self, model: nn.Module, target_layers: list[nn.Module]) -> None:
        super().__init__(model, target_layers, ablation_layer=AblationLayer(), batch_size=64)

    def get_cam_weights(self, input_tensor, target_layer, targets, activations, grads):
        weights = super().get_cam_weights(input_tensor, target_layer, targets, activations, grads)
        scores = np.array([float(target(output)) for target, output in zip(targets, self.outputs.detach(), strict=True)])
        return np.nan_to_num(weights, posinf=0, neginf=0) * np.sign(scores)[:, None]


def _evident(base: type) -> type:
    return type(base.__name__, (_Evident, base), {})


CLASSES = {
    "gradcam": _evident(pytorch_grad_cam.GradCAM),
    "gradcam++": _evident(pytorch_grad_cam.GradCAMPlusPlus),
    "hirescam": _evident(pytorch_grad_cam.HiResCAM),
    "layercam": _evident(pytorch_grad_cam.LayerCAM),
    "xgradcam": _evident(pytorch_grad_cam.XGradCAM),
    "eigencam": _evident(pytorch_grad_cam.EigenCAM),
    "scorecam": _Score,
    "ablationcam": _Ablation,
    "randomcam": _Random,
}


def maps(
    detector: Detector,
    pixels: np.ndarray,
    method: str,
    layer: Layers = None,
    target: Target = "verdict",
    on_progress: Progress = silent,
    batch: int = cam.BATCH,
    place: str = AFTER_RELU,
) -> Maps:
    """Maps of each image by the package's class of a method: pixels uint8 (n, 3, H, W) → Maps.

    `layer` is one of `convolution_names` (None: the last), or several, whose maps are averaged. `target`: "verdict"
    explains what the network says of each image, "fake" or "real" explains that label for all. `batch`: images at a
    time. `place`: of the feature maps, see `feature_maps`. Raises BadInput for an unknown layer, target or place.
    """
    names = cam.checked_layers(detector.network, layer)
    cam.checked_target(target, len(pixels))
    place = places.checked_place(place)
    parts = []
    with detector.lock:
        network = feature_maps.observable(detector.network, place)
        with undisturbed(detector.network), undisturbed(network):
            network.requires_grad_(True)  # the package takes the gradients from the graph of the weights
            for start in range(0, len(pixels), batch):
                on_progress(start, len(pixels), "Computing maps")
                here = slice(start, start + batch)
                images = as_input(on_device(pixels[here], detector.device))
                logits = cam.scored(detector.network, images)
                explained = cam.explained_labels(logits, target, here)
                heat = _heat(method, network, [feature_maps.module_of(network, name, place) for name in names], images, explained)
                parts.append((cam.placed(detector.network, heat, pixels.shape[2:]), logits, explained))
    place = feature_maps.place_at(detector.network, names, place)
    return Maps(*cam.joined(parts, pixels.shape[2:]), "+".join(names), method, place=place)


def _heat(method: str, network: nn.Module, modules: list[nn.Module], images: Tensor, explained: np.ndarray) -> np.ndarray:
    """float32 (n, H, W) in [0, 1] for the labels explained; see `feature_maps.scaled` for maps that are the same everywhere."""
    targets = [BinaryClassifierOutputTarget(int(label)) for label in explained]
    computed = CLASSES[method](network, modules)
    try:  # not its own `with`, which prints an IndexError and goes on
        heat = np.nan_to_num(computed(input_tensor=images, targets=targets)).astype(np.float32)
    finally:
        computed.activations_and_grads.release()
    even = (np.max(computed.evidence, axis=0) > 0) & (heat.max((1, 2)) == 0)
    heat[even] = 1
    return heat
