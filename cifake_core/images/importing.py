"""The task that turns sources (files, folders, archives) into one image set.

What each source is and says is found out by sources/, how pictures are stored is building.py's. `preview.py` says the same before anything
is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from cifake_core.errors import BadInput
from cifake_core.images.building import checked_kind, new_image_set
from cifake_core.images.codec import BrokenImage
from cifake_core.images.image_set import ImageSet
from cifake_core.images.preparing import Treatment
from cifake_core.images.schema import FAKE, LABELS, SPLITS, NewImage
from cifake_core.images.sources import account as reasons
from cifake_core.images.sources import official
from cifake_core.images.sources.account import Account, printable
from cifake_core.images.sources.found import Found, Item, merged
from cifake_core.images.sources.layout import split_sentence
from cifake_core.images.sources.layouts import look
from cifake_core.images.sources.reading import Reading
from cifake_core.images.sources.vocabulary import VALIDATION
from cifake_core.step import Context
from cifake_core.store.workspace import checked_name

_LISTED = 20  # names in one sentence of --strict
_TUPLES = ("sources", "reals", "fakes", "real", "fake", "label_names", "columns", "generator_folders", "link_roots")


@dataclass(frozen=True)
class ImportImages:
    """Imports one or more sources as the image set `name`. Done twice, it makes nothing twice.

    Everything from `real` to `link_roots` answers a question that a source leaves open (see sources/reading.py). `preview.preview` takes the
    same object and says what would be imported and what is still to be answered; a page shows that first, puts the answers into these
    fields and submits the job.
    """

    sources: tuple[str, ...]  # paths of tables, archives, lists or folders, or official.DOWNLOADS
    name: str
    resize: bool = False  # shrink what is not 32 × 32, antialiased; without it such an image is refused
    jpeg: bool = False  # re-encode all as CIFAKE's files are (JPEG 75, 4:2:0), so that no codec tells the label
    kind: str = ""  # one of building.KINDS; "" = told by the labels
    generator: str = ""  # who made the fakes, where the source does not say
    split: str = ""  # train or test: puts all images there, whatever the source says
    note: str = ""
    reals: tuple[str, ...] = ()  # further sources, of reals only
    fakes: tuple[str, ...] = ()  # further sources, of fakes only
    real: tuple[str, ...] = ()
    fake: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    label: str = ""
    columns: tuple[str, ...] = ()
    label_pattern: str = ""
    generator_folders: tuple[str, ...] = ()
    validation: str = "train"
    link_roots: tuple[str, ...] = ()
    strict: bool = False  # refuse broken files, naming all, instead of leaving them out

    def __post_init__(self) -> None:
        for name in _TUPLES:
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        checked_name(self.name)
        if not (self.sources or self.reals or self.fakes):
            raise BadInput("No source is given; name at least one Parquet file, archive or folder.")
        checked_kind(self.kind)
        if self.split and self.split not in SPLITS:
            raise BadInput(f"The split is {self.split!r}; take train or test, or leave it to the source.")
        assert self.reading  # raises BadInput

    @property
    def reading(self) -> Reading:
        """How the sources are to be read."""
        return Reading(
            self.real, self.fake, self.label_names, self.label, self.columns, self.label_pattern, self.generator_folders, self.validation,
            self.link_roots, self.split,
        )  # fmt: skip

    def run(self, context: Context) -> dict:
        """What was imported: see `described`. Sources are fetched, then looked at, before anything is stored.

        Raises BadInput with every question that is open, and with every broken file where `strict`.
        """
        found = self.found(context)
        if questions := merged([question for source in found for question in source.questions]):
            raise BadInput(" ".join(question.sentence for question in questions))
        reader = _Reader(self, found)
        image_set = new_image_set(
            context.workspace,
            self.name,
            reader.rows(),
            kind=self.kind,
            note=self.note,
            source=reader.described,
            treatment=Treatment(self.resize, self.jpeg),
            total=sum(f.total for f in found),
            on_progress=context.on_progress,
            leave_out=reader.leave_out,
        )
        return described(image_set)

    def found(self, context: Context) -> list[Found]:
        """All sources, fetched where they are downloads and looked at. Raises BadInput for one that is nothing known."""
        reading = self.reading
        together = [(source, reading) for source in self.sources]
        together += [(source, replace(reading, label="real")) for source in self.reals]
        together += [(source, replace(reading, label="fake")) for source in self.fakes]
        return [one for source, how in together for path in self._paths(source, context) for one in look(path, how)]

    def _paths(self, source: str, context: Context) -> list[Path]:
        if source not in official.DOWNLOADS:
            return [Path(source)]
        return official.fetch(source, context.workspace.home / "downloads", context.on_progress)

    @property
    def made_by(self) -> str:
        """Who made the fakes of which no source says it."""
        every = {*self.sources, *self.reals, *self.fakes}
        return self.generator or (official.CIFAKE_GENERATOR if every <= {official.CIFAKE, official.CIFAKE_HUB} else "")


@dataclass
class _Reader:
    """Goes through the pictures of all sources once, and keeps the account."""

    step: ImportImages
    found: list[Found]
    account: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        self._damaged: list[str] = []
        self._validation = 0
        for source in self.found:
            self.account.add(source.account)

    def rows(self) -> Iterator[NewImage]:
        """Every picture that can be had. Raises BadInput at the end, where none could, or where `strict` and one was broken."""
        for source in self.found:
            for item in source.items(True):
                if item.problem is not None:
                    self._leave(item.path, *item.problem)
                elif item.label is None:
                    self._leave(item.path, reasons.UNLABELLED)
                else:
                    self.account.imported += 1
                    yield self._new(item)
        if self.step.strict and self._damaged:
            more = f" and {len(self._damaged) - _LISTED} more" if len(self._damaged) > _LISTED else ""
            raise BadInput(
                f"{len(self._damaged)} file{'s' * (len(self._damaged) > 1)} cannot be imported: {', '.join(self._damaged[:_LISTED])}{more}; "
                "mend or remove them, or import without --strict, which leaves them out."
            )
        if not self.account.imported:
            left = self.account.as_dict()["left_out"]
            why = "; ".join(f"{entry['count']:,} {reason}: {entry['examples'][0]}" for reason, entry in list(left.items())[:3])
            raise BadInput(f"None of the {self.account.seen:,} pictures can be imported ({why or 'the source is empty'}); give a source with whole pictures.")

    def leave_out(self, image: NewImage, error: BrokenImage) -> None:
        self.account.imported -= 1
        self._leave(image.path, reasons.BROKEN, error.detail)

    def _leave(self, path: str, reason: str, detail: str = "") -> None:
        self.account.leave(path, reason, detail)
        if reason in reasons.DAMAGE:
            self._damaged.append(f"{printable(path)} ({detail or reason})")

    def _new(self, item: Item) -> NewImage:
        split, held = self.step.split or item.split, False
        if split == VALIDATION:
            self._validation += 1
            choice = "keep" if item.held_out and self.step.validation == "train" else self.step.validation
            split, held = "test" if choice == "test" else "train", choice == "keep"
        return NewImage(
            data=item.data or b"", label=item.label, class_label=item.class_label, split=split, path=item.path,
            generator=item.generator or (self.step.made_by if item.label == FAKE else ""), prompt=item.prompt, seed=item.seed,
            provenance=item.provenance or {}, architecture=item.architecture, real_source=item.real_source, subset=item.subset,
            family=item.family, validation=held, original=item.original,
        )  # fmt: skip

    def described(self) -> dict:
        """The record's `source`: files, the account, and how open points were read."""
        conventions = list(dict.fromkeys(sentence for source in self.found for sentence in source.conventions))
        if self._validation:
            conventions.append(split_sentence(self._validation, self.step.validation))
        return {
            "files": [{"name": f.name, "kind": f.kind, "images": f.total, "left_out": f.account.left()} for f in self.found],
            "account": self.account.as_dict(),
            "conventions": conventions,
        }


