"""A tree of files, wherever it lies: a folder here, archives in archive.py and tarball.py. What its files mean is the layouts' business."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Protocol

from cifake_core.errors import BadInput
from cifake_core.images.codec import SUFFIXES, sniffed
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import Account
from cifake_core.images.sources.found import Unreadable

MAX_FILE_BYTES = 128 * 2**20  # far above any photograph; one is in memory at a time
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".rar", ".7z", ".gz", ".bz2", ".xz")
HEAD = 64  # bytes that tell a format
_LITTER = frozenset(("__macosx", "thumbs.db", "desktop.ini", "icon\r"))
_COMPANIONS = frozenset(["mask", "masks", "segmentation", "segmentations", "thumb", "thumbs", "thumbnail", "thumbnails", "heatmap", "heatmaps", "depth_maps"])
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


class Tree(Protocol):
    """Files by their path relative to a root, "/" between folders, sorted. Everything else that was met is in `account`."""

    kind: str  # folder, zip archive or tar archive
    name: str
    files: list[str]
    account: Account
    notes: list[str]  # sentences about how the tree was read

    def read(self, file: str) -> bytes:
        """The whole file. Raises Unreadable."""

    def head(self, file: str) -> bytes:
        """The first bytes, enough to tell a format; b"" if it cannot be read."""

    def local(self, file: str) -> Path:
        """The file as one on this machine: itself, or a copy that lives as long as the tree. Raises BadInput."""


def pictures(tree: Tree) -> tuple[list[str], list[str]]:
    """(pictures, other files): by suffix, and by content where there is no suffix in letters."""
    found, others = [], []
    for file in tree.files:
        suffix = PurePosixPath(file).suffix.lower()
        plain = suffix not in SUFFIXES and (not suffix or not suffix[1:].isalpha())
        (found if suffix in SUFFIXES or (plain and sniffed(tree.head(file))) else others).append(file)
    return found, others


def is_litter(path: str) -> bool:
    """What systems add beside the pictures: ._0001.jpg, .DS_Store, __MACOSX/, Thumbs.db."""
    return any(part.startswith(".") or part.lower() in _LITTER for part in path.split("/"))


def is_companion(path: str) -> bool:
    """What goes with pictures and is none of the set: fake/masks/0001.png, thumbnails/0001.jpg."""
    return any(part.lower() in _COMPANIONS for part in path.split("/")[:-1])


class Copies:
    """Files of an archive that must be files of this machine for a while; they go when this does."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory | None = None
        self._made: dict[str, Path] = {}

    def place(self, file: str) -> tuple[Path, bool]:
        """(where the copy of a file lies, whether it is there already)."""
        self._folder = self._folder or TemporaryDirectory(prefix="cifake-import-")
        there = file in self._made
        path = self._made.setdefault(file, Path(self._folder.name) / f"{len(self._made)}-{PurePosixPath(file).name[-100:]}")
        return path, there


