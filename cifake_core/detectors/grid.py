"""The grid: many cells × seeds, each its own run. One cell that fails is named with its reason; the others go on.

The request is plain values, so that a page can check and show it; torch is loaded when the work starts.
"""

from dataclasses import dataclass
from functools import partial

from cifake_core import ray_cluster
from cifake_core.detectors import runs, topology, trainable, wishes, workers
from cifake_core.detectors.request import TrainSettings
from cifake_core.errors import BadInput
from cifake_core.images.image_set import ImageSet
from cifake_core.progress import Progress
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace


@dataclass(frozen=True)
class TrainGrid:
    """Train each topology with each seed on one image set. Finished runs are taken as they are."""

    dataset: str
    topologies: tuple[str, ...] = ()  # names of cells; with `grid`, these come on top
    grid: str = ""  # quick, extractors, heads or paper
    seeds: tuple[int, ...] = (0,)
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3
    patience: int = 3
    precision: str = "auto"
    workers: int = 0  # processes that train at once; 0 = one a GPU, or as many as cores and memory allow
    executor: str = "local"  # or "ray": on the machines of a Ray cluster
    address: str = ""  # of the Ray cluster, host:port or auto; "" = Ray on this machine alone

    def __post_init__(self) -> None:
        object.__setattr__(self, "topologies", tuple(self.topologies))  # a job's arguments come back from JSON as lists
        object.__setattr__(self, "seeds", tuple(self.seeds))
        ray_cluster.checked(self.executor, self.address)
        if not self.seeds:
            raise BadInput("No seed is given; give at least one, for example 0.")
        if not self.cells():
            raise BadInput("No topology is chosen; choose a grid or at least one cell, for example 32x2-64x1.")
        for cell in self.cells():
            self._settings(cell, self.seeds[0])

    def cells(self) -> list[str]:
        """The different networks asked for, in the grid's order."""
        named = topology.grid(self.grid) if self.grid else []
        return list(dict.fromkeys([str(cell) for cell in named] + [trainable.checked(t) for t in self.topologies]))

    def trainings(self) -> list[TrainSettings]:
        """Every unit of work: all cells with the first seed, then with the next."""
        return [self._settings(cell, seed) for seed in dict.fromkeys(self.seeds) for cell in self.cells()]

    def _settings(self, cell: str, seed: int) -> TrainSettings:
        return TrainSettings(
            cell, seed, self.epochs, self.batch_size, self.learning_rate, self.patience, self.precision
        )

    def run(self, context: Context) -> dict:
        """{"dataset", "runs": [summary…], "failed": [{"topology", "seed", "reason"}…], "stopped": [likewise]}.

        "stopped" are cells the user paused or cancelled. Raises if every cell failed.
        """
        image_set = ImageSet.open(context.workspace, self.dataset)
        image_set.training_data()  # refused here, before anything starts
        asked = self.trainings()
        costs = [trainable.cost(unit.topology) * unit.epochs // 1000 for unit in asked]
        outcomes = _outcomes(self, context, image_set, asked, costs)
        without = [_named(outcome) for outcome in outcomes if outcome.reason]
        stopped = [cell for cell in without if wishes.wish(context.workspace, _identity(image_set, asked, cell))]
        failed = [cell for cell in without if cell not in stopped]
        if len(failed) == len(outcomes):
            raise BadInput(f"Every training failed, the first one so: {failed[0]['reason']}")
        finished = [runs.open_run(context.workspace, outcome.result) for outcome in outcomes if outcome.result]
        found = [runs.summary(run) for run in finished]
        return {"dataset": self.dataset, "runs": found, "failed": failed, "stopped": stopped}


def _outcomes(
    step: TrainGrid, context: Context, image_set: ImageSet, asked: list[TrainSettings], costs: list[int]
) -> list[workers.Outcome]:
    if step.executor == "ray":
        from cifake_core.detectors import cluster

        return cluster.run_all(context.workspace, image_set, asked, costs, step.address, context.on_progress)
    crew = workers.crew_for(len(asked), step.workers, workers.gpus())
    work = partial(_train_unit, context.workspace, step.dataset, image_set.digest, crew.threads)
    return workers.run_all(work, asked, costs, crew, context.on_progress)


def _named(outcome: workers.Outcome) -> dict:
    return {"topology": outcome.unit.topology, "seed": outcome.unit.seed, "reason": outcome.reason}


def _identity(image_set: ImageSet, asked: list[TrainSettings], cell: dict) -> str:
    unit = next(unit for unit in asked if (unit.topology, unit.seed) == (cell["topology"], cell["seed"]))
    return runs.run_id(image_set.digest, unit)


def _train_unit(
    workspace: Workspace, dataset: str, digest: str, threads: int, settings: TrainSettings, on_progress: Progress
) -> str:
    """The id of the run for these settings. Torch is loaded where this is called, not where the grid is handed out."""
    from cifake_core.detectors import units

    return units.train_unit(workspace, dataset, digest, threads, settings, on_progress)
