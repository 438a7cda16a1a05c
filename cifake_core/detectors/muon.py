"""Muon: steps along all directions of a convolution's weights alike, whatever the size of its gradient in each.

Source: Jordan et al. 2024 (momentum, then five Newton–Schulz iterations towards the nearest orthogonal matrix), with the
scale of Liu et al. 2025: an update's root mean square is 0.2, about Adam's, so that one learning rate serves both.
What is no convolution (normalisation, the last layer) takes a step of AdamW, as both propose. torch.optim.Muon takes
matrices only: a convolution's weights (out, in, 3, 3) are the matrix (out, in · 9) here.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic, Jordan et al.: singular values come near 1 in five iterations
_ITERATIONS = 5
_UPDATE_RMS = 0.2


class Muon(torch.optim.Optimizer):
    """Weight decay is decoupled, as in AdamW."""

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas})

    @torch.no_grad()
    def step(self) -> None:
        """One step with the gradients there are."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                update = self._turned(weights, group["momentum"]) if weights.dim() == 4 else self._adam(weights, group["betas"])
                weights.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=group["lr"])

    def _turned(self, weights: Tensor, momentum: float) -> Tensor:
        """Of a convolution (out, in, height, width): Nesterov momentum, made orthogonal; the same shape."""
        state = self.state[weights]
        if not state:
            state["momentum"] = torch.zeros_like(weights)
        state["momentum"].lerp_(weights.grad, 1 - momentum)
        ahead = weights.grad.lerp(state["momentum"], momentum)
        matrix = orthogonal(ahead.flatten(1))  # (out, in · 9)
        return matrix.reshape(weights.shape) * (_UPDATE_RMS * max(matrix.shape) ** 0.5)

    def _adam(self, weights: Tensor, betas: tuple[float, float]) -> Tensor:
        state = self.state[weights]
        if not state:
            state |= {"step": torch.zeros(()), "mean": torch.zeros_like(weights), "square": torch.zeros_like(weights)}
        state["step"] += 1
        state["mean"].lerp_(weights.grad, 1 - betas[0])
        state["square"].lerp_(weights.grad.square(), 1 - betas[1])
        number = int(state["step"])
        mean, square = state["mean"] / (1 - betas[0] ** number), state["square"] / (1 - betas[1] ** number)
        return mean / (square.sqrt() + 1e-8)


def orthogonal(matrix: Tensor) -> Tensor:
    """(n, m) → (n, m) with the same singular vectors and singular values near 1 (0.7 to 1.2); zeros stay zeros."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
