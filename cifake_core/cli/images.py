"""`import` and `datasets`: image sets in, and what is in them."""

from pathlib import Path
from typing import Annotated

import typer

from cifake_core.cli.output import Json, run_step, show
from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace


def register(app: typer.Typer) -> None:
    app.command(name="import")(import_images)
    app.command()(datasets)
    app.command()(combine)


def import_images(
    sources: Annotated[
        list[str], typer.Argument(help="Parquet files, zip archives or folders; or the word cifake, cifake-hugging-face or cifar10: download it.")
    ],
    name: Annotated[str, typer.Option(help="Name of the new image set.")],
    resize: Annotated[
        bool, typer.Option(help="Shrink images that are not 32 x 32; without it they are refused.")
    ] = False,
    jpeg: Annotated[bool, typer.Option(help="Re-encode all as CIFAKE's files are, JPEG 75 4:2:0.")] = False,
    generator: Annotated[str, typer.Option(help="Who made the fakes, where the source does not say.")] = "",
    split: Annotated[str, typer.Option(help="train or test: put all images there; left out, the source decides.")] = "",
    note: Annotated[str, typer.Option(help="A sentence kept with the set.")] = "",
    as_json: Json = False,
) -> None:
    """Make an image set from Parquet files, zip archives or folders of real and fake images."""
    from cifake_core.images.importing import ImportImages
    from cifake_core.images.sources.official import DOWNLOADS

    paths = tuple(source if source in DOWNLOADS else str(Path(source).absolute()) for source in sources)
    result = run_step(ImportImages(paths, name, resize=resize, jpeg=jpeg, generator=generator, split=split, note=note))
    show(result, as_json, [f"Imported {name!r}.", *_described(result)])


def datasets(as_json: Json = False) -> None:
    """List the image sets and what is in them."""
    from cifake_core.images.importing import described

    found = [described(image_set) for image_set in ImageSet.list(Workspace.current())]
    lines = [line for result in found for line in (result["dataset"], *_described(result))]
    show({"datasets": found}, as_json, lines or ["No image set yet. Import one: python -m cifake_core import --help"])


def combine(
    sources: Annotated[list[str], typer.Argument(help="Names of image sets, or one label of them: cifake:real g7:fake.")],
    name: Annotated[str, typer.Option(help="Name of the new image set.")],
    jpeg: Annotated[bool, typer.Option(help="Re-encode all as CIFAKE's files are, JPEG 75 4:2:0.")] = False,
    as_json: Json = False,
) -> None:
    """Put image sets together: the reals of one beside the fakes of another."""
    from cifake_core.images.combining import CombineSets

    result = run_step(CombineSets(tuple(sources), name, jpeg))
    show(result, as_json, [f"Combined into {name!r}.", *_described(result)])


def _described(result: dict) -> list[str]:
    counts = [f"  {split}: {c['real']:,} real, {c['fake']:,} fake" for split, c in result["counts"].items()]
    pairs = ", ".join(f"{where} {number}" for where, number in result["duplicates"].items())
    return [*counts, f"  pairs of identical images: {pairs}"]
