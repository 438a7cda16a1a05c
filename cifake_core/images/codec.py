"""Bytes of an image file to pixels and back. The only place where files of strangers are decoded.

It knows the formats and limits that are safe to decode, and the exact path CIFAKE's images went through (antialiased
shrink, JPEG quality 75, 4:2:0). It does not know labels, sets or folders.
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngInfo
from pillow_heif import register_heif_opener

from cifake_core.errors import BadInput
from cifake_core.images.jpeg_tables import table_name
from cifake_core.images.schema import Original

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
KEPT_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # stored byte for byte; what else is read is stored as a lossless PNG
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif", ".hif",
)  # fmt: skip
MAX_PIXELS = 40_000_000
MAX_SHRUNK_PIXELS = 64_000_000  # of a picture that is shrunk anyway: decoded whole, 4 bytes a pixel
MAX_SHRUNK_JPEG_PIXELS = 200_000_000  # of a JPEG that is shrunk anyway: decoded at a half, a quarter or an eighth of its sides
MAX_PROGRESSIVE_PIXELS = 60_000_000  # of a progressive one, whose coefficients are all in memory before it is
JPEG_QUALITY = 75  # measured on all 120,000 official files: one quantisation table, 4:2:0
JPEG_420 = 2  # Pillow's number for 4:2:0 chroma subsampling
SIDE = 32
LFS_POINTER = b"version https://git-lfs"  # what stands in a clone where the file was not fetched
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_WHITE = (255, 255, 255, 255)
_ORIENTATION, _FIRST_TURNED = 0x0112, 5  # EXIF orientations 5 to 8 lie on their side
_SAID = "JPEG, PNG, WEBP, BMP, TIFF, GIF, AVIF or HEIC"
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

# A bomb's warning is an error, for the whole process: catch_warnings around each image would not be safe in threads.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
register_heif_opener(thumbnails=False)


class BrokenImage(BadInput):
    """The file holds no picture that can be read; others of its source may. `detail` says why, without the name."""

    def __init__(self, name: str, detail: str, advice: str) -> None:
        super().__init__(f"{name} is {detail}; {advice}.")
        self.detail = detail


@dataclass(frozen=True)
class Decoded:
    """Pixels uint8 (H, W, 3), RGB, upright; `format` is what the bytes were, one of FORMATS."""

    pixels: np.ndarray
    format: str
    original: Original  # what the file was: its upright size, bytes, quantisation tables, EXIF


def sniffed(head: bytes) -> bool:
    """Whether the first bytes of a file (32 or more) are those of a picture in one of FORMATS."""
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")):
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    return head[:2] == b"BM" and head[6:10] == bytes(4)


def decode(data: bytes, *, name: str = "The image") -> np.ndarray:
    """Pixels uint8 (H, W, 3) of one image file; `name` says in an error which one. See `decode_file`."""
    return decode_file(data, name=name).pixels


def decode_file(data: bytes, *, name: str = "The image", shrink_to: int | None = None) -> Decoded:
    """Pixels of the first frame: EXIF orientation applied, transparent parts on white, CMYK and 16 bit turned to 8-bit RGB.

    Nothing else of the file is kept. With `shrink_to` a picture of another size than that square comes out as `shrink` makes it, and
    may be larger than 40 megapixels: it is then decoded at reduced size. Raises BrokenImage for anything but a whole picture of FORMATS
    within the limits; the size is read from the header, so a decompression bomb is refused before it is decoded.
    """
    image = _opened(data, name, shrink_to is not None)
    if image.mode == "F":
        raise BrokenImage(name, "stored in floating-point numbers, whose range nobody states", "save it with 8 or 16 bits")
    try:
        original = _original(image, len(data))
        if shrink_to is None or (original.width, original.height) == (shrink_to, shrink_to):
            return Decoded(np.array(_to_rgb(image)), original.format, original)
        return Decoded(shrink(_to_rgb(_reduced(image)), shrink_to), original.format, original)
    except Exception as error:
        raise BrokenImage(name, "damaged or cut short", "get the file again") from error


def read_header(data: bytes, *, name: str = "The image") -> tuple[str, int, int]:
    """(format, width, height) as the first bytes of a file tell, nothing decoded. Raises BrokenImage."""
    image = _opened(data, name, shrinking=True)
    original = _original(image, len(data))
    return original.format, original.width, original.height


def thumbnail(data: bytes, side: int, *, name: str = "The image") -> bytes:
    """A PNG of the whole picture, upright, with a longer side of at most `side` pixels. Raises BrokenImage."""
    image = _opened(data, name, shrinking=True)
    try:
        image.draft("RGB", (4 * side, 4 * side))  # JPEG only: decoded at a fraction of its size
        small = _to_rgb(_reduced(image))
        small.thumbnail((side, side))
        return encode_png(np.asarray(small))
    except Exception as error:
        raise BrokenImage(name, "damaged or cut short", "get the file again") from error


def _opened(data: bytes, name: str, shrinking: bool) -> Image.Image:
    """The file's picture by its header, not decoded yet."""
    if not data:
        raise BrokenImage(name, "empty (0 bytes)", f"give a {_SAID} file")
    if data.startswith(LFS_POINTER):
        raise BrokenImage(name, "only a pointer of Git LFS, not the file itself", "get it with git lfs pull")
    try:
        if shrinking and data.startswith(b"\xff\xd8\xff"):
            image = JpegImageFile(io.BytesIO(data))  # not through Image.open, whose limit is for pictures that are decoded whole
        else:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenImage(name, f"larger than {MAX_PIXELS // 1_000_000} megapixels", "make it smaller first") from error
    except Exception as error:  # Pillow's parsers raise many kinds on hostile bytes; each means the same to the user
        raise BrokenImage(name, f"not a {_SAID} image that can be read", "save it anew as one") from error
    limit = _limit(image) if shrinking else MAX_PIXELS
    if image.width * image.height > limit:
        size = f"{image.width} × {image.height}, more than {limit // 1_000_000} megapixels"
        advice = "make it smaller first" if shrinking else "make it smaller first, or import it with resizing switched on"
        raise BrokenImage(name, size, advice)
    return image


