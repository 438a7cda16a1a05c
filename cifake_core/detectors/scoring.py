"""Logits of many images, in single precision whatever a network was trained in. It leaves the network in the mode it was found in.

In bf16 a logit has 8 bits: thousands of images would tie, and a verdict would not be the one that maps and sliders show.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from cifake_core.detectors.networks import as_input
from cifake_core.progress import Progress, silent

BATCH = 500  # images at a time on a GPU
CPU_BATCH = 125  # a processor's caches hold what a layer makes of so many, and it takes a quarter of the memory


@contextmanager
def inference(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients inside the block; the mode comes back after it, also when it raises."""
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(was_training)


def on_device(pixels: np.ndarray, device: torch.device) -> Tensor:
    """uint8 (N, 3, H, W) of an image set on the device. On a CPU it is the array itself, not a copy: a memory-mapped
    file stays on the disk, and processes that train on it at once share its pages.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the array is read-only, and nothing here writes to it
        return torch.from_numpy(pixels).to(device)


def logits_of(
    network: nn.Module,
    images: Tensor,
    rows: Tensor | None = None,
    on_progress: Progress = silent,
) -> np.ndarray:
    """images uint8 (N, 3, H, W) on the network's device → float32 logits, 1 = fake: (N,), or those of `rows` (n,)."""
    rows = torch.arange(len(images), device=images.device) if rows is None else rows
    size = CPU_BATCH if images.device.type == "cpu" else BATCH
    # written into one tensor: small ones kept between the large ones of each batch would scatter the heap, which then grows
    logits = torch.empty(len(rows), device=images.device)
    with inference(network):
        for start in range(0, len(rows), size):
            on_progress(start, len(rows), "Scoring images")
            batch = rows[start : start + size]
            logits[start : start + len(batch)] = verdict(network, as_input(images.index_select(0, batch)))
    return logits.cpu().numpy()


def verdict(network: nn.Module, images: Tensor, upright: Tensor | None = None) -> Tensor:
    """images float (N, 3, H, W) → the logits (N,) a verdict is made of: for a network that is asked both ways, the mean
    of those of the images and of their mirror images. `upright`: those of the images themselves, if they are known.
    """
    logits = network(images).float() if upright is None else upright.detach().float()
    if getattr(network, "both_ways", False):
        logits = (logits + network(images.flip(3)).float()) / 2
    return logits
