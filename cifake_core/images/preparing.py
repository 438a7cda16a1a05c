"""One new image, ready to be stored: decoded, its size checked, shrunk or re-encoded where that was asked for.

It knows a single image; what makes images fit together as a set is building.py's.
"""

from dataclasses import dataclass, replace

import numpy as np

from cifake_core.errors import BadInput
from cifake_core.images import codec
from cifake_core.images.schema import NewImage, Original, image_id


@dataclass(frozen=True)
class Treatment:
    """What is done to every image on its way in. By default the files are kept byte for byte."""

    resize: bool = False  # shrink what is not 32 × 32, antialiased; otherwise such an image is refused
    jpeg: bool = False  # re-encode all as CIFAKE's files are: without it, a codec can give the label away


@dataclass(frozen=True)
class Prepared:
    """`image.data` holds the bytes to store, `pixels` uint8 (3, 32, 32) what they decode to."""

    image: NewImage
    pixels: np.ndarray
    image_id: str
    format: str
    width: int
    height: int
    resized: bool
    original: Original  # before anything was done to it


def prepared(image: NewImage, treatment: Treatment) -> Prepared:
    """Raises BrokenImage, naming the file, for one that cannot be decoded, and BadInput for one that is not 32 × 32."""
    name = image.path or "An image"
    decoded = codec.decode_file(image.data, name=name, shrink_to=codec.SIDE if treatment.resize else None)
    original = image.original or decoded.original
    width, height = decoded.original.width, decoded.original.height
    resized = (width, height) != (codec.SIDE, codec.SIDE)
    if resized and not treatment.resize:
        raise BadInput(
            f"{name} is {width} × {height} pixels, not {codec.SIDE} × {codec.SIDE}; "
            "shrink the images first or import them with resizing switched on."
        )
    if resized:
        image = replace(image, provenance={**image.provenance, "resized_from": [width, height]})
    if resized or (treatment.jpeg and decoded.format != "JPEG") or decoded.format not in codec.KEPT_FORMATS:
        image, decoded = _encoded_anew(image, decoded, treatment)
    pixels = decoded.pixels
    return Prepared(
        image, pixels.transpose(2, 0, 1), image_id(pixels), decoded.format, codec.SIDE, codec.SIDE, resized, original
    )


def _encoded_anew(
    image: NewImage, decoded: codec.Decoded, treatment: Treatment
) -> tuple[NewImage, codec.Decoded]:
    """JPEG stays JPEG, everything else becomes a lossless PNG, unless all are to be JPEG."""
    lossy = treatment.jpeg or decoded.format == "JPEG"
    data = codec.encode_jpeg(decoded.pixels) if lossy else codec.encode_png(decoded.pixels)
    return replace(image, data=data), codec.decode_file(data, name=image.path)
