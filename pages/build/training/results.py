"""What is known of each cell on one image set: finished runs, trainings under way, failures. It draws nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from cifake_core.detectors import topology as topologies
from cifake_core.detectors import trainable
from cifake_core.detectors.runs import Run, Unfinished
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs.states import Job
from pages.shared.pickers import percent

MEASURES = {
    "test": "Test accuracy",
    "validation": "Validation accuracy",
    "validation_loss": "Validation loss",
    "duration_s": "Training time",
    "parameters": "Parameters",
}


@dataclass
class Cell:
    """One cell of the grid as it stands."""

    topology: str
    runs: dict[int, Run] = field(default_factory=dict)  # by seed, all trained alike: as the newest of them
    others: int = 0  # runs trained with other settings, or a preset with other numbers: never in one mean with those
    under_way: list[Unfinished] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failed_seeds: list[int] = field(default_factory=list)
    stopped: dict[int, str] = field(default_factory=dict)  # by seed: what the user wished and what is kept

    def value(self, measure: str) -> float | None:
        """Mean over seeds; while training, the last validation accuracy stands in for either accuracy."""
        values = [_figure(run, measure) for run in self.runs.values()]
        values = [value for value in values if value is not None]
        if values:
            return fmean(values)
        if self.under_way and measure in ("test", "validation"):
            return fmean(training.history[-1]["validation_accuracy"] for training in self.under_way)
        if self.under_way and measure == "validation_loss":
            return fmean(training.history[-1]["validation_loss"] for training in self.under_way)
        return None

    def lines(self) -> list[str]:
        """What hovering tells: mean and spread, each seed with its interval, what is under way, what failed."""
        said = [f"<b>{self.topology}</b>"]
        tests = [run.record["test"]["accuracy"] for run in self.runs.values() if "test" in run.record]
        if len(tests) > 1:
            said.append(f"mean of {len(tests)} seeds {percent(fmean(tests))}, sd {100 * stdev(tests):.2f} points")
        for seed, run in sorted(self.runs.items()):
            split = "test" if "test" in run.record else "validation"
            said.append(f"seed {seed}: {split} {interval_text(run.record[split])}, {run.record['epochs']} epochs")
        for training in self.under_way:
            last = training.history[-1]
            said.append(f"seed {training.seed}: epoch {last['epoch']}, validation {percent(last['validation_accuracy'])}")
        said += [f"seed {seed}: {reason}" for seed, reason in sorted(self.stopped.items())]
        if self.others:
            said.append(f"{self.others} more with other settings: see the leaderboard")
        return said + [f"failed: {reason}" for reason in self.failures]


def interval_text(figure: dict) -> str:
    return f"{percent(figure['accuracy'])} ({100 * figure['low']:.2f} – {100 * figure['high']:.2f})"


def cells_of(image_set: ImageSet, runs: Sequence[Run], under_way: Sequence[Unfinished], jobs: Sequence[Job]) -> dict[str, Cell]:
    """Cells by name. `runs` and `jobs` come newest first; `under_way` are those of the jobs that work on this set."""
    cells: dict[str, Cell] = {}
    for run in runs_on(image_set, runs):
        cell = cells.setdefault(run.topology, Cell(run.topology))
        if run.is_another_seed_of(next(iter(cell.runs.values()), run)):
            cell.runs.setdefault(run.seed, run)
        else:
            cell.others += 1
    for training in under_way:
        cells.setdefault(training.topology, Cell(training.topology)).under_way.append(training)
    for job in jobs:
        if job.arguments.get("dataset") == image_set.name and job.result:
            for failed in job.result.get("failed", []):
                cell = cells.setdefault(failed["topology"], Cell(failed["topology"]))
                reason = f"seed {failed['seed']}: {failed['reason']}"
                if failed["seed"] not in cell.runs and reason not in cell.failures:
                    cell.failures.append(reason)
                    cell.failed_seeds.append(failed["seed"])
    return cells


def job_of(image_set: ImageSet, jobs: Sequence[Job], topology: str, seed: int) -> Job | None:
    """The newest of the jobs that asked for that cell with that seed on this set; `jobs` come newest first."""
    for job in jobs:
        asked = job.arguments
        if asked.get("dataset") == image_set.name and seed in asked.get("seeds", (0,)) and topology in _names(job):
            return job
    return None


def _names(job: Job) -> list[str]:
    named = [str(cell) for cell in topologies.grid(job.arguments["grid"])] if job.arguments.get("grid") else []
    return [*named, *(trainable.checked(name) for name in job.arguments.get("topologies", ()))]


def stopped_cells(image_set: ImageSet, jobs: Sequence[Job], wishes: Iterable[tuple[str, str, int, str]], unfinished: Sequence[Unfinished]) -> dict[tuple[str, int], str]:
    """(topology, seed) → what is said of a cell that was paused or cancelled alone."""
    kept = {training.id: len(training.history) for training in unfinished}
    found = {}
    for identity, topology, seed, wish in wishes:
        if job_of(image_set, jobs, topology, seed) is not None:
            epochs = kept.get(identity, 0)
            word = "paused" if wish == "pause" else "cancelled"
            found[topology, seed] = f"{word}, {epochs} epochs are kept" if epochs and wish == "pause" else word
    return found


def runs_on(image_set: ImageSet, runs: Sequence[Run]) -> list[Run]:
    """Those trained on exactly these images."""
    return [run for run in runs if run.record["dataset_digest"] == image_set.digest]


def best_cell(cells: dict[str, Cell]) -> str | None:
    """The cell of highest mean validation accuracy: the test set chooses nothing."""
    scored = {name: cell.value("validation") for name, cell in cells.items() if cell.runs}
    return max(scored, key=scored.get) if scored else None


def _figure(run: Run, measure: str) -> float | None:
    found = run.record.get(measure)
    return found["accuracy"] if isinstance(found, dict) else found
