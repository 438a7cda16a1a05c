"""Many generators at once: catalogues of Hub models and images from each of them, and a zoo of small ones of our own."""

import streamlit as st

from cifake_core.errors import BadInput
from cifake_core.generators.hub import frozen, overview
from cifake_core.generators.hub.faults import State
from cifake_core.generators.hub.models import FAMILIES
from cifake_core.generators.hub.sampling import SampleCatalogue
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace, checked_name
from pages.build.generation.zoo import zoo_part
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import duration, jobs_panel

MANY_VIEW = "Many generators"
WORK = frozenset({"freeze-catalogue", "sample-catalogue", "zoo"})
_STATES = {State.COMPLETED: "green", State.MODEL_FAULT: "orange", State.INFRASTRUCTURE_FAULT: "violet"}


def many_view() -> None:
    """The whole view: what there is first, then how to get more."""
    with shown_errors():
        st.caption(
            "Fakes of many generators, to test how a detector does on those it was not trained on: models of the Hugging Face Hub, each pinned to its "
            "commit, or a zoo of small ones trained on this machine, without any network."
        )
        jobs_panel("generate_many", kinds=WORK, finished=1)
        catalogues = frozen.catalogues(Workspace.current())
        if catalogues:
            _catalogue(catalogues)
        _samplings()
        with st.expander(
            "Freeze a catalogue of the Hub", icon=":material/travel_explore:", expanded=False, key="many_freeze"
        ):
            _freeze_form()
        zoo_part()


def _catalogue(catalogues: list[frozen.Catalogue]) -> None:
    st.subheader("Catalogues")
    names = {one.name: one for one in catalogues}
    chosen = names[st.selectbox("Catalogue", list(names), key="many_catalogue", bind="query-params")]
    record = chosen.record
    columns = st.columns(4)
    columns[0].metric("Models", f"{record['models']:,}")
    columns[1].metric("To download, at most", f"{record['bytes'] / 1e9:,.1f} GB")
    columns[2].metric("Families", len(record["families"]))
    columns[3].metric(
        "Frozen on",
        record["frozen_at"][:10],
        help=f"From {record['endpoint']}; every model at its commit, so it never changes.",
    )
    _models(chosen)
    left_out = ", ".join(
        f"{count:,} {reason}" for reason, count in sorted(record["left_out"].items(), key=lambda pair: -pair[1])
    )
    st.caption(
        f"Of {record['looked_at']:,} models looked at, the most downloaded that may be run safely. Left out: {literal(left_out or 'none')}."
    )
    _sample_form(chosen)


def _models(catalogue: frozen.Catalogue) -> None:
    models = catalogue.models()
    family = st.pills(
        "Family", sorted({one.family for one in models}), selection_mode="multi", key=f"many_family_{catalogue.name}"
    )
    word = st.text_input("Name or base model contains", key=f"many_word_{catalogue.name}", placeholder="any")
    shown = [
        one
        for one in models
        if (not family or one.family in family) and word.lower() in " ".join((one.id, *one.base_models)).lower()
    ]
    rows = [
        {
            "model": one.id, "family": one.family, "downloads": one.downloads, "licence": one.licence, "GB": one.bytes / 1e9,
            "base": ", ".join(one.base_models), "commit": one.sha[:10],
        }
        for one in shown
    ]  # fmt: skip
    most = max((one.downloads for one in models), default=1)
    st.dataframe(
        rows, hide_index=True, height=min(420, 60 + 35 * len(rows)),
        column_config={
            "downloads": st.column_config.ProgressColumn("downloads a month", min_value=0, max_value=most, format="compact"),
            "GB": st.column_config.NumberColumn("download", format="%.2f GB"),
        },
    )  # fmt: skip
    st.caption(
        f"{len(shown):,} of {len(models):,} models. Longer bars: downloaded more often."
    )


