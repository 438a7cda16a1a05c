"""What names of folders say about pictures: label, split, class, generator. It reads no file."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from cifake_core.errors import BadInput
from cifake_core.images.schema import FAKE, LABELS, REAL, UNKNOWN_CLASS
from cifake_core.images.sources.account import printable
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.vocabulary import (
    VALIDATION,
    Meaning,
    Vocabulary,
    class_of,
    is_generator,
    meaning_of,
    split_of,
    tokens,
)

_FORENSYNTHS = ("0_real", "1_fake")
_GENIMAGE = ("ai", "nature")


@dataclass(frozen=True)
class Place:
    """What a folder says of the pictures in it. `label` is None where it says nothing; `names` are then what could be asked about."""

    label: int | None
    name: str  # the folder that says the label
    split: str
    class_label: int
    class_name: str
    generator: str
    family: str


class Folders:
    """The folders of a source that hold pictures, read together: what stands beside a folder decides what its name means."""

    def __init__(self, paths: Iterable[str], root: str, reading: Reading) -> None:
        """`paths` are of pictures, relative, "/" between folders; `root` is the name of the folder or archive itself."""
        self.counts = Counter(tuple(path.split("/")[:-1]) for path in paths)
        self.root, self._reading, self._vocabulary = root, reading, reading.vocabulary
        self._children: dict[tuple[str, ...], set[str]] = {}
        for folder in self.counts:
            for depth in range(len(folder)):
                self._children.setdefault(folder[:depth], set()).add(folder[depth])
        self._common = _common_depth(list(self.counts))
        self._inside = any(self._label_inside(folder) for folder in self.counts)
        self.places = {folder: self._place(folder) for folder in self.counts}
        self._name_classes()

    def place(self, path: str) -> Place:
        return self.places[tuple(path.split("/")[:-1])]

    # --- label

    def _label_at(self, folder: tuple[str, ...]) -> tuple[int | None, int, str]:
        """(label, depth of the folder that says it, its name); depth -1: the root. Raises BadInput where folders contradict each other.

        Folders that hold all pictures, and the root, may be the collection's name: they count where none inside says anything.
        """
        if group := self._label_inside(folder):
            depth, label = self._agreed(group, folder)
            return label, depth, folder[depth]
        if self._inside:
            return None, -1, ""
        if words := self._label_words(folder):
            depth, label = self._agreed(words, folder)
            if _is_plain_label(folder[depth]):
                return label, depth, folder[depth]
        meaning = self._vocabulary.meaning(self.root)
        if meaning.label is not None and (meaning.strength == 4 or _is_plain_label(self.root)):
            return meaning.label, -1, self.root
        return None, -1, ""

    def _label_words(self, folder: tuple[str, ...]) -> list[tuple[int, Meaning]]:
        """(depth, meaning) of each folder on the way that says a label."""
        words = [(depth, self._vocabulary.meaning(word)) for depth, word in enumerate(folder)]
        return [(depth, meaning) for depth, meaning in words if meaning.label is not None]

    def _label_inside(self, folder: tuple[str, ...]) -> list[tuple[int, Meaning]]:
        """The folders whose word counts: those the user named, else those that stand beside the other label, else all that differ."""
        words = self._label_words(folder)
        named = [(d, m) for d, m in words if m.strength == 4]
        paired = [(d, m) for d, m in words if self._is_paired(folder, d, m)]
        return named or paired or [(d, m) for d, m in words if d >= self._common]

    def _is_paired(self, folder: tuple[str, ...], depth: int, meaning: Meaning) -> bool:
        """Whether a folder beside this one says the other label."""
        beside = (self._vocabulary.meaning(word).label for word in self._children[folder[:depth]])
        return any(label is not None and label != meaning.label for label in beside)

    def _agreed(self, group: list[tuple[int, Meaning]], folder: tuple[str, ...]) -> tuple[int, int]:
        """(depth, label) on which all agree, how a fake was made ("progan/0_real") aside where a plain word says more."""
        plain = [(depth, meaning) for depth, meaning in group if meaning.strength > 1]
        plainest = [(depth, meaning) for depth, meaning in plain if meaning.strength > 2]
        voices = plainest if plainest and len({m.label for _, m in plain}) == 1 else group
        if len({meaning.label for _, meaning in voices}) > 1:
            raise BadInput(
                f"{printable('/'.join(folder))} lies in a REAL and a FAKE folder at once; move it into one of them, or say which folder "
                "decides, for example --real NAME --fake NAME."
            )
        return voices[-1][0], voices[-1][1].label

    # --- split, class, generator

    def _place(self, folder: tuple[str, ...]) -> Place:
        label, at, name = self._label_at(folder)
        if self._reading.one_label is not None:
            label, at, name = self._reading.one_label, -1, self._reading.label
        split, split_at = self._split_at(folder)
        free = [d for d, word in enumerate(folder) if d not in (at, split_at) and not self._is_label(word)]
        generator_at = self._generator_at(folder, at, split_at, free)
        generator = family = ""
        if generator_at is not None:
            generator = folder[generator_at] if generator_at >= 0 else self.root
            family = folder[generator_at - 1] if generator_at > 0 and generator_at - 1 not in (at, split_at) else ""
        inner = [folder[d] for d in free if d != generator_at and d >= self._common and folder[d] != family]
        numbers = [number for word in folder if (number := class_of(word)) != UNKNOWN_CLASS]
        made = label == FAKE
        return Place(
            label, name, split, numbers[-1] if numbers else UNKNOWN_CLASS, inner[-1] if inner else "",
            generator if made else "", family if made else "",
        )  # fmt: skip

    def _is_label(self, word: str) -> bool:
        return self._vocabulary.meaning(word).strength > 1

    def _split_at(self, folder: tuple[str, ...]) -> tuple[str, int | None]:
        """The outermost split folder decides; a class called train is none: other names that are no split stand beside it."""
        for depth, word in enumerate(folder):
            split = split_of(word) or self._split_beside(folder[:depth], word)
            if split and not (tokens(word) == ["train"] and self._is_class_level(folder[:depth])):
                return split, depth
        return split_of(self.root) or "train", None

    def _split_beside(self, parent: tuple[str, ...], word: str) -> str | None:
        """The split in a name with other words, where a folder beside it differs by the split alone: my_train_pics, my_test_pics."""
        split, rest = _split_and_rest(word)
        others = (_split_and_rest(other) for other in self._children[parent] if other != word)
        return split if split and any(other_split and other_split != split and left == rest for other_split, left in others) else None

    def _is_class_level(self, parent: tuple[str, ...]) -> bool:
        beside = [word for word in self._children[parent] if word.lower() != "train"]
        plain = [word for word in beside if not self._is_label(word)]
        return bool(plain) and not any(split_of(word) for word in beside)

    def _generator_at(self, folder: tuple[str, ...], at: int, split_at: int | None, free: list[int]) -> int | None:
        """Where a folder names a generator (-1: the root), by its own name, the user's word, or the layout of ForenSynths or GenImage."""
        chosen = [d for d in range(len(folder)) if folder[d] in self._reading.generators]
        named = chosen or [d for d in range(len(folder)) if d != split_at and self._names_generator(folder[d], d == at)]
        if named:
            return named[0]
        label_word = folder[at].lower() if at >= 0 else ""
        if label_word in _GENIMAGE and split_at is not None and split_at == at - 1 and split_at > 0 and self._is_genimage(folder, at):
            return split_at - 1
        if label_word in _FORENSYNTHS:
            above = [d for d in free if self._common <= d < at and (split_at is None or d > split_at)]  # what holds everything made nothing
            if len(above) > 1 or (above and self._stands_beside_generators(folder, above[0])):
                return above[0]
        return -1 if at >= 0 and is_generator(self.root, expected=label_word in (*_FORENSYNTHS, *_GENIMAGE)) else None

    def _names_generator(self, word: str, says_label: bool) -> bool:
        return is_generator(word) and (not says_label or self._vocabulary.meaning(word).strength == 1)

    def _is_genimage(self, folder: tuple[str, ...], at: int) -> bool:
        return {word.lower() for word in self._children[folder[:at]]} <= set(_GENIMAGE)

    def _stands_beside_generators(self, folder: tuple[str, ...], depth: int) -> bool:
        """Whether a folder beside this one is a generator, or holds classes, as progan does beside biggan in ForenSynths' test sets."""
        parent = folder[:depth]
        if is_generator(folder[depth], expected=True) or any(map(is_generator, self._children[parent])):
            return True
        return any(
            len(other) == depth + 3 and other[:depth] == parent and other[-1].lower() in _FORENSYNTHS
            for other in self.counts
        )

    def _name_classes(self) -> None:
        """A folder's name is a class where it is one of CIFAR-10's, or holds reals here and fakes there."""
        labels: dict[str, set[int]] = {}
        for place in self.places.values():
            if place.label is not None and place.class_name:
                labels.setdefault(place.class_name, set()).add(place.label)
        for folder, place in self.places.items():
            known = class_of(place.class_name) != UNKNOWN_CLASS or len(labels.get(place.class_name, ())) > 1
            if place.class_name and not known:
                self.places[folder] = Place(place.label, place.name, place.split, place.class_label, "", place.generator, place.family)

    # --- what is open

    def unread(self) -> Counter[str]:
        """Names that say no label → pictures below: the level of folders that most likely tells reals from fakes."""
        open_folders = {folder: n for folder, n in self.counts.items() if self.places[folder].label is None}
        depths = range(self._common, max(map(len, open_folders), default=0))
        levels = [
            Counter({word: n for word, n in self._names_at(open_folders, depth).items() if not split_of(word) or len(open_folders) == 1})
            for depth in depths
        ]
        levels = [level for level in levels if level]
        if not levels:
            return Counter()
        numbered = [level for level in levels if set(level) <= {"0", "1"}]
        return (numbered or [level for level in levels if len(level) == 2] or levels)[0]

    def stands_for_label(self, name: str, count: int) -> bool:
        """Whether a folder that says no label most likely stands for one: a generator's name, or beside folders of labels and no smaller."""
        if is_generator(name, expected=True):
            return True
        for folder in self.counts:
            for depth in (d for d, word in enumerate(folder) if word == name):
                beside = {word for word in self._children[folder[:depth]] if self._vocabulary.meaning(word).label is not None}
                sizes = [n for word in beside if (n := self._size((*folder[:depth], word)))]
                if sizes and count >= min(sizes):
                    return True
        return False

    def _size(self, above: tuple[str, ...]) -> int:
        return sum(n for folder, n in self.counts.items() if folder[: len(above)] == above)

    def _names_at(self, folders: dict[tuple[str, ...], int], depth: int) -> Counter[str]:
        found: Counter[str] = Counter()
        for folder, count in folders.items():
            if len(folder) > depth:
                found[folder[depth]] += count
        return found


