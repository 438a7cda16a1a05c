"""Files judged one after another for the command `try`: networks are loaded once, answers are plain rows."""

from contextlib import nullcontext
from pathlib import Path

from cifake_core.cli.output import progress_bar
from cifake_core.detectors import runs
from cifake_core.detectors.ood import storing
from cifake_core.errors import BadInput
from cifake_core.explanations import trying
from cifake_core.explanations.predictor import Predictor
from cifake_core.images.sources.account import printable
from cifake_core.images.sources.tree import FolderTree, pictures
from cifake_core.progress import silent
from cifake_core.store.workspace import Workspace


def pictures_in(paths: list[Path]) -> tuple[list[tuple[Path, str]], int]:
    """(file, name) of every file given and of every picture in the folders given, and how many other files were left out of these.

    Names are as short as they can be: files of one name are told apart by the folders above them.
    """
    found: dict[Path, None] = {}
    left_out = 0
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        tree = FolderTree(path)
        inside, others = pictures(tree)
        found |= dict.fromkeys(path / file for file in inside)
        left_out += len(others) + tree.account.left()
    return list(zip(found, told_apart([file.absolute().parts for file in found]), strict=True)), left_out


def told_apart(paths: list[tuple[str, ...]]) -> list[str]:
    """The shortest ends of the paths that differ from one another, printable: a/1.jpg, b/1.jpg, 2.jpg."""
    names = []
    for path in paths:
        same = [other for other in paths if other != path and other[-1] == path[-1]]
        depth = next((n for n in range(1, len(path)) if all(other[-n:] != path[-n:] for other in same)), len(path))
        names.append(printable("/".join(path[-depth:])))
    return names


def _bytes(file: Path, name: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{name} cannot be read ({error.strerror or 'not a file'}); check the path.") from error


class Judge:
    """A run ready to judge files; what a run of an earlier version lacks is computed first, with a bar."""

    def __init__(self, run_id: str, jpeg: bool) -> None:
        workspace = Workspace.current()
        run = runs.open_run(workspace, run_id)
        with progress_bar() if storing.needs_fitting(workspace, run) else nullcontext(silent) as on_progress:
            self.predictor = Predictor.of(workspace, run, on_progress=on_progress)
        self.jpeg = jpeg

    def row(self, file: Path, name: str) -> dict:
        """{"file", …of `Verdict.as_dict`, "warnings"}. Raises BadInput for what is no image or cannot be read."""
        result = trying.try_image(self.predictor, _bytes(file, name), name=name, jpeg=self.jpeg)
        return {"file": name, **result.verdict.as_dict(), "warnings": list(result.warnings)}

    @staticmethod
    def sentence(row: dict) -> str:
        """The row for people."""
        spread = "" if row["low"] is None else f" ({row['low']:.1%} – {row['high']:.1%} over {row['seeds']} seeds)"
        lean = f"{row['fake_probability']:.1%} fake{spread}" if row["verdict"] == row["leaning"] else f"leans to {row['leaning']}, {row['fake_probability']:.1%} fake{spread}"
        done = f"; {row['done']}" if row["done"] else ""
        why = f"; {'; '.join(row['reasons'])}" if row["reasons"] else ""
        return f"{row['verdict']}, {lean}{done}{why}"
