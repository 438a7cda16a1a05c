"""A new image set from parts of others: the reals of one beside the fakes of another, so that they can be trained on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import pandas as pd

from cifake_core.errors import BadInput
from cifake_core.images.building import new_image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import described
from cifake_core.images.preparing import Treatment
from cifake_core.images.schema import LABELS, SPLITS, NewImage, Original
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace, checked_name

_BATCH = 1000  # images read at a time
_COPIED = tuple(f.name for f in fields(NewImage) if f.name not in ("data", "seed", "provenance", "original"))


@dataclass(frozen=True)
class CombineSets:
    """Joins image sets, or one label of them ("cifake:real"), into the set `name`. Done twice, it makes nothing twice."""

    sources: tuple[str, ...]  # names of sets, each with ":real" or ":fake" to take that label only
    name: str
    jpeg: bool = False  # re-encode all as CIFAKE's files are, so that no codec tells the label

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        checked_name(self.name)
        if len(self.sources) < 2:
            raise BadInput("Combining needs at least two sources, for example cifake:real and a set of fakes.")
        for source in self.sources:
            _parsed(source)

    def run(self, context: Context) -> dict:
        """What `importing.described` says of the set. Raises NotFound, Conflict, or BadInput on a label clash."""
        parts = [_Chosen.of(context.workspace, source) for source in self.sources]
        keep = all(part.image_set.record.get("validation") for part in parts)  # else validation is cut anew from all of train
        made = new_image_set(
            context.workspace,
            self.name,
            (image if keep else replace(image, validation=False) for part in parts for image in part.rows()),
            note=f"Combined from {', '.join(self.sources)}.",
            source={
                "combined": [
                    {"source": s, "digest": p.image_set.digest} for s, p in zip(self.sources, parts, strict=True)
                ]
            },
            treatment=Treatment(jpeg=self.jpeg),
            total=sum(part.total for part in parts),
            on_progress=context.on_progress,
        )
        return described(made)


@dataclass(frozen=True)
class _Chosen:
    """One source: an image set and the label taken of it (None: both)."""

    image_set: ImageSet
    label: int | None

    @staticmethod
    def of(workspace: Workspace, source: str) -> "_Chosen":
        name, label = _parsed(source)
        return _Chosen(ImageSet.open(workspace, name), label)

    @property
    def total(self) -> int:
        labels = LABELS if self.label is None else (LABELS[self.label],)
        return sum(counts[label] for counts in self.image_set.record["counts"].values() for label in labels)

    def rows(self) -> Iterator[NewImage]:
        for split, part in zip(SPLITS, ("train+validation", "test"), strict=True):
            if self.image_set.has(split):
                yield from self._split_rows(split, part)

    def _split_rows(self, split: str, part: str) -> Iterator[NewImage]:
        manifest = self.image_set.manifest(part)
        if self.label is not None:
            manifest = manifest[manifest["label"] == self.label]
        for start in range(0, len(manifest), _BATCH):
            batch = manifest.iloc[start : start + _BATCH]
            files = self.image_set.encoded_rows(split, batch.index.to_numpy())
            for data, row in zip(files, batch.to_dict("records"), strict=True):
                yield _as_new(data, row, self.image_set.name)


def _as_new(data: bytes, row: dict, source: str) -> NewImage:
    known = {name: row[name] for name in _COPIED}
    known["validation"] = bool(known["validation"])
    known["path"] = f"{source}/{row['path']}"
    seed = None if pd.isna(row["seed"]) else int(row["seed"])
    return NewImage(data, **known, seed=seed, provenance=json.loads(row["provenance"] or "{}"), original=Original.of_row(row))


def _parsed(source: str) -> tuple[str, int | None]:
    name, _, label = source.partition(":")
    if label and label not in LABELS:
        raise BadInput(
            f"{source[:90]!r} asks for the label {label!r}; write the set's name, or name:real or name:fake."
        )
    return checked_name(name), LABELS.index(label) if label else None
