"""`study …`: does a detector see fakes of generators it has never met? Matrix, scaling, leave-one-out, codec, recipe, transfer."""

from pathlib import Path
from typing import Annotated

import typer

from cifake_core.cli.output import Address, Executor, Json, numbers, run_step, show, words
from cifake_core.errors import BadInput

app = typer.Typer(help="Unseen generators: does a detector see fakes of generators it has never met?", no_args_is_help=True)

Dataset = Annotated[str, typer.Option(help="Image set whose photographs are the reals.")]
Generators = Annotated[str, typer.Option(help="Image set with fakes of many generators.")]
Codec = Annotated[str, typer.Option(help="jpeg (JPEG 75 4:2:0 for both labels) or lossless (needs --reals).")]
Reals = Annotated[str, typer.Option(help="Another image set of photographs in place of the dataset's, such as lossless ones.")]
Exclude = Annotated[str, typer.Option(help="Generators left out, separated by commas.")]
Detector = Annotated[str, typer.Option(help="network, statistics, residual …; an unknown name lists those there are.")]
Together = Annotated[str, typer.Option(help="Generators that must be on one side: a+b,c+d.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the deal and of everything random.")]
Groups = Annotated[Path | None, typer.Option(help="CSV (header generator,source) or JSON: where each generator comes from, such as its repository. Sources are then kept on one side.")]
By = Annotated[str, typer.Option(help="family or generator.")]


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="study")


@app.command()
def transfer(
    dataset: Dataset,
    generators: Generators,
    runs: Annotated[str, typer.Option(help="Ids of runs, separated by commas; left out: all of the dataset.")] = "",
    codec: Codec = "jpeg",
    reals: Reals = "",
    exclude: Exclude = "",
    executor: Executor = "local",
    address: Address = "",
    as_json: Json = False,
) -> None:
    """Finished runs on generators they have never met: the share of fakes they find."""
    from cifake_core.studies.unseen.conclusions import of_transfer
    from cifake_core.studies.unseen.transfer import StudyTransfer

    result = run_step(StudyTransfer(dataset, generators, codec, reals, words(exclude), words(runs), executor, address))
    lines = [f"{'run':<34}{'own test accuracy':<20}{'fakes found':<26}{'reals accused':<16}macro AUC"]
    for row in result["runs"]:
        own = f"{row['own']['accuracy']:.2%}" if row["own"] else "–"
        found, accused = row["pooled"]["recall_at_half"], row["false_positives"]["at_half"]
        lines.append(f"{row['run']:<34}{own:<20}{_share(found):<26}{accused['value']:<16.2%}{_number(row['macro']['auc'])}")
    show(result, as_json, [*lines, of_transfer(result)])


