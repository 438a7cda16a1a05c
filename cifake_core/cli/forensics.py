"""`forensics`: the detectors of Community Forensics: add published weights, train one, let it judge an image set."""

from glob import glob
from typing import Annotated

import typer

from cifake_core.cli.output import Json, percent, run_step, show, words
from cifake_core.store.workspace import Workspace

Model = Annotated[
    str, typer.Option(help="commfor-384, commfor-224 (as published) or commfor-32 (ours, for 32-pixel images).")
]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help="The detectors of Community Forensics: add, train, judge.", no_args_is_help=True)
    for name, command in (("add", add), ("list", list_detectors), ("judge", judge), ("look", look), ("train", train)):
        commands.command(name=name)(command)
    app.add_typer(commands, name="forensics")


def add(
    weights: Annotated[
        str, typer.Argument(help="A safetensors file, a folder with one, or owner/model@commit with all 40 digits.")
    ],
    model: Model = "commfor-384",
    name: Annotated[str, typer.Option(help="Name of the detector; the model's if left out.")] = "",
    as_json: Json = False,
) -> None:
    """Add a detector: the authors' weights are OwensLab/commfor-model-384 and -224 on the Hub."""
    from cifake_core.detectors.community_forensics.adding import AddDetector

    result = run_step(AddDetector(weights, model, name))
    show(result, as_json, [f"{result['detector']}: {result['model']}, SHA-256 {result['sha256'][:16]}…"])


def list_detectors(as_json: Json = False) -> None:
    """The detectors of the workspace."""
    from cifake_core.detectors.community_forensics.adding import detectors

    found = detectors(Workspace.current())
    lines = [f"{one['detector']:<24} {one['model']:<14} {one['source']}" for one in found]
    show(
        {"detectors": found}, as_json, lines or ["No detector yet. Add one: python -m cifake_core forensics add --help"]
    )


def judge(
    detector: Annotated[str, typer.Option(help="Name of a detector; `forensics list` shows them.")],
    dataset: Annotated[str, typer.Option(help="Name of an image set; `datasets` lists them.")],
    as_json: Json = False,
) -> None:
    """Let a detector judge an image set; the result is a run for Metrics, maps and Try an image."""
    from cifake_core.detectors.community_forensics.adding import JudgeSet

    result = run_step(JudgeSet(detector, dataset))
    lines = [
        f"{part}: {percent(result[part])} of {result[part]['n']:,} right"
        for part in ("validation", "test")
        if part in result
    ]
    show(result, as_json, [result["run"], *lines])


def look(
    images: Annotated[list[str], typer.Argument(help="Image files of any size.")],
    detector: Annotated[str, typer.Option(help="Name of a detector; `forensics list` shows them.")],
    as_json: Json = False,
) -> None:
    """What a detector says of image files, each as large as it is: its probability of fake."""
    from cifake_core.detectors.community_forensics.looking import look_at

    found = look_at(Workspace.current(), detector, images)
    show(
        {"detector": detector, "images": found},
        as_json,
        [f"{one['fake_probability']:.4f}  {one['file']}" for one in found],
    )


def train(
    data: Annotated[
        list[str],
        typer.Argument(help="Parquet files, or patterns of them in quotes, with the columns of Community Forensics."),
    ],
    name: Annotated[str, typer.Option(help="Name of the detector.")],
    model: Model = "commfor-384",
    start: Annotated[
        str, typer.Option(help="Weights to begin with: a file or owner/model@commit; random if left out.")
    ] = "",
    steps: Annotated[int, typer.Option(min=1, help="Of the optimizer.")] = 50_000,
    batch: Annotated[int, typer.Option(min=1, help="Pictures a step and process.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="At its height.")] = 2e-5,
    weight_decay: Annotated[float, typer.Option(help="Of AdamW.")] = 1e-2,
    warmup: Annotated[float, typer.Option(help="Share of the steps in which the rate climbs.")] = 0.2,
    clip: Annotated[float, typer.Option(help="Largest norm of the gradient.")] = 1.0,
    precision: Annotated[str, typer.Option(help="auto, bf16 or fp32.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and augmentation.")] = 0,
    balanced: Annotated[bool, typer.Option(help="Real and fake in turn.")] = True,
    augment: Annotated[bool, typer.Option(help="RandomStateAugmentation, as published.")] = True,
    validation: Annotated[str, typer.Option(help="Parquet files to measure on at the end, separated by commas.")] = "",
    validation_images: Annotated[int, typer.Option(min=0, help="Of them; 0: all.")] = 2000,
    checkpoint_steps: Annotated[int, typer.Option(min=1, help="Steps between two checkpoints.")] = 500,
    loaders: Annotated[int, typer.Option(min=0, help="Processes that decode and augment, a training process.")] = 0,
    as_json: Json = False,
) -> None:
    """Train one on streamed Parquet; on several GPUs: accelerate launch --num_processes 4 -m cifake_core forensics train …"""
    from cifake_core.detectors.community_forensics.training import TrainForensics

    step = TrainForensics(
        _files(data), name, model, start, steps, batch, learning_rate, weight_decay, warmup, clip, precision, seed, balanced, augment,
        _files(words(validation)), validation_images, checkpoint_steps, loaders,
    )  # fmt: skip
    result = run_step(step)
    if "sha256" in result:
        said = result["training"]
        lines = [
            f"{result['detector']}: {said['steps']:,} steps, {said['pictures']:,} pictures, loss {said['curve'][-1]['loss']}"
        ]
        if "mean_average_precision" in result.get("validation", {}):
            lines.append(f"mean average precision over generators {result['validation']['mean_average_precision']:.4f}")
        show(result, as_json, lines)


def _files(patterns) -> tuple[str, ...]:
    """Files named or matched; a name that matches nothing is kept, so that the error names it."""
    from pathlib import Path

    return tuple(str(Path(file).absolute()) for pattern in patterns for file in (sorted(glob(pattern)) or [pattern]))
