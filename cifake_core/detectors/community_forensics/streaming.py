"""Pictures for training, streamed from Parquet files of any number and size: never a file in memory, never two orders.

The files of Community Forensics are sorted by label, so row groups come in random order, pass a shuffle buffer a label,
and leave it real and fake in turn. The order depends on (seed, epoch) alone; a reader can begin anywhere in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch.utils.data import IterableDataset, get_worker_info

from cifake_core.detectors.community_forensics import preprocessing
from cifake_core.detectors.community_forensics.augmentation import RandomStateAugmentation
from cifake_core.detectors.community_forensics.models import Model
from cifake_core.errors import BadInput
from cifake_core.images import codec
from cifake_core.images.sources import parquet
from cifake_core.images.sources.class_names import names_in_metadata
from cifake_core.images.sources.vocabulary import meaning_of

BUFFER = 2000  # encoded pictures a label that wait to be drawn: about 300 MB of 1-megapixel JPEGs


@dataclass(frozen=True)
class Row:
    """One picture on its way to training."""

    data: bytes
    label: int  # 1 = fake
    generator: str = ""


@dataclass(frozen=True)
class Shards:
    """Row groups of some Parquet files: (path, number). The unit of reading and of sharing between processes."""

    groups: tuple[tuple[str, int], ...]
    images: int

    @staticmethod
    def of(paths: list[str]) -> "Shards":
        """Raises BadInput for a file that is damaged or has other columns, or for no file at all."""
        if not paths:
            raise BadInput("There is no Parquet file to train on; name files with the columns of Community Forensics.")
        groups, images = [], 0
        for path in sorted(paths):
            images += parquet.checked_rows(Path(path))
            with pq.ParquetFile(path) as file:
                groups += [(path, number) for number in range(file.num_row_groups)]
        return Shards(tuple(groups), images)

    def rows(self, groups: list[tuple[str, int]]) -> Iterator[Row]:
        """The rows of those groups, one group in memory at a time."""
        for path, number in groups:
            with pq.ParquetFile(path) as file:
                columns = set(file.schema_arrow.names)
                image, maker = ("image_data", "model_name") if "image_data" in columns else ("image.bytes", "generator")
                wanted = [image, "label", *([maker] if maker in columns else [])]
                renamed = _own_labels(file.schema_arrow.metadata, path)
                for row in file.read_row_group(number, columns=wanted).to_pylist():
                    data = row["image"]["bytes"] if image == "image.bytes" else row[image]
                    yield Row(data, _label(renamed.get(row["label"], row["label"]), path), row.get(maker) or "")


def _own_labels(metadata: dict | None, path: str) -> dict[int, int]:
    """The file's own label numbers → ours, by their names: `datasets` numbers folders by the alphabet, FAKE 0 and REAL 1."""
    names = names_in_metadata(metadata).get("label", [])
    labels = [meaning_of(name).label for name in names]
    if None in labels:
        raise BadInput(
            f"{Path(path).name} names its labels {', '.join(names[:8])}, of which {names[labels.index(None)]!r} means neither real nor fake; "
            "import the file with --real and --fake, export it, and train on that."
        )
    return dict(enumerate(labels))


def _label(value: object, path: str) -> int:
    if value not in (0, 1):
        raise BadInput(f"{Path(path).name} has a row with the label {value!r}; it must be 0 (real) or 1 (fake).")
    return int(value)


def endless(
    shards: Shards, seed: int, share: int = 0, shares: int = 1, balanced: bool = True
) -> Iterator[tuple[Row, tuple[int, ...]]]:
    """Rows and a seed for each, epoch after epoch, of one of `shares` equal shares of the row groups.

    Balanced: real and fake in turn, the rarer label coming again before the other is through; else as they come. Raises
    BadInput if that is asked of a share with one label.
    """
    draw = np.random.default_rng([seed, share])
    by_label = [_shuffled(shards, seed, share, shares, label) for label in ((0, 1) if balanced else (None,))]
    number = 0
    while True:
        for stream in by_label:
            yield next(stream), (seed, share, number, int(draw.integers(2**31)))
            number += 1


