"""CIFAKE's own numbering of its files, which tells the class of each."""

import re
from collections import Counter

from cifake_core.images.schema import UNKNOWN_CLASS

_OFFICIAL_NAME = re.compile(r"\d+(?: ?\((\d+)\)| (unknown))?\.(?:jpe?g|png|webp|bmp)", re.IGNORECASE)  # unknown, and PNG: our own exports
_OFFICIAL_KINDS = {None, "unknown", *map(str, range(2, 11))}


class OfficialNames:
    """Whether names are numbered as CIFAKE's authors did: none = airplane, "(2)" automobile … "(10)" truck.

    One stray "5 (2).jpg" is a copy somebody made: all names must fit, and where some have no number in brackets, as originals of copies
    have none, most must have one, and of several classes.
    """

    def __init__(self) -> None:
        self._kinds: Counter[str | None] = Counter()
        self._fits = True

    def add(self, path: str) -> None:
        if not self._fits:
            return
        folder, _, name = path.rpartition("/")
        match = _OFFICIAL_NAME.fullmatch(name)
        kind = match and (match[2] or match[1])
        if not match or kind not in _OFFICIAL_KINDS or (folder and folder.rpartition("/")[2] not in ("REAL", "FAKE")):
            self._fits = False
        else:
            self._kinds[kind] += 1

    def official(self) -> bool:
        total, plain = sum(self._kinds.values()), self._kinds[None]
        wanted = 1 if not plain else 3 if total < 20 else 5
        return self._fits and 2 * plain <= total and len(+self._kinds) >= wanted

    @staticmethod
    def class_of(path: str) -> int:
        match = _OFFICIAL_NAME.fullmatch(path.rpartition("/")[2])
        return int(match[1] or 1) - 1 if match and not match[2] else UNKNOWN_CLASS
