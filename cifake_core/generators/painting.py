"""A loaded pipeline as one thing: requests in, finished 32×32 files out, on the path CIFAKE's own images went.

Batches always have the same size (short ones are filled up), so an image's pixels depend on its own seed and its place in
the batch, never on its neighbours. It does not know shards or image sets.
"""

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Protocol

import numpy as np
import torch

from cifake_core import hardware
from cifake_core.errors import OutOfMemory
from cifake_core.generators import defects, pipelines, sampling
from cifake_core.generators.defects import Rejected
from cifake_core.generators.recipe import redraw_seed
from cifake_core.generators.request import Manner, Painted, Request
from cifake_core.images.codec import encode_jpeg, shrink

CODEC = "JPEG quality 75, 4:2:0"
RESIZE = "bicubic, antialiased"
Tick = Callable[[], None]


@dataclass(frozen=True)
class Drawn:
    """Pictures float (N, H, W, 3), about 0 … 1, and which of them the pipeline's own safety checker flagged, bool (N,)."""

    pictures: np.ndarray
    flagged: np.ndarray


class Engine(Protocol):
    manner: Manner

    def __call__(self, requests: list[Request], tick: Tick) -> Drawn:
        """What the generator draws for N requests."""
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

    def paint(self, requests: list[Request], tick: Tick = lambda: None, *, redraw: bool = True) -> list[Painted]:
        """All of the requests, in order; what cannot be kept is drawn again, unless `redraw` is off. See defects.py.

        `tick` is called between denoising steps and may raise.
        """
        painted: list[Painted] = []
        while len(painted) < len(requests):
            drawn = self._batch(requests[len(painted) : len(painted) + self.batch], tick)
            painted += self._redrawn(drawn, tick) if redraw else drawn
        return painted

    def repaint(self, request: Request, slot: int, tick: Tick = lambda: None) -> Painted:
        """One image at the place it had in its batch: the same arithmetic, hence the same pixels."""
        return self._finish(request, self.engine([request] * self.batch, tick), slot)

    def _redrawn(self, painted: list[Painted], tick: Tick) -> list[Painted]:
        """The same images, those that cannot be kept drawn again with further seeds, as many at a time as fit into a batch."""
        best = dict(enumerate(painted))
        todo = [
            (place, attempt)
            for attempt in range(1, defects.MOST_REDRAWS + 1)
            for place, one in best.items()
            if not one.data
        ]
        while todo := [(place, attempt) for place, attempt in todo if not best[place].data]:
            now, todo = todo[: self.batch], todo[self.batch :]
            asked = [replace(painted[place].request, seed=redraw_seed(painted[place].request.seed, attempt)) for place, attempt in now]
            again = self._batch(asked, tick)
            todo = now[len(again) :] + todo  # where memory ran out, fewer were drawn than asked for
            for (place, _), one in zip(now, again, strict=False):
                best[place] = _better(best[place], one)
        return [best[place] for place in range(len(painted))]

    def _batch(self, requests: list[Request], tick: Tick) -> list[Painted]:
        filled = requests + [requests[-1]] * (self.batch - len(requests))
        try:
            drawn = self.engine(filled, tick)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            self._halve(error)
            return self._batch(requests[: self.batch], tick)
        return [self._finish(request, drawn, slot) for slot, request in enumerate(requests)]

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

    def _finish(self, request: Request, drawn: Drawn, slot: int) -> Painted:
        broken = defects.no_numbers(drawn.pictures[slot : slot + 1])[0]
        picture = sampling.to_pixels(np.zeros_like(drawn.pictures[slot]) if broken else drawn.pictures[slot])
        small = picture if picture.shape[:2] == (32, 32) else shrink(picture)
        told = self._provenance(request, picture, slot)
        reason = defects.SAFETY if drawn.flagged[slot] else defects.NO_NUMBERS if broken else defects.BLANK if defects.is_flat(small) else ""
        if reason:
            rejected = [asdict(Rejected(request.seed, reason))]
            return Painted(request, b"", picture, {**told, "rejected": rejected, "left_out": True})
        return Painted(request, encode_jpeg(small), picture, told)

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
    if source.unconditional:
        return 64 if gpu else 8
    return 8 if gpu else 1


def _engine(source: pipelines.Source, pipeline, manner: Manner, classes: tuple[str, ...]) -> Engine:
    if source.unconditional:
        return _UnconditionalEngine(pipeline, manner)
    if source.by_class:
        return _ClassEngine(pipeline, manner, pipelines.class_ids(source, pipeline, classes))
    return _PromptEngine(pipeline, manner)


def _better(before: Painted, again: Painted) -> Painted:
    """What is known of an image after one more try: the first picture that can be kept, and all seeds tried in vain before it."""
    if before.data:
        return before
    tried = before.provenance["rejected"]
    if again.data:
        return replace(again, provenance={**again.provenance, "rejected": tried})
    return replace(before, provenance={**before.provenance, "rejected": [*tried, *again.provenance["rejected"]]})


@dataclass
class _ClassEngine:
    pipeline: object
    manner: Manner
    ids: dict[str, int]

    def __call__(self, requests: list[Request], tick: Tick) -> Drawn:
        classes, seeds = [self.ids[r.class_name] for r in requests], [r.seed for r in requests]
        pictures = sampling.sample(self.pipeline, classes, seeds, self.manner.steps, self.manner.guidance, tick)
        return Drawn(pictures, np.zeros(len(pictures), bool))


@dataclass
class _UnconditionalEngine:
    """A pipeline that is asked for nothing: every image from its seed alone."""

    pipeline: object
    manner: Manner

    def __call__(self, requests: list[Request], tick: Tick) -> Drawn:
        def ticking(steps):
            for step in steps:
                yield step
                tick()

        self.pipeline.progress_bar = ticking  # these pipelines have no other way to be stopped between two steps
        generators = [torch.Generator().manual_seed(request.seed) for request in requests]
        drawn = self.pipeline(
            batch_size=len(requests), generator=generators, num_inference_steps=self.manner.steps, output_type="np"
        )
        return Drawn(np.asarray(drawn.images), np.zeros(len(requests), bool))


class _PromptEngine:
    """Any text-to-image pipeline; only the settings its call takes are given to it."""

    def __init__(self, pipeline, manner: Manner) -> None:
        self.pipeline, self.manner = pipeline, manner
        self.takes = set(inspect.signature(pipeline.__call__).parameters)

    def __call__(self, requests: list[Request], tick: Tick) -> Drawn:
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
        drawn = self.pipeline(**{k: v for k, v in settings.items() if k in self.takes})
        flagged = getattr(drawn, "nsfw_content_detected", None) or [False] * count
        return Drawn(np.asarray(drawn.images), np.array(flagged, bool))


def _is_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in text or "out of memory" in text