def _shuffled(shards: Shards, seed: int, share: int, shares: int, label: int | None) -> Iterator[Row]:
    """The rows of one label (None: all), again and again, each epoch in another order, through a shuffle buffer."""
    epoch = 0
    while True:
        order = np.random.default_rng([seed, epoch]).permutation(len(shards.groups))
        mine = [shards.groups[place] for place in order[share % len(order) :: shares]] or [
            shards.groups[order[share % len(order)]]
        ]
        draw, buffer, met = np.random.default_rng([seed, epoch, share, 2 if label is None else label]), [], 0
        for row in shards.rows(mine):
            if label is not None and row.label != label:
                continue
            met += 1
            buffer.append(row)
            if len(buffer) >= BUFFER:
                place = int(draw.integers(len(buffer)))
                buffer[place], buffer[-1] = buffer[-1], buffer[place]
                yield buffer.pop()
        for place in draw.permutation(len(buffer)):
            yield buffer[place]
        if not met:
            word = {0: "real ", 1: "fake "}.get(label, "")
            raise BadInput(
                f"There are no {word}images in a share of the Parquet files; name files that hold both labels."
            )
        epoch += 1


class TrainingStream(IterableDataset):
    """Batches without end for one process of several: pixels uint8 (B, 3, crop, crop), labels float32 (B,).

    `first`: number of batches this process has already trained on; they are passed over without decoding a picture.
    """

    def __init__(
        self, shards: Shards, model: Model, batch: int, seed: int, rank: int = 0, ranks: int = 1, first: int = 0,
        balanced: bool = True, augment: bool = True,
    ) -> None:  # fmt: skip
        self.shards, self.model, self.batch, self.seed = shards, model, batch, seed
        self.rank, self.ranks, self.first, self.balanced, self.augment = rank, ranks, first, balanced, augment

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = get_worker_info()
        workers = worker.num_workers if worker else 1
        number = (worker.id + self.first) % workers if worker else 0  # the loader begins with worker 0, wherever we are
        share, shares = self.rank * workers + number, self.ranks * workers
        rows = endless(self.shards, self.seed, share, shares, self.balanced)
        passed = len(range(number, self.first, workers))  # the loader takes batches from its workers in turn
        for _ in range(passed * self.batch):
            next(rows)
        while True:
            made = [next(rows) for _ in range(self.batch)]
            pictures = [self._picture(row, seed) for row, seed in made]
            yield preprocessing.stacked(pictures), torch.tensor([float(row.label) for row, _ in made])

    def _picture(self, row: Row, seed: tuple[int, ...]) -> np.ndarray:
        pixels = preprocessing.resized(codec.decode(row.data), self.model)
        if not self.augment:
            return preprocessing.cropped(pixels, self.model)
        return np.array(RandomStateAugmentation(self.model.crop)(Image.fromarray(pixels), np.random.default_rng(seed)))


def evaluation_batches(
    shards: Shards, model: Model, most: int, batch: int
) -> Iterator[tuple[torch.Tensor, np.ndarray, list[str]]]:
    """Up to `most` pictures as the detector is shown them: pixels uint8 (B, 3, crop, crop), labels (B,), generators.

    Row groups evenly over the files, not the first ones: files are sorted.
    """
    order = np.random.default_rng(0).permutation(len(shards.groups))
    waiting: list[Row] = []
    left = most or shards.images
    for row in shards.rows([shards.groups[place] for place in order]):
        waiting.append(row)
        left -= 1
        if len(waiting) == batch or not left:
            pictures = [preprocessing.shown(codec.decode(one.data), model) for one in waiting]
            yield (
                preprocessing.stacked(pictures),
                np.array([one.label for one in waiting]),
                [one.generator for one in waiting],
            )
            waiting = []
        if not left:
            return
    if waiting:
        pictures = [preprocessing.shown(codec.decode(one.data), model) for one in waiting]
        yield (
            preprocessing.stacked(pictures),
            np.array([one.label for one in waiting]),
            [one.generator for one in waiting],
        )
