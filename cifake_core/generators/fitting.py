"""One resumable training loop for both halves of a generator: AdamW, moving average, cosine decay by steps or by the clock.

It does not know what is trained. All randomness is drawn from (seed, step), so a checkpoint needs no random state and a
run killed at any moment ends with the weights of an uninterrupted one (on the CPU, and if it is ruled by steps).
"""

import copy
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cifake_core.errors import BadInput
from cifake_core.store import artifacts

log = logging.getLogger(__name__)
Loss = Callable[[torch.nn.Module, int], torch.Tensor]
Report = Callable[["Training"], None]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. Ends at `steps`, or after `minutes` of training, whichever is given."""

    steps: int = 0  # optimizer steps; 0 = by the clock
    minutes: float = 0.0  # time spent in the loop, summed over resumed runs; 0 = by steps
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.0
    ema_decay: float = 0.999
    checkpoint_s: float = 120.0

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.minutes > 0):
            raise BadInput(f"Training takes {self.steps} steps and {self.minutes} minutes; give exactly one of the two.")

    def share(self, step: int, elapsed_s: float) -> float:
        """How much of the training is over, 0 … 1."""
        return min(1.0, step / self.steps if self.steps else elapsed_s / (60 * self.minutes))

    def rate(self, step: int, share: float) -> float:
        """Learning rate of this step: linear warm-up, then half a cosine to 1 % of the peak."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return self.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


@dataclass
class Training:
    """The state of a training: what a checkpoint holds."""

    model: torch.nn.Module
    average: torch.nn.Module  # exponential moving average of the model's weights: the one to keep
    optimizer: torch.optim.Optimizer
    step: int = 0
    elapsed_s: float = 0.0
    share: float = 0.0
    curve: list[dict] = field(default_factory=list)  # {"step", "loss", "rate"}, thinned to one point an interval


def fit(model: torch.nn.Module, loss: Loss, schedule: Schedule, checkpoint: Path, report: Report) -> Training:
    """Trains until the schedule is over; goes on from `checkpoint` if there is one and leaves the finished state there.

    `loss(model, step)` must depend on the weights and the step only. `report` is called after every step; when it
    raises, the state is saved first. A damaged checkpoint is dropped and the training starts over.
    """
    training = Training(model, copy.deepcopy(model).requires_grad_(False).eval(), _optimizer(model, schedule))
    restore(checkpoint, training)
    saved_at = time.monotonic()
    try:
        while training.share < 1:
            _advance(training, loss, schedule)
            report(training)
            if time.monotonic() - saved_at > schedule.checkpoint_s:
                save(checkpoint, training)
                saved_at = time.monotonic()
    finally:
        save(checkpoint, training)
    return training


def _advance(training: Training, loss: Loss, schedule: Schedule) -> None:
    started = time.monotonic()
    rate = schedule.rate(training.step, training.share)
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    training.model.train()
    value = loss(training.model, training.step)
    training.optimizer.zero_grad(set_to_none=True)
    value.backward()
    torch.nn.utils.clip_grad_norm_(training.model.parameters(), 1.0)
    training.optimizer.step()
    _follow(training, schedule.ema_decay)
    _note(training, value, rate)
    training.step += 1
    training.elapsed_s += time.monotonic() - started
    training.share = schedule.share(training.step, training.elapsed_s)


@torch.no_grad()
def _follow(training: Training, decay: float) -> None:
    """Moves the average towards the model; young averages move faster (1 + n) / (10 + n), as TensorFlow's do."""
    decay = min(decay, (1 + training.step) / (10 + training.step))
    for average, current in zip(training.average.parameters(), training.model.parameters(), strict=True):
        average.lerp_(current, 1 - decay)


def _note(training: Training, value: torch.Tensor, rate: float) -> None:
    """Keeps the loss of every 20th step, so that reading it back does not stall a GPU; NaN is our own mistake."""
    if training.step % 20 == 0:
        loss = float(value.detach())
        assert math.isfinite(loss), f"the loss is {loss} at step {training.step}; lower the learning rate"
        training.curve.append({"step": training.step, "loss": round(loss, 5), "rate": rate})


def _optimizer(model: torch.nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        model.parameters(), lr=schedule.learning_rate, betas=(0.9, 0.99), weight_decay=schedule.weight_decay
    )


def save(path: Path, training: Training) -> None:
    """One safetensors file, written whole: weights, average, optimizer, and in its header step, time and curve."""
    tensors = {name: tensor.detach().contiguous().cpu().clone() for name, tensor in _tensors(training)}
    state = {key: getattr(training, key) for key in ("step", "elapsed_s", "share", "curve")}
    with artifacts.whole_file(path) as temporary:
        save_file(tensors, temporary, metadata={"training": json.dumps(state)})


def restore(path: Path, training: Training) -> None:
    """Puts a checkpoint into `training`; without one, or with a damaged one, leaves it as it is."""
    if not path.exists():
        return
    try:
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        log.warning("damaged checkpoint %s dropped, training starts over: %s", path.name, error)
        return
    training.model.load_state_dict(_part(tensors, "model."))
    training.average.load_state_dict(_part(tensors, "average."))
    _restore_optimizer(training.optimizer, _part(tensors, "optimizer."))
    for key, value in state.items():
        setattr(training, key, value)


def _tensors(training: Training) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in training.model.state_dict().items():
        yield f"model.{name}", tensor
    for name, tensor in training.average.state_dict().items():
        yield f"average.{name}", tensor
    for number, values in training.optimizer.state_dict()["state"].items():
        for name, tensor in values.items():
            yield f"optimizer.{number}.{name}", tensor


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = tensor
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, values in state.items():  # same memory order as the weights, else channels-last sums differ in the last bit
        for name, tensor in values.items():
            if tensor.shape == parameters[number].shape:
                values[name] = torch.empty_like(parameters[number], device="cpu").copy_(tensor)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def draws(seed: int, *numbers: int) -> torch.Generator:
    """A CPU random generator for one purpose, e.g. (seed, phase, step): the same numbers give the same draws."""
    mixed = seed
    for number in numbers:
        mixed = (mixed * 6364136223846793005 + number * 1442695040888963407 + 1) % 2**63
    return torch.Generator().manual_seed(mixed)


def batch_rows(seed: int, step: int, batch: int, rows: int) -> torch.Tensor:
    """Row numbers (batch,) of this step: every epoch is a new permutation of `rows`, cut without a seam."""
    first = step * batch
    epochs = range(first // rows, (first + batch - 1) // rows + 1)
    order = torch.cat([torch.randperm(rows, generator=draws(seed, 1, epoch)) for epoch in epochs])
    start = first - epochs[0] * rows
    return order[start : start + batch]
