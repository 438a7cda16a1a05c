"""`catalogue` and `zoo`: many generators, of the Hugging Face Hub or of our own, and images from each as one set."""

from pathlib import Path
from typing import Annotated

import typer

from cifake_core.cli.output import Address, Executor, Json, progress_bar, run_step, show, words
from cifake_core.store.workspace import Workspace

Name = Annotated[str, typer.Option(help="Name of the catalogue.")]
Licences = Annotated[str, typer.Option(help="Licences, separated by commas: mit,creativeml*; all if left out.")]
Pipelines = Annotated[
    str, typer.Option(help="Pipeline classes, separated by commas; all that may be loaded if left out.")
]
Families = Annotated[str, typer.Option(help="Words in the family or the base model's name: xl,flux; all if left out.")]
MaxGb = Annotated[float, typer.Option(min=0, help="Largest download of a model, GB; 0: any.")]
MinDownloads = Annotated[int, typer.Option(min=0, help="Of the last 30 days, at least.")]
Gated = Annotated[
    bool, typer.Option("--gated", help="Also models that ask for a login; a token with access must be set.")
]
Most = Annotated[int, typer.Option(min=1, help="Models, the most downloaded first.")]
Look = Annotated[int, typer.Option(min=0, help="Models of the Hub to look at; 0: twenty times as many as asked for.")]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(
        help="Text-to-image models of the Hub: list, freeze at their commits, sample from each.", no_args_is_help=True
    )
    for name, command in (
        ("list", list_models), ("freeze", freeze), ("show", show_catalogue), ("sample", sample), ("samplings", samplings), ("forget", forget),
    ):  # fmt: skip
        commands.command(name=name)(command)
    app.add_typer(commands, name="catalogue")
    app.command()(zoo)


def _filters(licences: str, pipelines: str, families: str, max_gb: float, min_downloads: int, gated: bool) -> dict:
    return {
        "licences": words(licences), "pipelines": words(pipelines), "families": words(families),
        "max_gb": max_gb, "min_downloads": min_downloads, "gated": gated,
    }  # fmt: skip


