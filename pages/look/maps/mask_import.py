"""Masks of a better model on the page: brought in as a file or from a folder of this server, listed, chosen for the test, removed."""

import re
import tempfile
from pathlib import Path

import numpy as np
import streamlit as st

from cifake_core.detectors.runs import Run
from cifake_core.errors import BadInput
from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace
from pages.build.sets.import_sources import allowed_path, import_roots
from pages.shared.guard import literal, shown_errors

SPLIT = "test"  # the images the test of the page is made on


def sources(run: Run) -> dict[str, str]:
    """Source of masks → what a user reads, for those that know an image of this run's test split."""
    from cifake_core.explanations import given_masks

    workspace, ids = Workspace.current(), _image_ids(run)
    counts = {
        record["name"]: given_masks.count_known(workspace, record["name"], ids)
        for record in given_masks.kept(workspace)
    }
    return {
        given_masks.PREFIX + name: f"imported: {name} ({n:,} of {len(ids):,} images)" for name, n in counts.items() if n
    }


def import_masks(run: Run) -> None:
    """The form, and what was imported before."""
    st.caption(
        "A segmentation model elsewhere draws better masks than GrabCut. Give a zip of PNG files, each named by its image's id and white on the "
        "entity, or an .npz with `image_ids` (m,) and `masks` (m, H, W). The CSV of the Metrics page lists the ids. Masks are square; larger ones "
        "are brought to 32 × 32."
    )
    with st.form("gradcam_masks", border=False):
        a, b, c, d = st.columns([4, 4, 3, 2], vertical_alignment="bottom")
        file = a.file_uploader(
            "File",
            ["npz", "zip"],
            key="gradcam_masks_file",
            max_upload_size=25,
            help="Up to 25 MB. It is kept as small masks, not as a file.",
        )
        path = b.text_input(
            "Or a folder or file on this server", key="gradcam_masks_path",
            help=f"Inside {' or '.join(str(root) for root in import_roots())}; `entity-test --masks` of the command line reads any folder.",
        )  # fmt: skip
        name = c.text_input("Name", key="gradcam_masks_name", max_chars=60, placeholder="that of the file")
        asked = d.form_submit_button("Import masks", icon=":material/upload:", width="stretch")
    if asked:
        with shown_errors(), st.spinner("Reading masks …"):
            _import(run, file, path, name.strip())
    _kept()


def _import(run: Run, file, path: str, name: str) -> None:
    if (file is None) == (not path.strip()):
        raise BadInput("No masks are named, or two sources at once; choose one file, or type one path of this server.")
    if file is None:
        source = allowed_path(path)
        _keep(run, source, name or _as_name(source.name))
        return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{_as_name(file.name)}{Path(file.name).suffix.lower()}"
        source.write_bytes(file.getvalue())
        _keep(run, source, name or _as_name(file.name))


def _keep(run: Run, source: Path, name: str) -> None:
    from cifake_core.explanations import given_masks

    record = given_masks.keep(Workspace.current(), name, source, _image_ids(run))
    others = f" {record['unknown']:,} masks of other images were left out." if record["unknown"] else ""
    st.success(
        f"{record['n']:,} masks are kept as {literal(name)}.{others} Choose them under “Masks of the entity”.",
        icon=":material/check:",
    )


def _as_name(file: str) -> str:
    """A name from that of a file: letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(file).stem)[:60].strip("-_") or "masks"


def _image_ids(run: Run) -> np.ndarray:
    return ImageSet.open(Workspace.current(), run.dataset).manifest(SPLIT)["image_id"].to_numpy()


def _kept() -> None:
    from cifake_core.explanations import given_masks

    for record in given_masks.kept(Workspace.current()):
        with st.container(horizontal=True, vertical_alignment="center", key=f"gradcam_masks_{record['name']}"):
            st.caption(
                f"**{literal(record['name'])}** · {record['n']:,} masks · {record['created_at'][:16].replace('T', ' ')}"
            )
            st.button(
                "Remove", icon=":material/delete:", key=f"gradcam_masks_remove_{record['name']}", on_click=_forget, args=(record["name"],), type="tertiary",
                help="Results that used them stay as they are.",
            )  # fmt: skip


def _forget(name: str) -> None:
    from cifake_core.explanations import given_masks

    with shown_errors():
        given_masks.forget(Workspace.current(), name)
