"""`generate`, `train-generator`, `render-demo`: where fakes come from, and the rendered stand-ins for photographs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cifake_core.cli.output import Address, Executor, Json, progress_bar, run_step, show, words
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace


def register(app: typer.Typer) -> None:
    app.command()(generate)
    app.command(name="train-generator")(train_generator)
    app.command(name="render-demo")(render_demo)


def generate(
    name: Annotated[str, typer.Option(help="Name of the new image set.")],
    generator: Annotated[
        str, typer.Option(help="demo, cifar10-ldm, a generator of the workspace, a folder, a .safetensors file, or owner/model@commit.")
    ] = "demo",
    per_class: Annotated[int, typer.Option(help="Images of each class; of a model without classes, as many as all classes together.")] = 20,
    classes: Annotated[str, typer.Option(help="Classes, separated by commas; all ten if left out.")] = "",
    counts: Annotated[str, typer.Option(help="Own numbers of some classes: cat=50,dog=0.")] = "",
    seed: Annotated[int, typer.Option(help="The same seed gives the same images on the same kind of device.")] = 0,
    steps: Annotated[int, typer.Option(help="Denoising steps; 0: what the generator is meant for.")] = 0,
    guidance: Annotated[
        float, typer.Option(help="How firmly class or prompt is followed; negative: what the generator is meant for.")
    ] = -1.0,
    template: Annotated[str, typer.Option(help="Of prompts, with {class}, {article}, {modifier}; the recipe's if left out.")] = "",
    modifiers: Annotated[
        Path | None, typer.Option(help='JSON file of your own modifiers: {"cat": ["indoors", "sleeping"]}.')
    ] = None,
    negative_prompt: Annotated[str, typer.Option(help="What a model driven by words shall avoid.")] = "",
    scheduler: Annotated[str, typer.Option(help="default, or the name of a diffusers scheduler such as DDIM.")] = "default",
    size: Annotated[int, typer.Option(help="Side asked of a model driven by words, pixels; 0: the recipe's 512.")] = 0,
    batch: Annotated[int, typer.Option(help="Images at a time; 0: as many as fit.")] = 0,
    split: Annotated[str, typer.Option(help="Where the images go: train or test.")] = "train",
    keep_originals: Annotated[bool, typer.Option("--keep-originals", help="Keep pictures larger than 32 x 32 too.")] = False,
    executor: Executor = "local",
    address: Address = "",
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say how long it will take.")] = False,
    keep_done: Annotated[
        bool, typer.Option("--keep-done", help="Make nothing more: turn what a stopped run has made into the set.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make fakes of each class as an image set; run again after a stop, it makes only what is missing."""
    from cifake_core.generators import defects
    from cifake_core.generators.generating import Generate
    from cifake_core.images.schema import CLASSES

    step = Generate(
        name, _local(generator), per_class, words(classes) or CLASSES, _counts(counts), seed, steps, guidance,
        template=template, modifiers=_modifiers(modifiers), negative_prompt=negative_prompt, scheduler=scheduler,
        size=size, batch=batch, split=split, keep_originals=keep_originals,
        executor=executor, address=address,
    )  # fmt: skip
    if estimate:
        return _show_estimate(step, as_json)
    if keep_done:
        with progress_bar() as on_progress:
            result = step.keep_done(Context(Workspace.current(), on_progress))
    else:
        result = run_step(step)
    line = f"{result['dataset']}: {result['images']:,} images by {result['generator']} ({result['revision']})"
    show(result, as_json, [line, *filter(None, [defects.sentence(result.get("defects", {}))])])


def _show_estimate(step, as_json: bool) -> None:
    from cifake_core.generators.remaking import estimate

    found = asdict(estimate(step, Workspace.current()))
    line = f"{found['images']:,} images: about {found['seconds']:.0f} s on {found['device']}, {found['images_per_s']} images/s"
    show(found, as_json, [line])


def train_generator(
    dataset: Annotated[str, typer.Option(help="Image set whose real images it learns from; `datasets` lists them.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write; the workspace's generators if left out.")] = None,
    name: Annotated[str, typer.Option(help="Name of the generator; the folder's name if left out.")] = "",
    preset: Annotated[str, typer.Option(help="demo (2 cores), cifar10 (hours of a CPU) or cifar10-gpu.")] = "demo",
    minutes: Annotated[float, typer.Option(help="Of training; 0: the preset's.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the weights and the order of images.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a latent diffusion model on the real images of a set; an interrupted training goes on where it was."""
    from cifake_core.generators.latent_diffusion import TrainGenerator

    if out is None and not name:
        raise typer.BadParameter("Give --out, a folder, or --name, a name in the workspace.")
    folder = str(out.absolute()) if out else ""
    result = run_step(TrainGenerator(dataset, name or out.absolute().name, preset, minutes, seed=seed, out=folder))
    trained = result["training"]["transformer"]
    show(result, as_json, [f"{result['name']} in {result['folder']}: {trained['images']:,} images seen, loss {trained['final_loss']}"])


def render_demo(
    name: Annotated[str, typer.Option(help="Name of the new image set.")] = "demo-world",
    train: Annotated[int, typer.Option(help="Training pictures of each class.")] = 150,
    test: Annotated[int, typer.Option(help="Test pictures of each class.")] = 50,
    first_seed: Annotated[int, typer.Option(help="Seed of the first picture; the next take the next ones.")] = 0,
    as_json: Json = False,
) -> None:
    """Render stand-ins for photographs: ten classes as small scenes of our own, in the place of reals."""
    from cifake_core.generators.demo_set import RenderDemo

    result = run_step(RenderDemo(name, train, test, first_seed))
    lines = [f"Rendered {result['dataset']!r}; no photograph is among its images."]
    show(result, as_json, [*lines, *(f"  {split}: {c['real']:,} pictures" for split, c in result["counts"].items())])


def _local(generator: str) -> str:
    """A folder or file as it is seen from anywhere; everything else as it was typed."""
    path = Path(generator).expanduser()
    there = (len(path.parts) > 1 and path.is_dir()) or path.is_file()
    return str(path.absolute()) if there else generator


def _counts(text: str) -> dict[str, int]:
    """ "cat=50,dog=0" → {"cat": 50, "dog": 0}; a usage error for anything else."""
    try:
        return {name.strip(): int(number) for name, number in (part.split("=") for part in words(text))}
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a list of numbers such as cat=50,dog=0.") from error


def _modifiers(path: Path | None) -> dict[str, list[str]]:
    if path is None:
        return {}
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} cannot be read as JSON.") from error
    texts = isinstance(read, dict) and all(isinstance(v, list) and all(isinstance(w, str) for w in v) for v in read.values())
    if not texts:
        raise typer.BadParameter(f'{path} must look like {{"cat": ["indoors", "sleeping"]}}.')
    return read
