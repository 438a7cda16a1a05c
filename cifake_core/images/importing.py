"""The step that turns sources (files, folders, archives) into one image set.

It finds out what each source is and describes the result; reading is done by sources/, storing by building.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cifake_core.errors import BadInput
from cifake_core.images.building import checked_kind, new_image_set
from cifake_core.images.image_set import ImageSet
from cifake_core.images.preparing import Treatment
from cifake_core.images.schema import FAKE, SPLITS, NewImage
from cifake_core.images.sources import archive, cifar10, folder, official, parquet
from cifake_core.images.sources.found import Found
from cifake_core.step import Context
from cifake_core.store.workspace import checked_name

_SOURCES = (parquet, archive, cifar10, folder)  # asked in this order; folder takes any folder


@dataclass(frozen=True)
class ImportImages:
    """Imports one or more sources as the image set `name`. Done twice, it makes nothing twice."""

    sources: tuple[str, ...]  # paths of Parquet files, zip archives or folders, or official.DOWNLOADS
    name: str
    resize: bool = False  # shrink what is not 32 × 32, antialiased; without it such an image is refused
    jpeg: bool = False  # re-encode all as CIFAKE's files are (JPEG 75, 4:2:0), so that no codec tells the label
    kind: str = ""  # one of building.KINDS; "" = told by the labels
    generator: str = ""  # who made the fakes, where the source does not say
    split: str = ""  # train or test: puts all images there, whatever the source says
    note: str = ""

    def __post_init__(self) -> None:
        given = (self.sources,) if isinstance(self.sources, str) else tuple(self.sources)
        object.__setattr__(self, "sources", given)
        checked_name(self.name)
        if not self.sources:
            raise BadInput("No source is given; name at least one Parquet file, zip archive or folder.")
        checked_kind(self.kind)
        if self.split and self.split not in SPLITS:
            raise BadInput(f"The split is {self.split!r}; take train or test, or leave it to the source.")

    def run(self, context: Context) -> dict:
        """What was imported: see `described`. Sources are fetched, then looked at, before anything is stored."""
        found = [found for source in self.sources for found in self._found(source, context)]
        image_set = new_image_set(
            context.workspace,
            self.name,
            self._rows(found),
            kind=self.kind,
            note=self.note,
            source={"files": [{"name": f.name, "kind": f.kind, "images": f.total, "left_out": f.left_out} for f in found]},
            treatment=Treatment(self.resize, self.jpeg),
            total=sum(f.total for f in found),
            on_progress=context.on_progress,
        )
        return described(image_set)

    def _found(self, source: str, context: Context) -> list[Found]:
        if source not in official.DOWNLOADS:
            return look(Path(source))
        paths = official.fetch(source, context.workspace.home / "downloads", context.on_progress)
        return [found for path in paths for found in look(path)]

    def _rows(self, found: list[Found]) -> Iterator[NewImage]:
        official_only = set(self.sources) <= {official.CIFAKE, official.CIFAKE_HUB}
        generator = self.generator or (official.CIFAKE_GENERATOR if official_only else "")
        for source in found:
            for image in source.rows():
                changed = {"split": self.split} if self.split else {}
                if generator and image.label == FAKE and not image.generator:
                    changed["generator"] = generator
                yield replace(image, **changed) if changed else image


def look(path: Path) -> list[Found]:
    """What the source is, before any image of it is read; BadInput if it is nothing known.

    A folder that holds Parquet files, as a copy of a Hugging Face repository does, is each of them.
    """
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        there = False
    if not there:
        raise BadInput(f"{path.name[:80]!r} does not exist; check the path.")
    if path.is_dir() and (files := sorted(f for f in path.rglob("*.parquet") if not f.is_symlink())):
        return [parquet.look(file) for file in files]
    for source in _SOURCES:
        if source.recognises(path):
            return [source.look(path)]
    raise BadInput(f"{path.name!r} is not a source known here; give a Parquet file, a zip archive or a REAL/FAKE folder.")


def described(image_set: ImageSet) -> dict:
    """{"dataset": name, "counts": {split: {"real", "fake"}}, "duplicates": {"train-train", …}, "digest", "resized",
    "left_out": files in no REAL or FAKE folder, "official_cifake": whether these are CIFAKE's own files, byte for byte}.
    """
    wanted = ("counts", "duplicates", "digest", "resized", "official_cifake")
    left_out = sum(file.get("left_out", 0) for file in image_set.record["source"].get("files", ()))
    return {"dataset": image_set.name, **{key: image_set.record[key] for key in wanted}, "left_out": left_out}
