"""What a generator's fakes look like: those a detector found, those it missed, and where a network looked."""

import numpy as np
import streamlit as st

from cifake_core.detectors import runs
from cifake_core.detectors.community_forensics.models import is_forensic
from cifake_core.errors import CifakeError
from cifake_core.images.image_set import ImageSet
from cifake_core.images.sprite import png, sprite
from cifake_core.store.workspace import Workspace
from cifake_core.studies.unseen import shelves
from pages.shared.guard import literal
from pages.shared.pickers import run_label

_COLUMNS, _SHOWN, _SCALE = 12, 24, 3


def pictures(study: dict, unit: str, generator: str) -> None:
    """The fakes of one generator under one detector of a study, the most suspicious first and the least."""
    workspace = Workspace.current()
    table = shelves.scores_of(workspace, study["study"], unit)
    table = table[table["generator"] == generator].sort_values("logit", ascending=False)
    st.subheader(literal(generator), anchor="images")
    st.caption(f"{len(table)} fakes judged by {literal(unit)}; family {literal(study['families'].get(generator, 'unknown'))}. As stored, before the study's codec.")
    images = ImageSet.open(workspace, study["request"]["generators"])
    for title, part in (("Most suspicious", table.head(_SHOWN)), ("Least suspicious", table.tail(_SHOWN)[::-1])):
        st.markdown(f"{title}: logits {part['logit'].iloc[0]:+.1f} to {part['logit'].iloc[-1]:+.1f}")
        pixels = _pixels(images, part["split"].to_numpy(), part["row"].to_numpy())
        _sheet(pixels, f"{title.lower()} fakes of {generator}")
        if study["kind"] == "transfer":
            maps = _maps(unit, pixels, _SCALE)
            if maps is not None:
                st.image(sprite(maps, min(_COLUMNS, len(maps))), alt=f"where the network looked at fakes of {generator}", output_format="PNG")


def _pixels(images: ImageSet, split: np.ndarray, row: np.ndarray) -> np.ndarray:
    return np.stack([images.pixels(("train", "test")[s])[r] for s, r in zip(split, row, strict=True)])


def _sheet(pixels: np.ndarray, alt: str) -> None:
    enlarged = pixels.repeat(_SCALE, axis=2).repeat(_SCALE, axis=3)
    st.image(sprite(enlarged, min(_COLUMNS, len(enlarged))), alt=alt, output_format="PNG")


def _maps(run_id: str, pixels: np.ndarray, scale: int) -> np.ndarray | None:
    """Where the run looked at the same images, Grad-CAM of its last convolution over them: (n, 3, H·scale, W·scale)."""
    from cifake_core.explanations import fast_cam
    from cifake_core.explanations.overlay import overlay
    from pages.shared import cached

    try:
        detector = cached.detector_of(runs.open_run(Workspace.current(), run_id))
    except CifakeError:
        return None  # the run was deleted since; the pictures are still worth showing
    maps = fast_cam.grad_cam(detector, np.ascontiguousarray(pixels))
    return np.stack([overlay(image.transpose(1, 2, 0), heat, 0.5, scale).transpose(2, 0, 1) for image, heat in zip(pixels, maps.heat, strict=True)])


@st.cache_data(max_entries=2000, show_spinner=False)
def _map_strip(run_id: str, images: str, generator: str, _pixels: np.ndarray) -> bytes | None:
    """The album's maps of one generator as PNG; a run's id stands for its weights."""
    maps = _maps(run_id, _pixels, 2)
    return None if maps is None else png(_strip(maps))


def album(image_set: ImageSet, generators: dict[str, int], families: dict[str, str]) -> None:
    """A row of pictures of every generator, by family, and below it where a network looked: what the fakes look like."""
    part = "test" if image_set.has("test") else "train+validation"
    manifest, pixels = image_set.manifest(part), image_set.pixels("test" if part == "test" else "train")
    names = manifest["generator"].to_numpy()
    labels = {run.id: run_label(run) for run in runs.runs(Workspace.current()) if not is_forensic(run.topology)}
    run_id = st.selectbox(
        "Below each row, where this network looked", ["", *labels], key="unseen_maps", bind="query-params", format_func=lambda run: labels.get(run, "no maps"),
    )  # fmt: skip
    for family in sorted(set(families.values())):
        st.markdown(f"**{literal(family)}**")
        members = [name for name in generators if families[name] == family and (names == name).any()]
        for name in members:
            rows = np.flatnonzero(names == name)[:_SHOWN]
            left, right = st.columns([1, 5], vertical_alignment="center")
            left.caption(f"{literal(name)}, {generators[name]:,}")
            right.image(png(_strip(pixels[rows].repeat(2, axis=2).repeat(2, axis=3))), alt=f"{len(rows)} fakes of {name}", output_format="PNG")
            strip = _map_strip(run_id, image_set.digest, name, pixels[rows]) if run_id else None
            if strip is not None:
                right.image(strip, alt=f"where the network looked at {len(rows)} fakes of {name}", output_format="PNG")


def _strip(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate(list(pixels.transpose(0, 2, 3, 1)), axis=1)
