"""Bytes of an image file to pixels and back. The only place where files of strangers are decoded.

It knows the formats and limits that are safe to decode, and the exact path CIFAKE's images went through (antialiased
shrink, JPEG quality 75, 4:2:0). It does not know labels, sets or folders.
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from cifake_core.errors import BadInput
from cifake_core.images.jpeg_tables import table_name
from cifake_core.images.schema import Original

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MAX_PIXELS = 40_000_000
JPEG_QUALITY = 75  # measured on all 120,000 official files: one quantisation table, 4:2:0
JPEG_420 = 2  # Pillow's number for 4:2:0 chroma subsampling
SIDE = 32
_ORIENTATION, _FIRST_TURNED = 0x0112, 5  # EXIF orientations 5 to 8 lie on their side
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_WHITE = (255, 255, 255, 255)

# A bomb's warning is an error, for the whole process: catch_warnings around each image would not be safe in threads.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Decoded:
    """Pixels uint8 (H, W, 3), RGB, upright; `format` is what the bytes were (JPEG, PNG, WEBP or BMP)."""

    pixels: np.ndarray
    format: str
    original: Original  # what the file was: its upright size, bytes, quantisation tables, EXIF


def decode(data: bytes, *, name: str = "The image") -> np.ndarray:
    """Pixels uint8 (H, W, 3) of one image file; `name` says in an error which one. See `decode_file`."""
    return decode_file(data, name=name).pixels


def decode_file(data: bytes, *, name: str = "The image") -> Decoded:
    """Pixels of the first frame: EXIF orientation applied, transparent parts on white, CMYK and 16 bit turned to 8-bit RGB.

    Nothing else of the file is kept. Raises BadInput for anything but a whole JPEG, PNG, WEBP or BMP of at most
    40 megapixels; the size is read from the header, so a decompression bomb is refused before it is decoded.
    """
    if not data:
        raise BadInput(f"{name} is empty (0 bytes); give a JPEG, PNG, WEBP or BMP file.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(f"{name} has more than {MAX_PIXELS // 1_000_000} megapixels; make it smaller first.") from error
    except Exception as error:  # Pillow's parsers raise many kinds on hostile bytes; each means the same to the user
        raise BadInput(f"{name} is not a JPEG, PNG, WEBP or BMP image that can be read; save it anew as one.") from error
    if image.width * image.height > MAX_PIXELS:
        raise BadInput(
            f"{name} is {image.width} × {image.height}, more than {MAX_PIXELS // 1_000_000} megapixels; make it smaller first."
        )
    try:
        original = _original(image, len(data))
        return Decoded(np.array(_to_rgb(image)), image.format, original)
    except Exception as error:
        raise BadInput(f"{name} is damaged or cut short; get the file again.") from error


def _original(image: Image.Image, size: int) -> Original:
    """What an opened file is, told from its header. Call it before anything is decoded at reduced size."""
    has_exif = "exif" in image.info
    width, height = image.size
    if has_exif and image.getexif().get(_ORIENTATION, 1) >= _FIRST_TURNED:
        width, height = height, width
    return Original(width, height, size, image.format, table_name(image), has_exif)


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB, upright. 16-bit gray is scaled (Pillow's own conversion clips it to white)."""
    image.load()
    if image.format != "JPEG" or {"exif", "xmp"} & image.info.keys():  # Pillow looks long for what most JPEGs lack
        image = ImageOps.exif_transpose(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _SIXTEEN_BIT:
        gray = np.asarray(image).astype(np.int64)
        return Image.fromarray((np.clip(gray, 0, 65535) / 257 + 0.5).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image).convert("RGB")
    return image.convert("RGB")


def encode_jpeg(pixels: np.ndarray) -> bytes:
    """A JPEG of pixels uint8 (H, W, 3) as CIFAKE's files are: quality 75, 4:2:0. Any other codec is a giveaway to a detector."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="JPEG", quality=JPEG_QUALITY, subsampling=JPEG_420)
    return out.getvalue()


def encode_png(pixels: np.ndarray, text: dict[str, str] | None = None) -> bytes:
    """A lossless PNG of pixels uint8 (H, W, 3); `text` becomes its text fields (UTF-8)."""
    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG", pnginfo=info)
    return out.getvalue()


def shrink(image: np.ndarray | Image.Image, side: int = SIDE) -> np.ndarray:
    """Pixels uint8 (side, side, 3): the middle square, shrunk with Pillow's antialiased bicubic filter.

    CIFAKE's spectra say its 512-pixel fakes were shrunk with antialiasing; the filter itself is not published.
    """
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    return np.array(ImageOps.fit(image.convert("RGB"), (side, side), method=Image.Resampling.BICUBIC))
