"""The out-of-distribution check of a run: four scores of a picture, one bound that few held-out images reach.

It looks at how a picture appears (spectrum and colour, jointly and in extremes), at what a small network trained against
outliers says, and at the detector's own features. Each score is measured in units of what held-out images reach, the
largest of them counts, and its bound is chosen on the same held-out images, so that of new ones no more than `REFUSED` are
refused. Test images are never read.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file
from scipy.special import betainc
from torch import nn

from cifake_core.detectors.ood import domain_network
from cifake_core.detectors.ood.appearance import Appearance
from cifake_core.detectors.ood.domain_network import DomainNetwork
from cifake_core.detectors.ood.features import FeatureSpace, penultimate
from cifake_core.errors import Damaged
from cifake_core.images.domain import Domain

REFUSED = 0.03  # share of held-out images beyond the bound, where there are many
MOST, CONFIDENCE = 0.05, 0.99  # with this confidence no larger share of new images is refused
SCORES = {  # name → its part of the refused, and what it looks at, for a sentence
    "statistics": (0.15, "its spectrum and colours taken together"),
    "extremes": (0.10, "single statistics of its spectrum and colours"),
    "learned": (0.55, "a network trained to tell the dataset's images from altered ones"),
    "features": (0.20, "the detector's own features"),
}


def beyond(n: int) -> int:
    """How many of n held-out images may lie beyond the bound: REFUSED of them, fewer where n is small.

    With k beyond it, the share of new ones that are refused follows Beta(k + 1, n − k) (split conformal, Vovk 2012).
    """
    allowed = max(int(REFUSED * (n + 1)) - 1, 0)
    return next((k for k in range(allowed, 0, -1) if betainc(k + 1, n - k, MOST) >= CONFIDENCE), 0)


@dataclass(frozen=True)
class DatasetPart:
    """What depends on the dataset alone, shared by all its runs."""

    appearance: Appearance
    network: DomainNetwork
    held_out: np.ndarray  # float32 (m, 3): the scores of held-out images but for the detector's features
    domain: Domain

    def scores(self, images: np.ndarray) -> np.ndarray:
        """float (n, 3) of images uint8 (n, 3, 32, 32): statistics, extremes, learned."""
        return np.column_stack([self.appearance.scores(images), domain_network.scores(self.network, images)])


@dataclass(frozen=True)
class Score:
    """The out-of-distribution score of one picture: 1 is the bound, and what lies above it is outside the training domain."""

    value: float
    by: dict[str, float]  # of each of SCORES; the largest is the value
    percentile: float  # share of held-out images with a lower value
    n: int  # held-out images

    @property
    def is_outside(self) -> bool:
        return self.value > 1

    @property
    def sentence(self) -> str:
        """What made the score what it is."""
        name = max(self.by, key=self.by.__getitem__)
        return (
            f"its out-of-distribution score is {self.value:.2f} (1 is the bound), by {SCORES[name][1]}; "
            f"{self.percentile:.1%} of {self.n:,} held-out images score lower"
        )


@dataclass(frozen=True)
class Check:
    """Everything the check of one run needs."""

    dataset: DatasetPart
    space: FeatureSpace
    middle: np.ndarray  # float32 (4,): the median of each score over held-out images
    reach: np.ndarray  # float32 (4,): from there to the bound
    held_out: np.ndarray  # float32 (m,), ascending: the values of held-out images

    @staticmethod
    def fitted(dataset: DatasetPart, space: FeatureSpace, held_out_features: np.ndarray) -> "Check":
        """`held_out_features`: (m, d) of the images whose other scores `dataset` holds."""
        scores = np.column_stack([dataset.held_out, space.distances(held_out_features)])
        middle = np.median(scores, axis=0)
        shares = [part * REFUSED for part, _ in SCORES.values()]
        ends = np.array([np.quantile(column, 1 - share) for column, share in zip(scores.T, shares, strict=True)])
        reach = np.maximum(ends - middle, 1e-6)
        values = np.sort(((scores - middle) / reach).max(1))
        bound = max(float(values[-beyond(len(values)) - 1]), 1e-6)
        return Check(dataset, space, middle.astype(np.float32), (reach * bound).astype(np.float32), (values / bound).astype(np.float32))

    def scores(self, network: nn.Module, device: torch.device, images: np.ndarray) -> list[Score]:
        """Of images uint8 (n, 3, 32, 32), with the run's own network."""
        distances = self.space.distances(penultimate(network, images, device))
        ratios = (np.column_stack([self.dataset.scores(images), distances]) - self.middle) / self.reach
        n = len(self.held_out)
        return [
            Score(float(row.max()), dict(zip(SCORES, map(float, row), strict=True)), float(np.searchsorted(self.held_out, row.max()) / n), n)
            for row in ratios
        ]

    def save(self, path: Path) -> None:
        write(path, {**tensors_of(self.dataset), **_own_tensors(self)}, self.dataset.domain)

    @staticmethod
    def load(path: Path) -> "Check":
        """Raises Damaged."""
        tensors, domain = read(path)
        try:
            space = FeatureSpace(*(tensors[f"features.{name}"] for name in ("mean", "axes", "spread")))
            own = (tensors[f"check.{name}"] for name in ("middle", "reach", "held_out"))
            return Check(dataset_part(tensors, domain), space, *own)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise Damaged(_DAMAGED.format(path.parent.name, path.name)) from error


_DAMAGED = "What the out-of-distribution check of {!r} needs ({}) is damaged; delete that file or train the run again."


def write(path: Path, tensors: dict[str, np.ndarray], domain: Domain) -> None:
    """The inverse of `read`. Arrays are laid out anew: safetensors writes the buffer behind a view, whatever its strides."""
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path, {"domain": json.dumps(domain.as_dict())})


def read(path: Path) -> tuple[dict[str, np.ndarray], Domain]:
    """All tensors of a file in single precision, and the domain in its head. Raises Damaged."""
    try:
        tensors = load_file(path)
        with safe_open(path, framework="numpy") as file:
            domain = Domain.of_dict(json.loads((file.metadata() or {})["domain"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise Damaged(_DAMAGED.format(path.parent.name, path.name)) from error
    return {name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in tensors.items()}, domain


def tensors_of(part: DatasetPart) -> dict[str, np.ndarray]:
    """By name; the network's weights in half precision."""
    weights = {f"network.{name}": value.numpy() for name, value in part.network.state_dict().items()}
    halved = {name: value.astype(np.float16) if value.dtype == np.float32 else value for name, value in weights.items()}
    appearance = {f"appearance.{name}": getattr(part.appearance, name) for name in ("quantiles", "mean", "precision")}
    return {**halved, **appearance, "held_out": part.held_out}


def dataset_part(tensors: dict[str, np.ndarray], domain: Domain) -> DatasetPart:
    """The inverse of `tensors_of`."""
    network = DomainNetwork()
    weights = {name.removeprefix("network."): torch.from_numpy(value) for name, value in tensors.items() if name.startswith("network.")}
    network.load_state_dict(weights)
    appearance = Appearance(*(tensors[f"appearance.{name}"] for name in ("quantiles", "mean", "precision")))
    return DatasetPart(appearance, network.eval(), tensors["held_out"], domain)


def _own_tensors(check: Check) -> dict[str, np.ndarray]:
    space = {f"features.{name}": getattr(check.space, name) for name in ("mean", "spread")}
    own = {f"check.{name}": getattr(check, name) for name in ("middle", "reach", "held_out")}
    return {**space, "features.axes": check.space.axes.astype(np.float16), **own}
