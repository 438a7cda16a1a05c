"""Generated images beside reals of the same class, and the whole set as files to take away."""

import tempfile
from pathlib import Path

import streamlit as st

from cifake_core import FAKE, REAL
from cifake_core.images import exporting
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.jobs.states import State
from cifake_core.store.workspace import Workspace
from pages.build.generation.recall import whole_page_next
from pages.shared.guard import literal
from pages.shared.jobs_panel import known_jobs
from pages.shared.palette import FAKE_TEXT, REAL_TEXT
from pages.shared.set_pictures import class_sheet, classes_of

MOST_DIRECTLY = 5_000  # images of a download the browser gets at once, about 15 MB; a larger set is written to the workspace
_FORMS = {
    "cifake": ("CIFAKE folders (zip)", ":material/folder_zip:", "train/FAKE/0000 (2).jpg …: the layout of the official archive, the files as they are stored."),
    "parquet": ("Parquet (zip)", ":material/table:", "Images and all that is known of them with a dataset card, as Hugging Face's datasets reads it."),
    "imagefolder": ("Image folder (zip)", ":material/folder_open:", "Plain files with a metadata.csv that says label, class, generator, prompt and seed of each."),
    "png": ("PNGs (zip)", ":material/image:", "Lossless, each with its prompt, seed and whole record in the PNG's text fields."),
}


def side_by_side(image_set: ImageSet, split: str, word: str | None) -> None:
    """Reals of a chosen set on the left, what was made on the right, one class at a time."""
    with st.expander("Side by side with reals", icon=":material/compare:", key="generate_compare", bind="query-params") as compared:
        if not compared.open:
            return
        sets = {one.name: one for one in ImageSet.list(Workspace.current()) if _split_with_reals(one)}
        if not sets:
            st.caption("There is no set with real images yet; import one on the Data page.")
            return
        classes = classes_of(image_set, split)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            reals = sets[st.selectbox("Reals of", list(sets), key="generate_reals", bind="query-params", width=300)]
            name = word or st.selectbox("Class to compare", list(classes), key="generate_compared", bind="query-params", width=200)
            draw = st.number_input("Draw", 0, 9999, 0, key="generate_draw", bind="query-params", width=140, help="Which images are drawn.")
        left, right = st.columns(2, gap="large")
        with left:
            what = "rendered stand-ins for photographs" if reals.record["kind"] == "rendered" else "photographs"
            st.markdown(f"**{REAL_TEXT}** · {literal(reals.name)}, {what}")
            _sheet(class_sheet(reals, _split_with_reals(reals), REAL, classes[name], int(draw)), f"Real images of {name}")
        with right:
            st.markdown(f"**{FAKE_TEXT}** · {literal(image_set.name)}, made")
            _sheet(class_sheet(image_set, split, FAKE, classes[name], int(draw)), f"Generated images of {name}")
        st.caption("Look at edges, textures and backgrounds, and at how varied the poses are on each side.")


def _split_with_reals(image_set: ImageSet) -> str | None:
    return next((split for split, counts in image_set.record["counts"].items() if counts["real"]), None)


def _sheet(picture: bytes | None, alt: str) -> None:
    if picture is None:
        st.caption("None of this class.")
    else:
        st.image(picture, width="stretch", output_format="PNG", alt=alt)


def exports(image_set: ImageSet) -> None:
    """One button a form: a download, or for a large set a job that writes the file into the workspace."""
    total = sum(image_set.record["rows"].values())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Export**", width="content")
        for form, (label, icon, help) in _FORMS.items():
            lost = exporting.not_carried(image_set, form)
            help += f" Not in it: {', '.join(name.replace('_', ' ') for name in lost)}." if lost else ""
            key = f"generate_export_{form}"
            if total <= MOST_DIRECTLY:
                st.download_button(
                    label, lambda form=form: _bytes(image_set, form), exporting.file_name(image_set, form), icon=icon, help=help,
                    key=key, on_click="ignore",
                )  # fmt: skip
            else:
                st.button(label, icon=icon, help=f"{help} Written into the workspace's folder exports, by a job.", key=key, on_click=_write, args=(image_set, form))


    for job in known_jobs(frozenset({"export"})):
        if job.state == State.DONE and job.result and job.arguments.get("dataset") == image_set.name:
            st.caption(f"Written: {literal(job.result['file'])}, {job.result['bytes'] / 1e6:.1f} MB")


def _bytes(image_set: ImageSet, form: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        exporting.export(image_set, form, path)
        return path.read_bytes()


def _write(image_set: ImageSet, form: str) -> None:
    queue.submit(Workspace.current(), "export", {"dataset": image_set.name, "form": form}, title=f"Write {exporting.file_name(image_set, form)}")
    whole_page_next()
