"""`train`, `runs`, `table`, `evaluate`, `explain`: networks, their figures and their maps."""

from pathlib import Path
from typing import Annotated

import typer

from cifake_core.cli.output import Address, Executor, Json, Place, at_place, numbers, percent, run_step, show, words
from cifake_core.detectors import presets
from cifake_core.errors import BadInput
from cifake_core.store.workspace import Workspace

Run = Annotated[str, typer.Option(help="Id of the run; `runs` lists them.")]
Split = Annotated[str, typer.Option(help="validation or test.")]


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.command(name="runs")(list_runs)
    app.command()(table)
    app.command()(evaluate)
    app.command()(explain)


def train(
    dataset: Annotated[str, typer.Option(help="Name of an image set; `datasets` lists them.")],
    topology: Annotated[str, typer.Option(help="Cells, separated by commas: 32x2-64x1,16x1.")] = "",
    preset: Annotated[
        str, typer.Option(help="small (for a CPU) or strong (for a GPU): a better network than the grid's, with its settings.")
    ] = "",
    grid: Annotated[str, typer.Option(help="quick (6 cells), extractors (12), heads (24) or paper (36).")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images, at most: 10, or the preset's.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step: 64, or the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of Adam: 0.001, or the preset's highest.")] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Epochs without better validation accuracy before stopping; 0: never. 3, or a preset's 0."),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that train at once; 0: as many as fit.")] = 0,
    executor: Executor = "local",
    address: Address = "",
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Train nothing; time each cell for a moment and tell how long it will take."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train networks of the paper's grid, or a preset; finished runs are not trained again, an interrupted one continues."""
    from cifake_core.detectors.estimating import EstimateTraining
    from cifake_core.detectors.grid import TrainGrid

    given = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "patience": patience}
    step = (EstimateTraining if estimate else TrainGrid)(
        dataset=dataset,
        **_networks(topology, grid, preset),
        seeds=numbers(seeds),
        **(presets.preset(preset).settings() if preset else {}) | {name: value for name, value in given.items() if value is not None},
        workers=workers,
        executor=executor,
        address=address,
    )
    result = run_step(step)
    if estimate:
        lines = [
            f"{cell['topology']:<20} seed {cell['seed']:<4} {cell['seconds']:8.0f} s  {cell['state']}"
            for cell in result["cells"]
        ]
        lines.append(f"All: {result['seconds']:.0f} s with {result['workers']} at once, if nothing stops early.")
        show(result, as_json, lines)
        return
    lines = [f"{'run':<34} {'validation accuracy':<26} {'test accuracy (95 % interval)':<30} seconds"]
    for run in result["runs"]:
        test = percent(run["test"]) if "test" in run else "no test images"
        lines.append(f"{run['run']:<34} {percent(run['validation']):<26} {test:<30} {run['duration_s']:.0f}")
    lines += [f"failed: {cell['topology']} seed {cell['seed']}: {cell['reason']}" for cell in result["failed"]]
    lines += [
        f"stopped: {cell['topology']} seed {cell['seed']}: {cell['reason']}" for cell in result.get("stopped", [])
    ]
    show(result, as_json, lines)


def _networks(topology: str, grid: str, preset: str) -> dict:
    if preset and (topology or grid):
        raise BadInput("A preset has settings of its own; train it in one command, and the cells in another.")
    return {"topologies": (preset,)} if preset else {"topologies": words(topology), "grid": grid}


def list_runs(as_json: Json = False) -> None:
    """List the finished runs, newest first."""
    from cifake_core.detectors import runs

    found = [runs.summary(run) for run in runs.runs(Workspace.current())]
    lines = [f"{run['run']:<34} {run['dataset']:<20} {percent(run.get('test') or run['validation'])}" for run in found]
    show({"runs": found}, as_json, lines or ["No run yet. Train one: python -m cifake_core train --help"])


