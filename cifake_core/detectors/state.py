"""What a training carries from one epoch to the next. It does not know how it is stored or how it came about."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images gave. Accuracies are shares; losses in nats."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    duration_s: float
    images: int | None = None  # training images it saw; None: not recorded


@dataclass
class State:
    """Everything a training carries from one epoch to the next: what a checkpoint must hold to resume bit for bit.

    The order of the images is drawn from (seed, epoch) alone, so no random state needs to be carried.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    history: list[Epoch]
    best_weights: dict[str, Tensor]
    losses: Tensor | None = None  # float32 (N,): each training image's last loss, where the recipe leaves out easy ones

    @property
    def best(self) -> Epoch | None:
        """The epoch of highest validation accuracy; of equal ones, that of lowest validation loss."""
        return max(self.history, key=lambda e: (e.validation_accuracy, -e.validation_loss), default=None)
