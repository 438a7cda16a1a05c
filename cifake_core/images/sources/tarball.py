"""A tar archive, plain or packed with gzip, bzip2 or xz, as a tree of files. Nothing of it is unpacked into a folder.

Links, devices and paths that lead out are never followed; a packed archive is unpacked once into a nameless temporary file.
"""

import bz2
import gzip
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile, gettempdir
from typing import BinaryIO

from cifake_core.errors import BadInput
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import Account, printable
from cifake_core.images.sources.archive import MAX_ENTRIES, MAX_RATIO, MAX_TOTAL_BYTES
from cifake_core.images.sources.found import Unreadable
from cifake_core.images.sources.tree import HEAD, MAX_FILE_BYTES, Copies, is_litter

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_CHUNK = 2**20
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
_OPENERS = {".gz": gzip.open, ".tgz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


class TarTree:
    """A tar archive. Raises BadInput for one that is damaged or hostile."""

    kind = "tar archive"

    def __init__(self, path: Path) -> None:
        self.name, self._path = name_of(path), path
        self.account, self.notes = Account(), []
        self._file = _plain(path)
        self._places: dict[str, tuple[int, int]] = {}  # path → (offset, size) in the plain archive
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as packed:
                for member in packed:
                    self._sort_in(member)
        except _BROKEN as error:
            raise BadInput(f"{path.name} is damaged or not a tar archive; get it again.") from error
        self.files = sorted(self._places)
        self._copies = Copies()

    def _sort_in(self, member: tarfile.TarInfo) -> None:
        path = member.name.replace("\\", "/").removeprefix("./")
        if member.isdir():
            return
        self.account.seen += 1
        if self.account.seen > MAX_ENTRIES:
            raise BadInput(f"{self._path.name} holds more than {MAX_ENTRIES:,} files; split it into smaller archives.")
        if path.startswith("/") or ".." in PurePosixPath(path).parts:
            raise BadInput(f"{self._path.name} holds {path[:80]!r}, a path that leads out of the archive; do not trust this file.")
        if path in self._places:
            raise BadInput(f"{self._path.name} holds {path[:80]!r} twice; pack it anew.")
        if is_litter(path):
            self.account.leave(path, reasons.HIDDEN)
        elif member.issym() or member.islnk():
            self.account.leave(path, reasons.LINK_OUT, "a link in an archive")
        elif not member.isreg() or member.issparse():
            self.account.leave(path, reasons.NOT_READABLE, "no plain file")
        else:
            self._places[path] = (member.offset_data, member.size)

    def read(self, file: str) -> bytes:
        offset, size = self._places[file]
        if size > MAX_FILE_BYTES:
            raise Unreadable(reasons.TOO_LARGE, f"more than {MAX_FILE_BYTES // 2**20} MiB")
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) < size:
            raise Unreadable(reasons.BROKEN, "cut short in the archive")
        return data

    def head(self, file: str) -> bytes:
        offset, size = self._places[file]
        self._file.seek(offset)
        return self._file.read(min(size, HEAD))

    def local(self, file: str) -> Path:
        target, there = self._copies.place(file)
        if there:
            return target
        offset, size = self._places[file]
        self._file.seek(offset)
        with target.open("wb") as out:
            while size > 0 and (chunk := self._file.read(min(size, _CHUNK))):
                out.write(chunk)
                size -= len(chunk)
        if size:
            raise BadInput(f"{printable(file)} is cut short in the archive; get the archive again.")
        return target


def name_of(path: Path) -> str:
    """The archive's name without its suffixes."""
    suffix = max((s for s in SUFFIXES if path.name.lower().endswith(s)), key=len, default="")
    return path.name[: len(path.name) - len(suffix)] or path.name


def _plain(path: Path) -> BinaryIO:
    """The archive itself if it is not packed, else a temporary file with what it unpacks to, within the limits of archives."""
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
        return path.open("rb")
    unpacked = TemporaryFile(prefix="cifake-import-")  # noqa: SIM115 lives as long as the tree
    most = min(MAX_TOTAL_BYTES, max(2**26, MAX_RATIO * path.stat().st_size), shutil.disk_usage(gettempdir()).free)
    try:
        with opener(path, "rb") as packed:
            while chunk := packed.read(_CHUNK):
                if unpacked.tell() + len(chunk) > most:
                    raise BadInput(f"{path.name} unpacks to more than {most / 2**30:.1f} GiB, too much; split it.")
                unpacked.write(chunk)
    except _BROKEN as error:
        raise BadInput(f"{path.name} is damaged or not a packed tar archive; get it again.") from error
    unpacked.seek(0)
    return unpacked
