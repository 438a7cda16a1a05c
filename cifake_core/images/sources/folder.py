"""Pictures sorted into folders, in a folder or an archive: REAL and FAKE, ForenSynths, GenImage, or class folders of one kind."""

import re
from collections import Counter
from collections.abc import Container, Iterator
from functools import partial

from cifake_core.errors import BadInput
from cifake_core.images.schema import FAKE, REAL, UNKNOWN_CLASS
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import printable, storable
from cifake_core.images.sources.found import Found, Item, Question, Unreadable
from cifake_core.images.sources.layout import Folders
from cifake_core.images.sources.lists import Finder, describe, read_lists
from cifake_core.images.sources.official_names import OfficialNames
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.tree import ARCHIVE_SUFFIXES, Tree, is_companion, pictures
from cifake_core.images.sources.vocabulary import class_of, how_to_say, is_generator, meaning_of

_ALL_TOLD = Reading(label="fake")  # for lists that say something of pictures, but not their labels


def look(tree: Tree, reading: Reading) -> Found:
    """Raises BadInput if there is no picture, or a picture lies in folders that contradict each other."""
    found, others = pictures(tree)
    found = _without_companions(tree, found, reading)
    if not found:
        leave_others(tree, others)
        raise BadInput(f"{printable(tree.name)!r} holds no picture{_instead(others)}; give a folder or archive with REAL and FAKE in it.")
    folders = Folders(map(storable, found), tree.name, reading)
    official = OfficialNames()
    items = [_item(file, folders) for file in found]
    labelled = [item for item in items if item.label is not None]
    for item in labelled:
        official.add(item.path)
    if official.official():
        for item in labelled:
            item.class_label = official.class_of(item.path) if item.class_label == UNKNOWN_CLASS else item.class_label
    leave_others(tree, others, _describe(tree, items, found, others))
    questions = _questions(tree.name, folders, labelled, [item.path for item in items])
    asked = {name for question in questions if question.topic == "labels" for name in question.names}
    for item in items:
        if item.label is None and not questions:
            tree.account.leave(item.path, reasons.NO_LABEL)
        elif item.label is None:  # the name it is asked about by, so that a preview can show pictures of each
            item.name = next((word for word in item.path.split("/")[:-1] if printable(word) in asked), "")
    items = items if questions else labelled
    conventions = ["Classes are read from CIFAKE's own numbering of its files."] if official.official() else []
    return tree_found(f"{tree.kind} of REAL and FAKE images", tree, items, (*tree.notes, *conventions), questions)


def _without_companions(tree: Tree, found: list[str], reading: Reading) -> list[str]:
    """Pictures without masks and thumbnails, which are counted; all of them where nothing else is there or the user named such a folder."""
    named = any(is_companion(f"{name}/") for name in (*reading.real, *reading.fake))
    kept = found if named else [file for file in found if not is_companion(file)]
    if not kept:
        return found
    for file in sorted(set(found) - set(kept)):
        tree.account.leave(file, reasons.COMPANIONS)
    return kept


def tree_found(kind: str, tree: Tree, items: list[Item], conventions: tuple[str, ...] = (), questions: tuple[Question, ...] = ()) -> Found:
    """A Found whose items are files of a tree; `Item.key` is the file."""
    return Found(kind, tree.name, len(items), partial(_items, tree, items), partial(_fetch, tree), tree.account, conventions, questions)


def _describe(tree: Tree, items: list[Item], found: list[str], others: list[str]) -> set[str]:
    """Lists beside the folders add what they say of the pictures; returns those that did."""
    finder = Finder(found)
    lists = [one for file in others for one in read_lists(tree, file, _ALL_TOLD, finder, named=False)]
    return set(describe(items, lists, finder))


def complete(item: Item) -> None:
    """Fills what a list leaves open from the folders of the picture: a class of CIFAR-10, and who made a fake."""
    folders = item.path.split("/")[:-1]
    if item.class_label == UNKNOWN_CLASS and not item.class_name:
        item.class_label = next((number for word in reversed(folders) if (number := class_of(word)) != UNKNOWN_CLASS), UNKNOWN_CLASS)
    if item.label == FAKE and not item.generator:
        item.generator = next(filter(is_generator, folders), "")


def leave_others(tree: Tree, others: list[str], descriptions: Container[str] = ()) -> None:
    """Counts files that are no pictures; `descriptions` are those that say something about pictures."""
    for file in others:
        if file in descriptions:
            tree.account.leave(file, reasons.DESCRIPTIONS)
            continue
        packed = file.lower().endswith(ARCHIVE_SUFFIXES)
        tree.account.leave(file, reasons.ARCHIVES if packed else reasons.NOT_A_PICTURE)


def _item(file: str, folders: Folders) -> Item:
    path = storable(file)
    place = folders.place(path)
    unknown = place.class_name and class_of(place.class_name) == UNKNOWN_CLASS
    return Item(
        path, place.label, place.name, place.split, place.class_label, place.class_name, place.generator, place.family,
        provenance={"class": place.class_name} if unknown else None, key=file,
    )  # fmt: skip


def _questions(root: str, folders: Folders, labelled: list[Item], paths: list[str]) -> tuple[Question, ...]:
    """Which name is which, where no folder says it, or where the folders that do all say the same and others are left over."""
    total = len(paths)
    one_sided = len({item.label for item in labelled}) == 1
    if len(labelled) == total:
        return ()
    names = folders.unread()
    if labelled and not one_sided:
        names = Counter({name: count for name, count in names.items() if folders.stands_for_label(name, count)})
        if not names:
            return ()
    root = printable(root)
    if not names:
        what = "some of its pictures lie" if labelled else f"its {total:,} picture{'s lie' if total > 1 else ' lies'}"
        advice = _pattern_advice(paths) or "add --label real or --label fake if all are of one kind, or name a list or --label-pattern"
        return (Question("labels", f"{root!r} does not say what is real and what is fake: {what} in no folder of its own; {advice}."),)
    sentence = f"In {root!r}, {how_to_say(list(map(printable, names)))}, or --label real (or fake) if all are of one kind."
    return (Question("labels", sentence, {printable(name): count for name, count in names.most_common()}),)


def _pattern_advice(paths: list[str]) -> str:
    """A pattern that fits, where all files' own names begin with a word for real or fake."""
    begins = [re.match(r"[^\W\d_]+", path.rpartition("/")[2]) for path in paths]
    labels = {meaning_of(match[0]).label if match else None for match in begins}
    return r"their names do: add --label-pattern '(?P<label>[A-Za-z]+)[^/]*$'" if labels == {REAL, FAKE} else ""


def _instead(others: list[str]) -> str:
    return f" (but {printable(others[0])} and {len(others) - 1:,} more)" if len(others) > 1 else f" (but {printable(others[0])})" if others else ""


def _items(tree: Tree, items: list[Item], with_data: bool) -> Iterator[Item]:
    for item in items:
        if with_data and item.problem is None:
            try:
                item.data = tree.read(item.key)
            except Unreadable as error:
                item.problem = (error.reason, error.detail)
        yield item
        item.data = None


def _fetch(tree: Tree, items: list[Item]) -> Iterator[bytes]:
    for item in items:
        try:
            yield tree.read(item.key)
        except Unreadable:
            yield b""
