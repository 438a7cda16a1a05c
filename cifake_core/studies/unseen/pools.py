"""The images of a study: fakes of many generators and real photographs, all through one codec, reals parted once.

Where fakes and reals were compressed differently, the codec tells them apart and every number is worthless. It does not
know detectors.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from cifake_core.errors import BadInput, Refused
from cifake_core.images.codec import JPEG_QUALITY
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE, REAL
from cifake_core.progress import Progress, silent
from cifake_core.store.workspace import Workspace

CODECS = {
    "jpeg": "JPEG 75 4:2:0 for both labels, as CIFAKE's files are",
    "lossless": "as the generator made them; needs lossless photographs",
}
_CHUNK = 1000
LEAST = 20  # images of a generator; fewer say nothing
MOST_REALS = 5_000  # to learn from, and to judge on: at random, always the same; more change no interval of a group of fakes


@dataclass(frozen=True)
class Source:
    """What a study is made of; every step of the package has these fields."""

    dataset: str  # its reals: train split to learn from, test split to judge on
    generators: str  # an image set with fakes of many generators
    codec: str = "jpeg"
    reals: str = ""  # another set of photographs in place of the dataset's; parted in two halves where it has one split
    exclude: tuple[str, ...] = ()  # generators left out

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise BadInput(f"The codec is {self.codec!r}; take {' or '.join(CODECS)}, one for both labels.")
        given = (self.exclude,) if isinstance(self.exclude, str) else tuple(self.exclude)
        object.__setattr__(self, "exclude", given)


@dataclass(frozen=True)
class Pool:
    """n fakes in the order of the generators' set, and reals in three parts that share no picture."""

    fakes: np.ndarray  # uint8 (n, 3, 32, 32)
    generators: np.ndarray  # str (n,)
    image_ids: np.ndarray  # str (n,), as stored (before the codec)
    places: np.ndarray  # int64 (n, 2): split (0 train, 1 test) and row there, where the stored image lies
    families: dict[str, str]  # generator → family
    train_reals: np.ndarray  # uint8: to learn from
    threshold_reals: np.ndarray  # uint8: to set the false-positive rate on; never learned from, never judged on
    test_reals: np.ndarray  # uint8: to judge on
    real_places: np.ndarray  # int64 (of test_reals, 2): where they lie in their set
    reals_from: str  # that set's name
    digest: str
    all_generators: tuple[str, ...] = ()  # of the set, those left out and those with too few images as well

    @property
    def names(self) -> list[str]:
        """The generators by family, then name."""
        return sorted(self.families, key=lambda name: (self.families[name], name))

    def rows(self, names: list[str] | set[str]) -> np.ndarray:
        """Rows of the fakes of those generators."""
        return np.flatnonzero(np.isin(self.generators, list(names)))

    def counts(self) -> dict[str, int]:
        """Images of each generator."""
        return {name: int((self.generators == name).sum()) for name in self.names}


def open_pool(workspace: Workspace, source: Source, on_progress: Progress = silent) -> Pool:
    """Raises Refused where one codec for both labels cannot be had, BadInput where fewer than two generators are left."""
    fakes = _gathered(ImageSet.open(workspace, source.generators), FAKE)
    known = fakes.generators != ""
    usable = [g for g in np.unique(fakes.generators[known]) if g not in source.exclude and (fakes.generators == g).sum() >= LEAST]
    _check_generators(source, usable, fakes.generators[known])
    named = tuple(np.unique(fakes.generators[known]).tolist())
    fakes = fakes.taken(np.flatnonzero(np.isin(fakes.generators, usable)))
    photographs = ImageSet.open(workspace, source.reals or source.dataset)
    train, threshold, test = _parted(photographs)
    _check_codec(source, fakes, photographs)
    parts = [fakes, train, threshold, test]
    total, done, pixels = sum(map(len, parts)), 0, []
    for part, of_reals in zip(parts, (False, True, True, True), strict=True):
        pixels.append(_through(part, source.codec, of_reals, lambda n, done=done: on_progress(done + n, total, "Bringing all images through one codec")))
        done += len(part)
    families = dict(zip(fakes.generators, fakes.families, strict=True))
    digest = hashlib.sha256("".join([source.codec, *(key for part in parts for key in part.image_ids), *fakes.generators]).encode())
    return Pool(
        pixels[0], fakes.generators, fakes.image_ids, fakes.places, families, *pixels[1:], test.places, photographs.name, digest.hexdigest(), named
    )


@dataclass(frozen=True)
class _Stored:
    """Images of one label of a set as they are stored."""

    pixels: np.ndarray
    image_ids: np.ndarray
    generators: np.ndarray
    families: np.ndarray
    formats: np.ndarray
    places: np.ndarray

    def taken(self, rows: np.ndarray) -> "_Stored":
        return _Stored(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.image_ids)


