"""What others reached on the same images: the mark beside our figures. Only shown where the images are theirs."""

from cifake_core.detectors.topology import PAPER_ACCURACY
from cifake_core.images.image_set import ImageSet
from cifake_core.metrics.intervals import share

# CIFAKE's own fingerprint: its counts and its pixel-identical pairs, measured on the official files. Unlike a digest of
# pixels it does not change with the version of the JPEG decoder.
_COUNTS = {"train": {"real": 50_000, "fake": 50_000}, "test": {"real": 10_000, "fake": 10_000}}
_PAIRS = {"train-train": 920, "train-test": 378, "test-test": 38}
PEOPLE, PEOPLE_IMAGES, PEOPLE_RIGHT = 63, 15, 0.564  # a survey on CIFAKE's images, known second-hand


def is_cifake(image_set: ImageSet) -> bool:
    """Whether the set is the official CIFAKE, whatever it is called here: as its import found, or by its fingerprint."""
    if "official_cifake" in image_set.record:
        return bool(image_set.record["official_cifake"])
    return image_set.record["counts"] == _COUNTS and image_set.record["duplicates"] == _PAIRS


def paper_accuracy(image_set: ImageSet) -> float | None:
    """The paper's test accuracy (Bird and Lotfi 2024) where the images are CIFAKE's, else None."""
    return PAPER_ACCURACY if is_cifake(image_set) else None


def people_sentence(image_set: ImageSet) -> str | None:
    """How people did on CIFAKE's images, with an interval and what is known of its source; None on any other images."""
    if not is_cifake(image_set):
        return None
    right = share(round(PEOPLE_RIGHT * PEOPLE * PEOPLE_IMAGES), PEOPLE * PEOPLE_IMAGES)
    return (
        f"In a survey (read second-hand) {PEOPLE} people judged {PEOPLE_IMAGES} such images each and were right in {PEOPLE_RIGHT:.1%} of cases "
        f"({right.low:.1%} – {right.high:.1%} if all answers were independent); the paper's best network in {PAPER_ACCURACY:.2%}."
    ).replace("%", " %")
