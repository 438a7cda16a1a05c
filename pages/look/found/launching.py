"""The study behind the page: which ones there are of a run, and the form that starts one as a job."""

import streamlit as st

from cifake_core.detectors.places import BEFORE_RELU, recorded_place
from cifake_core.detectors.runs import Run
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from pages.look.maps.controls import place_picker
from pages.shared import cached
from pages.shared.guard import shown_errors
from pages.shared.jobs_panel import jobs_panel

KIND = "findings"


def study(run: Run) -> dict | None:
    """The chosen study of the run, the newest at first; None, with a form that starts one, where there is none yet."""
    from cifake_core.explanations import studies

    found = studies.studies(Workspace.current(), KIND, run.id)
    found.sort(key=lambda result: recorded_place(result, run.topology) == BEFORE_RELU)  # newest first among equals
    with st.expander("Make a study", expanded=not found, icon=":material/travel_explore:", key="findings_make"):
        _form(run)
    jobs_panel("findings_jobs", kinds=frozenset({KIND}), finished=1 if not found else 0)
    if len(found) < 2:
        return found[0] if found else None
    names = {_name(result, run): result for result in reversed(found)}
    chosen = st.selectbox("Study", list(names)[::-1], key="findings_study", bind="query-params")
    return names.get(chosen)


def _name(result: dict, run: Run) -> str:
    before = ", before ReLU" if recorded_place(result, run.topology) == BEFORE_RELU else ""
    return f"{result['method']} · {result['layer']}{before} · {result['n']:,} images · {result['folder'][-6:]}"


def part_of(run: Run, result: dict) -> Part:
    """The images the study is of."""
    return ImageSet.open(Workspace.current(), run.dataset).part(result["split"])


def _form(run: Run) -> None:
    from cifake_core.explanations import methods

    titles = {methods.title(name): name for name in methods.names()}
    layers = cached.layers_of(run)
    a, b, c, d = st.columns([3, 3, 2, 2], vertical_alignment="bottom")
    method = titles[
        a.selectbox(
            "Maps by",
            list(titles),
            key="findings_method",
            help="Grad-CAM of 20,000 images takes seconds; the slow methods take minutes on a sample.",
        )
    ]
    layer = b.selectbox(
        "Layer", layers, len(layers) - 1, key="findings_layer", disabled=not methods.uses_layers(method)
    )
    place = place_picker(run, "findings_place", disabled=not methods.uses_layers(method))
    n = c.number_input(
        "Images",
        0,
        None,
        0 if method not in methods.SLOW else 500,
        100,
        key="findings_n",
        help="Half of each label; 0: all.",
    )
    command = f"python -m cifake_core findings --run {run.id} --method {method} --layer {layer} --n {n}"
    command += f" --place {place}" if place == "raw" else ""
    with shown_errors():
        if d.button("Make the study", type="primary", key="findings_go", width="stretch"):
            arguments = {"run_id": run.id, "method": method, "layer": layer, "n": int(n), "place": place or "relu"}
            queue.submit(Workspace.current(), KIND, arguments, title=f"What {run.id} finds")
            st.rerun()
    st.code(command, language="bash")
