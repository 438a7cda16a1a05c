"""Launching the studies of unseen generators: which images, which codec, which study; its command line, and the job."""

import streamlit as st

from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from cifake_core.studies.unseen import readiness
from cifake_core.studies.unseen.pools import CODECS
from cifake_core.studies.unseen.recipes import RECIPES
from pages.look.generators.grouping import groups_form
from pages.shared.guard import literal, shown_errors

STUDIES = {
    "transfer": "Trained networks on generators they never met",
    "matrix": "Cross-generator matrix: learn from one, judge on another",
    "leave-one-out": "Leave one out",
    "scaling": "Scaling: more generators, or more images",
    "codec": "What compression does",
    "recipe": "A recipe for unseen generators",
}
KINDS = frozenset(f"study-{name}" for name in STUDIES)
GROUPED = ("leave-one-out", "scaling", "codec", "recipe")  # keep sources apart where they are known
_FITTED = ("matrix", "leave-one-out", "scaling", "codec")


def many_generators(found: list[ImageSet]) -> list[ImageSet]:
    """The sets with fakes of at least two generators that have enough images."""
    named = [image_set for image_set in found if image_set.record.get("generators")]
    return [image_set for image_set in named if len(readiness.usable(generators_of(image_set))) >= 2]


def generators_of(image_set: ImageSet) -> dict[str, tuple[int, str]]:
    """Generator → (images, family) of the fakes of a set; read once for each content."""
    return _generators(image_set.digest, image_set)


@st.cache_data(max_entries=200, show_spinner=False)
def _generators(digest: str, _image_set: ImageSet) -> dict[str, tuple[int, str]]:
    return readiness.fake_generators(_image_set)


def launch_form(found: list[ImageSet]) -> None:
    """Reads the widgets, shows the command, says what is missing, submits one job."""
    sets = {image_set.name: image_set for image_set in many_generators(found)}
    photographs = [s.name for s in found if any(counts["real"] for counts in s.record["counts"].values())]
    if not sets or not photographs:
        return
    kind = st.selectbox("Study", list(STUDIES), format_func=STUDIES.get, key="unseen_kind", bind="query-params")
    a, b, c, d, e = st.columns(5)
    dataset = a.selectbox("Photographs of", photographs, key="unseen_set", bind="query-params", help="Reals to learn from and, from its test split, to judge on.")
    generators = b.selectbox("Generators", list(sets), key="unseen_generators", bind="query-params")
    codec = c.selectbox("Codec", list(CODECS), key="unseen_codec", bind="query-params", help="; ".join(f"{name}: {what}" for name, what in CODECS.items()))
    reals = d.selectbox("Other photographs", ["", *photographs], key="unseen_reals", bind="query-params", format_func=lambda name: name or "none", help="In place of the first, for example lossless ones.")
    detector = e.selectbox("Detector", list(RECIPES), index=list(RECIPES).index("residual"), format_func=lambda name: RECIPES[name].title, key="unseen_recipe", disabled=kind not in _FITTED)
    arguments = {"dataset": dataset, "generators": generators, "codec": "jpeg" if kind == "codec" else codec, "reals": reals}
    if kind in _FITTED:
        arguments["detector"] = detector
    if kind == "leave-one-out" and len(set(readiness.usable(generators_of(sets[generators])).values())) < 2:
        arguments["by"] = "generator"
    if kind in GROUPED and (groups := groups_form(sets[generators])):
        arguments["groups"] = groups
    st.code(command(kind, arguments), language="bash", wrap_lines=True)
    lacks = readiness.missing(Workspace.current(), kind, arguments, generators_of(sets[generators]))
    if lacks:
        st.warning(literal(lacks), icon=":material/block:")
    if st.button("Start this study", type="primary", icon=":material/play_arrow:", key="unseen_launch", disabled=bool(lacks)):
        with shown_errors():
            queue.submit(Workspace.current(), f"study-{kind}", arguments, title=f"{STUDIES[kind]} ({generators}, {arguments['codec']})")
            st.toast(f"{literal(STUDIES[kind])}: it runs on, also when this tab is closed.", icon=":material/play_arrow:")


def command(kind: str, arguments: dict) -> str:
    """The command line that does the same."""
    options = {name: value for name, value in arguments.items() if value and not (name == "codec" and (value == "jpeg" or kind == "codec"))}
    if "groups" in options:
        options["groups"] = "groups.csv"
    return " ".join(["python -m cifake_core study", kind, *(f"--{name} {value}" for name, value in options.items())])
