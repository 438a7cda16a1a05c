"""One network over many images, a shard of them at a time: here one after another, or each as a task of a Ray cluster.

A shard ends where a batch ends, so each image is computed among the same neighbours wherever that is done, and all
shards together are the same bits. What is computed is the caller's; images and weights travel with the work.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cifake_core import hardware, ray_cluster
from cifake_core.detectors import loading
from cifake_core.detectors.loading import Detector
from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.errors import BadInput
from cifake_core.outcomes import Meter
from cifake_core.progress import Progress
from cifake_core.ray_cluster import Files
from cifake_core.store import artifacts


@dataclass(frozen=True)
class Shard:
    """Some of `total` images, from number `first` on."""

    first: int
    total: int
    pixels: np.ndarray  # uint8 (n, 3, H, W)

    def __str__(self) -> str:
        return f"images {self.first + 1:,} to {self.first + len(self.pixels):,} of {self.total:,}"


Work = Callable[[Detector, Shard, Progress], Any]  # of its arguments alone, so that a shard may be done twice


def over(
    ray: Any, run: Run, pixels: np.ndarray, rows: np.ndarray | None, size: int, work: Work, on_progress: Progress
) -> list[Any]:
    """work(detector, shard, on_progress) of every `size` images, in order; one shard of no image where there are none.

    `ray` is what `ray_cluster.joined` gave: None works here. `rows` choose among `pixels` uint8 (N, 3, H, W); None: all.
    `size` is a multiple of the batch that `work` computes with. A shard whose process or machine dies is done again
    elsewhere; one that fails ends the whole with an error that names it. `work` is a module's function, or a partial.
    """
    total = len(pixels) if rows is None else len(rows)
    firsts = range(0, max(1, total), size)
    shards = (_cut(pixels, rows, first, size, total) for first in firsts)
    if ray is None:
        return _here(loading.load(run), shards, work, on_progress)
    files = Files.of(run.folder, (artifacts.RECORD, WEIGHTS)).sent(ray)
    there = partial(_there, files, run.id, run.record["sha256"][WEIGHTS], ray_cluster.threads_a_unit(), work)
    results: dict[int, Any] = {}
    meter = Meter([min(size, total - first) for first in firsts], on_progress)
    for number, outcome in ray_cluster.hand_out(ray, there, enumerate(shards), meter):
        if outcome.reason:
            raise BadInput(f"{run.id} could not be taken over {outcome.unit}: {outcome.reason}")
        results[number] = outcome.result
    return [results[number] for number in range(len(firsts))]


def together(parts: list[Any]) -> Any:
    """Results of shards, dataclasses of one kind, as one: their arrays end to end, everything else as the first has it."""
    arrays = [field.name for field in fields(parts[0]) if isinstance(getattr(parts[0], field.name), np.ndarray)]
    return replace(parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays})


def _cut(pixels: np.ndarray, rows: np.ndarray | None, first: int, size: int, total: int) -> Shard:
    here = slice(first, first + size)
    return Shard(first, total, np.ascontiguousarray(np.asarray(pixels[here] if rows is None else pixels[rows[here]])))


def _here(detector: Detector, shards: Iterator[Shard], work: Work, on_progress: Progress) -> list[Any]:
    results = []
    for shard in shards:

        def within(done: int, total: int, message: str, shard: Shard = shard) -> None:
            on_progress(shard.first + len(shard.pixels) * done // max(1, total), shard.total, message)

        results.append(work(detector, shard, within))
    return results


def _there(
    files: Files, run_id: str, weights: str, threads: int, work: Work, shard: Shard, on_progress: Progress
) -> Any:
    """On a node: what `work` makes of the shard, with as many cores as every other shard has."""
    hardware.use_threads(threads)
    own = replace(shard, pixels=np.array(shard.pixels))  # what Ray hands over cannot be written to
    return work(_detector(files, run_id, weights), own, on_progress)


_last: dict[tuple[str, str], Detector] = {}  # of a node's process: most of its shards are of one run


def _detector(files: Files, run_id: str, weights: str) -> Detector:
    if (run_id, weights) not in _last:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / run_id
            files.written(place)
            _last.clear()
            _last[run_id, weights] = loading.load(Run(run_id, place, artifacts.read_json(place / artifacts.RECORD)))
    return _last[run_id, weights]