@app.command()
def matrix(
    dataset: Dataset,
    generators: Generators,
    by: By = "family",
    codec: Codec = "jpeg",
    reals: Reals = "",
    exclude: Exclude = "",
    detector: Detector = "residual",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train on A, test on B, for every family or generator."""
    from cifake_core.studies.unseen.matrix import StudyMatrix

    result = run_step(StudyMatrix(dataset, generators, codec, reals, words(exclude), by, detector, seed))
    show(result, as_json, _rows(result, "learned from"))


@app.command(name="leave-one-out")
def leave_one_out(
    dataset: Dataset,
    generators: Generators,
    by: Annotated[str, typer.Option(help="family, generator or (with --groups) source.")] = "family",
    codec: Codec = "jpeg",
    reals: Reals = "",
    exclude: Exclude = "",
    detector: Detector = "residual",
    groups: Groups = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train on all families, generators or sources but one, test on that one."""
    from cifake_core.studies.unseen.matrix import StudyLeaveOneOut

    result = run_step(StudyLeaveOneOut(dataset, generators, codec, reals, words(exclude), by, detector, seed, groups=_groups(groups)))
    show(result, as_json, [*_rows(result, "left out"), *_on_groups(result)])


@app.command()
def scaling(
    dataset: Dataset,
    generators: Generators,
    k: Annotated[str, typer.Option(help="Numbers of generators in training, separated by commas.")] = "1,2,4,8,16",
    repeats: Annotated[int, typer.Option(min=1, help="Random subsets a point.")] = 5,
    images: Annotated[int, typer.Option(min=0, help="Fakes in training at every k; 0: what nearly every generator can give alone.")] = 0,
    codec: Codec = "jpeg",
    reals: Reals = "",
    exclude: Exclude = "",
    detector: Detector = "residual",
    together: Together = "",
    groups: Groups = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Performance on held-out generators against the number of generators, and of images, in training."""
    from cifake_core.studies.unseen.scaling import StudyScaling

    step = StudyScaling(
        dataset, generators, codec, reals, words(exclude), detector=detector, k=numbers(k), repeats=repeats, images=images, together=together, seed=seed, groups=_groups(groups)
    )
    result = run_step(step)
    lines = [f"{'subset':<10}{'k':>4}{'fakes':>8}{'macro AUC':>12}{'sd':>8}{'pooled':>10}"]
    for point in result["points"]:
        mean, sd = point["mean"]["auc"], point["mean"]["auc"]["sd"]
        lines.append(f"{point['arm']:<10}{point['k']:>4}{point['images'] or 'all':>8}{mean['value']:>12.3f}{sd or 0:>8.3f}{point['pooled']['auc']['value']:>10.3f}")
    show(result, as_json, [*lines, *_on_groups(result)])


@app.command()
def codec(
    dataset: Dataset,
    generators: Generators,
    reals: Annotated[str, typer.Option(help="Image set of lossless photographs.")],
    detector: Detector = "residual",
    repeats: Annotated[int, typer.Option(min=1, help="Deals of the generators into two halves.")] = 3,
    exclude: Exclude = "",
    together: Together = "",
    groups: Groups = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """What compression does to the answer, and what a mixed codec would have pretended."""
    from cifake_core.studies.unseen.codec import StudyCodec

    step = StudyCodec(dataset, generators, "jpeg", reals, words(exclude), detector, repeats, together, seed, groups=_groups(groups))
    result = run_step(step)
    lines = [f"{row['path']:<20}{row['mean']:.3f} ± {row['sd'] or 0:.3f}   {row['title']}" for row in result["paths"]]
    show(result, as_json, [f"{'path':<20}macro AUC", *lines, *_on_groups(result)])


@app.command()
def recipe(
    dataset: Dataset,
    generators: Generators,
    codec: Codec = "jpeg",
    reals: Reals = "",
    exclude: Exclude = "",
    candidates: Annotated[str, typer.Option(help="Detectors to choose from, separated by commas; left out: all.")] = "",
    together: Together = "",
    groups: Groups = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Which way of training helps on unseen generators: chosen on some, reported on others."""
    from cifake_core.studies.unseen.recipe import StudyRecipe
    from cifake_core.studies.unseen.recipes import CANDIDATES

    step = StudyRecipe(dataset, generators, codec, reals, words(exclude), words(candidates) or CANDIDATES, together=together, seed=seed, groups=_groups(groups))
    result = run_step(step)
    lines = [f"{'choosing':<18}{_number(one['macro']['auc']):<24}{one['title']}" for one in result["candidates"]]
    lines.append(f"{'chosen, reported':<18}{_number(result['report']['macro']['auc']):<24}{result['title']}")
    lines += [f"{'reference':<18}{_number(one['report']['macro']['auc']):<24}{one['title']}" for one in result["references"]]
    show(result, as_json, [*lines, *_on_groups(result)])


def _groups(file: Path | None) -> dict[str, str]:
    from cifake_core.studies.unseen.groups import read_groups

    if file is None:
        return {}
    try:
        return read_groups(file.read_bytes(), file.name)
    except OSError as error:
        raise BadInput(f"The groups file {str(file)[:80]!r} cannot be read ({error.strerror}); name a CSV or JSON file.") from None


def _on_groups(result: dict) -> list[str]:
    """What keeping sources apart changed, or that it is not known."""
    from cifake_core.studies.unseen.conclusions import of_groups

    return of_groups(result)


def _rows(result: dict, word: str) -> list[str]:
    lines = [f"{word:<26}{'fakes':>7}  {'macro AUC':<24}{'AP':<8}{'accuracy':<10}found at {result['false_positive_rate']:.0%} false alarms"]
    for row in result["rows"]:
        macro = row["macro"]
        lines.append(
            f"{row['source']:<26}{row['n_fakes']:>7}  {_number(macro['auc']):<24}{macro['average_precision']['value']:<8.3f}{macro['accuracy']['value']:<10.3f}{macro['recall']['value']:.1%}"
        )
    return lines


def _number(estimate: dict) -> str:
    return "–" if estimate["value"] is None else f"{estimate['value']:.3f} ({estimate['low']:.3f} – {estimate['high']:.3f})"


def _share(estimate: dict) -> str:
    return f"{estimate['value']:.1%} ({estimate['low']:.1%} – {estimate['high']:.1%})"
