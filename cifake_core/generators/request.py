"""One image that is asked for, how it is to be sampled, and the finished one. Plain values, no torch: pages check requests with them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Request:
    """One image that is asked for."""

    class_name: str
    index: int  # number within its class
    seed: int
    prompt: str = ""


@dataclass(frozen=True)
class Manner:
    """How images are sampled: the same for all of a set."""

    steps: int
    guidance: float
    negative_prompt: str = ""
    scheduler: str = "default"
    size: int = 0  # side asked of a text-to-image pipeline; 0 where the model decides


@dataclass(frozen=True)
class Painted:
    """One finished image: the file as CIFAKE stores it, the picture it was shrunk from, and how it was made."""

    request: Request
    data: bytes  # JPEG, 32×32; empty where none of its pictures can be kept
    original: np.ndarray  # uint8 (H, W, 3), as the pipeline gave it
    provenance: dict  # "rejected": pictures drawn in vain, with their seeds and reasons; "left_out": True where all were
