"""The one vocabulary of imports: what a name says about a label, a split, a class or a generator.

ClassLabel names, folders, manifest cells and text columns are all read here. A name that is not known, or that fits both labels, has no
meaning: the import asks, it never guesses.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from cifake_core.errors import BadInput
from cifake_core.images.schema import CLASSES, FAKE, REAL, UNKNOWN_CLASS

VALIDATION = "validation"

# Words of a label wherever they stand: "real", "AI_Generated", "training_fake", "real_dogs".
_CORE = {
    **dict.fromkeys(("real", "reals", "authentic", "genuine"), REAL),
    **dict.fromkeys(("fake", "fakes", "ai", "generated", "synthetic", "synthesized", "synthesised", "aigc", "genai"), FAKE),
}
# Words of a label only where nothing but neutral words stands beside them: "nature" says real, "nature_reserve" is a class.
_CONTEXT = {
    **dict.fromkeys(
        ("photo", "photos", "photograph", "photographs", "photographic", "photography", "human", "humans", "nature", "natural", "original", "originals", "camera"),
        REAL,
    ),
    **dict.fromkeys(("artificial", "artificially", "synth"), FAKE),
}
# Words that say how a fake was made.
_MAKERS = frozenset((
    "gan", "gans", "diffusion", "deepfake", "deepfakes", "midjourney", "dalle", "stylegan", "stylegan2", "stylegan3", "progan",
    "biggan", "cyclegan", "stargan", "gaugan", "dcgan", "wgan", "vqgan", "ddpm", "ddim", "ldm", "vqdm", "sdxl", "sd14", "sd15",
    "sd21",
))  # fmt: skip
_KINDS = frozenset(("gan", "gans", "diffusion", "deepfakes"))  # of generators: the name of none
_GENERATORS = (_MAKERS - _KINDS) | frozenset(
    ("iddpm", "pndm", "dalle2", "dalle3", "sdv14", "sdv15", "sdv4", "sdv5", "sdv1", "sdv2", "sd2", "sd3", "sd35", "stablediffusion", "latentdiffusion", "esrgan", "projectedgan", "attgan", "whichfaceisreal", "seeingdark", "pixart", "kandinsky")
)
# Generators whose names are also plain words or abbreviations: only where the layout has a place for a generator.
_PLAIN_GENERATORS = frozenset(["adm", "glide", "wukong", "crn", "imle", "san", "sitd", "guided", "flux", "imagen", "firefly", "ideogram", "playground", "palette"])
_NEUTRAL = frozenset((
    "art", "arts", "artwork", "artworks", "data", "dataset", "datasets", "set", "sets", "image", "images", "img", "imgs", "pic",
    "pics", "picture", "pictures", "face", "faces", "people", "portrait", "portraits", "folder", "folders", "dir", "file", "files",
    "sample", "samples", "label", "labels", "class", "v", "x", "px", "jpg", "jpeg", "png", "by", "and", "the", "of", "made",
    "created", "content", "small", "large", "full", "subset", "split", "splits", "batch", "part", "all", "cifake", "cifar", "or",
    "vs", "versus", "partial", "public", "private", "free",
))  # fmt: skip
_PEOPLE = frozenset(("human", "humans", "original", "originals"))
_NEGATION = frozenset(("non", "not", "no", "without"))
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trainset", "traindata", "trainingdata", "systematic", "manual"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "valset", "valdata", "validationdata", "dev", "development"), VALIDATION),
    **dict.fromkeys(("test", "tests", "testing", "testset", "testdata", "testingdata", "eval", "evaluation", "holdout", "heldout", "unseen", "publiceval", "compeval", "commercial"), "test"),
}  # systematic, manual, publiceval, compeval, commercial: Community Forensics
_CLASS_WORDS = {**{word: i for i, word in enumerate(CLASSES)}, "plane": 0, "aeroplane": 0, "car": 1}
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_GLUED = re.compile(r"(real|fake|ai|human)(images?|imgs?|faces?|art|artworks?|photos?|pics?|data|set|generated|made)")


@dataclass(frozen=True)
class Meaning:
    """What a name says: the label (None: nothing, or both at once) and how plainly."""

    label: int | None = None
    both: bool = False
    strength: int = 0  # 4 said by the user, 3 a core word, 2 a context word, 1 how it was made


NOTHING = Meaning()


def tokens(name: str) -> list[str]:
    """ "AiArtData" → ai, art, data; "training_fake-2" → training, fake, 2."""
    found = [part.lower() for part in _TOKEN.findall(name)]
    return [word for part in found for word in (_GLUED.fullmatch(part).groups() if _GLUED.fullmatch(part) else (part,))]


@lru_cache(maxsize=4096)
def meaning_of(name: str) -> Meaning:
    """What the name says by itself. "non-ai" is real, "real_vs_fake" is both, "quagga" and "0" say nothing."""
    words = tokens(name)
    labels = {_CORE[word] ^ negated for word, negated in _with_negation(words) if word in _CORE}
    if FAKE in labels and _PEOPLE & set(words) and all(word in _CORE or word in _CONTEXT or _is_plain(word) for word in words):
        return Meaning(both=True)  # "ai_vs_human"
    if labels:
        return Meaning(labels.pop(), strength=3) if len(labels) == 1 else Meaning(both=True)
    if all(word in _CONTEXT or _is_plain(word) for word in words):
        labels = {_CONTEXT[word] ^ negated for word, negated in _with_negation(words) if word in _CONTEXT}
        if labels:
            return Meaning(labels.pop(), strength=2) if len(labels) == 1 else Meaning(both=True)
    made = any(word in _MAKERS for word in words) or "".join(words) in _MAKERS
    return Meaning(FAKE, strength=1) if made and not _NEGATION & set(words) else NOTHING


def _with_negation(words: list[str]) -> list[tuple[str, bool]]:
    """Each word that may say something, and whether a "non" before it, or "free" behind "ai", turns it round. "human generated" is one word, human."""
    pairs, negated, last = [], False, ""
    for place, word in enumerate(words):
        negated = negated or word in _NEGATION or (_CORE.get(word) == FAKE and words[place + 1 : place + 2] == ["free"])
        if not (last in ("human", "humans") and word == "generated"):
            pairs.append((word, negated))
        last = word
    return pairs


def _is_plain(word: str) -> bool:
    return word.isdigit() or word in _NEUTRAL or word in _NEGATION or word in _SPLIT_WORDS or word == "generated"


def split_of(name: str) -> str | None:
    """train, validation or test for the names in use, alone or beside neutral and label words ("test_data_v2"); else None."""
    words = tokens(name)
    if (whole := "".join(words)) in _SPLIT_WORDS:  # "CompEval"
        return _SPLIT_WORDS[whole]
    splits = {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}
    others = (word for word in words if word not in _SPLIT_WORDS)
    plain = all(_is_plain(word) or word in _CORE or word in _CONTEXT for word in others)
    return splits.pop() if len(splits) == 1 and plain else None


def class_of(name: str) -> int:
    """Place in CLASSES, UNKNOWN_CLASS for any other name."""
    return _CLASS_WORDS.get(name.strip().lower(), UNKNOWN_CLASS)


def is_generator(name: str, expected: bool = False) -> bool:
    """Whether a folder of this name is a generator whose name is in use, such as biggan or stable_diffusion_v_1_4.

    Names that are also plain words, such as glide or flux, count only where the layout has a place for a generator (`expected`).
    """
    words = tokens(name)
    whole = "".join(words)
    if {"stable", "diffusion"} <= set(words) or (_MAKERS - _KINDS) & set(words) or whole in _GENERATORS:
        return True
    return expected and whole in _PLAIN_GENERATORS


@dataclass(frozen=True)
class Vocabulary:
    """The vocabulary with what the user said on top: names that mean real, names that mean fake, names of the numbers 0, 1, …"""

    real: tuple[str, ...] = ()
    fake: tuple[str, ...] = ()
    number_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        twice = {_same(name) for name in self.real} & {_same(name) for name in self.fake}
        if twice:
            raise BadInput(f"{sorted(twice)[0]!r} is said to mean real and fake; name it once.")
        for name in self.number_names:
            if self._read(name).label is None:
                raise BadInput(f"The name {name!r} of a label number means neither real nor fake; write for example real,fake.")

    def meaning(self, name: str) -> Meaning:
        """What a name says: by the user's words first, then as one of the numbers that were given names, then by itself."""
        by_itself = self._read(name)
        if by_itself.strength < 4 and (number := number_in(name)) is not None and number < len(self.number_names):
            return Meaning(self._read(self.number_names[number]).label, strength=4)
        return by_itself

    def _read(self, name: str) -> Meaning:
        key = _same(name)
        for label, names in ((REAL, self.real), (FAKE, self.fake)):
            if any(key == _same(other) for other in names):
                return Meaning(label, strength=4)
        return meaning_of(name)


def number_in(name: str) -> int | None:
    """0 for "0", "00" and "0.0"; None for what is no whole number of zero or more."""
    match = re.fullmatch(r"(\d{1,6})(?:\.0+)?", name.strip())
    return int(match[1]) if match else None


def _same(name: str) -> str:
    return name.strip().casefold()


def how_to_say(names: list[str]) -> str:
    """The sentence that asks which name is which, with the options that answer it."""
    shown = ", ".join(repr(name[:40]) for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    if len(names) == 1:
        return f"{shown} says neither real nor fake; say which it is, --real {names[0][:40]!r} or --fake {names[0][:40]!r}"
    return f"{shown} say neither real nor fake; say which is which, for example --real {names[0][:40]!r} --fake {names[1][:40]!r}, or the other way round"
