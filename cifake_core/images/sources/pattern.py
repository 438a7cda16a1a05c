"""Labels in the names of files: a regular expression the user gave, with groups named label and, if wanted, class, generator, split, seed."""

import re

from cifake_core.errors import BadInput
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources.account import printable, storable
from cifake_core.images.sources.columns import Columns
from cifake_core.images.sources.folder import complete, leave_others, tree_found
from cifake_core.images.sources.found import Found
from cifake_core.images.sources.layout import split_in_path
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.tree import Tree, pictures
from cifake_core.images.sources.vocabulary import split_of


def look(tree: Tree, reading: Reading) -> Found:
    """Raises BadInput if the pattern fits no picture's path."""
    found, others = pictures(tree)
    leave_others(tree, others)
    pattern = re.compile(reading.label_pattern)
    columns = Columns(printable(tree.name), tuple(pattern.groupindex), reading)
    columns.roles = {name: name for name in pattern.groupindex}
    items = []
    for file in found:
        path = storable(file)
        match = pattern.search(path)
        if match is None:
            tree.account.leave(file, reasons.NO_MATCH)
            continue
        item = columns.item(match.groupdict(), path, split_in_path(path) or split_of(tree.name))
        item.key = file
        complete(item)
        items.append(item)
    if not items:
        example = f", such as {printable(found[0])}" if found else ""
        raise BadInput(f"The label pattern {reading.label_pattern!r} fits none of the {len(found):,} pictures' paths{example}; change the pattern.")
    questions = columns.questions(len(items), sum(item.problem is not None for item in items))
    return tree_found(f"{tree.kind} with labels in file names", tree, items, (*tree.notes, *columns.conventions), questions)
