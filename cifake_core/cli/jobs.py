"""`jobs`: what runs in the background, and how to stop it."""

from typing import Annotated

import typer

from cifake_core.cli.output import Json, show
from cifake_core.store.workspace import Workspace

Id = Annotated[str, typer.Argument(help="Id of the job; `jobs list` shows them.")]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help="List, follow and stop the work that runs in the background.", no_args_is_help=True)
    for name, command in (
        ("list", list_jobs), ("log", log), ("cancel", cancel), ("pause", pause), ("resume", resume), ("retry", retry),
        ("cell", cell), ("workers", workers), ("rehearse", rehearse), ("quarantine", quarantine),
    ):  # fmt: skip
        commands.command(name=name)(command)
    app.add_typer(commands, name="jobs")


def list_jobs(
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20, as_json: Json = False
) -> None:
    """List jobs, the newest first."""
    from cifake_core.jobs import queue

    found = queue.jobs(Workspace.current(), limit)
    show({"jobs": [job.as_json() for job in found]}, as_json, [_line(job) for job in found] or ["No job yet."])


def _line(job) -> str:
    share = f"{round(100 * job.fraction):3d} %"
    return f"{job.id:<20} {job.state:<10} {share}  {job.title}  {job.error or job.message}"


def log(job: Id, lines: Annotated[int, typer.Option(min=1, help="How many lines, the last ones.")] = 50) -> None:
    """The end of a job's log."""
    from cifake_core.jobs import queue

    typer.echo(queue.log_tail(Workspace.current(), job, lines))


def _change(action: str, job: str, as_json: bool) -> None:
    from cifake_core.jobs import queue

    changed = getattr(queue, action)(Workspace.current(), job)
    show(changed.as_json(), as_json, [_line(changed)])


def cancel(job: Id, as_json: Json = False) -> None:
    """Stop a job for good; what it finished is kept."""
    _change("cancel", job, as_json)


def pause(job: Id, as_json: Json = False) -> None:
    """Stop a job for a while."""
    _change("pause", job, as_json)


def resume(job: Id, as_json: Json = False) -> None:
    """Go on with a paused job."""
    _change("resume", job, as_json)


def retry(job: Id, as_json: Json = False) -> None:
    """Try a failed or cancelled job again; it goes on where it was."""
    _change("retry", job, as_json)


def cell(
    job: Id,
    action: Annotated[str, typer.Argument(help="pause, resume, cancel or retry.")],
    topology: Annotated[str, typer.Argument(help="The cell, for example 32x2-64x1.")],
    seed: Annotated[int, typer.Option(min=0, help="Which of its seeds.")] = 0,
    as_json: Json = False,
) -> None:
    """Pause, resume, cancel or retry one cell of a training; the others go on."""
    from cifake_core.jobs import cells, queue

    workspace = Workspace.current()
    started = cells.act(workspace, queue.job(workspace, job), action, topology, seed)
    result = {"topology": topology, "seed": seed, "action": action, "job": started.id if started else job}
    show(result, as_json, [_line(started) if started else f"{topology} seed {seed}: {action} is noted."])


def workers(
    count: Annotated[
        int | None, typer.Argument(min=1, max=64, help="How many jobs may run at once; left out: tell.")
    ] = None,
) -> None:
    """Tell or set how many jobs may run at once."""
    from cifake_core.jobs import queue

    if count is not None:
        queue.set_workers(Workspace.current(), count)
    typer.echo(f"{queue.workers(Workspace.current())} at once")


def rehearse(
    units: Annotated[int, typer.Option(min=1, help="Steps of one second.")] = 5, as_json: Json = False
) -> None:
    """Start a job that does nothing but count, to see that background work runs on this machine."""
    from cifake_core.jobs import queue

    job = queue.submit(
        Workspace.current(), "rehearsal", {"name": "rehearsal", "units": units, "unit_s": 1.0}, title="Rehearsal"
    )
    show(job.as_json(), as_json, [_line(job)])


def quarantine() -> None:
    """Move a damaged job database aside; the next job starts a new one. Image sets and runs are not touched."""
    from cifake_core.jobs import database

    typer.echo(f"The damaged database is kept as {database.quarantine(Workspace.current()).name}.")
