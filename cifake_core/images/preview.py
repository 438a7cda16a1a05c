"""What an import would do, before it does it: labels as read, splits, classes, generators, sizes, first pictures, and what is still open."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from cifake_core.images import codec
from cifake_core.images.importing import ImportImages, one_label_warning
from cifake_core.images.schema import CLASSES, FAKE, LABELS
from cifake_core.images.sources.account import Account
from cifake_core.images.sources.found import Found, Item, Question, merged
from cifake_core.images.sources.layout import split_sentence
from cifake_core.images.sources.vocabulary import VALIDATION
from cifake_core.step import Context

SAMPLES = 4  # pictures shown of each name
SAMPLE_SIDE = 96  # pixels of the longer side of such a picture
HEADERS = 200  # pictures of each name whose size and format are looked at


@dataclass(frozen=True)
class Sample:
    """One of the first pictures of a name; `png` is a small copy of it, b"" if it is broken."""

    path: str
    name: str
    label: str  # real, fake or "" while that is open
    png: bytes


@dataclass(frozen=True)
class Preview:
    """What was understood of the sources. Nothing may be imported while `questions` are open.

    A page shows `warnings` first, then the counts and samples, `conventions` as they are, and for each Question of topic "labels" its names
    as two lists to sort, with the samples of that name; the sorted names go into `ImportImages.real` and `.fake`. Topic "columns" is answered
    by `columns`, `label` or `label_pattern`, topic "size" by `resize`.
    """

    sources: list[dict]  # {"name", "kind", "images"}
    names: dict[str, dict]  # label's name in the source → {"label": real, fake or "", "images"}
    counts: dict[str, dict[str, int]]  # split (train, validation, test) → {"real", "fake"}
    classes: dict[str, int]
    generators: dict[str, int]
    sizes: dict[str, dict[str, int]]  # label → "32 × 32" → pictures, of `headers` that were looked at
    formats: dict[str, dict[str, int]]  # label → "JPEG" → pictures
    headers: int
    account: dict  # as in the record; "imported" is how many would be, were none broken
    conventions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    samples: dict[str, list[Sample]] = field(default_factory=dict)  # by name

    def as_dict(self) -> dict:
        """JSON-able, the samples without their pictures."""
        values = asdict(self) | {"questions": [asdict(question) for question in self.questions]}
        values["samples"] = {name: [{"path": s.path, "label": s.label} for s in samples] for name, samples in self.samples.items()}
        return values


def preview(step: ImportImages, context: Context) -> Preview:
    """Goes through the sources once without reading pictures, then looks at some. Raises BadInput for a source that is nothing known."""
    found = step.found(context)
    survey = _Survey(step)
    for number, source in enumerate(found):
        survey.account.add(source.account)
        for done, item in enumerate(source.items(False)):
            survey.add(item)
            if done % 10_000 == 0:
                context.on_progress(number, len(found), f"{survey.account.imported:,} pictures listed")
        survey.look_at(source)
    questions = merged([question for source in found for question in source.questions])
    return survey.result(found, questions)


class _Survey:
    """What the pictures of all sources add up to."""

    def __init__(self, step: ImportImages) -> None:
        self._step = step
        self.account = Account()
        self._names: Counter[tuple[str, int | None]] = Counter()
        self._counts: dict[str, Counter[str]] = {}
        self._classes: Counter[str] = Counter()
        self._generators: Counter[str] = Counter()
        self._sizes: dict[str, Counter[str]] = {}
        self._formats: dict[str, Counter[str]] = {}
        self._headers = 0
        self._samples: dict[str, list[Sample]] = {}
        self._chosen: dict[str, _Spread] = {}

    def add(self, item: Item) -> None:
        if item.problem is not None:
            self.account.leave(item.path, *item.problem)
            return
        self.account.imported += 1
        self._names[item.name, item.label] += 1
        self._chosen.setdefault(item.name, _Spread()).add(item)
        if item.label is None:
            return
        self._counts.setdefault(self._step.split or item.split, Counter())[LABELS[item.label]] += 1
        if name := item.class_name or (CLASSES[item.class_label] if item.class_label in range(len(CLASSES)) else ""):
            self._classes[name] += 1
        if generator := item.generator or (self._step.made_by if item.label == FAKE else ""):
            self._generators[generator] += 1

    def look_at(self, source: Found) -> None:
        """Sizes and formats of some pictures of each name, and the first ones small."""
        for name, chosen in self._chosen.items():
            items = chosen.items
            for number, (item, data) in enumerate(zip(items, source.fetch(items), strict=True)):
                label = LABELS[item.label] if item.label is not None else ""
                self._look(label, data)
                samples = self._samples.setdefault(name, [])
                if number < SAMPLES and len(samples) < SAMPLES:
                    samples.append(Sample(item.path, name, label, _small(data)))
        self._chosen = {}

    def _look(self, label: str, data: bytes) -> None:
        try:
            kind, width, height = codec.read_header(data)
        except codec.BrokenImage:
            return
        self._headers += 1
        self._formats.setdefault(label, Counter())[kind] += 1
        self._sizes.setdefault(label, Counter())[f"{width} × {height}"] += 1

    def result(self, found: list[Found], questions: list[Question]) -> Preview:
        counts = {split: {word: labels[word] for word in LABELS} for split, labels in sorted(self._counts.items(), key=lambda pair: _ORDER.index(pair[0]))}
        conventions = list(dict.fromkeys(sentence for source in found for sentence in source.conventions))
        if VALIDATION in counts and not self._step.split:
            conventions.append(split_sentence(sum(counts[VALIDATION].values()), self._step.validation))
        questions = questions + list(self._size_question())
        warning = one_label_warning(counts) if counts and not questions else ""
        return Preview(
            [{"name": f.name, "kind": f.kind, "images": f.total} for f in found],
            {name: {"label": LABELS[label] if label is not None else "", "images": n} for (name, label), n in self._names.most_common()},
            counts, dict(self._classes.most_common()), dict(self._generators.most_common()),
            {label: dict(sizes.most_common(20)) for label, sizes in self._sizes.items()},
            {label: dict(kinds.most_common()) for label, kinds in self._formats.items()},
            self._headers, self.account.as_dict(), conventions, [warning] if warning else [], questions, self._samples,
        )  # fmt: skip

    def _size_question(self) -> Iterator[Question]:
        side = f"{codec.SIDE} × {codec.SIDE}"
        others = Counter(size for sizes in self._sizes.values() for size in sizes.elements() if size != side)
        if others and not self._step.resize:
            example = others.most_common(1)[0][0]
            yield Question("size", f"{others.total():,} of {self._headers:,} pictures looked at are not {side} (most often {example}); add --resize to shrink them.")


_ORDER = ("train", VALIDATION, "test")


class _Spread:
    """The first pictures of many, and others spread evenly over them, without knowing how many come."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._seen, self._stride = 0, 1

    def add(self, item: Item) -> None:
        if self._seen < SAMPLES or self._seen % self._stride == 0:
            self.items.append(item)
        self._seen += 1
        if len(self.items) > 2 * HEADERS:
            self.items = self.items[:SAMPLES] + self.items[SAMPLES::2]
            self._stride *= 2


def _small(data: bytes) -> bytes:
    try:
        return codec.thumbnail(data, SAMPLE_SIDE)
    except codec.BrokenImage:
        return b""
