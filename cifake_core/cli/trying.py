"""`try`, `index`, `findings`: images of one's own before a network, and what a network finds."""

from pathlib import Path
from typing import Annotated

import typer

from cifake_core.cli.output import Json, Place, at_place, run_step, show
from cifake_core.errors import BadInput, CifakeError

Run = Annotated[str, typer.Option(help="Id of the run; `runs` lists them.")]


def register(app: typer.Typer) -> None:
    app.command(name="try")(try_images)
    app.command()(index)
    app.command()(findings)


def try_images(
    files: Annotated[list[Path], typer.Argument(help="Picture files, and folders of them: JPEG, PNG, WEBP, BMP, TIFF, GIF, AVIF or HEIC.")],
    run: Run,
    jpeg: Annotated[bool, typer.Option(help="Encode as CIFAKE's files are (JPEG 75) before the network looks.")] = True,
    as_json: Json = False,
) -> None:
    """Put files before a network: fake, real, unsure or outside the training domain, with the calibrated probability and why."""
    from cifake_core.cli.tried import Judge, pictures_in

    found, left_out = pictures_in(files)
    if not found:
        raise BadInput(f"No picture lies in {', '.join(file.name or str(file) for file in files)}; give picture files, or a folder with some.")
    judge = Judge(run, jpeg)
    rows, lines = [], []
    for file, name in found:
        try:
            row = judge.row(file, name)
        except BadInput as error:
            row = {"file": name, "error": str(error)}
        rows.append(row)
        lines.append(row.get("error") or f"{name}: {judge.sentence(row)}")
    if left_out:
        lines.append(f"{left_out:,} other files in the folders are no pictures.")
    about = {"run": run, "jpeg": jpeg, "domain": judge.predictor.domain, "calibration": judge.predictor.calibrator.as_dict()}
    show({**about, "images": rows, "left_out": left_out}, as_json, [f"{run}: {judge.predictor.domain}", *lines])
    if all("error" in row for row in rows):
        raise CifakeError("None of the files could be read; each line above says why.")


def index(run: Run, as_json: Json = False) -> None:
    """Keep a network's features of its training images, to find similar ones."""
    from cifake_core.explanations.features import IndexFeatures

    result = run_step(IndexFeatures(run))
    show(
        result,
        as_json,
        [f"{run}: {result['features']} features of {result['n']} training and {result['held_out']} held-out images"],
    )


def findings(
    run: Run,
    split: Annotated[str, typer.Option(help="validation or test.")] = "test",
    method: Annotated[str, typer.Option(help="How maps are made.")] = "gradcam",
    layer: Annotated[str, typer.Option(help="Name of a convolution; the last one if left out.")] = "",
    n: Annotated[int, typer.Option(min=0, help="Images, half of each label; 0: all.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample, the groups and the intervals.")] = 0,
    place: Place = "relu",
    as_json: Json = False,
) -> None:
    """What a network finds: maps grouped by place and content, and what its logit goes with."""
    from cifake_core.explanations.findings import Findings

    result = run_step(Findings(run, split, method, layer or None, n, seed=seed, place=place))
    lines = [
        f"{run} on {result['n']} images of {split}{at_place(result['feature_map'])}; {result['empty']} maps without evidence",
        "the logit goes with",
    ]
    for row in result["correlations"]:
        words = ", ".join(f"{group} {_figure(row[group])}" for group in ("all", "real", "fake"))
        lines.append(f"  {row['measure']:<16} {words}")
    for title in ("places", "contents"):
        lines.append(title)
        lines += [
            f"  {group['n']:>6} images, {group['called_fake']['value']:.1%} called fake" for group in result[title]
        ]
    show(result, as_json, [*lines, result["verdict"]])


def _figure(estimate: dict) -> str:
    if estimate["value"] is None:
        return "–"
    return f"{estimate['value']:+.2f} ({estimate['low']:+.2f} to {estimate['high']:+.2f})"
