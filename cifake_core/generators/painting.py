"""A loaded pipeline as one thing: requests in, finished 32×32 files out, on the path CIFAKE's own images went.

Batches always have the same size (short ones are filled up), so an image's pixels depend on its own seed and its place in
the batch, never on its neighbours. It does not know shards or image sets.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

import numpy as np
import torch

from cifake_core import hardware
from cifake_core.errors import OutOfMemory
from cifake_core.generators import pipelines, sampling
from cifake_core.generators.request import Manner, Painted, Request
from cifake_core.images.codec import encode_jpeg, shrink

CODEC = "JPEG quality 75, 4:2:0"
RESIZE = "bicubic, antialiased"
Tick = Callable[[], None]


class Engine(Protocol):
    def __call__(self, requests: list[Request], tick: Tick) -> np.ndarray:
        """Pixels uint8 (N, H, W, 3) of N requests."""
        ...


class Painter:
    """Paints batches with one generator. Halves the batch when memory runs out and tells `on_message`."""

    def __init__(
        self, source: pipelines.Source, manner: Manner, batch: int, classes: tuple[str, ...], on_message: Callable[[str], None]
    ) -> None:
        self.source, self.manner, self.batch, self.on_message = source, manner, batch, on_message
        self.device = hardware.chosen_device()
        hardware.use_threads()
        pipeline = pipelines.load(source, self.device)
        self.scheduler = pipelines.use_scheduler(source, pipeline, manner.scheduler)
        self.engine: Engine = _engine(source, pipeline, manner, classes)

    def paint(self, requests: list[Request], tick: Tick = lambda: None) -> list[Painted]:
        """All of the requests, in order. `tick` is called between denoising steps and may raise."""
        painted: list[Painted] = []
        while len(painted) < len(requests):
            painted += self._batch(requests[len(painted) : len(painted) + self.batch], tick)
        return painted

    def repaint(self, request: Request, slot: int, tick: Tick = lambda: None) -> Painted:
        """One image at the place it had in its batch: the same arithmetic, hence the same pixels."""
        return self._finish(request, self.engine([request] * self.batch, tick)[slot], slot)

    def _batch(self, requests: list[Request], tick: Tick) -> list[Painted]:
        filled = requests + [requests[-1]] * (self.batch - len(requests))
        try:
            pictures = self.engine(filled, tick)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            self._halve(error)
            return self._batch(requests[: self.batch], tick)
        return [self._finish(request, pictures[slot], slot) for slot, request in enumerate(requests)]

    def _halve(self, error: BaseException) -> None:
        if not _is_memory(error):
            raise error
        if self.batch == 1:
            raise OutOfMemory(
                f"{self.source.id!r} does not fit into the memory of {self.device} even one image at a time; "
                "take a smaller model or size."
            ) from error
        self.batch //= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.on_message(f"memory ran out: going on with {self.batch} images at a time")

    def _finish(self, request: Request, picture: np.ndarray, slot: int) -> Painted:
        small = picture if picture.shape[:2] == (32, 32) else shrink(picture)
        return Painted(request, encode_jpeg(small), picture, self._provenance(request, picture, slot))

    def _provenance(self, request: Request, picture: np.ndarray, slot: int) -> dict:
        return {
            "generator": self.source.title,
            "generator_kind": self.source.kind,
            "revision": self.source.revision,
            "pipeline": self.source.pipeline,
            "class": request.class_name,
            "index": request.index,
            "prompt": request.prompt,
            "negative_prompt": self.manner.negative_prompt,
            "seed": request.seed,
            "steps": self.manner.steps,
            "guidance": self.manner.guidance,
            "scheduler": self.scheduler,
            "scheduler_asked": self.manner.scheduler,
            "size": self.manner.size,
            "original_size": list(picture.shape[1::-1]),
            "resize": RESIZE if picture.shape[:2] != (32, 32) else "none",
            "codec": CODEC,
            "device": self.device.type,
            "precision": str(hardware.sampling_dtype(self.device)).removeprefix("torch."),
            "batch": self.batch,
            "slot": slot,
            "versions": {name: version(name) for name in ("torch", "diffusers", "transformers", "pillow")},
        }


def automatic_batch(source: pipelines.Source) -> int:
    """Images at a time that fit ordinary machines; running out of memory halves it."""
    gpu = hardware.chosen_device().type == "cuda"
    if source.by_class:
        return 512 if gpu else 50
    return 8 if gpu else 1


def _engine(source: pipelines.Source, pipeline, manner: Manner, classes: tuple[str, ...]) -> Engine:
    if source.by_class:
        return _ClassEngine(pipeline, manner, pipelines.class_ids(source, pipeline, classes))
    return _PromptEngine(pipeline, manner)


@dataclass
class _ClassEngine:
    pipeline: object
    manner: Manner
    ids: dict[str, int]

    def __call__(self, requests: list[Request], tick: Tick) -> np.ndarray:
        classes, seeds = [self.ids[r.class_name] for r in requests], [r.seed for r in requests]
        return sampling.sample(self.pipeline, classes, seeds, self.manner.steps, self.manner.guidance, tick)


class _PromptEngine:
    """Any text-to-image pipeline; only the settings its call takes are given to it."""

    def __init__(self, pipeline, manner: Manner) -> None:
        self.pipeline, self.manner = pipeline, manner
        self.takes = set(inspect.signature(pipeline.__call__).parameters)

    def __call__(self, requests: list[Request], tick: Tick) -> np.ndarray:
        def between(pipeline, step, timestep, tensors):
            tick()
            return tensors

        manner, count = self.manner, len(requests)
        settings = {
            "prompt": [request.prompt for request in requests],
            "negative_prompt": [manner.negative_prompt] * count if manner.negative_prompt else None,
            "num_inference_steps": manner.steps,
            "guidance_scale": manner.guidance,
            "height": manner.size or None,
            "width": manner.size or None,
            "generator": [torch.Generator().manual_seed(request.seed) for request in requests],
            "output_type": "np",
            "callback_on_step_end": between,
        }
        return sampling.to_pixels(self.pipeline(**{k: v for k, v in settings.items() if k in self.takes}).images)


def _is_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in text or "out of memory" in text