def table(
    dataset: Annotated[str, typer.Option(help="Name of an image set; `datasets` lists them.")],
    grid: Annotated[str | None, typer.Option(help="Only this grid's networks, trained alike, laid out as the paper's tables: paper, extractors, heads or quick.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write it to a file: .md, .csv or .json.")] = None,
    as_json: Json = False,
) -> None:
    """Every network trained on an image set, a row each: mean and spread over its seeds, with and without duplicates."""
    from cifake_core.evaluation.over_seeds import network_table, of_grid
    from cifake_core.evaluation.reporting import network_tables

    found = network_table(Workspace.current(), dataset)
    if grid:
        found = of_grid(found, grid)
    lines = network_tables.as_lines(found) if found["rows"] else [f"No run on {dataset!r} yet. Train one: python -m cifake_core train --help"]
    if out:
        lines.append(f"written: {network_tables.write(found, out)}")
    show(found, as_json, lines)


def evaluate(
    run: Run,
    split: Split = "test",
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Probability from which an image is called fake.")
    ] = 0.5,
    against: Annotated[str, typer.Option(help="Id of another run to compare with, image by image.")] = "",
    as_json: Json = False,
) -> None:
    """Every metric of a run with its 95 % interval, by group, over seeds, calibrated, and without duplicates."""
    from cifake_core.detectors import runs
    from cifake_core.evaluation.reporting import contents

    workspace = Workspace.current()
    opened = runs.open_run(workspace, run)
    result = contents.figures_of(workspace, opened, split, threshold)
    if against:
        result["against"] = contents.against(workspace, opened, runs.open_run(workspace, against), split, threshold)
    (tn, fp), (fn, tp) = result["confusion"]
    lines = [f"{run} on {split}, {result['n']} images, threshold {threshold}"]
    lines += [f"  {name:<18} {_plain(name, value)}" for name, value in result["metrics"].items()]
    lines += [f"  truth real: {tn} called real, {fp} called fake", f"  truth fake: {fn} called real, {tp} called fake"]
    lines += [result[name]["meaning"] for name in ("without_duplicates", "calibration") if result[name]]
    lines += [f"  threshold {c['value']:g} ({c['name']}): accuracy {percent(c['accuracy'])}" for c in result["thresholds"]]
    if against:
        lines.append(_beside(result["against"]))
    show(result, as_json, lines)


def _beside(found: dict) -> str:
    d = found["accuracy_difference"]
    return (
        f"  against {found['other']}: {100 * d['value']:+.2f} points of accuracy ({100 * d['low']:+.2f} to {100 * d['high']:+.2f}), "
        f"McNemar p = {found['p_value']:.2g}; only this one right {found['only_first']}, only the other {found['only_second']}"
    )


def _plain(name: str, estimate: dict) -> str:
    if estimate["value"] is None or name not in ("loss", "brier", "ece", "auc", "average_precision"):
        return percent(estimate)
    return f"{estimate['value']:.4f} ({estimate['low']:.4f} – {estimate['high']:.4f})"


def explain(
    run: Run,
    split: Split = "test",
    method: Annotated[
        str, typer.Option(help="gradcam, or several separated by commas; an unknown name lists those there are.")
    ] = "gradcam",
    layer: Annotated[
        str, typer.Option(help="Convolutions, separated by commas and averaged; the last one if left out.")
    ] = "",
    target: Annotated[str, typer.Option(help="verdict (what the network says), fake or real.")] = "verdict",
    limit: Annotated[
        int, typer.Option(min=0, help="Only so many images, the most confidently wrong first; 0: all.")
    ] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures: one PNG an image, and maps.csv.")] = None,
    executor: Executor = "local",
    address: Address = "",
    place: Place = "relu",
    as_json: Json = False,
) -> None:
    """Where a run looks: maps over a part of its image set, the most confidently wrong images first."""
    from cifake_core.explanations.explaining import ExplainSplit

    asked = words(method) or ("gradcam",)
    results, lines = [], []
    for name in asked:
        folder = out.absolute() / name if out and len(asked) > 1 else out and out.absolute()
        result = run_step(ExplainSplit(run, split, name, layer or None, target, limit, folder and str(folder), executor, address, place))
        results.append(result)
        lines.append(f"{result['n']} maps of {run} by {name} at {result['layer']}{at_place(result['feature_map'])}, {result['empty']} of them empty")
        lines += [f"pictures in {folder}"] if folder else []
    show(results[0] if len(results) == 1 else {"explained": results}, as_json, lines)
