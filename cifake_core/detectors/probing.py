"""What a network says of 24 fixed validation images after every epoch, and where it looks: kept with the run.

The images are validation images chosen by a fixed seed, as many of each label, so they are the same for every run on an
image set. Where it looks is Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2) on the last convolution's feature map after its
ReLU, at its own size, one forward and half a backward pass over 24 images an epoch. It does not know how maps are enlarged
or drawn (see explanations), nor when an epoch ends. Probes that say no place are of earlier versions, which took the raw
convolution output; they cannot be made again, as the weights of past epochs are gone, and are shown as what they are. Files: one small one an epoch while training, `probe.safetensors` in the finished run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor, nn

from cifake_core.detectors import feature_maps, networks, places, scoring
from cifake_core.detectors.places import AFTER_RELU, BEFORE_RELU
from cifake_core.errors import Damaged
from cifake_core.images.image_set import Part
from cifake_core.images.schema import LABELS
from cifake_core.store import artifacts

IMAGES = 24
PROBE = "probe.safetensors"
_SEED = 2024  # of the choice of images; the same for every run


@dataclass(frozen=True)
class Probe:
    """E epochs of n probe images. `heat` is 0 at each map's own minimum, 255 at its maximum; `scale` makes maps comparable."""

    image_ids: tuple[str, ...]  # n
    layer: str
    epochs: np.ndarray  # int64 (E,), from 1
    probabilities: np.ndarray  # float32 (E, n): of being fake
    heat: np.ndarray  # uint8 (E, n, h, w): evidence for the verdict of that epoch
    scale: np.ndarray  # float32 (E, n): heat / 255 · scale is in units of the logit's gradient; 0 = no evidence
    places: tuple[str, ...]  # E: where each epoch's feature maps were taken, see `places.PLACES`

    def taken_before(self, epoch: int, topology: str) -> bool:
        """Whether the maps of that epoch (from 1) are of an earlier version, which took them before the ReLU."""
        return self.places[epoch - 1] == BEFORE_RELU and places.has_relu(topology)

    def alike(self, epoch: int) -> np.ndarray:
        """bool (E,): the epochs whose maps were taken where those of `epoch` (from 1) were; others cannot stand beside them."""
        return np.array(self.places) == self.places[epoch - 1]


