"""What every map of a one-logit network shares: its form, the label it speaks for, the layers it may look at.

Source: Selvaraju et al. 2017, eq. 1 and 2: ReLU(Σ_k α_k A_k), A_k the layer's feature map after its ReLU (or before it,
where that is asked for: `detectors/feature_maps.py`), α_k the mean gradient of the target over A_k. The target is the logit
for FAKE and −logit for REAL. Each map is then shifted and scaled from its own minimum to its own maximum, as the `grad-cam`
package does: nought is its least evident place, not a place without evidence. A map that is zero everywhere is a finding:
nothing in that layer speaks for that verdict. We differ: one that is the same everywhere but not nought is 1 everywhere,
evidence without a preferred place. Of a network whose verdict counts the mirror image, too, the map is that of the image
as it is; label and logit are the verdict's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core.detectors.networks import convolution_names
from cifake_core.detectors.places import NO_RELU
from cifake_core.detectors.scoring import verdict
from cifake_core.errors import BadInput

TARGETS = ("verdict", "fake", "real")
BATCH = 64  # where the package's throughput on the paper's networks levels off

Target = str | np.ndarray  # one of TARGETS, or a label an image (n,), 1 = fake
Layers = str | Sequence[str] | None  # None: the last convolution


@dataclass(frozen=True)
class Maps:
    """Maps of n images."""

    heat: np.ndarray  # float32 (n, H, W) in [0, 1], the size of the images
    logits: np.ndarray  # float32 (n,)
    explained: np.ndarray  # int8 (n,): the label each map speaks for, 1 = fake
    layer: str  # several are joined by "+"; "input" for methods that look at no layer
    method: str
    signed: np.ndarray | None = None  # float32 (n, H, W) in [-1, 1], below 0 = against the label; None: no such sign
    scale: np.ndarray | None = None  # float32 (n,): map · scale (of the signed map, if any) compares images; None: no common unit
    place: str = NO_RELU  # where the feature maps were taken (`places.PLACES`); "" where no ReLU or no layer is concerned

    @property
    def empty(self) -> np.ndarray:
        """(n,) true where no evidence for the explained label was found."""
        return self.heat.reshape(len(self.heat), -1).max(axis=1) == 0

    @property
    def even(self) -> np.ndarray:
        """(n,) true where there is evidence, the same everywhere: no place is preferred."""
        return self.heat.reshape(len(self.heat), -1).min(axis=1, initial=1) == 1


def speaking_for(signed: np.ndarray) -> np.ndarray:
    """The part of signed maps (n, H, W) that speaks for the label, each scaled to its own maximum: [0, 1], all zero where none does."""
    heat = np.maximum(signed, 0)
    most = heat.max(axis=(1, 2), keepdims=True, initial=0)
    return heat / np.where(most > 0, most, 1)


def placed(network: nn.Module, heat: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Maps (n, h, w) of what the network looked at → maps (n, h, w) of whole pictures of that size, 0 where it did not look.

    Only networks that crop (`seen_share`) are concerned; all others look at everything.
    """
    share = network.seen_share(*size) if hasattr(network, "seen_share") else (0, 0, 1, 1)
    if share == (0, 0, 1, 1) or not len(heat):
        return heat
    top, left, bottom, right = share
    wide, high = right - left, bottom - top
    inverse = torch.tensor([[1 / wide, 0, (1 - 2 * left) / wide - 1], [0, 1 / high, (1 - 2 * top) / high - 1]])
    grid = functional.affine_grid(inverse[None].float(), [1, 1, *heat.shape[1:]], align_corners=False)
    grid = grid.expand(len(heat), -1, -1, -1)
    whole = functional.grid_sample(torch.from_numpy(heat)[:, None], grid, padding_mode="border", align_corners=False)
    outside = (grid.abs() > 1).any(-1)
    return whole[:, 0].masked_fill(outside, 0).numpy()


def scored(network: nn.Module, images: Tensor) -> np.ndarray:
    """Logits float32 (n,) of the verdicts on prepared images (n, 3, H, W)."""
    with torch.no_grad():
        return verdict(network, images).cpu().numpy()


def explained_labels(logits: np.ndarray, target: Target, here: slice = slice(None)) -> np.ndarray:
    """The label each map is to speak for: int8 (n,), 1 = fake. `here`: which images of the target's array these are."""
    if not isinstance(target, str):
        return np.asarray(target, np.int8)[here]
    return {"verdict": (logits >= 0).astype(np.int8), "fake": np.ones(len(logits), np.int8)}.get(
        target, np.zeros(len(logits), np.int8)
    )


def joined(parts: list[tuple[np.ndarray, ...]], size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Batches of (heat, logits, explained) as one; for no image at all, empty arrays of the right shapes."""
    if not parts:
        return np.zeros((0, *size), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int8)
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def checked_layers(network: nn.Module, layers: Layers) -> list[str]:
    """The layers' names, each once; raises BadInput naming those there are."""
    if layers is None or isinstance(layers, str):
        return [checked_layer(network, layers)]
    return [checked_layer(network, layer) for layer in dict.fromkeys(layers)] or [checked_layer(network, None)]


def checked_layer(network: nn.Module, layer: str | None) -> str:
    """The layer's name, the last convolution for None; raises BadInput naming those there are."""
    names = convolution_names(network)
    if layer is None:
        return names[-1]
    if layer not in names:
        raise BadInput(f"The network has no convolution {layer!r}; it has {', '.join(names)}.")
    return layer


def checked_target(target: Target, n: int) -> None:
    """Raises BadInput for a target that is neither a known word nor a label for each of n images."""
    if isinstance(target, str):
        if target not in TARGETS:
            raise BadInput(f"The target {target!r} is unknown; take one of {', '.join(TARGETS)}.")
    elif np.shape(target) != (n,):
        raise BadInput(f"Labels of shape {np.shape(target)} were given as targets of {n} images; give one an image.")