def _split_and_rest(name: str) -> tuple[str | None, list[str]]:
    """The one split among a name's words, and the other words."""
    words = tokens(name)
    splits = [split for word in words if (split := split_of(word))]
    return (splits[0] if len(splits) == 1 else None), [word for word in words if not split_of(word)]


def _common_depth(folders: list[tuple[str, ...]]) -> int:
    """How many folders all of them share from the outside."""
    if not folders:
        return 0
    first, depth = min(folders), 0
    last = max(folders)
    while depth < min(len(first), len(last)) and first[depth] == last[depth]:
        depth += 1
    return depth


def _is_plain_label(name: str) -> bool:
    """Whether nothing but label, split and number words make up the name: FAKE, test_real, but not ai_detection or AiDataset."""
    vocabulary = Vocabulary()
    return all(word.isdigit() or split_of(word) or vocabulary.meaning(word).strength > 1 or word in ("images", "image") for word in tokens(name))


def label_in_path(path: str) -> int | None:
    """REAL or FAKE where a folder of the path is named with a plain word for it; None where none is, or several contradict."""
    return _read_folders(path.rpartition("/")[0])[0]


def split_in_path(path: str) -> str | None:
    """The split that the outermost split folder of a path names; None where there is none."""
    return _read_folders(path.rpartition("/")[0])[1]


@lru_cache(maxsize=1024)
def _read_folders(folder: str) -> tuple[int | None, str | None]:
    """(label, split) of a folder's path. Tables name the same few folders again and again."""
    words = folder.split("/")
    labels = {meaning.label for word in words if (meaning := meaning_of(word)).strength == 3}
    return labels.pop() if len(labels) == 1 else None, next((split for word in words if (split := split_of(word))), None)


def split_sentence(validation: int, choice: str) -> str:
    """What becomes of pictures the source holds out for validation."""
    done = {
        "train": "join train, from which validation is cut anew; --validation keep holds them apart, --validation test makes them the test split",
        "keep": "stay apart: they are the validation split",
        "test": "are put into the test split",
    }[choice]
    return f"The source's {validation:,} {VALIDATION} pictures {done}."


def numbers_sentence(names: tuple[str, ...]) -> str:
    """How bare label numbers were read."""
    if names:
        return "The label numbers were read as you said: " + ", ".join(f"{i} = {name}" for i, name in enumerate(names)) + "."
    return f"The labels are bare numbers without names: 0 was read as {LABELS[REAL]} and 1 as {LABELS[FAKE]}; if it is the other way, add --label-names fake,real."
