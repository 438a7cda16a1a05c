"""Every way to make a map, behind one call. It knows the methods; whether their maps deserve trust is trust.py's.

Class activation maps come from the `grad-cam` package and are of feature maps after the ReLU, or before it where that is
asked for; integrated gradients and occlusion come from captum. Baselines that know nothing go with them: RandomCAM, the
same activations under random weights; random pixels and random windows, for methods that look at the input; and
"<method>@random", the method on a network of the
same architecture whose weights are drawn anew: a map that looks the same there shows the image, not what was learned.
"""

import copy
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import RLock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core.detectors import feature_maps, places
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.networks import as_input
from cifake_core.detectors.places import AFTER_RELU, NO_RELU
from cifake_core.detectors.scoring import on_device
from cifake_core.errors import BadInput
from cifake_core.explanations import cam, fast_cam
from cifake_core.explanations.cam import Layers, Maps, Target
from cifake_core.explanations.observing import undisturbed
from cifake_core.progress import Progress, silent

RANDOM_WEIGHTS = "@random"
SIZE_OF_INPUT = "input"  # the layer's name of methods that look at no layer
STEPS = 32  # of the path of integrated gradients: the sum of a map is then within some per cent of the logit's change
_ROUNDING = 1e-5  # of a logit, at one pixel: less is what rounding leaves where a picture has one colour, and no evidence
WINDOW, STRIDE = 6, 2  # pixels that occlusion covers, and moves by


@dataclass(frozen=True)
class Method:
    """One way to make a map."""

    title: str
    meaning: str  # one sentence for a page
    batch: int = cam.BATCH  # images at a time
    uses_layers: bool = True  # it is one of the package's; False: it looks at the input, not at a layer


METHODS: dict[str, Method] = {
    "gradcam": Method("Grad-CAM", "Weighs each activation map by its mean gradient."),
    "gradcam++": Method("Grad-CAM++", "Weighs by positive gradients, so that several places can count."),
    "hirescam": Method("HiResCAM", "Multiplies gradient and activation place by place."),
    "layercam": Method("LayerCAM", "Multiplies positive gradients and activations place by place."),
    "xgradcam": Method("XGrad-CAM", "Weighs gradients by how strongly each place is active."),
    "eigencam": Method("Eigen-CAM", "The first principal component of the activations; no label is asked."),
    "scorecam": Method("Score-CAM", "Weighs each map by the score of the image masked with it.", 16),
    "ablationcam": Method("Ablation-CAM", "Weighs each map by what its removal costs the score."),
    "integratedgradients": Method("Integrated gradients", "Sums the gradient on the way from the image's mean colour to the image.", uses_layers=False),
    "occlusion": Method("Occlusion", "How much the score falls when a small window is covered with the image's mean colour.", 8, uses_layers=False),
    "randomcam": Method("RandomCAM", "The activations under random weights: what a map is worth that knows nothing."),
    "randompixels": Method("Random pixels", "A random number for each pixel: what a map of the input is worth that knows nothing.", uses_layers=False),
    "randomwindows": Method("Random windows", "Random numbers averaged as occlusion averages its windows: as smooth as its maps, knowing nothing.", uses_layers=False),
}  # fmt: skip
BASELINES = ("randomcam", "randompixels", "randomwindows")  # they know nothing of what was learned
SLOW = ("eigencam", "scorecam", "ablationcam", "integratedgradients", "occlusion")  # below 200 images/s on two cores


def names(with_baselines: bool = True, untrained: bool = False) -> tuple[str, ...]:
    """The methods' ids; `untrained` adds "<id>@random" for each that looks at what was learned."""
    known = tuple(name for name in METHODS if with_baselines or name not in BASELINES)
    return known + tuple(name + RANDOM_WEIGHTS for name in known if untrained and name not in BASELINES)


def checked_method(method: str) -> str:
    """The method's id; raises BadInput naming those there are."""
    if method.removesuffix(RANDOM_WEIGHTS) not in METHODS:
        known = ", ".join(METHODS)
        raise BadInput(f"There is no method {method[:40]!r}; known are {known}, each also as <method>{RANDOM_WEIGHTS}.")
    return method


