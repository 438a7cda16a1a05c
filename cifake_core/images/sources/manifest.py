"""Pictures whose labels a list tells: metadata.csv or .jsonl of an imagefolder, Kaggle's train.csv, any CSV, TSV or JSON with their names."""

from pathlib import PurePosixPath

from cifake_core.errors import BadInput
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import printable, storable
from cifake_core.images.sources.folder import complete, leave_others, tree_found
from cifake_core.images.sources.found import Found, Item, Question
from cifake_core.images.sources.layout import label_in_path
from cifake_core.images.sources.lists import Finder, PictureList, read_lists, split_of_list
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.tree import Tree, pictures
from cifake_core.images.sources.vocabulary import VALIDATION


def look(tree: Tree, reading: Reading, only: str = "") -> Found | None:
    """None if no list here names pictures and their labels. `only` is a list the user gave by its own path: then its lack is an error."""
    asked = bool(only or reading.columns)
    if reading.one_label is not None and not asked:
        return None
    found, others = pictures(tree)
    finder = Finder(found)
    lists = [read for file in others if not only or file == only for read in read_lists(tree, file, reading, finder, bool(only))]
    telling = [one for one in lists if one.columns.tells_labels and (asked or not one.says_less_than_folders(finder))]
    telling = telling or (lists if asked else [])
    if not telling or (not asked and _folders_tell_more(telling, found, finder)):
        return None
    names = {one.file for one in telling}
    leave_others(tree, [file for file in others if file not in names])
    for file in sorted(names):
        tree.account.leave(file, reasons.DESCRIPTIONS)
    items, questions = _items(tree, telling, finder)
    listed = {item.key for item in items}
    for file in found:
        if file not in listed:
            tree.account.leave(file, reasons.NOT_LISTED)
    conventions = dict.fromkeys(sentence for one in telling for sentence in one.columns.conventions)
    files = ", ".join(sorted(printable(PurePosixPath(name).name) for name in names)[:3])
    return tree_found(f"{tree.kind} with a list ({files})", tree, items, (*tree.notes, *conventions), questions)


def _folders_tell_more(lists: list[PictureList], pictures: list[str], finder: Finder) -> bool:
    """Whether folders say the label of every picture, while the lists name only some of them."""
    listed = {finder.find(one.cell(row), one.file) for one in lists for row in one.rows}
    return not listed.issuperset(pictures) and all(label_in_path(storable(file)) is not None for file in pictures)


def _items(tree: Tree, lists: list[PictureList], finder: Finder) -> tuple[list[Item], tuple[Question, ...]]:
    """The pictures that lists name, in the order of their paths; rows that name none, or one again, are counted."""
    items: dict[str, Item] = {}
    questions: list[Question] = []
    for one in lists:
        here, unlabelled = 0, 0
        for row in one.unread:
            tree.account.seen += 1
            tree.account.leave(row, reasons.UNREAD_ROW, printable(one.file))
        for row in one.rows:
            cell = one.cell(row)
            file = finder.find(cell, one.file)
            if file is None:
                tree.account.seen += 1
                tree.account.leave(cell or "an empty cell", reasons.MISSING)
                continue
            item = one.columns.item(row, storable(file), split_of_list(one.file))
            item.key = file
            complete(item)
            here, unlabelled = here + 1, unlabelled + (item.problem is not None)
            if file in items:
                tree.account.seen += 1
                tree.account.leave(cell, reasons.TWICE)
                _check_same(items[file], item)
                _hold_out(items[file], item)
            items.setdefault(file, item)
        questions += one.columns.questions(here, unlabelled)
    return [items[file] for file in sorted(items)], tuple(questions)


def _hold_out(first: Item, second: Item) -> None:
    """A picture that any list keeps for test, or for validation, stays out of train."""
    first.split = next((split for split in ("test", VALIDATION) if split in (first.split, second.split)), first.split)


def _check_same(first: Item, second: Item) -> None:
    if first.label != second.label and None not in (first.label, second.label):
        raise BadInput(f"{printable(first.path)} is listed as {first.name} and as {second.name}; remove one of the two.")
