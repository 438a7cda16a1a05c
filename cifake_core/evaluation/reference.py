"""What others reached on the same images: the mark beside our figures. Only shown where the images are theirs."""

from cifake_core.detectors.topology import PAPER_ACCURACY
from cifake_core.images.image_set import ImageSet

# CIFAKE's own fingerprint: its counts and its pixel-identical pairs, measured on the official files. Unlike a digest of
# pixels it does not change with the version of the JPEG decoder.
_COUNTS = {"train": {"real": 50_000, "fake": 50_000}, "test": {"real": 10_000, "fake": 10_000}}
_PAIRS = {"train-train": 920, "train-test": 378, "test-test": 38}


def is_cifake(image_set: ImageSet) -> bool:
    """Whether the set is the official CIFAKE, whatever it is called here."""
    return image_set.record["counts"] == _COUNTS and image_set.record["duplicates"] == _PAIRS


def paper_accuracy(image_set: ImageSet) -> float | None:
    """The paper's test accuracy (Bird and Lotfi 2024) where the images are CIFAKE's, else None."""
    return PAPER_ACCURACY if is_cifake(image_set) else None
