"""A zip archive of images as a source, CIFAKE's among them. Nothing is unpacked to disk: entries are read one by one.

It knows what a hostile archive may try; the folders inside are layout.py's.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

from cifake_core.errors import BadInput
from cifake_core.images.schema import NewImage
from cifake_core.images.sources.folder import MAX_FILE_BYTES
from cifake_core.images.sources.found import Found
from cifake_core.images.sources.layout import Placed, placed

MAX_ENTRIES = 400_000  # CIFAKE has 120,000
MAX_DIRECTORY_BYTES = 96 * 2**20  # of the table of contents, which is held in memory
MAX_TOTAL_BYTES = 8 * 2**30
MAX_RATIO = 200  # unpacked to packed, of an entry above 1 MiB
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


def recognises(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == ".zip"


def look(path: Path) -> Found:
    """Raises BadInput for a damaged, encrypted or hostile archive, or one without the REAL/FAKE layout."""
    entries = checked_entries(path)
    names = [entry.filename for entry in entries if not stat.S_ISLNK(entry.external_attr >> 16)]
    images, left_out = placed(names, path.stem)
    return Found("zip archive of REAL and FAKE images", path.name, len(images), partial(_rows, path, images), left_out)


def checked_entries(path: Path) -> list[zipfile.ZipInfo]:
    """The files of an archive, none of them read yet. Raises BadInput for a damaged, encrypted or hostile archive."""
    _check_directory(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except _BROKEN as error:
        raise BadInput(f"{path.name} is damaged or not a zip archive; get it again.") from error
    _check(path.name, entries)
    return entries


def _check_directory(path: Path) -> None:
    """Compares the announced size of the table of contents with the limits, before zipfile reads all of it."""
    entries, size = _announced(path)
    if entries > MAX_ENTRIES or size > MAX_DIRECTORY_BYTES:
        raise BadInput(f"{path.name} lists {entries:,} entries, more than {MAX_ENTRIES:,}; split it into smaller archives.")


def _announced(path: Path) -> tuple[int, int]:
    """(entries, bytes of the table of contents) by the end record, and by its 64-bit form where there is one.

    Layout: PKWARE's APPNOTE.TXT 6.3, sections 4.3.14 to 4.3.16.
    """
    with path.open("rb") as file:
        length = file.seek(0, 2)
        start = max(0, length - 65_557 - 20)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            raise BadInput(f"{path.name} is damaged or not a zip archive; get it again.")
        entries, size = struct.unpack_from("<HI", tail, at + 10)
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\x06\x07":
            (record_at,) = struct.unpack_from("<Q", tail, at - 12)
            file.seek(min(record_at, length))
            record = file.read(56)
            if len(record) < 56 or not record.startswith(b"PK\x06\x06"):
                raise BadInput(f"{path.name} is damaged; get it again.")
            entries, size = struct.unpack_from("<QQ", record, 32)
    return entries, size


def _check(archive: str, entries: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    total = 0
    for entry in entries:
        name, total = entry.filename, total + entry.file_size
        if entry.flag_bits & 1:
            raise BadInput(f"{archive} is encrypted; unpack it and import the folder.")
        if _escapes(name):
            raise BadInput(f"{archive} holds {name[:80]!r}, a path that leads out of the archive; do not trust this file.")
        if name in seen:
            raise BadInput(f"{archive} holds {name[:80]!r} twice; pack it anew.")
        if entry.file_size > 2**20 and entry.file_size > MAX_RATIO * max(1, entry.compress_size):
            raise BadInput(f"{archive} holds {name[:80]!r}, which unpacks to a suspicious size; do not trust this file.")
        seen.add(name)
    if len(entries) > MAX_ENTRIES or total > MAX_TOTAL_BYTES:
        raise BadInput(f"{archive} unpacks to {total / 2**30:.1f} GiB in {len(entries):,} files, too much; split it.")


def _escapes(name: str) -> bool:
    return (
        name.startswith(("/", "\\"))
        or bool(PureWindowsPath(name).drive)
        or ".." in PurePosixPath(name.replace("\\", "/")).parts
    )


def _rows(path: Path, images: list[Placed]) -> Iterator[NewImage]:
    with zipfile.ZipFile(path) as archive:
        for image in images:
            yield NewImage(
                data=_read(archive, image.path),
                label=image.label,
                class_label=image.class_label,
                split=image.split,
                path=image.path,
                generator=image.generator,
                family=image.family,
            )


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """One entry's bytes; its checksum is compared by zipfile."""
    if archive.getinfo(name).file_size > MAX_FILE_BYTES:
        raise BadInput(f"{name} is larger than {MAX_FILE_BYTES // 2**20} MiB; that is no image for this set.")
    try:
        return archive.read(name)
    except _BROKEN as error:
        raise BadInput(f"{name} is damaged in the archive; get the archive again.") from error