def title(method: str) -> str:
    """The method's name as papers write it."""
    base = METHODS[checked_method(method).removesuffix(RANDOM_WEIGHTS)].title
    return f"{base} on random weights" if method.endswith(RANDOM_WEIGHTS) else base


def baseline_of(method: str) -> str:
    """The map that knows nothing and has the method's resolution: what its maps must beat."""
    base = checked_method(method).removesuffix(RANDOM_WEIGHTS)
    if METHODS[base].uses_layers:
        return "randomcam"
    return "randomwindows" if base in ("occlusion", "randomwindows") else "randompixels"


def uses_layers(method: str) -> bool:
    return METHODS[checked_method(method).removesuffix(RANDOM_WEIGHTS)].uses_layers


def place_of(topology: str, method: str, place: str) -> str:
    """The place as records of maps name it: NO_RELU for methods that look at the input, and for networks without ReLUs."""
    places.checked_place(place)
    return place if uses_layers(method) and places.has_relu(topology) else NO_RELU


def maps(
    detector: Detector,
    pixels: np.ndarray,
    method: str = "gradcam",
    layers: Layers = None,
    target: Target = "verdict",
    on_progress: Progress = silent,
    seed: int = 0,
    place: str = AFTER_RELU,
) -> Maps:
    """Maps of each image by one method: pixels uint8 (n, 3, H, W) → Maps; an image without evidence has a map of zeros.

    `layers`: names of convolutions, whose maps are averaged as the package does (None: the last one), and `place`, where
    their feature maps are taken (`places.PLACES`); methods that look at the input ignore both. `target`: "verdict",
    "fake", "real", or a label for each image. `seed`: of random weights. Raises BadInput for an unknown method, layer,
    target or place.
    """
    if checked_method(method).endswith(RANDOM_WEIGHTS):
        labels = _labels(detector, pixels, target)
        method = method.removesuffix(RANDOM_WEIGHTS)
        found = maps(reinitialised(detector, seed), pixels, method, layers, labels, on_progress, place=place)
        return replace(found, method=method + RANDOM_WEIGHTS)
    if method == "gradcam":
        return fast_cam.grad_cam(detector, pixels, layers, target, on_progress, place)
    if not METHODS[method].uses_layers:
        return _at_input(detector, pixels, method, target, on_progress)
    from cifake_core.explanations import package_cams

    detector = _shadow(detector) if method == "ablationcam" else detector
    return package_cams.maps(detector, pixels, method, layers, target, on_progress, METHODS[method].batch, place)


def _shadow(detector: Detector) -> Detector:
    """Modules of its own over the same weights, for a method that swaps layers: whoever lists the layers of the network
    meanwhile, without waiting for its lock, must find them all.
    """
    with detector.lock:
        return Detector(detector.run, feature_maps.shared(detector.network), detector.device, detector.lock)


