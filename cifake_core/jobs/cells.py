"""One cell of a grid job: pause, resume, cancel or retry it, while the rest of the grid goes on.

A cell is a topology with a seed. Resuming and retrying it is a job of its own: if the grid comes to it as well, the
second waits for the first and takes its run.
"""

from cifake_core.detectors import runs, wishes
from cifake_core.detectors.grid import TrainGrid
from cifake_core.errors import BadInput
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.jobs.states import Job
from cifake_core.store.workspace import Workspace

ACTIONS = ("pause", "resume", "cancel", "retry")


def act(workspace: Workspace, job: Job, action: str, topology: str, seed: int) -> Job | None:
    """Does it; returns the job that trains the cell now, for resume and retry. Raises BadInput."""
    if action not in ACTIONS:
        raise BadInput(f"A cell cannot be told to {action[:40]!r}; take {', '.join(ACTIONS)}.")
    identity = identity_of(workspace, job.arguments, topology, seed)
    if action in ("pause", "cancel"):
        wishes.ask(workspace, identity, action)
        return None
    wishes.withdraw(workspace, identity)
    alone = {name: value for name, value in job.arguments.items() if name not in ("grid", "topologies", "seeds")}
    arguments = {**alone, "topologies": [topology], "seeds": [seed]}
    return queue.submit(
        workspace, "train", arguments, title=f"Train {topology} seed {seed} on {job.arguments['dataset']}"
    )


def identity_of(workspace: Workspace, arguments: dict, topology: str, seed: int) -> str:
    """The id of the run that a grid job with those arguments makes of a cell; raises BadInput if it is none of its cells."""
    step = TrainGrid(**arguments)
    for settings in step.trainings():
        if (settings.topology, settings.seed) == (topology, seed):
            return runs.run_id(ImageSet.open(workspace, step.dataset).digest, settings)
    raise BadInput(f"{topology[:40]} with seed {seed} is no cell of this job; it has {', '.join(step.cells()[:40])}.")
