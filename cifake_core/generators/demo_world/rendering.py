"""Rendered pictures of the ten classes with the true mask of the entity. Nothing here is a photograph.

A picture depends on (WORLD_VERSION, class, seed, size) only: not on batch, order or process.
"""

import io
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from random import Random

import cv2
import numpy as np
from PIL import Image

from cifake_core import CLASS_NAMES
from cifake_core.errors import BadInput
from cifake_core.generators.demo_world import composing
from cifake_core.generators.demo_world.camera import exposed
from cifake_core.generators.demo_world.casting import scene
from cifake_core.images.codec import encode_jpeg
from cifake_core.orphans import end_with_starter
from cifake_core.progress import Progress, silent
from cifake_core.settings import Settings

WORLD_VERSION = 2  # raise it whenever a picture would come out differently
SUPERSAMPLING = 2  # fine pixels a side of each final one
MIN_SIZE, MAX_SIZE = 16, 256
_CHUNK = 32  # pictures a process makes between two reports
_TOGETHER = 16  # pictures drawn at once: enough to share the cost of calls, few enough to stay in the cache
_ALONE = 256  # fewer pictures than this do not repay the start of worker processes


@dataclass(frozen=True)
class Frame:
    """A rendered picture before the codec: pixels uint8 (H, W, 3); mask bool (H, W), where the entity covers half a pixel or more."""

    pixels: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Rendering:
    """A rendered picture as it is stored: `pixels` are those of `jpeg`."""

    jpeg: bytes
    mask: np.ndarray

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 (H, W, 3), decoded when first asked for."""
        return decoded(self.jpeg)


def render_frame(class_label: int, seed: int, size: int = 32) -> Frame:
    """The picture as it leaves the camera model, before JPEG. Raises BadInput."""
    return render_frames([(class_label, seed)], size)[0]


def render_frames(wanted: Sequence[tuple[int, int]], size: int = 32) -> list[Frame]:
    """Pictures of (class, seed) before JPEG, each the same as alone. Raises BadInput."""
    for class_label, seed in wanted:
        _check(class_label, seed, size)
    frames: list[Frame] = []
    for start in range(0, len(wanted), _TOGETHER):
        frames += _drawn_together(wanted[start : start + _TOGETHER], size)
    return frames


def _drawn_together(wanted: Sequence[tuple[int, int]], size: int) -> list[Frame]:
    names = [CLASS_NAMES[class_label] for class_label, _ in wanted]
    dice = [Random(f"demo world {WORLD_VERSION}/{name}/{seed}") for name, (_, seed) in zip(names, wanted, strict=True)]
    noise = [np.random.Generator(np.random.PCG64([WORLD_VERSION, class_label, seed])) for class_label, seed in wanted]
    scenes = [scene(name, d) for name, d in zip(names, dice, strict=True)]
    linear, covered = composing.composed(scenes, size * SUPERSAMPLING, dice)
    fine = covered.view(np.uint8)
    count = sum(fine[:, i::SUPERSAMPLING, j::SUPERSAMPLING] for i in range(SUPERSAMPLING) for j in range(SUPERSAMPLING))
    masks = count * 2 >= SUPERSAMPLING**2
    return [Frame(*one) for one in zip(exposed(linear, size, dice, noise), masks, strict=True)]


def render(class_label: int, seed: int, size: int = 32) -> Rendering:
    """One rendered picture after JPEG quality 75, 4:2:0, the codec of CIFAKE's files. Raises BadInput."""
    frame = render_frame(class_label, seed, size)
    return Rendering(encode_jpeg(frame.pixels), frame.mask)


def decoded(jpeg: bytes) -> np.ndarray:
    """Pixels uint8 (H, W, 3) of a JPEG of our own making: unlike a stranger's file it needs no guarded decoder."""
    return np.array(Image.open(io.BytesIO(jpeg)))


def render_many(
    class_labels: Sequence[int],
    seeds: Sequence[int],
    size: int = 32,
    workers: int | None = None,
    on_progress: Progress = silent,
) -> list[Rendering]:
    """Pictures in the order asked. `workers`: processes, this one among them; None = one a core when it repays.

    Leaving through `on_progress` (Cancelled) stops the workers. Raises BadInput.
    """
    wanted = [(int(c), int(s)) for c, s in zip(class_labels, seeds, strict=True)]
    for class_label, seed in wanted:
        _check(class_label, seed, size)
    chunks = [(wanted[i : i + _CHUNK], size) for i in range(0, len(wanted), _CHUNK)]
    workers = _worker_count(workers, len(wanted), len(chunks))
    if workers == 1:
        return _collected(map(_render_chunk, chunks), len(wanted), on_progress)
    pool = ProcessPoolExecutor(workers - 1, mp_context=get_context("spawn"), initializer=_quiet_worker)
    try:
        return _shared_out(pool, chunks, len(wanted), on_progress)
    finally:
        pool.shutdown(cancel_futures=True)


def _shared_out(pool: ProcessPoolExecutor, chunks: list, total: int, on_progress: Progress) -> list[Rendering]:
    """The pool takes chunks from the front; this process, which need not wait for the pool to start, from the back."""
    _report(on_progress, 0, total)
    elsewhere = [pool.submit(_render_chunk, chunk) for chunk in chunks]
    here: list[list[Rendering]] = []
    while elsewhere and elsewhere[-1].cancel():
        here.append(_render_chunk(chunks[len(elsewhere) - 1]))
        elsewhere.pop()
        finished = sum(future.done() for future in elsewhere) * _CHUNK
        _report(on_progress, min(finished + sum(map(len, here)), total), total)
    parts = [future.result() for future in elsewhere] + here[::-1]
    _report(on_progress, total, total)
    return [picture for part in parts for picture in part]


def _collected(parts, total: int, on_progress: Progress) -> list[Rendering]:
    done: list[Rendering] = []
    _report(on_progress, 0, total)
    for part in parts:
        done += part
        _report(on_progress, len(done), total)
    return done


def _report(on_progress: Progress, done: int, total: int) -> None:
    on_progress(done, total, "rendering the demo world")


def _render_chunk(chunk: tuple[list[tuple[int, int]], int]) -> list[Rendering]:
    wanted, size = chunk
    return [Rendering(encode_jpeg(frame.pixels), frame.mask) for frame in render_frames(wanted, size)]


def _quiet_worker() -> None:
    end_with_starter()
    cv2.setNumThreads(1)  # the processes are the parallelism


def _worker_count(workers: int | None, pictures: int, chunks: int) -> int:
    if workers is None:
        cores = Settings.from_environment().threads or len(os.sched_getaffinity(0))
        workers = cores if pictures >= _ALONE else 1
    if workers < 1:
        raise BadInput(f"{workers} workers were asked for; give 1 or more.")
    return max(min(workers, chunks), 1)


def _check(class_label: int, seed: int, size: int) -> None:
    if not 0 <= class_label < len(CLASS_NAMES):
        raise BadInput(f"There is no class {class_label}; give 0 to {len(CLASS_NAMES) - 1}.")
    if seed < 0:
        raise BadInput(f"The seed is {seed}; give 0 or a positive whole number.")
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise BadInput(f"Pictures of {size} pixels a side cannot be rendered; give {MIN_SIZE} to {MAX_SIZE}.")
