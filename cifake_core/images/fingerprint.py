"""Knows CIFAKE's files when it sees them, however they are packed, named or ordered."""

import hashlib

from cifake_core.images.schema import NewImage

# Measured on the 120,000 files of the authors' repository at e112a942. GitHub packs archives on demand, so an archive has
# no lasting checksum of its own: this one is of the files in it, their split, label and class.
OFFICIAL_CIFAKE = "d0be7ca2b7b5a332ab465bc077d5a06b83a7492caca2fb834190193ce16a5985"


class Fingerprint:
    """The sum, modulo 2^256, of SHA-256(split, label, class, bytes) over all images: order does not matter."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, image: NewImage) -> None:
        placed = f"{image.split} {image.label} {image.class_label} ".encode()
        self._sum += int.from_bytes(hashlib.sha256(placed + image.data).digest())

    def hexdigest(self) -> str:
        return f"{self._sum % 2**256:064x}"