def _gathered(images: ImageSet, label: int, splits: tuple[str, ...] = ("train", "test"), most: int = 0) -> _Stored:
    """The images of that label, each picture once; `most` > 0: a random choice of so many, always the same."""
    found = []
    for number, split in enumerate(("train", "test")):
        if split not in splits or not images.has(split):
            continue
        manifest = images.manifest("test" if split == "test" else "train+validation")
        rows = np.flatnonzero((manifest["label"].to_numpy() == label) & ~manifest["image_id"].duplicated().to_numpy())
        if most and len(rows) > most:
            rows = np.sort(np.random.default_rng(0).permutation(rows)[:most])
        kept = manifest.iloc[rows]
        families = kept["family"].replace("", "unknown")
        places = np.stack([np.full(len(rows), number), rows], axis=1)
        columns = [kept["image_id"], kept["generator"], families, kept["format"]]
        found.append((images.pixels(split)[rows], *(column.to_numpy(dtype=object) for column in columns), places))
    if not found:
        raise Refused(f"{images.name!r} has no images in {' or '.join(splits)}; choose another image set.")
    pixels, ids, generators, families, formats, places = (np.concatenate(column) for column in zip(*found, strict=True))
    return _Stored(pixels, ids, generators.astype(str), families.astype(str), formats.astype(str), places)


def _parted(images: ImageSet) -> tuple[_Stored, _Stored, _Stored]:
    """Reals to learn from, to set thresholds on and to judge on. A picture that is in both splits is judged on nowhere.

    Where there is one split only, its pictures are parted by their ids: half to judge on.
    """
    if images.has("train") and images.has("test"):
        train = _gathered(images, REAL, ("train",), most=MOST_REALS)
        seen = set(images.manifest("train+validation")["image_id"])
        test = _gathered(images, REAL, ("test",), most=MOST_REALS)
        test = test.taken(np.array([row for row, key in enumerate(test.image_ids) if key not in seen], dtype=np.int64))
    else:
        every = _gathered(images, REAL)
        judged = np.array([int(key[:8], 16) % 2 == 0 for key in every.image_ids], dtype=bool)
        train, test = every.taken(np.flatnonzero(~judged)), every.taken(np.flatnonzero(judged))
    held = np.array([int(key[8:16], 16) % 5 == 0 for key in train.image_ids], dtype=bool)
    parts = train.taken(np.flatnonzero(~held)), train.taken(np.flatnonzero(held)), test
    if min(map(len, parts)) < LEAST:
        raise Refused(f"{images.name!r} has too few real photographs ({sum(map(len, parts))}); a study needs at least {5 * LEAST} to learn from and to judge on.")
    return parts


def _check_generators(source: Source, usable: list[str], known: np.ndarray) -> None:
    strangers = [name for name in source.exclude if name not in set(known)]
    if strangers:
        raise BadInput(f"{strangers[0][:60]!r} is no generator of {source.generators!r}; there are {', '.join(np.unique(known)[:6])} …")
    if len(usable) < 2:
        raise BadInput(
            f"{source.generators!r} has {len(usable)} generators with {LEAST} images or more; a study of unseen generators needs at least 2, each named."
        )


def _check_codec(source: Source, fakes: _Stored, photographs: ImageSet) -> None:
    of_reals = set(photographs.record["formats"])
    if source.codec == "lossless" and of_reals & {"JPEG", "WEBP"}:
        raise Refused(
            f"The photographs of {photographs.name!r} are {', '.join(sorted(of_reals))}, so nothing lossless can be compared with them; "
            "name a set of lossless photographs as reals, or take the codec jpeg."
        )
    if source.codec == "lossless" and (lossy := set(fakes.formats) & {"JPEG", "WEBP"}):
        raise Refused(f"Fakes of {source.generators!r} are {', '.join(sorted(lossy))}; take the codec jpeg for both labels.")


def _through(part: _Stored, codec: str, of_reals: bool, on_chunk) -> np.ndarray:
    """uint8 (n, 3, 32, 32). What is stored as JPEG is taken as it is: a second compression would tell it from the first."""
    from cifake_core.evaluation.transforms import jpeg  # loads torch

    if codec == "lossless":
        return np.ascontiguousarray(part.pixels)
    out = np.array(part.pixels)
    lossless = np.flatnonzero(part.formats != "JPEG")
    for start in range(0, len(lossless), _CHUNK):
        rows = lossless[start : start + _CHUNK]
        out[rows] = jpeg(out[rows], JPEG_QUALITY)
        on_chunk(start)
    return out
