"""A small network that tells a dataset's images from outliers made of them; it knows nothing of real and fake.

Source: outlier exposure (Hendrycks et al. 2019). It is trained once a dataset, in seconds, and its weights lie in each run.
"""

import itertools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core.detectors.ood.outliers import KINDS, outliers, through_jpeg
from cifake_core.progress import Progress, silent

IMAGES = 50_000  # seen in training, however many there are; beside each an outlier
MOST_PASSES = 8  # over a small dataset
BATCH = 64
RATE = 6e-3  # the highest learning rate of the one-cycle schedule
STORED_AGAIN = 0.3  # share of a dataset's own images that go through its codec once more: that alone is no outlier
_WIDTHS = (24, 48, 64, 64)


class DomainNetwork(nn.Module):
    """images (N, 3, 32, 32) in [0, 1] → logits (N, 4): of being the dataset's own, and of each of `outliers.KINDS`."""

    def __init__(self) -> None:
        super().__init__()
        channels = [3, *_WIDTHS]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after))
            for before, after in itertools.pairwise(channels)
        )
        self.output = nn.Linear(_WIDTHS[-1] * 4, 1 + len(KINDS))

    def forward(self, images: Tensor) -> Tensor:
        x = images - 0.5
        for stage in self.stages:
            x = stage(x).relu()  # (N, width, side, side), the side halved
        return self.output(x.flatten(1))


def fit(images: np.ndarray, *, jpeg: bool, scenes: np.ndarray | None, seed: int, on_progress: Progress = silent) -> DomainNetwork:
    """Trained on images uint8 (n, 3, 32, 32) against outliers. `jpeg`: the dataset's files are JPEGs, so outliers are as well."""
    random = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DomainNetwork().to(memory_format=torch.channels_last)  # a third of the time
    passes = int(np.clip(round(IMAGES / len(images)), 1, MOST_PASSES))
    batches = [rows for _ in range(passes) for rows in np.array_split(random.permutation(len(images))[: IMAGES], max(1, min(len(images), IMAGES) // BATCH))]
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=len(batches) + 1)
    network.train()
    for done, rows in enumerate(batches):
        if done % 20 == 0:
            on_progress(done, len(batches), "Learning what lies outside the training domain")
        own = images[np.sort(rows)]
        pixels, labels = _batch(own, *outliers(own, random, scenes), jpeg, random)
        loss = functional.cross_entropy(network(pixels), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def _batch(own: np.ndarray, odd: np.ndarray, kinds: np.ndarray, jpeg: bool, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Both as float (2n, 3, H, W), half of them mirrored, and their labels (2n,): 0 = the dataset's own, then KINDS."""
    if jpeg:
        again = random.random(len(own)) < STORED_AGAIN
        own = own.copy()
        own[again] = through_jpeg(own[again])
        odd = through_jpeg(odd)
    pixels = torch.from_numpy(np.concatenate([own, odd])).float() / 255
    mirrored = torch.from_numpy(random.random(len(pixels)) < 0.5)
    pixels[mirrored] = pixels[mirrored].flip(3)
    return pixels.contiguous(memory_format=torch.channels_last), torch.cat([torch.zeros(len(own), dtype=torch.int64), torch.from_numpy(1 + kinds)])


def scores(network: DomainNetwork, images: np.ndarray) -> np.ndarray:
    """float32 (n,) of images uint8 (n, 3, 32, 32): log odds of any outlier against the dataset's own, over each and its mirror image."""
    found = np.empty(len(images), np.float32)
    with torch.inference_mode():
        for start in range(0, len(images), 250):
            pixels = torch.from_numpy(np.ascontiguousarray(images[start : start + 250])).float() / 255
            logits = (network(pixels) + network(pixels.flip(3))) / 2  # (n, 4)
            found[start : start + 250] = (logits[:, 1:].logsumexp(1) - logits[:, 0]).numpy()
    return found
