"""`demo`: a whole lab of our own making, in the terminal."""

import typer

from cifake_core.cli.output import Json, percent, run_step, show


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(as_json: Json = False) -> None:
    """Rendered scenes, fakes of the bundled generator, six trained networks: offline, about two minutes."""
    from cifake_core.studies.demo import Demo

    result = run_step(Demo())
    lines = [f"{'network':<14} {'test accuracy (95 % interval)':<32} run"]
    lines += [f"{run['topology']:<14} {percent(run['test']):<32} {run['run']}" for run in result["runs"]]
    lines += ["Rendered scenes play the photographs here. Open the app to look around: python -m cifake_core serve"]
    show(result, as_json, lines)