def probe_positions(part: Part) -> np.ndarray:
    """Positions in the part of up to 24 images, reals and fakes in turn, classes spread: int64 (n,)."""
    random, chosen = np.random.default_rng(_SEED), []
    for label in range(len(LABELS)):
        mine = random.permutation(np.flatnonzero(part.labels == label))
        classes = pd.Series(part.class_labels[mine])
        turn = classes.groupby(classes).cumcount()  # first one image of every class, then a second …
        chosen.append(mine[np.argsort(turn, kind="stable")][: IMAGES // 2])
    shortest = min(len(half) for half in chosen)
    return np.stack([half[:shortest] for half in chosen], axis=1).ravel()


class Recorder:
    """Looks at a network after each epoch and writes what it saw beside the checkpoint.

    The file of an epoch is written before its checkpoint counts: an epoch that is run again after a kill overwrites it
    with the same bytes, and none can be missing.
    """

    def __init__(self, folder: Path, part: Part) -> None:
        self._folder, self._positions = folder, probe_positions(part)
        self._pixels = np.ascontiguousarray(part.split_pixels[part.rows[self._positions]])
        self._image_ids = tuple(str(part.image_ids[i]) for i in self._positions)

    def look(self, network: nn.Module, epoch: int) -> None:
        device = next(network.parameters()).device
        probabilities, heat, scale, layer = seen_by(network, scoring.on_device(self._pixels, device))
        place = feature_maps.place_at(network, [layer], AFTER_RELU)
        tensors = {"probabilities": probabilities, "heat": heat, "scale": scale}
        with artifacts.whole_file(self._folder / _epoch_file(epoch)) as temporary:
            save_file(tensors, temporary, metadata=_header(self._image_ids, layer, place=place))


def seen_by(network: nn.Module, images: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Probabilities (n,), heat uint8 (n, h, w), scale (n,) and the layer, for uint8 images (n, 3, H, W).

    Of a network whose verdict counts the mirror image, too, the heat is that of the image as it is.

    The network's mode, weights and gradients are left as they were, and no random number is drawn.
    """
    layer, was_training = networks.convolution_names(network)[-1], network.training
    try:
        network.eval()
        shown = networks.as_input(images)
        activation, upright = feature_maps.cut_at(network, layer, AFTER_RELU, shown)
        (gradient,) = torch.autograd.grad(upright.sum(), activation)
        activation = activation.detach().float()
        with torch.no_grad():
            logits = scoring.verdict(network, shown, upright)
    finally:
        network.train(was_training)
    sign = torch.where(logits >= 0, 1.0, -1.0)  # the target is the verdict: the logit for fake, −logit for real
    weights = gradient.float().mean((2, 3)) * sign[:, None]  # α_k, (n, K)
    raw = torch.einsum("nk,nkhw->nhw", weights, activation).clamp_(min=0)  # ReLU of Σ_k α_k A_k
    heat, scale = feature_maps.scaled(raw)
    scale = torch.where(raw.amax((1, 2)) > 0, scale, 0)
    heat = (255 * heat).round().to(torch.uint8)
    return logits.sigmoid().cpu().numpy(), heat.cpu().numpy(), scale.cpu().numpy(), layer


def gathered(folder: Path, epochs: int) -> Probe | None:
    """What was recorded of epochs 1 … `epochs` in a training's folder; None if any of them is missing or unreadable."""
    parts = [_read(folder / _epoch_file(number)) for number in range(1, epochs + 1)]
    if not parts or any(part is None for part in parts):
        return None
    said = parts[0][1]
    stacked = {name: np.stack([tensors[name] for tensors, _ in parts]) for name in ("probabilities", "heat", "scale")}
    places = tuple(told.get("place", BEFORE_RELU) for _, told in parts)
    return Probe(tuple(said["image_ids"]), said["layer"], np.arange(1, epochs + 1), **stacked, places=places)


def save(folder: Path, probe: Probe) -> None:
    """Writes `probe.safetensors`."""
    tensors = {name: getattr(probe, name) for name in ("epochs", "probabilities", "heat", "scale")}
    save_file(tensors, folder / PROBE, metadata=_header(probe.image_ids, probe.layer, places=list(probe.places)))


def of_run(folder: Path) -> Probe | None:
    """The probe of a finished run's folder, its checksum compared; None for a run made without one. Raises Damaged."""
    if PROBE not in artifacts.read_json(folder / artifacts.RECORD)["sha256"]:
        return None
    found = _read(artifacts.verify(folder, PROBE))
    if found is None:
        raise Damaged(f"{PROBE} in {folder.name!r} cannot be read; train the run again.")
    tensors, said = found
    places = tuple(said.get("places", [BEFORE_RELU] * len(tensors["epochs"])))
    return Probe(tuple(said["image_ids"]), said["layer"], **tensors, places=places)


def unfinished_epochs(folder: Path) -> int:
    """How many epochs in a row, from the first, were recorded in a training's folder."""
    number = 0
    while (folder / _epoch_file(number + 1)).exists():
        number += 1
    return number


def positions_of(part: Part, image_ids: Sequence[str]) -> np.ndarray:
    """Where the probe's images lie in a part: int64 (n,); -1 for an image that is no longer there."""
    place = {str(image_id): position for position, image_id in enumerate(part.image_ids)}
    return np.array([place.get(image_id, -1) for image_id in image_ids], dtype=np.int64)


def _epoch_file(epoch: int) -> str:
    return f"probe-{epoch:04d}.safetensors"


def _header(image_ids: Sequence[str], layer: str, **places: str | list[str]) -> dict[str, str]:
    """One entry, because the library writes several in an order that differs from process to process."""
    return {"probe": json.dumps({"image_ids": list(image_ids), "layer": layer, **places})}


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict] | None:
    """The tensors and what `_header` said of them; None if the file cannot be read."""
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()["probe"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