def reinitialised(detector: Detector, seed: int = 0) -> Detector:
    """A detector of the same architecture with weights drawn anew; the given one is not touched.

    Source: Adebayo et al. 2018, model parameter randomisation test. All layers at once, not one after another.
    """
    with detector.lock:
        network = copy.deepcopy(detector.network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in network.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return Detector(detector.run, network.eval(), detector.device, RLock())


def _labels(detector: Detector, pixels: np.ndarray, target: Target) -> np.ndarray:
    """The labels that maps of the detector itself would speak for."""
    cam.checked_target(target, len(pixels))
    parts = [np.zeros(0, np.float32)]
    with detector.lock, undisturbed(detector.network):
        for start in range(0, len(pixels), fast_cam.BATCH):
            images = as_input(on_device(pixels[start : start + fast_cam.BATCH], detector.device))
            parts.append(cam.scored(detector.network, images))
    return cam.explained_labels(np.concatenate(parts), target)


def _at_input(detector: Detector, pixels: np.ndarray, method: str, target: Target, on_progress: Progress) -> Maps:
    cam.checked_target(target, len(pixels))
    attribute = {
        "integratedgradients": _integrated_gradients,
        "occlusion": _occlusion,
        "randompixels": _random_pixels,
        "randomwindows": _random_windows,
    }[method]
    parts, scales, batch = [], [], METHODS[method].batch
    with detector.lock, undisturbed(detector.network):
        detector.network.requires_grad_(False)
        for start in range(0, len(pixels), batch):
            on_progress(start, len(pixels), "Computing maps")
            here = slice(start, start + batch)
            images = as_input(on_device(pixels[here], detector.device))
            logits = cam.scored(detector.network, images)
            explained = cam.explained_labels(logits, target, here)
            signs = images.new_tensor(2 * explained.astype(np.float32) - 1)[:, None, None]
            attributed = attribute(detector.network, images) * signs  # (N, H, W), for the explained label where positive
            strongest = attributed.abs().amax((1, 2), keepdim=True)
            signed = torch.where(strongest > _ROUNDING, attributed / strongest.clamp(min=1e-30), 0)
            parts.append((signed.float().cpu().numpy(), logits, explained))
            scales.append(strongest.flatten().float().cpu().numpy())
    signed, logits, explained = cam.joined(parts, pixels.shape[2:])
    scale = np.concatenate([np.zeros(0, np.float32), *scales])
    return Maps(cam.speaking_for(signed), logits, explained, SIZE_OF_INPUT, method, signed, scale)


def _mean_colour(images: Tensor) -> Tensor:
    return images.mean((2, 3), keepdim=True).expand_as(images)


def _integrated_gradients(network: nn.Module, images: Tensor) -> Tensor:
    """Sundararajan et al. 2017, eq. 1, towards the logit, summed over colours: (N, H, W). We differ: the path starts at
    the image's mean colour, not at black, or dark places could never count.
    """
    from captum.attr import IntegratedGradients

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # captum remarks that it asks for the input's gradient
        given = IntegratedGradients(network).attribute(
            images, baselines=_mean_colour(images), n_steps=STEPS, internal_batch_size=512
        )
    return given.detach().sum(1)


def _occlusion(network: nn.Module, images: Tensor) -> Tensor:
    """Zeiler and Fergus 2014: fall of the logit under a window, averaged over the windows that cover a pixel: (N, H, W)."""
    from captum.attr import Occlusion

    with torch.no_grad():
        given = Occlusion(network).attribute(
            images,
            sliding_window_shapes=(images.shape[1], WINDOW, WINDOW),
            strides=(images.shape[1], STRIDE, STRIDE),
            baselines=_mean_colour(images),
            perturbations_per_eval=32,
        )
    return given.mean(1)


def _random_pixels(_network: nn.Module, images: Tensor) -> Tensor:
    """Numbers in [−1, 1] drawn from each image itself: the same image has the same map, whoever asks. (N, H, W)."""
    return _drawn(images, images.shape[2:])


def _random_windows(_network: nn.Module, images: Tensor) -> Tensor:
    """A random number for each of occlusion's windows, averaged over the windows that cover a pixel: (N, H, W)."""
    lines, columns = ((size - WINDOW) // STRIDE + 1 for size in images.shape[2:])
    drawn = _drawn(images, (lines, columns))[:, None]
    kernel = torch.ones(1, 1, WINDOW, WINDOW, device=images.device)
    total, windows = (functional.conv_transpose2d(given, kernel, stride=STRIDE) for given in (drawn, torch.ones_like(drawn)))
    high, wide = (size - covered for size, covered in zip(images.shape[2:], total.shape[2:], strict=True))
    return functional.pad(total / windows, (0, wide, 0, high))[:, 0]


def _drawn(images: Tensor, size: Sequence[int]) -> Tensor:
    rows = [np.random.default_rng(zlib.crc32(image.numpy().tobytes())) for image in images.cpu().contiguous()]
    return images.new_tensor(np.stack([row.uniform(-1, 1, tuple(size)) for row in rows]))
