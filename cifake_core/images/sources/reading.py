"""How sources are to be read where they do not say it themselves: the answers a user can give to an import's questions."""

import re
from dataclasses import dataclass
from functools import cached_property

from cifake_core.errors import BadInput
from cifake_core.images.schema import FAKE, LABELS, REAL
from cifake_core.images.sources.vocabulary import Vocabulary

ROLES = ("image", "label", "split", "class", "generator", "prompt", "seed")  # what a column can be chosen for
VALIDATION_CHOICES = ("train", "keep", "test")  # what becomes of pictures the source holds out for validation
_LONGEST_PATTERN = 300


@dataclass(frozen=True)
class Reading:
    """All empty: what the source states is taken, and what it leaves open is asked or said aloud.

    `columns` are "role=column" with a role of ROLES, `label_pattern` is a regular expression with a group named label.
    """

    real: tuple[str, ...] = ()  # names that mean real
    fake: tuple[str, ...] = ()  # names that mean fake
    label_names: tuple[str, ...] = ()  # names of the numbers 0, 1, … such as ("real", "fake")
    label: str = ""  # real or fake: all pictures are that
    columns: tuple[str, ...] = ()
    label_pattern: str = ""
    generators: tuple[str, ...] = ()  # names of folders that are generators
    validation: str = "train"
    link_roots: tuple[str, ...] = ()  # folders that links in a source may lead into, beside the source itself
    split: str = ""  # where all pictures go, whatever the source says

    def __post_init__(self) -> None:
        if self.label and self.label not in LABELS:
            raise BadInput(f"The label is {self.label!r}; take real or fake, for a source of one kind.")
        if self.validation not in VALIDATION_CHOICES:
            raise BadInput(f"Validation pictures can go to {', '.join(VALIDATION_CHOICES)}, not {self.validation!r}.")
        for chosen in self.columns:
            role, equals, column = chosen.partition("=")
            if role not in ROLES or not equals or not column:
                raise BadInput(f"The column choice {chosen[:80]!r} is not understood; write {', '.join(f'{r}=COLUMN' for r in ROLES[:3])} …")
        if self.label_pattern:
            self._check_pattern()
        assert self.vocabulary  # raises BadInput where names contradict each other

    def _check_pattern(self) -> None:
        try:
            groups = re.compile(self.label_pattern).groupindex if len(self.label_pattern) <= _LONGEST_PATTERN else {}
        except re.error as error:
            raise BadInput(f"The label pattern {self.label_pattern!r} is no regular expression ({error}); check its brackets.") from error
        if "label" not in groups:
            raise BadInput(
                f"The label pattern needs a group named label and at most {_LONGEST_PATTERN} characters, for example (?P<label>real|fake)_."
            )

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.real, self.fake, self.label_names)

    @cached_property
    def one_label(self) -> int | None:
        """The label of all pictures, if the user gave one."""
        return {"": None, "real": REAL, "fake": FAKE}[self.label]

    def column(self, role: str) -> str | None:
        """The column the user chose for a role."""
        return next((chosen.partition("=")[2] for chosen in self.columns if chosen.partition("=")[0] == role), None)