def list_models(
    most: Most = 30, look: Look = 0, licences: Licences = "", pipelines: Pipelines = "", families: Families = "",
    max_gb: MaxGb = 0.0, min_downloads: MinDownloads = 0, gated: Gated = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Ask the Hub (HF_ENDPOINT) for the most downloaded text-to-image models that fit; nothing is kept."""
    from dataclasses import asdict

    from cifake_core.generators.hub.listing import listed
    from cifake_core.generators.hub.models import Filters

    with progress_bar() as on_progress:
        found = listed(
            Filters(**_filters(licences, pipelines, families, max_gb, min_downloads, gated)), most, look, on_progress
        )
    result = {
        "looked_at": found.looked_at,
        "left_out": found.left_out,
        "models": [asdict(one) | {"family": one.family} for one in found.models],
    }
    show(result, as_json, [*(_model_line(one) for one in found.models), _left_out(found.looked_at, found.left_out)])


def freeze(
    name: Name, most: Most = 100, look: Look = 0, licences: Licences = "", pipelines: Pipelines = "", families: Families = "",
    max_gb: MaxGb = 0.0, min_downloads: MinDownloads = 0, gated: Gated = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Keep such a list as a dated catalogue: every model at its commit, readable, never changed again."""
    from cifake_core.generators.hub.listing import FreezeCatalogue

    result = run_step(
        FreezeCatalogue(name, most, look, _filters(licences, pipelines, families, max_gb, min_downloads, gated))
    )
    show(result, as_json, _catalogue_lines(result))


def show_catalogue(
    name: Annotated[str, typer.Option(help="Name of a catalogue; all are listed if left out.")] = "",
    as_json: Json = False,
) -> None:
    """What is in a catalogue, or which there are."""
    from dataclasses import asdict

    from cifake_core.generators.hub import frozen

    if not name:
        found = [frozen.described(one) for one in frozen.catalogues(Workspace.current())]
        lines = [line for one in found for line in _catalogue_lines(one)] or [
            "No catalogue yet; make one with catalogue freeze."
        ]
        return show({"catalogues": found}, as_json, lines)
    catalogue = frozen.open_catalogue(Workspace.current(), name)
    models = catalogue.models()
    result = frozen.described(catalogue) | {"list": [asdict(one) | {"family": one.family} for one in models]}
    return show(result, as_json, [*_catalogue_lines(result), *(_model_line(one) for one in models)])


def sample(
    catalogue: Annotated[str, typer.Option(help="Name of a catalogue; `catalogue show` lists them.")],
    name: Annotated[str, typer.Option(help="Name of the new image set.")],
    per_model: Annotated[int, typer.Option(min=1, help="Images from each model.")] = 40,
    models: Annotated[int, typer.Option(min=0, help="Only the first so many models; 0: all.")] = 0,
    captions: Annotated[
        Path | None, typer.Option(help="Text file, one prompt a line; the CIFAKE recipe if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every image's own seed.")] = 0,
    steps: Annotated[int, typer.Option(min=0, help="Denoising steps; 0: the recipe's.")] = 0,
    guidance: Annotated[float, typer.Option(help="How firmly the prompt is followed; negative: the recipe's.")] = -1.0,
    size: Annotated[int, typer.Option(min=0, help="Side asked of a model, pixels; 0: the recipe's 512.")] = 0,
    split: Annotated[str, typer.Option(help="Where the images go: train or test.")] = "test",
    workers: Annotated[int, typer.Option(min=1, help="Models at a time.")] = 1,
    devices: Annotated[str, typer.Option(help="In turn, separated by commas: cuda:0,cuda:1.")] = "",
    batch: Annotated[
        int, typer.Option(min=0, help="Images at a time; 0: by device. Halved where memory runs out.")
    ] = 0,
    memory_gb: Annotated[float, typer.Option(min=0, help="What a model may take on a CPU; 0: no limit.")] = 0.0,
    cache_gb: Annotated[
        float, typer.Option(min=0, help="Models on the disk at a time; the longest unused are deleted.")
    ] = 60.0,
    timeout_s: Annotated[float, typer.Option(help="Seconds a model may take.")] = 3600.0,
    attempts: Annotated[int, typer.Option(min=1, help="Of a model whose failure was not its own.")] = 3,
    retry: Annotated[
        str, typer.Option(help="Kinds of model faults to try again, separated by commas: memory,gated.")
    ] = "",
    keep_done: Annotated[
        bool,
        typer.Option("--keep-done", help="Make the set even if some models still wait for the network or the disk."),
    ] = False,
    executor: Executor = "local",
    address: Address = "",
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say what it will take.")] = False,
    as_json: Json = False,
) -> None:
    """Images from each model of a catalogue as one image set, one process a model; run again, it makes what is missing."""
    from cifake_core.generators import defects
    from cifake_core.generators.hub.sampling import SampleCatalogue

    step = SampleCatalogue(
        catalogue, name, per_model, models, str(captions.absolute()) if captions else "", seed, steps, guidance, size, split, workers,
        words(devices), batch, memory_gb, cache_gb, timeout_s, attempts, words(retry), keep_done, executor, address,
    )  # fmt: skip
    if estimate:
        return _show_cost(step, as_json)
    result = run_step(step)
    lines = [f"{count} models: {state}" for state, count in result["states"].items()]
    lines += [f"  {fault['model']}: {fault['kind']}. {fault['reason']}" for fault in result["faults"]]
    lines += [f"  {model}: {defects.sentence(vain)}" for model, vain in result.get("defects", {}).items()]
    if result["dataset"]:
        lines.append(f"{result['dataset']}: {result['images']:,} images")
    else:
        lines.append(
            f"No set yet: {result['left']} models wait. Run the same again, or with --keep-done to take what there is."
        )
    return show(result, as_json, lines)


def _show_cost(step, as_json: bool) -> None:
    from dataclasses import asdict

    from cifake_core.generators.hub.overview import cost

    found = cost(step, Workspace.current())
    lines = [
        f"{found.images:,} images of {found.models} models, {found.download_bytes / 1e9:.1f} GB to download, {found.done} models done"
    ]
    if found.seconds_left is not None:
        lines.append(f"about {found.seconds_left / 60:.0f} min left, at {found.seconds_a_model:.1f} s a model")
    else:
        lines.append("The time is known when the first model is done.")
    show(asdict(found), as_json, lines)


def samplings(as_json: Json = False) -> None:
    """What became of each model, sampling by sampling."""
    from collections import Counter
    from dataclasses import asdict

    from cifake_core.generators.hub.overview import samplings as known

    found = known(Workspace.current())
    lines = []
    for one in found:
        states = Counter(outcome.state for outcome in one.outcomes)
        lines.append(
            f"{one.name} from {one.catalogue}, {one.models} models: "
            + (", ".join(f"{n} {s}" for s, n in states.items()) or "none done")
        )
        lines += [f"  {outcome.model}: {outcome.kind}. {outcome.reason}" for outcome in one.outcomes if outcome.kind]
    show({"samplings": [asdict(one) for one in found]}, as_json, lines or ["No sampling yet."])


def forget(name: Annotated[str, typer.Option(help="Name of a sampling.")], as_json: Json = False) -> None:
    """Remove what a sampling has made so far and not yet turned into a set; sets stay."""
    from cifake_core.generators.hub import overview

    overview.forget(Workspace.current(), name)
    show({"forgotten": name}, as_json, [f"Removed what was kept of {name}."])


def zoo(
    dataset: Annotated[str, typer.Option(help="Image set whose real images the generators learn from.")],
    name: Annotated[str, typer.Option(help="Name of the new image set, and the beginning of the generators' names.")],
    variants: Annotated[str, typer.Option(help="Variants, separated by commas; all fifteen if left out.")] = "",
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class from each generator.")] = 20,
    minutes: Annotated[float, typer.Option(help="Of training, all trainings together.")] = 60.0,
    preset: Annotated[
        str, typer.Option(help="demo, cifar10 or cifar10-gpu: the design the variants differ from.")
    ] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and noise.")] = 0,
    split: Annotated[str, typer.Option(help="Where the images go: train or test.")] = "test",
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be made.")] = False,
    as_json: Json = False,
) -> None:
    """Train and sample a zoo of small generators of our own, offline; a stopped one goes on where it was."""
    from dataclasses import asdict

    from cifake_core.generators.zoo import BuildZoo

    step = BuildZoo(dataset, name, words(variants), per_class, minutes, preset=preset, seed=seed, split=split)
    chosen = step.chosen()
    head = f"{len(chosen)} generators of {len(step.trainings())} trainings in {minutes:g} minutes, then {10 * per_class * len(chosen):,} images"
    if plan:
        return show(
            {"variants": [asdict(one) for one in chosen], "trainings": step.trainings()},
            as_json,
            [head, *map(_variant_line, chosen)],
        )
    result = run_step(step)
    lines = [f"{generator}: {count} images" for generator, count in result["generators"].items()]
    return show(result, as_json, [f"{result['dataset']}: {result['images']:,} images", *lines])


def _variant_line(variant) -> str:
    said = [f"trained as {variant.training}"]
    said += [f"{variant.steps} steps"] if variant.steps else []
    said += [f"guidance {variant.guidance:g}"] if variant.guidance >= 0 else []
    said += [variant.scheduler] if variant.scheduler != "default" else []
    said += ["reconstructs real pictures"] if variant.reconstructs else []
    return f"  {variant.name:<18} {', '.join(said)}"


def _model_line(model) -> str:
    return f"{model.downloads:>10,}  {model.id:<60} {model.family:<24} {model.licence:<24} {model.bytes / 1e9:6.2f} GB  {model.sha[:10]}"


def _left_out(looked_at: int, left_out: dict[str, int]) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items(), key=lambda pair: -pair[1]))
    return f"{looked_at:,} models looked at; left out: {reasons or 'none'}"


def _catalogue_lines(result: dict) -> list[str]:
    families = ", ".join(f"{count} {family}" for family, count in result["families"].items())
    head = f"{result['catalogue']}: {result['models']} models, {result['bytes'] / 1e9:.1f} GB, frozen {result['frozen_at']} from {result['endpoint']}"
    return [head, f"  {families}", f"  {_left_out(result['looked_at'], result['left_out'])}"]
