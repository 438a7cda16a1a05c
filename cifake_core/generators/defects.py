"""Generated pictures that must never be stored as fakes: blacked out by a safety checker, without numbers, or flat.

Flat means that no channel of the 32×32 picture has a standard deviation of FLAT levels. Of 134,316 real and fake pictures
that were measured (CIFAKE, 36 generators of Community Forensics, a lossless CIFAR-10) the flattest has 7.5.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from cifake_core.errors import Refused

FLAT = 2.0  # levels of 255
MOST_REDRAWS = 4  # of one image, each with a seed of its own
HOPELESS = 3 * (1 + MOST_REDRAWS)  # pictures in a row without one that can be used: more would be the same
SAFETY, NO_NUMBERS, BLANK = "safety checker", "no numbers", "black or flat"
REASONS = {  # what is counted → what is said
    SAFETY: "blacked out by the model's own safety checker",
    NO_NUMBERS: "without numbers (NaN), as an overflowing decoder gives",
    BLANK: "black or one flat colour",
}


@dataclass(frozen=True)
class Rejected:
    """A picture that was drawn and not kept."""

    seed: int
    reason: str  # of REASONS


@dataclass(frozen=True)
class Defects:
    """What was drawn in vain for a set: `pictures` by reason; `redrawn` images came out with another seed, `left_out` never did."""

    pictures: dict[str, int]
    redrawn: int
    left_out: int

    def as_dict(self) -> dict:
        return asdict(self)

    @staticmethod
    def of(provenances: Iterable[dict]) -> "Defects":
        """From the records of all images of a plan, those left out too (`"left_out": True`)."""
        reasons, redrawn, left_out = Counter(), 0, 0
        for made in provenances:
            reasons.update(one["reason"] for one in made.get("rejected", ()))
            left_out += bool(made.get("left_out"))
            redrawn += bool(made.get("rejected")) and not made.get("left_out")
        return Defects(dict(reasons), redrawn, left_out)


def together(found: Iterable[dict]) -> dict:
    """Several generators' defects as one, in the form of `Defects.as_dict`."""
    found = list(found)
    pictures = Counter()
    for one in found:
        pictures.update(one["pictures"])
    return Defects(dict(pictures), sum(one["redrawn"] for one in found), sum(one["left_out"] for one in found)).as_dict()


def no_numbers(pictures: np.ndarray) -> np.ndarray:
    """Which of pictures (N, H, W, 3) hold a value that is no number: bool (N,)."""
    return ~np.isfinite(pictures).all(axis=(1, 2, 3))


def is_flat(picture: np.ndarray) -> bool:
    """Whether uint8 (32, 32, 3) shows nothing: see the module."""
    return bool(picture.reshape(-1, 3).std(axis=0).max() < FLAT)


def sentence(defects: dict) -> str:
    """One sentence on what was drawn in vain ("" where nothing was); `defects` as `Defects.as_dict` gives them."""
    drawn = sum(defects.get("pictures", {}).values())
    if not drawn:
        return ""
    why = ", ".join(f"{count:,} {REASONS[reason]}" for reason, count in defects["pictures"].items())
    redrawn, left_out = defects["redrawn"], defects["left_out"]
    outcome = [f"{redrawn:,} {_images(redrawn)} came out with another seed"] if redrawn else []
    outcome += [f"{left_out:,} {_images(left_out)} never did and {'is' if left_out == 1 else 'are'} left out"] if left_out else []
    return f"{drawn:,} drawn {'picture was' if drawn == 1 else 'pictures were'} not kept ({why}): {'; '.join(outcome)}."


def check_hope(defects: Defects, usable: int, generator: str) -> None:
    """Raises Refused when so many pictures were drawn in vain, and none came out, that going on is pointless."""
    if usable == 0 and sum(defects.pictures.values()) >= HOPELESS:
        raise nothing_usable(defects, generator)


def nothing_usable(defects: Defects, generator: str) -> Refused:
    """The error of a generator none of whose pictures can be kept."""
    drawn = sum(defects.pictures.values())
    reason, count = max(defects.pictures.items(), key=lambda pair: pair[1])
    share = "all" if count == drawn else f"{count:,}"
    advice = {
        SAFETY: "take a model without a safety checker, or one whose checker fits it",
        NO_NUMBERS: "try another precision (CIFAKE_DEVICE=cpu) or another model",
        BLANK: "try more steps, another precision (CIFAKE_DEVICE=cpu) or another model",
    }[reason]
    return Refused(f"None of the {drawn:,} pictures that {generator!r} drew can be kept, {share} of them {REASONS[reason]}; {advice}.")


def _images(number: int) -> str:
    return "image" if number == 1 else "images"