class FolderTree:
    """A folder. A link is followed if what it leads to lies in the folder, in its Hugging Face cache, or in `link_roots`."""

    kind = "folder"

    def __init__(self, root: Path, link_roots: tuple[str, ...] = ()) -> None:
        self.root = root.resolve()
        self.name = self.root.name
        self.account = Account()
        self.notes: list[str] = []
        self._allowed = [self.root, *filter(None, [_hub_cache(self.root)]), *(Path(r).resolve() for r in link_roots)]
        self._targets: dict[str, Path] = {}  # of files reached through a link: where they lie
        self.files = sorted(self._walk(self.root, "", {self.root}))
        self._known = frozenset(self.files)

    def _walk(self, folder: Path, prefix: str, above: set[Path]) -> Iterator[str]:
        if revision := self._revision(folder):
            yield from self._walk(revision, f"{prefix}snapshots/{revision.name}/", above)
            return
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise BadInput(f"The folder {reasons.printable(folder.name)!r} may not be read; allow reading it or take another.") from error
        for entry in entries:
            path = prefix + entry.name
            if entry.is_symlink():
                yield from self._linked(Path(entry.path), path, above)
            elif entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path), path + "/", above)
            else:
                yield from self._file(entry.is_file(follow_symlinks=False), path)

    def _file(self, regular: bool, path: str) -> Iterator[str]:
        self.account.seen += 1
        if is_litter(path):
            self.account.leave(path, reasons.HIDDEN)
        elif not regular:
            self.account.leave(path, reasons.NOT_READABLE, "no plain file")
        else:
            yield path

    def _linked(self, link: Path, path: str, above: set[Path]) -> Iterator[str]:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):  # leads nowhere, or round in a circle
            self._leave(path, reasons.LINK_BROKEN)
            return
        if not any(target.is_relative_to(root) for root in self._allowed):
            self._leave(path, reasons.LINK_OUT)
        elif target.is_dir():
            if target in above or self.root.is_relative_to(target):
                self._leave(path, reasons.LINK_OUT, "leads round in a circle")
            else:
                yield from self._through(target, path, above)
        else:
            self._targets[path] = target
            yield from self._file(target.is_file(), path)

    def _through(self, target: Path, path: str, above: set[Path]) -> Iterator[str]:
        """The files of a folder that a link leads to; their places are remembered."""
        for file in self._walk(target, path + "/", above | {target}):
            self._targets.setdefault(file, target / file[len(path) + 1 :])
            yield file

    def _leave(self, path: str, reason: str, detail: str = "") -> None:
        self.account.seen += 1
        self.account.leave(path, reasons.HIDDEN if is_litter(path) else reason, "" if is_litter(path) else detail)

    def _revision(self, folder: Path) -> Path | None:
        """Of a repository in Hugging Face's cache (blobs, refs, snapshots) its current snapshot; None for any other folder."""
        snapshots = folder / "snapshots"
        if not (snapshots.is_dir() and (folder / "blobs").is_dir()):
            return None
        revisions = sorted((p for p in snapshots.iterdir() if p.is_dir() and not p.is_symlink()), key=lambda p: p.stat().st_mtime)
        main = folder / "refs" / "main"
        wanted = main.read_text().strip() if main.is_file() else ""
        chosen = next((p for p in revisions if p.name == wanted), revisions[-1] if revisions else None)
        if len(revisions) > 1:
            self.notes.append(f"Of {len(revisions)} snapshots in the cache, {chosen.name[:12]} is read.")
        return chosen

    def _path(self, file: str) -> Path:
        return self._targets.get(file, self.root / file)

    def read(self, file: str) -> bytes:
        """Only a file that the walk met: a table may name anything, "../../x" too."""
        if file not in self._known:
            raise Unreadable(reasons.MISSING)
        return _read(self._path(file))

    def head(self, file: str) -> bytes:
        try:
            with open(os.open(self._path(file), os.O_RDONLY | _NOFOLLOW), "rb") as opened:
                return opened.read(HEAD)
        except OSError:
            return b""

    def local(self, file: str) -> Path:
        return self._path(file)


class SingleFolder:
    """The folder beside a file that was given alone: its files are read by name, nothing of it is listed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def read(self, file: str) -> bytes:
        """Raises Unreadable for a file that is not there or leads out of the folder."""
        path = (self._folder / file).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            raise Unreadable(reasons.MISSING)
        return _read(path)


def _read(path: Path) -> bytes:
    """O_NOFOLLOW: it was no link when it was found, and must not have become one since."""
    try:
        with open(os.open(path, os.O_RDONLY | _NOFOLLOW), "rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Unreadable(reasons.NOT_READABLE, error.strerror or "") from error
    if len(data) > MAX_FILE_BYTES:
        raise Unreadable(reasons.TOO_LARGE, f"more than {MAX_FILE_BYTES // 2**20} MiB")
    return data


def _hub_cache(folder: Path) -> Path | None:
    """The repository of Hugging Face's cache that a folder lies in: the nearest folder above with blobs and snapshots."""
    for parent in (folder, *list(folder.parents)[:12]):
        if (parent / "snapshots").is_dir() and (parent / "blobs").is_dir():
            return parent
    return None
