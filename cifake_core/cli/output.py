"""What every command shares: where it works, how it shows progress, how it prints its result."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from tqdm import tqdm

from cifake_core.step import Context, Step
from cifake_core.store.workspace import Workspace

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object last on stdout.")]
Executor = Annotated[str, typer.Option(help="local, or ray: the machines of a Ray cluster.")]
Place = Annotated[
    str, typer.Option(help="Where feature maps are taken: relu (after the ReLU, as in the papers) or raw (before it).")
]
Address = Annotated[
    str, typer.Option(help="Of the Ray cluster, host:port or auto; left out: Ray on this machine alone.")
]


@contextmanager
def progress_bar() -> Iterator:
    """A callback for `on_progress` that draws one bar on stderr."""
    with tqdm(total=1, unit="", bar_format="{percentage:3.0f}% |{bar:25}| {elapsed}<{remaining} {desc}") as bar:

        def on_progress(done: int, total: int, message: str) -> None:
            bar.total = max(total, 1)
            bar.n = min(done, bar.total)
            bar.set_description_str(message)

        yield on_progress


def run_step(step: Step) -> dict:
    """Does the work in this process, with a bar; returns the step's result."""
    with progress_bar() as on_progress:
        return step.run(Context(Workspace.current(), on_progress))


def show(result: dict, as_json: bool, lines: list[str]) -> None:
    """The result as one JSON object, or as lines for people."""
    if as_json:
        typer.echo(json.dumps(result, allow_nan=False))
    else:
        typer.echo("\n".join(lines))


def at_place(place: str) -> str:
    """ ", feature maps after ReLU", or nothing where no ReLU is concerned."""
    from cifake_core.detectors.places import PLACES

    return f", feature maps {PLACES[place]}" if place in PLACES else ""


def percent(estimate: dict) -> str:
    """ "93.5 % (93.1 – 93.8)" from {"value" or "accuracy", "low", "high"}; "undefined" where nothing could be counted."""
    value = estimate.get("value", estimate.get("accuracy"))
    if value is None:
        return "undefined"
    return f"{100 * value:.2f} % ({100 * estimate['low']:.2f} – {100 * estimate['high']:.2f})"


def numbers(text: str) -> tuple[int, ...]:
    """ "0,1,2" → (0, 1, 2); a usage error for anything else."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 0,1,2.") from error


def words(text: str) -> tuple[str, ...]:
    """ "a,b" → ("a", "b")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