def _limit(image: Image.Image) -> int:
    """Pixels that a picture may have where it is shrunk anyway."""
    if image.format not in ("JPEG", "MPO"):
        return MAX_SHRUNK_PIXELS
    return MAX_PROGRESSIVE_PIXELS if image.info.get("progressive") else MAX_SHRUNK_JPEG_PIXELS


def _original(image: Image.Image, size: int) -> Original:
    """What an opened file is, told from its header. Call it before anything is decoded at reduced size."""
    has_exif = "exif" in image.info
    width, height = image.size
    if has_exif and image.getexif().get(_ORIENTATION, 1) >= _FIRST_TURNED:
        width, height = height, width
    kind = "JPEG" if image.format == "MPO" else image.format  # MPO: a phone's JPEG with a second picture behind the first
    return Original(width, height, size, kind, table_name(image), has_exif)


def _reduced(image: Image.Image) -> Image.Image:
    """Above MAX_PIXELS the picture at a half, a quarter or an eighth of its sides, no more than needed; else the picture itself."""
    factor = next(f for f in (1, 2, 4, 8) if image.width * image.height <= MAX_PIXELS * f * f)
    if factor == 1:
        return image
    if image.format in ("JPEG", "MPO"):
        image.draft(None, (image.width // factor, image.height // factor))
        return image
    turned = image.getexif() if "exif" in image.info else None
    image.load()
    small = image.reduce(factor) if image.mode in ("RGB", "RGBA", "L", "LA", "CMYK") else image
    small.format, small.info = image.format, image.info
    if turned is not None:
        small.getexif()[_ORIENTATION] = turned.get(_ORIENTATION, 1)
    return small


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
    image = image if image.mode == "RGB" else image.convert("RGB")  # converting what is RGB would copy it
    return np.array(ImageOps.fit(image, (side, side), method=Image.Resampling.BICUBIC))
