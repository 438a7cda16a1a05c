"""A zip archive as a tree of files. Nothing is unpacked to disk but what must be a file: entries are read one by one.

It knows what a hostile archive may try; the folders inside are the layouts' business.
"""

import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from cifake_core.errors import BadInput
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import Account
from cifake_core.images.sources.found import Unreadable
from cifake_core.images.sources.tree import HEAD, MAX_FILE_BYTES, Copies, is_litter

MAX_ENTRIES = 400_000  # CIFAKE has 120,000
MAX_DIRECTORY_BYTES = 96 * 2**20  # of the table of contents, which is held in memory
MAX_TOTAL_BYTES = 8 * 2**30
MAX_RATIO = 200  # unpacked to packed, of an entry above 1 MiB
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


class ZipTree:
    """A zip archive, its links skipped. Raises BadInput for one that is damaged, encrypted or hostile."""

    kind = "zip archive"

    def __init__(self, path: Path) -> None:
        self.name, self._path = path.stem, path
        self.account, self.notes = Account(), []
        self._names: dict[str, str] = {}  # path with "/" between folders → the archive's own name
        for entry in checked_entries(path):
            self._sort_in(entry)
        self.files = sorted(self._names)
        self._archive = zipfile.ZipFile(path)
        self._copies = Copies()

    def _sort_in(self, entry: zipfile.ZipInfo) -> None:
        path = entry.filename.replace("\\", "/")  # archives made on Windows
        self.account.seen += 1
        if is_litter(path):
            self.account.leave(path, reasons.HIDDEN)
        elif stat.S_ISLNK(entry.external_attr >> 16):
            self.account.leave(path, reasons.LINK_OUT, "a link in an archive")
        else:
            self._names[path] = entry.filename

    def read(self, file: str) -> bytes:
        """One entry's bytes; its checksum is compared by zipfile."""
        name = self._names[file]
        if self._archive.getinfo(name).file_size > MAX_FILE_BYTES:
            raise Unreadable(reasons.TOO_LARGE, f"more than {MAX_FILE_BYTES // 2**20} MiB")
        try:
            return self._archive.read(name)
        except _BROKEN as error:
            raise Unreadable(reasons.BROKEN, "damaged in the archive") from error

    def head(self, file: str) -> bytes:
        try:
            with self._archive.open(self._names[file]) as opened:
                return opened.read(HEAD)
        except _BROKEN:
            return b""

    def local(self, file: str) -> Path:
        target, there = self._copies.place(file)
        if there:
            return target
        try:
            with self._archive.open(self._names[file]) as packed, target.open("wb") as out:
                shutil.copyfileobj(packed, out)
        except _BROKEN as error:
            raise BadInput(f"{file} is damaged in the archive; get the archive again.") from error
        return target


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
        name, total = entry.filename.replace("\\", "/"), total + entry.file_size
        if entry.flag_bits & 1:
            raise BadInput(f"{archive} is encrypted; unpack it and import the folder.")
        if _escapes(entry.filename):
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
