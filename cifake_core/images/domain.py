"""What a dataset's images are, as far as its record and manifest say: kind, makers, counts, and how far they were shrunk.

Nothing is guessed: what nobody recorded is not said. A picture that had to be shrunk or enlarged in another way than the
images of both labels lies outside, because resampling itself is a cue.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np

from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE, LABELS, REAL

SIDE = 32  # pixels: what a network of this project looks at
TOLERANCE = 1.5  # a picture may be shrunk so much further than any image of the dataset
_MOST_NAMED = 3  # generators named one by one
_SCENES = "demo-world"  # how the renderer's name begins
CIFAKE_FAKES = "Stable Diffusion 1.4"  # Bird and Lotfi 2024: all of CIFAKE's fakes


@dataclass(frozen=True)
class Domain:
    """What a run was trained on. `makers` and `shrunk` go by label: real, fake."""

    dataset: str
    kind: str  # of the dataset's record: photographs, generated, mixed or rendered
    official_cifake: bool
    counts: tuple[int, int]  # images of the official train split
    makers: tuple[tuple[str, ...], tuple[str, ...]]  # generators of each label, most images first; those nobody named are absent
    shrunk: tuple[tuple[float, float], tuple[float, float]]  # least and most times an image was shrunk; (1, 1) = stored as it came
    resized: bool = False  # whether any image was

    @staticmethod
    def of(image_set: ImageSet) -> "Domain":
        """From the record and the manifest of the train split."""
        record, manifest = image_set.record, image_set.manifest("train+validation")
        labels = manifest["label"].to_numpy()
        factors = _factors(manifest)
        each = [manifest["generator"][labels == label] for label in (REAL, FAKE)]
        return Domain(
            dataset=image_set.name,
            kind=str(record.get("kind", "")),
            official_cifake=bool(record.get("official_cifake")),
            counts=(int((labels == REAL).sum()), int((labels == FAKE).sum())),
            makers=tuple(tuple(name for name, _ in Counter(names[names != ""]).most_common(50)) for names in each),
            shrunk=tuple(_range(factors[labels == label]) for label in (REAL, FAKE)),
            resized=bool((factors != 1).any()),
        )

    def as_dict(self) -> dict:
        return asdict(self)

    @staticmethod
    def of_dict(found: dict) -> "Domain":
        """Of `as_dict`, also after it was JSON. Raises TypeError or KeyError for anything else."""
        pairs = {name: tuple(tuple(one) for one in found[name]) for name in ("makers", "shrunk")}
        return Domain(**{**found, **pairs, "counts": tuple(found["counts"])})

    @property
    def sentence(self) -> str:
        """ "trained on CIFAKE: 32-pixel photographs and Stable Diffusion 1.4 fakes"."""
        name = "CIFAKE" if self.official_cifake else f"the dataset {self.dataset}"
        sizes = [self._sizes(label) for label in (REAL, FAKE)]
        parts = [f"{self.counts[label]:,} {sizes[label]} {self._what(label)}" for label in (REAL, FAKE)]
        return f"trained on {name}: {parts[0]} and {parts[1]}"

    def _what(self, label: int) -> str:
        makers = self.makers[label]
        if makers and all(maker.startswith(_SCENES) for maker in makers):
            return f"rendered scenes ({', '.join(makers)})"
        if self.official_cifake:
            return "photographs" if label == REAL else f"{CIFAKE_FAKES} fakes"
        named = ", ".join(makers[:_MOST_NAMED]) + (f" and {len(makers) - _MOST_NAMED} more" if len(makers) > _MOST_NAMED else "")
        return f"{LABELS[label]} images" + (f" ({named})" if named else "")

    def _sizes(self, label: int) -> str:
        low, high = self.shrunk[label]
        if low == high == 1:
            return f"{SIDE}-pixel"
        low, high = round(low * SIDE), round(high * SIDE)
        return f"{low}-pixel" if low == high else f"{low}- to {high}-pixel"

    @property
    def in_short(self) -> str:
        """What its pictures are in three to six words, for a badge: "rendered scenes"."""
        return " and ".join(dict.fromkeys(self._what(label) for label in (REAL, FAKE)))

    def unlike_in_size(self, width: int, height: int, side: int = SIDE) -> str | None:
        """Why a picture of that size lies outside, its middle square brought to `side`; None where it does not."""
        factor = min(width, height) / side
        if factor == 1:
            return None  # nothing is resampled
        low, high = (choose(limit) for choose, limit in zip((max, min), zip(*self.shrunk, strict=True), strict=True))
        if self.resized and max(low / TOLERANCE, min(low, 1)) <= factor <= high * TOLERANCE:
            return None
        if not self.resized and 1 < factor <= TOLERANCE:
            return None
        done = "enlarged" if factor < 1 else "shrunk"
        return f"it was {done} from {width} × {height}; the network was trained on {self._files()}, and resampling alone can decide a verdict"

    def _files(self) -> str:
        sizes = [self._sizes(label) for label in (REAL, FAKE)]
        return f"{sizes[0]} files" if sizes[0] == sizes[1] else f"{sizes[0]} real and {sizes[1]} fake files"


def _factors(manifest) -> np.ndarray:
    """float (n,): how many times the short side of each image was shrunk on import; 1 where it was not, or nobody recorded it."""
    sides = np.minimum(manifest["original_width"].fillna(0), manifest["original_height"].fillna(0)).to_numpy(float)
    for row in np.flatnonzero((sides == 0) & (manifest["provenance"] != "").to_numpy()):  # a dataset of an earlier version
        known = json.loads(manifest["provenance"].iat[row])
        sides[row] = min(known.get("resized_from") or known.get("original_size") or [0])
    return np.where(sides > 0, sides / SIDE, 1.0)


def _range(factors: np.ndarray) -> tuple[float, float]:
    """From the 1 % to the 99 % quantile: a few odd files make no domain."""
    if not len(factors):
        return 1.0, 1.0
    return tuple(float(x) for x in np.quantile(factors, [0.01, 0.99], method="nearest"))
