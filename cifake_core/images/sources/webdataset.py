"""WebDataset's layout: beside each picture a .json, .cls or .txt of the same name that tells its label, usually in tar archives."""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import printable, storable
from cifake_core.images.sources.columns import Columns
from cifake_core.images.sources.folder import complete, leave_others, tree_found
from cifake_core.images.sources.found import Found, Unreadable
from cifake_core.images.sources.layout import split_in_path
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.tree import Tree, pictures
from cifake_core.images.sources.vocabulary import split_of, tokens

_SIDES = ("json", "cls", "txt")
_LOOKED_AT = 200


def look(tree: Tree, reading: Reading) -> Found | None:
    """None if most pictures have nothing beside them that tells a label."""
    found, others = pictures(tree)
    beside = _beside(others)
    with_side = [file for file in found if _key(file) in beside]
    if 2 * len(with_side) <= len(found):
        return None
    rows = {file: _row(tree, beside[_key(file)]) for file in with_side}
    first = list(rows.values())[:_LOOKED_AT]
    names = tuple(dict.fromkeys(name for row in first for name in row))
    columns = Columns(printable(tree.name), names, reading)
    columns.offer_label({name: [row.get(name) for row in first] for name in names})
    if not columns.tells_labels and reading.one_label is None:
        return None
    split = next((s for word in tokens(tree.name) if (s := split_of(word))), None)
    items = []
    for file, row in rows.items():
        item = columns.item(row, storable(file), split_in_path(storable(file)) or split)
        item.key = file
        complete(item)
        items.append(item)
    descriptions = {side for file in with_side for side in beside[_key(file)].values()}
    for file in descriptions:
        tree.account.leave(file, reasons.DESCRIPTIONS)
    leave_others(tree, [file for file in others if file not in descriptions])
    for file in found:
        if file not in rows:
            tree.account.leave(file, reasons.UNLABELLED, "nothing beside it")
    questions = columns.questions(len(items), sum(item.problem is not None for item in items))
    return tree_found(f"{tree.kind} in the WebDataset layout", tree, items, (*tree.notes, *columns.conventions), questions)


def _key(file: str) -> str:
    """The path up to the first dot of the file's name, as WebDataset groups files."""
    folder, slash, name = file.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _beside(others: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for file in others:
        suffix = PurePosixPath(file).suffix.lower()[1:]
        if suffix in _SIDES:
            found.setdefault(_key(file), {})[suffix] = file
    return found


def _row(tree: Tree, sides: dict[str, str]) -> dict[str, Any]:
    return dict(pair for suffix, file in sides.items() for pair in _cells(tree, suffix, file))


def _cells(tree: Tree, suffix: str, file: str) -> Iterator[tuple[str, Any]]:
    try:
        text = tree.read(file).decode("utf-8", "replace").strip()
        content = json.loads(text) if suffix == "json" else text
    except (Unreadable, ValueError, RecursionError):
        return
    if isinstance(content, dict):
        yield from content.items()
    else:
        yield {"cls": "cls", "txt": "caption"}.get(suffix, suffix), content
