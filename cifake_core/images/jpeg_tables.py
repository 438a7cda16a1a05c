"""Names of JPEG quantisation tables: the quality a file was saved with, where its tables are libjpeg's own."""

import hashlib
import io
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image

_QUALITIES = range(1, 101)


def table_name(image: Image.Image) -> str:
    """ "quality 75" for the tables of the Independent JPEG Group at that quality, else the tables' own short digest; "" for no JPEG."""
    tables = getattr(image, "quantization", None)
    if image.format != "JPEG" or not tables:
        return ""
    return _named(tuple(tuple(table) for _, table in sorted(tables.items())))


@lru_cache(maxsize=4096)
def _named(tables: tuple[Sequence[int], ...]) -> str:
    quality = _known_tables().get(tables)
    if quality is not None:
        return f"quality {quality}"
    return f"tables {hashlib.sha256(repr(tables).encode()).hexdigest()[:8]}"


@lru_cache(maxsize=1)
def _known_tables() -> dict[tuple, int]:
    """The tables of each quality as libjpeg writes them, by writing them; of equal tables the highest quality."""
    known = {}
    for quality in _QUALITIES:
        for mode in ("RGB", "L"):
            out = io.BytesIO()
            Image.new(mode, (8, 8)).save(out, format="JPEG", quality=quality)
            with Image.open(out) as image:
                known[tuple(tuple(table) for _, table in sorted(image.quantization.items()))] = quality
    return known
