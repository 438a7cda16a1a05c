"""`import` and `datasets`: image sets in, and what is in them."""

from pathlib import Path
from typing import Annotated

import typer

from cifake_core.cli.output import Json, progress_bar, run_step, show, words
from cifake_core.images.image_set import ImageSet
from cifake_core.images.sources.account import printable, sentences
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace


def register(app: typer.Typer) -> None:
    app.command(name="import")(import_images)
    app.command()(datasets)
    app.command()(combine)
    app.command()(export)


def import_images(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Parquet or Arrow files, zip or tar archives, CSV or JSONL lists, folders; or the word cifake, cifake-hugging-face or cifar10: download it."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the new image set.")] = "",
    resize: Annotated[
        bool, typer.Option(help="Shrink images that are not 32 x 32; without it they are refused.")
    ] = False,
    jpeg: Annotated[bool, typer.Option(help="Re-encode all as CIFAKE's files are, JPEG 75 4:2:0.")] = False,
    generator: Annotated[str, typer.Option(help="Who made the fakes, where the source does not say.")] = "",
    split: Annotated[str, typer.Option(help="train or test: put all images there; left out, the source decides.")] = "",
    note: Annotated[str, typer.Option(help="A sentence kept with the set.")] = "",
    reals: Annotated[list[str] | None, typer.Option(help="A source of real images only; may be given several times.")] = None,
    fakes: Annotated[list[str] | None, typer.Option(help="A source of fake images only; may be given several times.")] = None,
    real: Annotated[str, typer.Option(help="Names in the source that mean real, separated by commas.")] = "",
    fake: Annotated[str, typer.Option(help="Names in the source that mean fake, separated by commas.")] = "",
    label: Annotated[str, typer.Option(help="real or fake: all images of the source are that.")] = "",
    label_names: Annotated[str, typer.Option(help="Names of the label numbers 0, 1, …: real,fake or fake,real.")] = "",
    columns: Annotated[str, typer.Option(help="Which column is what: image=path,label=target,split=…,class=…,generator=…,prompt=…,seed=….")] = "",
    label_pattern: Annotated[str, typer.Option(help="Regular expression for file names with a group named label: (?P<label>real|fake)_.")] = "",
    generator_folders: Annotated[str, typer.Option(help="Names of folders that are generators, separated by commas.")] = "",
    links_into: Annotated[list[str] | None, typer.Option(help="A folder that links in the source may lead into; may be given several times.")] = None,
    validation: Annotated[str, typer.Option(help="What becomes of the source's validation images: train, keep or test.")] = "train",
    strict: Annotated[bool, typer.Option(help="Refuse broken files, naming all, instead of leaving them out.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be imported and what is still open; import nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Make an image set from Parquet files, archives, lists or folders of real and fake images."""
    from cifake_core.images.importing import ImportImages

    given = {"sources": sources or [], "reals": reals or [], "fakes": fakes or []}
    paths = {role: tuple(map(_absolute, some)) for role, some in given.items()}
    if not name and not dry_run:
        raise typer.BadParameter("Give the new image set a name.", param_hint="--name")
    step = ImportImages(
        **paths, name=name or "preview", resize=resize, jpeg=jpeg, generator=generator, split=split, note=note, real=words(real),
        fake=words(fake), label=label, label_names=words(label_names), columns=words(columns), label_pattern=label_pattern,
        generator_folders=words(generator_folders), validation=validation, strict=strict, link_roots=_beside(paths) + tuple(str(Path(folder).absolute()) for folder in links_into or []),
    )  # fmt: skip
    if dry_run:
        _show_preview(step, as_json)
        return
    result = run_step(step)
    show(result, as_json, [*_warned(result["warnings"]), f"Imported {name!r}.", *_described(result), *_account(result)])


def _absolute(source: str) -> str:
    from cifake_core.images.sources.official import DOWNLOADS

    return source if source in DOWNLOADS else str(Path(source).absolute())


def _beside(paths: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Links in a source may lead to what lies beside it: people keep one pool of pictures, and folders of links into it."""
    return tuple(dict.fromkeys(str(Path(path).parent) for some in paths.values() for path in some if path.startswith("/") and Path(path).is_dir()))


def _show_preview(step, as_json: bool) -> None:
    from cifake_core.images.preview import preview

    with progress_bar() as on_progress:
        seen = preview(step, Context(Workspace.current(), on_progress))
    names = [f"  {read['label'] or '?'}: {read['images']:,} named {printable(name)!r}" for name, read in seen.names.items()]
    counts = [f"  {split}: {c['real']:,} real, {c['fake']:,} fake" for split, c in seen.counts.items()]
    counts_of = {"classes": seen.classes, "generators": seen.generators}
    lists = [f"  {what}: {_listed(found)}" for what, found in counts_of.items() if found]
    heads = [f"  {label or '?'}: {_listed(seen.formats[label])}; {_listed(sizes)}" for label, sizes in seen.sizes.items()]
    sources = [f"{printable(source['name'])}: {source['kind']}, {source['images']:,} pictures" for source in seen.sources]
    lines = [*_warned(seen.warnings), *sources, *names, *counts, *lists, *heads, *seen.conventions, *sentences(seen.account)]
    questions = [typer.style(f"Open: {question.sentence}", fg=typer.colors.YELLOW) for question in seen.questions]
    show(seen.as_dict(), as_json, [*lines, *questions, "Nothing was imported."])


def _listed(counts: dict[str, int], most: int = 12) -> str:
    shown = ", ".join(f"{printable(name)} {n:,}" for name, n in list(counts.items())[:most])
    return shown + (f" and {len(counts) - most} more" if len(counts) > most else "")


def _warned(warnings: list[str]) -> list[str]:
    return [typer.style(f"Warning: {sentence}", fg=typer.colors.YELLOW, bold=True) for sentence in warnings]


def _account(result: dict) -> list[str]:
    return [*result["conventions"], *sentences(result["account"])]


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


def export(
    dataset: Annotated[str, typer.Option(help="Name of an image set; `datasets` lists them.")],
    form: Annotated[str, typer.Option(help="parquet (Hugging Face, with a dataset card), imagefolder, cifake or png.")] = "parquet",
    out: Annotated[Path | None, typer.Option(help="File to write; the workspace's folder exports if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Write a set as one zip file; parquet and imagefolder come back by import as the very same set."""
    from cifake_core.images.exporting import Export

    result = run_step(Export(dataset, form, str(out.absolute()) if out else ""))
    lost = [f"  not in it: {', '.join(name.replace('_', ' ') for name in result['not_carried'])}"] if result["not_carried"] else []
    show(result, as_json, [f"{result['file']}: {result['images']:,} images, {result['bytes'] / 1e6:.1f} MB", *lost])
