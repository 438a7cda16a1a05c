"""Whether a study of unseen generators can run on some datasets, told before it is started and from records alone."""

import numpy as np

from cifake_core.detectors import runs
from cifake_core.errors import BadInput, CifakeError
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import FAKE
from cifake_core.store.workspace import Workspace
from cifake_core.studies.unseen import splitting
from cifake_core.studies.unseen.groups import check_groups
from cifake_core.studies.unseen.pools import LEAST

_LOSSY = {"JPEG", "WEBP"}


def fake_generators(images: ImageSet) -> dict[str, tuple[int, str]]:
    """Generator → (different images, family) of the fakes of a dataset. A renderer of its reals is none of them."""
    found: dict[str, tuple[int, str]] = {}
    for split, part in (("train", "train+validation"), ("test", "test")):
        if not images.has(split):
            continue
        rows = images.manifest(part)
        rows = rows[(rows["label"] == FAKE) & (rows["generator"] != "")].drop_duplicates("image_id")
        for (name, family), n in rows.groupby(["generator", "family"], sort=False).size().items():
            found[name] = (found.get(name, (0, ""))[0] + int(n), family or "unknown")
    return found


def usable(generators: dict[str, tuple[int, str]]) -> dict[str, str]:
    """Generator → family of those with enough images."""
    return {name: family for name, (n, family) in sorted(generators.items()) if n >= LEAST}


def missing(workspace: Workspace, kind: str, arguments: dict, generators: dict[str, tuple[int, str]]) -> str:
    """What keeps the study `kind` (transfer, matrix, …) with those arguments from running, in one sentence; "" = nothing.

    `generators`: as `fake_generators` of its image set.
    """
    try:
        _check_generators(kind, arguments, generators)
        _check_photographs(workspace, kind, arguments)
        if kind == "transfer":
            _check_runs(workspace, arguments["dataset"])
    except CifakeError as error:
        return str(error)
    return ""


def _check_generators(kind: str, arguments: dict, generators: dict[str, tuple[int, str]]) -> None:
    families, groups = usable(generators), arguments.get("groups") or {}
    if len(families) < 2:
        raise BadInput(
            f"{arguments['generators']!r} has fakes of {len(families)} generator{'' if len(families) == 1 else 's'} with {LEAST} images or more"
            f"{' (' + ', '.join(families) + ')' if families else ''}; a study needs at least 2: make or import fakes of another."
        )
    check_groups(groups, list(families), list(generators), arguments["generators"])
    if kind in ("recipe", "scaling", "codec"):
        ours, _ = splitting.deal(families, 2, 0, sources=groups)
        if kind == "recipe":
            splitting.deal({name: families[name] for name in ours}, splitting.FOLDS, 0, sources=groups)
    if kind == "leave-one-out" and arguments.get("by", "family") == "family" and len(set(families.values())) < 2:
        raise BadInput(f"All generators of {arguments['generators']!r} are of one family, {next(iter(families.values()))!r}; leave out one generator at a time.")


def _check_photographs(workspace: Workspace, kind: str, arguments: dict) -> None:
    photographs = ImageSet.open(workspace, arguments.get("reals") or arguments["dataset"])
    n = sum(counts["real"] for counts in photographs.record["counts"].values())
    if n < 5 * LEAST:
        raise BadInput(f"{photographs.name!r} has {n} real photographs; a study needs at least {5 * LEAST}, to learn from and to judge on.")
    if kind == "codec" and not arguments.get("reals"):
        raise BadInput("A study of the codec needs lossless photographs; name a dataset of them as other photographs.")
    if "lossless" in (arguments.get("codec"), kind if kind != "codec" else "lossless"):
        for images, what in ((photographs, "Photographs"), (ImageSet.open(workspace, arguments["generators"]), "Fakes")):
            lossy = sorted(np.unique([name for name in images.record["formats"] if name in _LOSSY]))
            if lossy:
                raise BadInput(f"{what} of {images.name!r} are {', '.join(lossy)}; lossless needs both without compression: take the codec jpeg, or other images.")


def _check_runs(workspace: Workspace, dataset: str) -> None:
    digest = ImageSet.open(workspace, dataset).digest
    if not any(run.record["dataset_digest"] == digest for run in runs.runs(workspace)):
        raise BadInput(f"No run has been trained on {dataset!r}; train one first.")
