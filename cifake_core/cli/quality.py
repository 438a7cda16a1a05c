"""`generator-quality`: how good generators are, side by side."""

from pathlib import Path
from typing import Annotated

import typer

from cifake_core.cli.output import Json, percent, run_step, show


def register(app: typer.Typer) -> None:
    app.command(name="generator-quality")(generator_quality)


def generator_quality(
    reals: Annotated[
        str, typer.Option(help="Image set whose reals fakes are held against; it needs a train and a test split.")
    ] = "",
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Image set with fakes; again for another one. name:reals gives it reals of its own."
        ),
    ] = None,
    generators: Annotated[
        list[str] | None,
        typer.Option("--generator", help="Generator, as for `generate`; its fakes are made first. name:reals as well."),
    ] = None,
    per_class: Annotated[
        int, typer.Option(help="Fakes of each class that are measured, where there are so many.")
    ] = 400,
    seed: Annotated[int, typer.Option(help="Of which images are taken, made and trained on.")] = 0,
    detector_epochs: Annotated[
        int, typer.Option(help="Most epochs of the paper's network trained against each; 0: leave it out.")
    ] = 10,
    as_json: Json = False,
) -> None:
    """Measure fakes: recognised as their class, distance to reals, copies of training images, and how well they are detected."""
    from cifake_core.evaluation.quality.measuring import MeasureGenerators

    asked = tuple(_placed(name) for name in generators or ())
    result = run_step(MeasureGenerators(reals, tuple(sets or ()), asked, per_class, seed, detector_epochs))
    show(result, as_json, [line for one in result["measured"] for line in _lines(one)])


def _placed(generator: str) -> str:
    """A folder as it is seen from anywhere, with its reals; everything else as it was typed."""
    name, colon, reals = generator.rpartition(":") if ":" in generator else (generator, "", "")
    folder = Path(name).expanduser()
    return f"{folder.absolute() if len(folder.parts) > 1 and folder.is_dir() else name}{colon}{reals}"


def _lines(one: dict) -> list[str]:
    far, copies, detector = one["distances"], one["copying"]["pixels"], one["detector"]
    fakes, floor = far["fakes"], far["floor"]
    lines = [
        f"{one['set']}: {one['n']:,} fakes against the reals of {one['reals']}",
        f"  seen as the asked class   {percent(one['recognised'])}; held-out reals {percent(one['classifier']['held_out'])}",
        f"  Fréchet distance          {_interval(fakes['frechet'])}; reals {_interval(floor['frechet'])}, {far['n']:,} images each",
        f"  kernel distance           {_spread(fakes['kernel'])}; reals {_spread(floor['kernel'])}",
        f"  nearest training image    median {copies['median']:.0f}, held-out reals {copies['median_held_out']:.0f}; "
        f"suspiciously near {percent(copies['near'])}, 1 % is chance",
    ]
    if detector:
        lines.append(
            f"  {detector['topology']} trained on them  {percent(detector['accuracy'])} accuracy, {detector['n_train']:,} images"
        )
    return lines


def _interval(estimate: dict) -> str:
    return f"{estimate['value']:.2f} ({estimate['low']:.2f} – {estimate['high']:.2f})"


def _spread(kernel: dict) -> str:
    return f"{kernel['value']:.4f} ± {kernel['spread']:.4f}"
