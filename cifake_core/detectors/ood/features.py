"""How far an image is from the training images in a detector's feature space: Mahalanobis distance at the penultimate layer.

Source: Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples". We differ: one Gaussian
for all images instead of one a class, over the first principal components and what they leave out.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cifake_core.detectors.networks import as_input
from cifake_core.detectors.scoring import inference, on_device

AXES = 32  # principal components that are stored
LEAST = 0.01  # no direction counts as narrower than this share of the widest: rounding would decide there
BATCH = 125


@dataclass(frozen=True)
class FeatureSpace:
    """Fitted on training images; a ≤ AXES components of d features."""

    mean: np.ndarray  # float32 (d,)
    axes: np.ndarray  # float32 (a, d), orthonormal
    spread: np.ndarray  # float32 (a + 1,): of the components, and of the length of what they leave out

    @staticmethod
    def fitted(features: np.ndarray) -> "FeatureSpace":
        """From features (n, d) of `penultimate`."""
        mean = features.mean(0)
        off = (features - mean).astype(np.float64)
        if off.shape[1] <= len(off):
            axes = np.linalg.eigh(off.T @ off)[1][:, ::-1][:, :AXES].T
        else:  # fewer images than features: the smaller matrix has the same components
            values, vectors = np.linalg.eigh(off @ off.T)
            axes = (vectors[:, ::-1][:, :AXES] / np.sqrt(np.maximum(values[::-1][:AXES], 1e-12))).T @ off
        axes = axes.astype(np.float16).astype(np.float32)  # as they are stored, so that distances are the same afterwards
        spread = _placed(features - mean, axes).std(0)
        return FeatureSpace(mean.astype(np.float32), axes, np.maximum(spread, LEAST * spread.max() + 1e-9).astype(np.float32))

    def distances(self, features: np.ndarray) -> np.ndarray:
        """float (n,)."""
        return np.sqrt(((_placed(features - self.mean, self.axes) / self.spread) ** 2).sum(1))


def _placed(off: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """(n, d) → (n, a + 1): the components, and the length of what they leave out."""
    inside = off @ axes.T
    left = np.sqrt(np.maximum((off**2).sum(1) - (inside**2).sum(1), 0))
    return np.column_stack([inside, left])


def penultimate(network: nn.Module, images: np.ndarray, device: torch.device) -> np.ndarray:
    """What the last layer is given, on a logarithmic scale: images uint8 (n, 3, H, W) → float32 (n, d)."""
    last = [module for module in network.modules() if isinstance(module, nn.Linear) and module.out_features == 1][-1]
    parts: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _module, inputs: parts.append(inputs[0].float().cpu()))
    try:
        with inference(network):
            for start in range(0, len(images), BATCH):
                network(as_input(on_device(images[start : start + BATCH], device)))
    finally:
        hook.remove()
    found = torch.cat(parts)
    return (found.sign() * found.abs().log1p()).numpy()
