"""From a path to what lies there: which kind of source it is, by the registry of layouts. A new layout gets its line here."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from cifake_core.errors import BadInput
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources import cifar10, folder, lists, manifest, parquet, pattern, tables, tarball, webdataset
from cifake_core.images.sources.account import Account, printable, storable
from cifake_core.images.sources.archive import ZipTree
from cifake_core.images.sources.found import Found
from cifake_core.images.sources.layout import split_in_path
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.tarball import TarTree
from cifake_core.images.sources.tree import FolderTree, Tree, pictures
from cifake_core.images.sources.vocabulary import split_of

_NESTED = 1  # archives in a source are looked into this deep


def look(path: Path, reading: Reading | None = None) -> list[Found]:
    """What the source is, before any picture of it is read; BadInput if it is nothing known.

    A folder or archive that holds Parquet files, as a copy of a Hugging Face repository does, is each of them.
    """
    reading = reading or Reading()
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        there = False
    name = printable(path.name)[:80]
    if not there:
        raise BadInput(f"{name!r} does not exist; check the path.")
    if cifar10.recognises(path):
        return [cifar10.look(path)]
    if path.is_dir():
        return look_in(FolderTree(path, reading.link_roots), reading)
    if not path.is_file():
        raise BadInput(f"{name!r} is no plain file; give a Parquet file, an archive or a folder.")
    return _look_at_file(path, name, reading)


def _look_at_file(path: Path, name: str, reading: Reading) -> list[Found]:
    kind = _kind(path)
    if kind == "table":
        return [parquet.look(path, reading)]
    if kind in ("zip", "tar"):
        return look_in(ZipTree(path) if kind == "zip" else TarTree(path), reading)
    if kind == "list":
        found = manifest.look(FolderTree(path.resolve().parent, reading.link_roots), reading, only=path.name)
        assert found is not None
        return [found]
    raise BadInput(
        f"{name!r} is not a source known here; give a Parquet file, a zip or tar archive, a CSV or JSONL list, or a folder with REAL and FAKE in it."
    )


def _kind(path: Path) -> str:
    """By suffix, and by content where the suffix says nothing (blobs of Hugging Face's cache have none)."""
    name = path.name.lower()
    for kind, suffixes in (("table", tables.SUFFIXES), ("zip", (".zip",)), ("tar", tarball.SUFFIXES), ("list", lists.SUFFIXES)):
        if name.endswith(suffixes):
            return kind
    with path.open("rb") as file:
        head = file.read(4)
    return {b"PAR1": "table", b"PK\x03\x04": "zip"}.get(head, "")


# Asked in this order; the first that knows the tree reads it. The last takes any tree with pictures.
Layout = Callable[[Tree, Reading], list[Found] | Found | None]


def look_in(tree: Tree, reading: Reading, depth: int = 0) -> list[Found]:
    """What a folder or archive holds."""
    layouts: tuple[Layout, ...] = (
        _tables,
        lambda tree, reading: _shards(tree, reading, depth),
        lambda tree, reading: pattern.look(tree, reading) if reading.label_pattern else None,
        webdataset.look,
        manifest.look,
        folder.look,
    )
    for layout in layouts:
        found = layout(tree, reading)
        if found:
            return found if isinstance(found, list) else [found]
    raise AssertionError("the last layout takes any tree")


def _tables(tree: Tree, reading: Reading) -> list[Found] | None:
    """Parquet and Arrow files; everything beside them is counted, not read, but for pictures that they name."""
    ours = [file for file in tree.files if file.lower().endswith(tables.SUFFIXES)]
    if pictures(tree)[0]:  # tables of other things beside pictures, such as embeddings, are none of ours
        ours = [file for file in ours if reading.columns or parquet.names_or_holds_pictures(tree.local(file), file)]
    if not ours:
        return None
    names = parquet.stated_names([(tree.local(file), file) for file in ours])
    found = [parquet.look(tree.local(file), reading, tree, file, names) for file in ours]
    named = _named_by(found, ours, tree)
    rest = Account(seen=tree.account.seen - len(ours) - len(named), left_out=tree.account.left_out)
    for file in tree.files:
        if file not in named and file not in ours:
            rest.leave(file, reasons.BESIDE)
    found[0].account.add(rest)
    return found


def _named_by(found: list[Found], files: list[str], tree: Tree) -> set[str]:
    """Pictures of the tree that the tables name instead of holding them."""
    beside = {storable(file): file for file in pictures(tree)[0]}
    if not beside:
        return set()
    named = (str(PurePosixPath(storable(file)).parent / item.path) for source, file in zip(found, files, strict=True) for item in source.items(False))
    return {beside[path] for path in named if path in beside}


def _shards(tree: Tree, reading: Reading, depth: int) -> list[Found] | None:
    """A tree of archives and no pictures, as WebDataset's shards and unpacked downloads are: each archive is a source."""
    packed = [file for file in tree.files if file.lower().endswith((".zip", *tarball.SUFFIXES))]
    if not packed or depth >= _NESTED or pictures(tree)[0]:
        return None
    found: list[Found] = []
    for file in packed:
        path = tree.local(file)
        inner: Tree = ZipTree(path) if file.lower().endswith(".zip") else TarTree(path)
        stem = tarball.name_of(Path(PurePosixPath(storable(file)).name)).removesuffix(".zip")
        inner.name = stem if split_of(stem) else split_in_path(storable(file)) or stem
        found += look_in(inner, reading, depth + 1)
    rest = Account(seen=tree.account.seen - len(packed), left_out=tree.account.left_out)
    folder.leave_others(tree, [file for file in tree.files if file not in packed])
    found[0].account.add(rest)
    return found

