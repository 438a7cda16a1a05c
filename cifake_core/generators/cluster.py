"""Batches of a set on more than one machine, as Ray tasks; the images come back as files.

A batch is what it is here: its requests, each with its own seed, sampled by the same generator in the same manner. Our
own generators and folders travel with the work; a model of the Hub is fetched by each machine itself. A machine that
dies costs the batches it was at: Ray gives them to another. It does not know where finished batches are kept.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cifake_core import ray_cluster
from cifake_core.errors import BadInput, Damaged
from cifake_core.generators import checking, pipelines
from cifake_core.generators.request import Manner, Painted, Request
from cifake_core.outcomes import Meter
from cifake_core.progress import Progress
from cifake_core.ray_cluster import Files
from cifake_core.store.workspace import Workspace

if TYPE_CHECKING:
    from cifake_core.generators.painting import Painter

Setup = tuple[pipelines.Source, Manner, int, tuple[str, ...]]  # of a Painter: source, manner, batch, classes


def painted(
    address: str, setup: Setup, batches: dict[int, list[Request]], keep_originals: bool, on_progress: Progress
) -> Iterator[tuple[int, list[Painted]]]:
    """(number, images) of each batch, as they are finished. `on_progress` counts images.

    Raises BadInput that names a batch which failed, and what ray_cluster.connected raises.
    """
    source = setup[0]
    if source.checkpoint:
        raise BadInput(f"{source.title!r} is a single file, which does not travel to other machines; save it as a diffusers folder, or make the images here.")
    with ray_cluster.joined("ray", address) as ray:
        names = [] if source.kind == "hub" else checking.model_files(source.folder)
        files = Files.of(source.folder, names).sent(ray)
        work = partial(_painted_there, files, setup, ray_cluster.threads_a_unit(), keep_originals)
        numbers = list(batches)
        meter = Meter([len(batches[number]) for number in numbers], on_progress)
        for place, outcome in ray_cluster.hand_out(ray, work, enumerate(batches.values()), meter):
            if outcome.reason:
                raise BadInput(f"Batch {numbers[place] + 1} of {source.title!r} could not be made: {outcome.reason}")
            yield numbers[place], outcome.result


def _painted_there(
    files: Files, setup: Setup, threads: int, keep_originals: bool, requests: list[Request], on_progress: Progress
) -> list[Painted]:
    """On a node. Full-size pictures come back only if they are to be kept."""
    from cifake_core import hardware

    painter, ticks = _painter(files, setup), iter(range(1, 1_000_000))
    hardware.use_threads(threads)
    made = painter.paint(requests, lambda: on_progress(next(ticks), painter.manner.steps + 1, "Sampling"))
    return made if keep_originals else [replace(one, original=one.original[:0]) for one in made]


_last: dict[Setup, "Painter"] = {}  # of a node's process: all its batches are usually of one set


def _painter(files: Files, setup: Setup) -> "Painter":
    from cifake_core.generators.painting import Painter

    if setup not in _last:
        _last.clear()
        source, *others = setup
        _last[setup] = Painter(_source_there(files, source), *others, on_message=lambda message: None)
    return _last[setup]


def _source_there(files: Files, source: pipelines.Source) -> pipelines.Source:
    home = ray_cluster.private_folder()
    if source.kind == "hub":
        return pipelines.find(Workspace(home), source.id)
    folder = home / "generators" / source.revision.removeprefix("sha256:")[:16] / source.folder.name
    files.written(folder)
    if checking.content_digest(folder) != source.revision:
        raise Damaged(f"The generator {source.id!r} came to another machine changed; start again.")
    return replace(source, folder=folder)
