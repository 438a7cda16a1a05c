"""`trust`, `entity-test`, `plant`: how far maps can be trusted, and the paper's claim put to the test."""

from typing import Annotated

import typer

from cifake_core.cli.output import Json, at_place, run_step, show, words

Run = Annotated[str, typer.Option(help="Id of the run; `runs` lists them.")]
Split = Annotated[str, typer.Option(help="validation or test.")]
Places = Annotated[str, typer.Option(help="Where feature maps are taken: relu (after the ReLU, as in the papers), raw (before it), or both.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the sample and of everything random.")]


def register(app: typer.Typer) -> None:
    app.command()(trust)
    app.command(name="entity-test")(entity_test)
    app.command()(plant)


def trust(
    run: Run,
    methods: Annotated[str, typer.Option(help="Methods, separated by commas; left out: all.")] = "",
    layers: Annotated[str, typer.Option(help="Convolutions, separated by commas; left out: each of them.")] = "",
    split: Split = "test",
    n: Annotated[int, typer.Option(min=0, help="Images to measure on; 0: all.")] = 1000,
    road_n: Annotated[int, typer.Option(min=0, help="Of those, images for ROAD.")] = 1000,
    seed: Seed = 0,
    place: Places = "relu",
    slow_n: Annotated[int, typer.Option(min=0, help="Of those, images for slow methods (Eigen-CAM, Score-CAM, Ablation-CAM, integrated gradients, occlusion); 0: as many.")] = 300,
    as_json: Json = False,
) -> None:
    """How far maps can be trusted: faithfulness, stability and sanity of each method, beside maps that know nothing."""
    from cifake_core.detectors.places import PLACES
    from cifake_core.explanations.trust import DEFAULT_METHODS, MEASURES, Trust

    result = run_step(Trust(run, words(methods) or DEFAULT_METHODS, words(layers), split, n, road_n, seed, place, slow_n))
    shown = [name for name in MEASURES if any(name in row["measures"] for row in result["rows"])]
    titles = "".join(f"{MEASURES[name].title[:14]:>16}" for name in shown)
    lines = [f"{run} on {result['n']:,} images of {split}, ROAD on {result['road_n']:,}, slow methods on {result['slow_n']:,}"]
    lines.append(f"{'method':<22}{'layer':<16}{'place':<13}{'images':>8}{titles}")
    for row in result["rows"]:
        values = "".join(f"{_number(row['measures'].get(name)):>16}" for name in shown)
        lines.append(f"{row['title']:<22}{row['layer']:<16}{PLACES.get(row['feature_map'], ''):<13}{row['n']:>8,}{values}")
    show(result, as_json, lines + [row["verdict"] for row in result["rows"]] + [result["verdict"]])


def entity_test(
    run: Run,
    split: Split = "test",
    masks: Annotated[str, typer.Option(help="auto, truth, grabcut, saliency, centre, user (drawn on the pages), imported:<name> (imported there), or a folder, .zip or .npz of masks.")] = "auto",
    methods: Annotated[str, typer.Option(help="Methods, separated by commas.")] = "gradcam,hirescam,layercam",
    layer: Annotated[str, typer.Option(help="Name of a convolution; the last one if left out.")] = "",
    n: Annotated[int, typer.Option(min=0, help="Images to test on; 0: all.")] = 0,
    seed: Seed = 0,
    place: Places = "relu",
    as_json: Json = False,
) -> None:
    """Entity or background: where maps lie, what the verdict needs, and what that says about the paper's claim."""
    from cifake_core.explanations.entity import EntityTest

    result = run_step(EntityTest(run, split, masks, words(methods), layer or None, n, seed, place))
    lines = [f"{run} on {result['n']} images of {split}, masks: {result['masks']['source']}", "where maps lie"]
    for row in result["place"]:
        permuted = f", above its area {_number(row['excess']['all'])}, by another's mask {_number(row['permuted_excess']['all'])}"
        name = f"{row['title']}{at_place(row['feature_map'])}"
        lines.append(f"  {name:<44} on the entity {_number(row['mass']['all'])}, its area {_number(row['area']['all'])}{permuted}")
    lines.append("what the verdict needs")
    for row in result["need"]:
        name = f"{row['region']} {row['meaning']}"
        lines.append(f"  {name:<62} accuracy {_number(row['accuracy']['all'])}, AUC {_number(row['auc'])}")
    lines += [f"  {row['meaning']:<62} accuracy {_number(row['accuracy']['all'])}, AUC {_number(row['auc'])}" for row in result["floor"]]
    lines.append("logits an equally large piece of the entity costs more than one of the background; with another's mask; the difference")
    for row in result["equal"]:
        for group in ("all", "real", "fake"):
            values = "; ".join(_number(row[name][group]) for name in ("entity_costs_more_logit", "permuted_costs_more_logit", "excess_over_permuted"))
            lines.append(f"  {row['meaning']:<40}{group:<6}{values}")
    for row in result["artefact"]:
        lines.append(f"  {row['title']:<24} relevance in the planted artefact {_number(row['mass'])}")
    lines.append(result["sentences"]["swap"])
    show(result, as_json, [*lines, f"The paper: {result['claim']!r}", f"Here: {result['verdict']}"])


def plant(
    name: Annotated[str, typer.Option(help="Name of the new image set.")],
    where: Annotated[str, typer.Option(help="background or entity.")] = "background",
    kind: Annotated[str, typer.Option(help="grid, ringing, 'hue shift' or patch.")] = "grid",
    strength: Annotated[float, typer.Option(help="Of the artefact, above 0, up to 1.")] = 0.6,
    per_class: Annotated[int, typer.Option(help="Images of each class and label to train on.")] = 200,
    per_class_test: Annotated[int, typer.Option(help="The same for the test split.")] = 50,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make a test bench for maps: rendered images whose fakes carry a known artefact in a known place."""
    from cifake_core.explanations.planting import PlantArtefacts

    step = PlantArtefacts(name, where, kind, strength, per_class=per_class, per_class_test=per_class_test, seed=seed)
    result = run_step(step)
    show(result, as_json, [f"{result['dataset']}: {result['counts']}", f"train on it: python -m cifake_core train --dataset {name}"])


def _number(estimate: dict | None) -> str:
    """ "0.41 ±0.02" with half the interval's width, or a dash."""
    if estimate is None or estimate["value"] is None:
        return "–"
    return f"{estimate['value']:.3f} ±{(estimate['high'] - estimate['low']) / 2:.3f}"
