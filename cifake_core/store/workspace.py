"""Where everything of a user lies: one folder, `CIFAKE_HOME`."""

import re
from dataclasses import dataclass
from pathlib import Path

from cifake_core.errors import BadInput
from cifake_core.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Workspace:
    """The folders of one user's work. Creating it writes nothing."""

    home: Path

    @staticmethod
    def current() -> "Workspace":
        return Workspace(Settings.from_environment().home)

    @property
    def image_sets(self) -> Path:
        return self.home / "images"

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def generators(self) -> Path:
        return self.home / "generators"

    @property
    def originals(self) -> Path:
        """Full-size pictures of generated sets, a folder each."""
        return self.home / "originals"

    @property
    def jobs(self) -> Path:
        return self.home / "jobs"

    @property
    def database(self) -> Path:
        return self.home / "lab.sqlite"


def checked_name(name: str) -> str:
    """The name itself, if it is safe as a folder's name; raises BadInput."""
    if not _NAME.fullmatch(name):
        raise BadInput(f"The name {name[:80]!r} cannot be used; take up to 80 letters, digits, '.', '_' or '-'.")
    return name