def one_label_warning(counts: dict[str, dict[str, int]]) -> str:
    """The sentence that a set of one label begins with; "" where there are both."""
    totals = {word: sum(split.get(word, 0) for split in counts.values()) for word in LABELS}
    alone = [word for word in LABELS if totals[word]]
    if len(alone) != 1:
        return ""
    other = LABELS[1 - LABELS.index(alone[0])]
    return f"Only {alone[0]} pictures ({totals[alone[0]]:,}), no {other} one: check that nothing was left out; training needs both."


def described(image_set: ImageSet) -> dict:
    """{"dataset": name, "counts": {split: {"real", "fake"}}, "duplicates": {"train-train", …}, "digest", "resized",
    "left_out": how many files and rows, "official_cifake": whether these are CIFAKE's own files, byte for byte,
    "account": {"seen", "imported", "left_out": {reason: {"count", "examples"}}}, "conventions": sentences, "warnings": sentences}.

    The account of a set imported by an earlier version, or made here, is empty.
    """
    record, source = image_set.record, image_set.record["source"]
    wanted = ("counts", "duplicates", "digest", "resized", "official_cifake")
    account = source.get("account", {})
    left_out = sum(entry["count"] for entry in account["left_out"].values()) if account else sum(f.get("left_out", 0) for f in source.get("files", ()))
    warning = one_label_warning(record["counts"]) if "files" in source else ""
    return {
        "dataset": image_set.name,
        **{key: record[key] for key in wanted},
        **({"validation": record["validation"]} if "validation" in record else {}),
        "left_out": left_out,
        "account": account,
        "conventions": source.get("conventions", []),
        "warnings": [warning] if warning else [],
    }
