"""Training one network on images that stay in memory. It never sees a test image, and writes nothing but checkpoints.

Expected on CIFAKE, `32x2-64x1`, at most 10 epochs: the paper reports 92.98 % test accuracy; ours is in
`benchmarks/RESULTS.md` with seeds and spread. Command: `python -m cifake_core train --dataset cifake --topology 32x2-64x1`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cifake_core import hardware
from cifake_core.detectors import augmenting, checkpoints, networks, scoring, skipping, trainable
from cifake_core.detectors.muon import Muon
from cifake_core.detectors.request import TrainSettings
from cifake_core.detectors.state import Epoch, State
from cifake_core.errors import BadInput, OutOfMemory
from cifake_core.images.image_set import Part, TrainingData
from cifake_core.metrics import scores
from cifake_core.progress import Progress, silent

_REPORT_EVERY = 20  # batches between two progress reports


def fit(
    data: TrainingData,
    settings: TrainSettings,
    checkpoint_folder: Path,
    on_progress: Progress = silent,
    on_epoch: Callable[[list[Epoch]], None] | None = None,
    watch: Callable[[nn.Module, int], None] | None = None,
) -> State:
    """Trains until the last epoch or until validation no longer improves; the network then holds the best weights.

    `watch(network, epoch)` is called before an epoch's checkpoint counts, `on_epoch(history)` after.
    Continues from the folder's checkpoint if there is one. Raises OutOfMemory, or BadInput if the loss diverges.
    """
    device = hardware.chosen_device()
    if device.type == "cpu":
        hardware.keep_freed_memory()
    precision = hardware.fast_precision(device) if settings.precision == "auto" else settings.precision
    try:
        state = _fresh_state(settings, device)
        checkpoints.restore(checkpoint_folder, state)
        pixels = scoring.on_device(data.train.split_pixels, device)
        train, validation = _Images.of(data.train, pixels), _Images.of(data.validation, pixels)
        while not _finished(state, settings):
            _one_epoch(state, train, validation, settings, precision, on_progress)
            if watch:
                watch(state.network, len(state.history))
            checkpoints.save(checkpoint_folder, state)
            if on_epoch:
                on_epoch(state.history)
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            f"Training {settings.topology} with {settings.batch_size} images a batch needs more memory than {device} has; "
            "take a smaller batch or network."
        ) from error
    state.network.load_state_dict(state.best_weights)
    return state


@dataclass(frozen=True)
class _Images:
    """Some rows of a split whose pixels lie on the device once, for training and validation together."""

    pixels: Tensor  # uint8 (M, 3, H, W): the whole official train split
    rows: Tensor  # int64 (N,): which of them
    labels: Tensor  # float32 (N,)

    @staticmethod
    def of(part: Part, pixels: Tensor) -> "_Images":
        labels = torch.from_numpy(part.labels.astype(np.float32))
        return _Images(pixels, torch.from_numpy(part.rows).to(pixels.device), labels.to(pixels.device))


def _fresh_state(settings: TrainSettings, device: torch.device) -> State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = networks.build(settings.topology)
    network = network.to(device, memory_format=torch.channels_last)
    return State(network, _optimizer(network, settings), [], {})


def _optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    recipe = trainable.recipe(settings.topology)
    if recipe.muon:
        return Muon(network.parameters(), settings.learning_rate, recipe.weight_decay)
    kind = torch.optim.AdamW if recipe.weight_decay else torch.optim.Adam
    return kind(network.parameters(), lr=settings.learning_rate, weight_decay=recipe.weight_decay, fused=True)


def _finished(state: State, settings: TrainSettings) -> bool:
    done = len(state.history)
    stalled = settings.patience and state.best and done - state.best.epoch >= settings.patience
    return done >= settings.epochs or bool(stalled)


def _one_epoch(
    state: State, train: _Images, validation: _Images, settings: TrainSettings, precision: str, on_progress: Progress
) -> None:
    """Adds one Epoch to the history, and keeps its weights if they are the best on validation so far."""
    started, number = time.perf_counter(), len(state.history) + 1
    loss, accuracy, images = _train_once(state, train, settings, precision, number, on_progress)
    logits = scoring.logits_of(state.network, validation.pixels, validation.rows)
    labels = validation.labels.cpu().numpy()
    state.history.append(
        Epoch(
            epoch=number,
            train_loss=loss,
            train_accuracy=accuracy,
            validation_loss=float(scores.cross_entropy(logits, labels).mean()),
            validation_accuracy=float(((logits >= 0) == (labels == 1)).mean()),
            duration_s=time.perf_counter() - started,
            images=images,
        )
    )
    if state.best.epoch == number:
        state.best_weights = {name: value.detach().clone() for name, value in state.network.state_dict().items()}


def _train_once(
    state: State, train: _Images, settings: TrainSettings, precision: str, number: int, on_progress: Progress
) -> tuple[float, float, int]:
    """One pass over the images; which, in what order and how varied is drawn from (seed, epoch). Mean loss, accuracy, images seen."""
    n, size, device = len(train.labels), settings.batch_size, train.labels.device
    recipe, draw = trainable.recipe(settings.topology), torch.Generator().manual_seed(settings.seed * 100_003 + number)
    known = None if state.losses is None or recipe.sees_all(number, settings.epochs) else state.losses.cpu()
    order, counts = (found if found is None else found.to(device) for found in skipping.order(n, known, recipe, draw))
    if recipe.skip:
        state.losses = torch.zeros(n, device=device) if state.losses is None else state.losses.to(device)
    loss_sum, hits = torch.zeros((), device=device), torch.zeros((), device=device)
    batches, whole = -(-len(order) // size), -(-n // size)
    state.network.train()
    for batch in range(batches):
        drawn = order[batch * size : (batch + 1) * size]
        labels = train.labels[drawn]
        images = train.pixels.index_select(0, train.rows[drawn])  # a seventh of the time of indexing by a list
        if recipe.varies:
            images = augmenting.varied(images, recipe, draw)
        _set_rate(state.optimizer, settings, recipe.rate((number - 1 + batch / batches) / settings.epochs))
        with hardware.autocast(device, precision):
            logits = state.network(networks.as_input(images)).float()
        count = None if counts is None else counts[batch * size : (batch + 1) * size]
        loss = functional.binary_cross_entropy_with_logits(logits, labels, count)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        state.optimizer.step()
        loss_sum += loss.detach() * len(drawn)
        hit = (logits.detach() >= 0) == (labels == 1)
        hits += hit.sum() if count is None else (hit * count).sum()
        if recipe.skip:
            state.losses[drawn] = functional.binary_cross_entropy_with_logits(logits.detach(), labels, reduction="none")
        if batch % _REPORT_EVERY == 0:
            done = (number - 1) * whole + batch * whole // batches
            on_progress(done, settings.epochs * whole, f"{settings.topology}: epoch {number}")
    stood_for = n if counts is None else float(counts.sum())
    mean_loss = float(loss_sum) / stood_for
    if not np.isfinite(mean_loss):
        raise BadInput(
            f"The loss of {settings.topology} is not a number after epoch {number}; "
            f"the learning rate {settings.learning_rate} is too high, take a smaller one."
        )
    return mean_loss, float(hits) / stood_for, len(order)


def _set_rate(optimizer: torch.optim.Optimizer, settings: TrainSettings, share: float) -> None:
    """The rate follows from where the training stands, so a checkpoint need not carry it."""
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * share
