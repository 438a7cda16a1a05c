"""Files judged one after another for the command `try`: networks are loaded once, answers are plain rows."""

from contextlib import nullcontext
from pathlib import Path

from cifake_core.cli.output import progress_bar
from cifake_core.detectors import runs
from cifake_core.detectors.ood import storing
from cifake_core.explanations import trying
from cifake_core.explanations.predictor import Predictor
from cifake_core.progress import silent
from cifake_core.store.workspace import Workspace


class Judge:
    """A run ready to judge files; what a run of an earlier version lacks is computed first, with a bar."""

    def __init__(self, run_id: str, jpeg: bool) -> None:
        workspace = Workspace.current()
        run = runs.open_run(workspace, run_id)
        with progress_bar() if storing.needs_fitting(workspace, run) else nullcontext(silent) as on_progress:
            self.predictor = Predictor.of(workspace, run, on_progress=on_progress)
        self.jpeg = jpeg

    def row(self, file: Path) -> dict:
        """{"file", …of `Verdict.as_dict`, "warnings"}. Raises BadInput or OSError for what is no image."""
        result = trying.try_image(self.predictor, file.read_bytes(), name=file.name, jpeg=self.jpeg)
        return {"file": file.name, **result.verdict.as_dict(), "warnings": list(result.warnings)}

    @staticmethod
    def sentence(row: dict) -> str:
        """The row for people."""
        spread = "" if row["low"] is None else f" ({row['low']:.1%} – {row['high']:.1%} over {row['seeds']} seeds)"
        lean = f"{row['fake_probability']:.1%} fake{spread}" if row["verdict"] == row["leaning"] else f"leans to {row['leaning']}, {row['fake_probability']:.1%} fake{spread}"
        done = f"; {row['done']}" if row["done"] else ""
        why = f"; {'; '.join(row['reasons'])}" if row["reasons"] else ""
        return f"{row['verdict']}, {lean}{done}{why}"
