"""What the test of entity and background did to images, and how good its masks are, as pictures."""

import numpy as np
import pandas as pd
import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.images.sprite import png
from cifake_core.store.workspace import Workspace
from pages.look.maps.studying import share
from pages.shared.guard import literal

EXAMPLES = 8


def treatments(result: dict, run: Run) -> None:
    """Some test images as the network was shown them."""
    st.subheader("What was done to the images", anchor="treatments")
    names, lines = _treated(str(Workspace.current().home), result["folder"], run.id)
    for column, name, line in zip(st.columns(len(names)), names, lines, strict=True):
        column.image(line, output_format="PNG", width="stretch", caption=name, alt=f"{len(names)} images: {name}")
    st.caption("The same images from left to right; the yellow line is the border of the mask. Where it misses the entity, so does the test.")


@st.cache_data(max_entries=20, show_spinner="Drawing what was done …")
def _treated(home: str, folder: str, run_id: str) -> tuple[list[str], list[bytes]]:
    from cifake_core.detectors import runs
    from cifake_core.explanations import overlay, studies, treating

    workspace = Workspace.current()
    result = next(study for study in studies.studies(workspace, "entity-test", run_id) if study["folder"] == folder)
    part = ImageSet.open(workspace, runs.open_run(workspace, run_id).dataset).part(result["split"])
    table = studies.images_of(workspace, result)
    table = table.iloc[np.linspace(0, len(table) - 1, EXAMPLES).astype(int)]
    rows, entity = table["row"].to_numpy(), _entity(part, table, result["masks"]["source"])
    images = part.pixels[rows].astype(np.float32) / 255
    other = treating.partners(part.labels[rows], np.zeros(len(rows), int), other=True)
    others = np.roll(entity, 1, axis=0)
    sizes = np.minimum(treating.halves(entity), treating.halves(others))
    parts, other_parts = treating.equal_parts(entity, 0, sizes), treating.equal_parts(others, 1, sizes)
    shown = {
        "the image and its mask": None,
        "background flattened": treating.treated(images, ~entity, "mean"),
        "entity flattened": treating.treated(images, entity, "mean"),
        "background blurred": treating.treated(images, ~entity, "blur"),
        "entity blurred": treating.treated(images, entity, "blur"),
        "a piece of the entity": treating.treated(images, parts[0], "mean"),
        "as large a piece of the background": treating.treated(images, parts[1], "mean"),
        "a piece of another image's entity": treating.treated(images, other_parts[0], "mean"),
        "two flat colours": treating.outlines(entity, *treating.flat_colours(images, entity)),
        "before another's background": treating.swapped(images, entity, images[np.maximum(other, 0)]),
    }
    outlined = [overlay.outlined(p.transpose(1, 2, 0), m, 4) for p, m in zip(part.pixels[rows], entity, strict=True)]
    lines = [png(np.concatenate(outlined))]
    for treated in shown.values():
        if treated is not None:
            pixels = (treated.transpose(0, 2, 3, 1) * 255).round().clip(0, 255).astype(np.uint8)
            lines.append(png(np.concatenate([overlay.enlarge(one, 4) for one in pixels])))
    return list(shown), lines


def _entity(part: Part, table: pd.DataFrame, source: str) -> np.ndarray:
    """Masks bool (n, H, W) as the study had them; older studies did not keep given ones: GrabCut's then."""
    from cifake_core.explanations import masks
    from cifake_core.explanations.entity import MASK

    if MASK in table:
        bits = np.stack([np.frombuffer(packed, np.uint8) for packed in table[MASK]])
        return np.unpackbits(bits, axis=1).astype(bool).reshape(-1, *part.pixels.shape[2:])
    known = (*masks.GUESSES, "truth")
    return masks.entity_masks(part, table["row"].to_numpy(), source if source in known else "grabcut").entity


def mask_quality(result: dict) -> None:
    """Where the masks come from; for guesses, how good they are where the truth is known."""
    given = result["masks"]
    st.subheader("The masks it rests on", anchor="masks")
    if not given["quality"]:
        said = {"truth": "the truth: the images were rendered, and the renderer knows the entity", "imported": "masks that were imported", "user": "painted by hand on Try an image"}
        source, _, name = given["source"].partition(":")
        named = f", named {literal(name)}" if name else ""
        st.caption(f"Source: {said.get(source, source)}{named}. They cover {100 * given['area']:.1f} % of the picture on average.")
        return
    quality = given["quality"]
    st.caption(
        f"Source: {given['source']}, a guess from the pixels of each picture; it covers {100 * given['area']:.1f} % on average. Measured on rendered pictures, "
        f"where the truth is known: intersection over union {share(quality['iou'])}, {share(quality['entity_found'])} of the entity found, "
        f"{share(quality['entity_pure'])} of the guess is entity. On photographs nobody knows; a wrong mask mixes entity and background and makes "
        "both look alike."
    )
    st.image(
        _examples(given["source"]), output_format="PNG", width="stretch", alt="rendered pictures with the true border in white and the guessed one in yellow",
        caption="rendered pictures: the true border white, the guess yellow",
    )  # fmt: skip


@st.cache_data(max_entries=4, show_spinner=False)
def _examples(source: str) -> bytes:
    from cifake_core.explanations import masks, overlay

    shown = masks.examples(source, 10)
    pictures = []
    for pixels, truth, guess in zip(shown.pixels, shown.truth, shown.guess, strict=True):
        once = overlay.outlined(pixels, truth, 6, (255, 255, 255))
        both = overlay.outlined(pixels, guess, 6)
        drawn = (both != overlay.enlarge(pixels, 6)).any(-1)
        once[drawn] = both[drawn]
        pictures.append(once)
    return png(np.concatenate(pictures, axis=1))
