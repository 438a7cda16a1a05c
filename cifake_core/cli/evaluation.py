"""`audit`, `robustness`, `report`, `embed`: what a set gives away, what a run withstands, all of it in one file, a map of images."""

from pathlib import Path
from typing import Annotated

import typer

from cifake_core.cli.detectors import Run, Split
from cifake_core.cli.output import Address, Executor, Json, percent, run_step, show, words
from cifake_core.store.workspace import Workspace

Threshold = Annotated[float, typer.Option(min=0, max=1, help="Probability from which an image is called fake.")]
_SECTIONS = ("duplicates", "near_duplicates", "files", "originals", "spectrum", "colour", "balance")


def register(app: typer.Typer) -> None:
    app.command()(audit)
    app.command()(robustness)
    app.command()(report)
    app.command()(embed)


def audit(
    dataset: Annotated[str, typer.Option(help="Name of an image set; `datasets` lists them.")], as_json: Json = False
) -> None:
    """What could tell real from fake besides the picture, and which images a set holds twice."""
    from cifake_core.evaluation.audit.auditing import AuditImages
    from cifake_core.evaluation.audit.meaning import BLIND

    result = run_step(AuditImages(dataset))
    lines = [f"Audit of {dataset!r}"]
    lines += [f"  {name.replace('_', ' '):<16} {result[name]['meaning']}" for name in _SECTIONS]
    lines += [f"  {name + ' alone':<16} {result['baselines'][name]['meaning']}" for name in BLIND]
    pairs = ", ".join(f"{where} {number}" for where, number in result["duplicates"]["pairs"].items())
    show(result, as_json, [*lines, f"  pairs of identical images: {pairs}"])


def robustness(
    run: Run,
    split: Split = "test",
    limit: Annotated[int, typer.Option(min=0, help="Only so many images, half of each label; 0: all.")] = 0,
    transforms: Annotated[
        str, typer.Option(help="Separated by commas, with strengths after colons: jpeg,blur:0.6:1.2. All if left out.")
    ] = "",
    threshold: Threshold = 0.5,
    executor: Executor = "local",
    address: Address = "",
    as_json: Json = False,
) -> None:
    """What a run is worth on recompressed, shrunk, blurred, noisy, cropped or recoloured images."""
    from cifake_core.evaluation.robustness import Robustness

    result = run_step(Robustness(run, split, limit, words(transforms), threshold, executor, address))
    lines = [f"{'':<20} {'accuracy (95 % interval)':<28} {'real':>7} {'fake':>7} {'AUC':>6}  what fails"]
    lines += [_row(row) for row in (result["baseline"], *result["rows"])]
    show(result, as_json, [*lines, result["meaning"]])


def report(
    run: Run,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    split: Split = "test",
    threshold: Threshold = 0.5,
    tables: Annotated[bool, typer.Option(help="Write the same as .json and .csv beside it.")] = False,
    as_json: Json = False,
) -> None:
    """Everything about a run in one HTML file: figures, numbers with intervals, settings, commands to repeat it."""
    from cifake_core.evaluation.reporting.writing import write_report

    result = write_report(Workspace.current(), run, out, split, threshold, tables=tables)
    show(result, as_json, [result["headline"], *(f"written: {name}" for name in result["files"])])


def embed(
    run: Run,
    split: Split = "test",
    of: Annotated[str, typer.Option(help="features (what enters the network's last layer) or pixels.")] = "features",
    layout: Annotated[str, typer.Option(help="t-SNE or PCA.")] = "t-SNE",
    limit: Annotated[int, typer.Option(min=0, help="Only so many images, half of each label; 0: all.")] = 0,
    as_json: Json = False,
) -> None:
    """Lay out a run's images on a plane, alike ones together; the page Metrics shows it as a map."""
    from cifake_core.explanations.embedding import Embed

    result = run_step(Embed(run, split, of, layout, limit))
    show(result, as_json, [f"{result['n']:,} images of {run} laid out by {layout} of {of}; look at it under Metrics, Map"])


def _row(row: dict) -> str:
    name = f"{row['transform']} {row['strength']:g}" if row["transform"] else "as stored"
    real, fake = ("–" if row[word]["value"] is None else f"{row[word]['value']:.1%}" for word in ("real", "fake"))
    auc = "–" if row["auc"]["value"] is None else f"{row['auc']['value']:.3f}"
    failure = {"threshold": "threshold", "signal": "signal"}.get(row.get("failure", ""), "")
    return f"{name:<20} {percent(row['accuracy']):<28} {real:>7} {fake:>7} {auc:>6}  {failure}"
