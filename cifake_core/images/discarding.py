"""A new image set without the images that were discarded. The set they came from stays as it is.

It knows image ids; why an image was discarded is the user's business.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from cifake_core.errors import BadInput, NotFound
from cifake_core.images.building import BATCH, new_image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import described
from cifake_core.images.schema import SPLITS, NewImage, Original
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace, checked_name

_KEPT_TEXTS = ("generator", "prompt", "architecture", "real_source", "subset", "family")


@dataclass(frozen=True)
class Discard:
    """The set `dataset` without the images of those ids (every copy of them) becomes the set `name`."""

    dataset: str
    image_ids: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        checked_name(self.name)
        object.__setattr__(self, "image_ids", tuple(dict.fromkeys(self.image_ids)))
        if not self.image_ids:
            raise BadInput("No image is marked; mark those that are to be left out first.")
        if self.name == self.dataset:
            raise BadInput(f"The new set needs a name of its own; {self.name!r} keeps all its images.")

    def run(self, context: Context) -> dict:
        """What `importing.described` says of the new set. Raises NotFound for unknown ids, BadInput if none is left."""
        images = ImageSet.open(context.workspace, self.dataset)
        splits = [split for split in SPLITS if images.has(split)]
        manifests = {split: images.manifest("test" if split == "test" else "train+validation") for split in splits}
        gone = set(self.image_ids)
        known = set().union(*(set(manifest["image_id"]) for manifest in manifests.values()))
        if gone - known:
            raise NotFound(f"{len(gone - known)} of the marked images are not in {self.dataset!r}; look at the set again.")
        if known == gone:
            raise BadInput(f"All images of {self.dataset!r} are marked, so none would be left; unmark some.")
        kept = {split: manifest[~manifest["image_id"].isin(gone)] for split, manifest in manifests.items()}
        left_out = sum(len(manifests[split]) - len(kept[split]) for split in splits)
        made = new_image_set(
            context.workspace,
            self.name,
            (image for split in splits for image in _rows(images, split, kept[split])),
            kind=images.record["kind"],
            note=f"{images.record['note']} {left_out} of {images.name} left out by hand.".strip(),
            source={**images.record["source"], "request": None, "kept_from": images.name, "left_out": left_out},
            total=sum(len(rows) for rows in kept.values()),
            on_progress=context.on_progress,
        )
        return described(made)


def free_name(workspace: Workspace, name: str) -> str:
    """ "g7" → "g7-2", or the next number that no set has."""
    stem, dash, number = name.rpartition("-")
    stem, first = (stem, int(number) + 1) if dash and number.isdecimal() else (name, 2)
    taken = {image_set.name for image_set in ImageSet.list(workspace)}
    return next(found for n in range(first, first + len(taken) + 1) if (found := f"{stem[:70]}-{n}") not in taken)


def _rows(images: ImageSet, split: str, kept: pd.DataFrame) -> Iterator[NewImage]:
    """A row group at a time, so that a large set is never in memory whole."""
    for start in range(0, len(kept), BATCH):
        part = kept.iloc[start : start + BATCH]
        for data, (_, known) in zip(images.encoded_rows(split, part.index.tolist()), part.iterrows(), strict=True):
            yield NewImage(
                data,
                int(known["label"]),
                int(known["class_label"]),
                split,
                path=known["path"] or "",
                seed=None if pd.isna(known["seed"]) else int(known["seed"]),
                provenance=json.loads(known["provenance"] or "{}"),
                original=Original.of_row(known),
                validation=bool(known["validation"]),
                **{name: known[name] or "" for name in _KEPT_TEXTS},
            )
