"""Choosing a generator: bundled, trained here, a folder on the server, or a model of the Hub at a commit, each explained.

It reads records and names; no weights are loaded here.
"""

from dataclasses import dataclass

import streamlit as st

from cifake_core.errors import CifakeError
from cifake_core.generators import catalogue
from cifake_core.generators.catalogue import Listed
from cifake_core.store.workspace import Workspace
from pages.build.generation.plan import hub_id
from pages.build.sets.import_sources import allowed_path, import_roots
from pages.shared.guard import literal
from pages.shared.pickers import link_to

KINDS = {
    "bundled": "Comes with the program",
    "trained": "Trained here",
    "folder": "Folder on this server",
    "hub": "Hugging Face Hub",
}
_ABOUT = {
    "demo": "A small latent diffusion model of the demo world: rendered scenes of ten classes, no photographs.",
    "cifar10-ldm": "A small latent diffusion model of CIFAR-10's photographs, trained on CIFAKE's 50,000 training reals.",
}
_WAYS = {"class": "asked by class", "words": "asked with words", "nothing": "without classes or words: what it makes is of no known class"}
TRAIN_VIEW = "Train a generator"


@dataclass(frozen=True)
class Chosen:
    """The generator of the form. `by_class`: it is asked by class, not by words; `classless`: it is asked for nothing."""

    id: str
    by_class: bool
    steps: int | None = None  # its own; None = not known before it is loaded
    guidance: float | None = None
    classless: bool = False


def generator_choice() -> Chosen | None:
    """The row of kinds and what belongs to the chosen one; None, having said what is missing, where there is nothing yet."""
    kind = st.segmented_control(
        "Generator", list(KINDS), default="bundled", required=True, format_func=KINDS.get, key="generate_from", bind="query-params",
        help="What makes the images. All run on this machine; only the Hub needs a network, once, to fetch the model.",
    )  # fmt: skip
    return {"bundled": _bundled, "trained": _trained, "folder": _folder, "hub": _hub}[kind]()


def _bundled() -> Chosen | None:
    names = {one.name: one for one in catalogue.bundled()}
    name = st.segmented_control(
        "Which one", list(names), default="demo", required=True, key="generate_bundled", bind="query-params", label_visibility="collapsed"
    )
    one = names[name]
    if one.record is None:
        with st.container(border=True):
            st.markdown(f"**{literal(name)}** is not in this copy of the program. {_ABOUT[name]}")
            st.caption("Train one of your own on any set with real images, about 80 minutes of two cores, or take a folder or a model of the Hub.")
            link_to("generate", TRAIN_VIEW, icon=":material/model_training:", generate_view=TRAIN_VIEW)
        return None
    return _card(one, _ABOUT[name])


def _trained() -> Chosen | None:
    names = {one.name: one for one in catalogue.trained(Workspace.current())}
    if not names:
        with st.container(border=True):
            st.markdown("No generator has been trained in this workspace yet.")
            link_to("generate", TRAIN_VIEW, icon=":material/model_training:", generate_view=TRAIN_VIEW)
        return None
    name = st.selectbox("Which one", list(names), key="generate_trained", bind="query-params", label_visibility="collapsed")
    return _card(names[name], "A latent diffusion model of our own design, trained in this workspace.")


def _card(one: Listed, about: str) -> Chosen:
    """Its samples beside what it is and where it came from."""
    sampling = one.record.get("sampling", {})
    with st.container(border=True):
        left, right = st.columns([1, 2], gap="medium", vertical_alignment="center")
        if one.sheet:
            left.image(one.sheet, width="stretch", output_format="PNG", alt=f"Samples of {one.name}: one row a class, eight of each")
        right.markdown(f"**{literal(one.name)}** · {about}")
        right.caption(_provenance(one.record))
        if one.sheet:
            right.caption("The samples were made when its training ended: one row a class, eight images of each.")
    return Chosen(one.name, True, sampling.get("steps"), sampling.get("guidance"))


def _provenance(record: dict) -> str:
    """Data, size, training and versions of a generator, in one paragraph."""
    data, size, training = record.get("dataset", {}), record.get("parameters", {}), record.get("training", {})
    said = []
    if data:
        said.append(f"trained on {data['reals']:,} reals of {literal(str(data['name']))}")
    if size:
        said.append(f"{sum(size.values()) / 1e6:.1f} million weights")
    seconds = sum(training.get(half, {}).get("duration_s", 0) for half in ("autoencoder", "transformer"))
    if seconds:
        said.append(f"{max(1, round(seconds / 60))} min of training on {literal(str(training.get('device', '')))}")
    if "request" in record:
        said.append(f"request {record['request'][:12]}")
    return (" · ".join(said)[:1].upper() + " · ".join(said)[1:]) or "Its record says nothing of its training."


def _folder() -> Chosen | None:
    typed = st.text_input(
        "Folder of a diffusers pipeline, or a checkpoint file", key="generate_folder", bind="query-params", placeholder="my-model",
        help="A folder made by save_pretrained, one of the Hub's cache, or a .safetensors checkpoint with its configuration folder beside it. "
        "No code of others is run, and no pickled weights are read.",
    )  # fmt: skip
    if not typed.strip():
        st.caption(f"From here only folders inside {literal(', '.join(map(str, import_roots())))} may be read; the command line reads any.")
        return None
    path = allowed_path(typed)
    way = catalogue.asked_by(path)
    st.caption(f"{literal(path.name)}: a stock diffusers pipeline, {_WAYS[way]}; every image's record will carry the digest of its files.")
    return Chosen(str(path), way == "class", classless=way == "nothing")


def _hub() -> Chosen | None:
    left, right = st.columns([2, 3])
    model = left.text_input("Model", key="generate_model", bind="query-params", placeholder="owner/model")
    commit = right.text_input(
        "Commit, 40 digits", key="generate_commit", bind="query-params", placeholder="0123456789abcdef…",
        help="A name alone can change from one day to the next; a commit is one content for good. The model's page lists its commits.",
    )  # fmt: skip
    st.caption("Fetched once, by the job, into the Hub's own cache. Only safetensors and stock pipeline classes are loaded, no code of others.")
    if not model.strip() and not commit.strip():
        return None
    return Chosen(hub_id(model, commit), False)


def recalled_choice(generator: str) -> dict[str, str]:
    """Values of the widgets above that choose this generator again."""
    if generator in catalogue.BUNDLED:
        return {"generate_from": "bundled", "generate_bundled": generator}
    if "@" in generator:
        model, _, commit = generator.partition("@")
        return {"generate_from": "hub", "generate_model": model, "generate_commit": commit}
    try:
        here = generator in {one.name for one in catalogue.trained(Workspace.current())}
    except CifakeError:
        here = False
    return {"generate_from": "trained", "generate_trained": generator} if here else {"generate_from": "folder", "generate_folder": generator}