def _sample_form(catalogue: frozen.Catalogue) -> None:
    with st.container(border=True):
        left, middle, right = st.columns([2, 1, 1])
        name = left.text_input(
            "Name of the image set", f"{catalogue.name}-fakes"[:80], max_chars=80, key=f"many_set_{catalogue.name}"
        )
        per_model = middle.number_input("Images from each", 1, 10_000, 40, key="many_per_model", bind="query-params")
        models = right.number_input(
            "Only the first",
            0,
            catalogue.record["models"],
            0,
            key=f"many_first_{catalogue.name}",
            help="0: all models.",
        )
        cache_gb = left.number_input(
            "Models on the disk at a time, GB",
            1.0,
            100_000.0,
            60.0,
            key="many_cache",
            help="The longest unused are deleted for the next.",
        )
        workers = middle.number_input("Models at a time", 1, 64, 1, key="many_workers")
        keep_done = st.toggle("Make the set even if some models still wait for the network", key="many_keep_done")
        step = SampleCatalogue(
            catalogue.name,
            checked_name(name.strip()),
            int(per_model),
            int(models),
            cache_gb=float(cache_gb),
            workers=int(workers),
            keep_done=keep_done,
        )
        cost = overview.cost(step, Workspace.current())
        time = (
            f"about **{duration(cost.seconds_left)}** left"
            if cost.seconds_left is not None
            else "the time is known after the first model"
        )
        st.markdown(
            f":material/schedule: **{cost.images:,} images** of {cost.models:,} models, {cost.download_bytes / 1e9:,.1f} GB to download; {time}."
        )
        if st.button("Sample these models", type="primary", icon=":material/auto_awesome_motion:", key="many_sample"):
            _submit("sample-catalogue", vars(step), f"Sample {cost.models:,} models of {catalogue.name}")


def _samplings() -> None:
    found = overview.samplings(Workspace.current())
    if not found:
        return
    st.subheader("What became of each model")
    names = {one.name: one for one in found}
    one = names[st.selectbox("Sampling", list(names), key="many_sampling", bind="query-params")]
    with st.container(horizontal=True):
        for state, colour in _STATES.items():
            count = sum(outcome.state == state for outcome in one.outcomes)
            st.badge(f"{count:,} {state.value}", color=colour if count else "gray")
        st.badge(f"{one.models - len(one.outcomes):,} waiting", color="gray")
    faulty = [outcome for outcome in one.outcomes if outcome.kind]
    if faulty:
        rows = [
            {
                "model": o.model,
                "whose fault": o.state.removesuffix(" fault"),
                "kind": o.kind,
                "reason": o.reason,
                "tries": o.attempts,
            }
            for o in faulty
        ]
        st.dataframe(rows, hide_index=True)
        st.caption(
            "Faults of a model stay; those of the infrastructure (network, disk, a killed process) are tried again when the job runs again."
        )


def _freeze_form() -> None:
    left, middle, right = st.columns([2, 1, 1])
    name = left.text_input("Name of the catalogue", "hub-100", max_chars=80, key="many_name")
    most = middle.number_input("Models, at most", 1, 100_000, 100, key="many_most")
    downloads = right.number_input("Downloads a month, at least", 0, None, 0, key="many_downloads")
    families = left.multiselect("Families", sorted(set(FAMILIES.values())), key="many_families", placeholder="all")
    licences = middle.text_input(
        "Licences", key="many_licences", placeholder="all", help="Separated by commas, * for anything: mit,creativeml*"
    )
    largest = right.number_input("Largest, GB", 0.0, 1000.0, 0.0, key="many_largest", help="0: any size.")
    gated = st.toggle(
        "Also models that ask for a login", key="many_gated", help="A token with access must be set where the job runs."
    )
    st.caption(
        "Only stock pipeline classes with safetensors weights are taken; models with program code or pickled weights never are."
    )
    pipelines = [kind for kind, family in FAMILIES.items() if family in families]
    filters = {
        "licences": [word.strip() for word in licences.split(",") if word.strip()], "pipelines": pipelines,
        "max_gb": float(largest), "min_downloads": int(downloads), "gated": gated,
    }  # fmt: skip
    if st.button("Ask the Hub and freeze", icon=":material/ac_unit:", key="many_ask"):
        if not name.strip():
            raise BadInput("The catalogue has no name; give it one.")
        arguments = {"name": checked_name(name.strip()), "most": int(most), "filters": filters}
        _submit("freeze-catalogue", arguments, f"Freeze the catalogue {name.strip()}")


def _submit(kind: str, arguments: dict, title: str) -> None:
    queue.submit(Workspace.current(), kind, arguments, title=title)
    st.toast(f"{literal(title)}: it goes on when this tab is closed.", icon=":material/rocket_launch:")
