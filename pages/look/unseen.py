"""Unseen generators: does a detector see fakes of generators it has never met? Studies in, charts that lead to images out."""

import streamlit as st

from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace
from cifake_core.studies.unseen import readiness, shelves
from cifake_core.studies.unseen.pools import LEAST
from pages.look.generators import views
from pages.look.generators.launch import KINDS, generators_of, launch_form, many_generators
from pages.look.generators.pictures import album, pictures
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import jobs_panel
from pages.shared.pickers import link_to


def main() -> None:
    """The page."""
    st.title("Unseen generators")
    st.caption("How a detector does on fakes of generators it was not trained on, and whether training on many helps.")
    with shown_errors():
        workspace = Workspace.current()
        sets, found = ImageSet.list(workspace), shelves.studies(workspace)
        transfer = next((study for study in found if study["kind"] == "transfer"), None)
        if transfer:
            views.headline(transfer)
        if not many_generators(sets):
            nothing_yet(sets)
        else:
            with st.expander("Start a study", icon=":material/play_arrow:", expanded=not found, key="unseen_form"):
                launch_form(sets)
            jobs_panel("unseen", kinds=KINDS, finished=1)
        studied(found)
        looks(sets, found)


def studied(found: list[dict]) -> None:
    """Charts of the finished studies; a click on a bar or a cell shows its images below it."""
    for chart in (views.bars, views.matrix):
        clicked = chart(found)
        if clicked:
            study = next(study for study in found if study["study"] == clicked[0])
            with st.container(border=True):
                pictures(study, clicked[1], clicked[2])
    views.scaling(found)
    views.codec_and_recipe(found)


def looks(sets: list[ImageSet], found: list[dict]) -> None:
    """What each generator's fakes look like, on request: it reads all of them."""
    families = {name: family for study in reversed(found) for name, family in study["families"].items()}
    by_name = {study["request"]["generators"]: study for study in reversed(found)}
    shown = [image_set for image_set in many_generators(sets) if image_set.name in by_name]
    if shown:
        folded = st.expander("What each generator's fakes look like", icon=":material/photo_library:", key="unseen_album", on_change="rerun")
        if folded.open:
            with folded:
                album(shown[0], by_name[shown[0].name]["counts"], families)


def nothing_yet(sets: list[ImageSet]) -> None:
    """What is missing before a study can start, and how to get it."""
    with st.container(border=True):
        st.markdown(
            f"A study needs a dataset with **fakes of at least 2 generators**, {LEAST} images each{_so_far(sets)} Make fakes of several generators here, or import "
            "a Parquet file with the columns of Community Forensics, or folders `<generator>/FAKE/…`. Then start a study here or in a terminal:"
        )
        st.code(
            "python -m cifake_core import generators.parquet --name many\npython -m cifake_core study transfer --dataset cifake --generators many",
            language="bash",
        )
        left, right = st.columns(2)
        with left:
            link_to("generate", "Make fakes of several generators", icon=":material/arrow_forward:")
        with right:
            link_to("data", "Import images", icon=":material/arrow_forward:")


def _so_far(sets: list[ImageSet]) -> str:
    """What there is of it."""
    found = {name for image_set in sets for name in readiness.usable(generators_of(image_set))}
    most = max((len(readiness.usable(generators_of(image_set))) for image_set in sets), default=0)
    return f"; so far no dataset has more than {most} ({literal(', '.join(sorted(found)[:4]))})." if found else "; so far no dataset has any."


main()
