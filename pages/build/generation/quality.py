"""How good generators are, side by side: their samples, four questions with intervals, and the pairs that look like copies.

It reads stored measurements; measuring is a job.
"""

from pathlib import Path

import pandas as pd
import streamlit as st

from cifake_core.evaluation.quality import measuring
from cifake_core.generators import catalogue
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import jobs_panel
from pages.shared.palette import colours
from pages.shared.pickers import link_to, percent

QUALITY_VIEW = "How good they are"
_LEAST = 10  # reals of each class and split


def quality_view() -> None:
    """The whole view: what was measured, the form for more, work under way."""
    with shown_errors():
        st.caption(
            "A small classifier learns the ten classes from reals alone; it is the eye that fakes are seen with. Every figure stands "
            "beside what held-out reals get."
        )
        found = measuring.measurements(Workspace.current())
        with st.expander("Measure generators", icon=":material/straighten:", expanded=not found, key="generate_quality_open"):
            _form()
        jobs_panel("generate_quality", kinds=frozenset({"generator-quality"}), finished=1)
        if found:
            _shown(found)


def _form() -> None:
    everything = ImageSet.list(Workspace.current())
    reals = [one.name for one in everything if _has_reals(one)]
    fakes = [one.name for one in everything if any(counts["fake"] for counts in one.record["counts"].values())]
    bundled = [one.name for one in catalogue.bundled() if one.record is not None]
    generators = bundled + [one.name for one in catalogue.trained(Workspace.current())]
    if not reals:
        st.markdown("Measuring needs reals of every class, in a train and in a test split. Import CIFAKE or render the demo world first.")
        link_to("data", "Bring images in", icon=":material/photo_library:")
        return
    left, right = st.columns(2)
    against = left.selectbox("Held against the reals of", reals, key="generate_quality_reals", bind="query-params")
    each = right.number_input(
        "Fakes of each class", 20, 6000, 100, key="generate_quality_each", bind="query-params",
        help="More make the intervals narrower. A set that has fewer gives what it has; a generator makes them first.",
    )  # fmt: skip
    sets = left.multiselect("Image sets with fakes", fakes, key="generate_quality_sets", bind="query-params")
    makers = right.multiselect("Generators", generators, key="generate_quality_generators", bind="query-params")
    arguments = {"reals": against, "sets": sets, "generators": makers, "per_class": int(each)}
    named = [*(f"--set {name}" for name in sets), *(f"--generator {name}" for name in makers)]
    st.code(f"python -m cifake_core generator-quality --reals {against} {' '.join(named)} --per-class {each}", language="bash", wrap_lines=True)
    if st.button("Measure", type="primary", icon=":material/straighten:", disabled=not named, key="generate_quality_launch"):
        queue.submit(Workspace.current(), "generator-quality", arguments, title=f"Measure {', '.join([*sets, *makers])}")
        st.toast("Measuring. The classifier is trained once for these reals, some minutes of a core.", icon=":material/straighten:")


def _has_reals(image_set: ImageSet) -> bool:
    classes = image_set.record["classes"]
    return all(
        split in classes and len(classes[split].get("real", {})) >= 10 and min(classes[split]["real"].values()) >= _LEAST
        for split in ("train", "test")
    )


def _shown(found: list[tuple[Path, dict]]) -> None:
    labels = {_label(folder, record): (folder, record) for folder, record in found}
    chosen = st.multiselect("Side by side", list(labels), default=list(labels)[:3], max_selections=4, key="generate_quality_shown")
    if not chosen:
        st.caption("Choose at least one measurement.")
        return
    for place, label in zip(st.columns(len(chosen), gap="medium"), chosen, strict=True):
        folder, record = labels[label]
        place.markdown(f"**{literal(record['set'])}**")
        place.image(
            (folder / measuring.SAMPLES).read_bytes(), width="stretch",
            caption=f"Ten of each class, class by row. {percent(record['recognised']['value'], 1)} are seen as the class that was asked for.",
        )  # fmt: skip
    records = [labels[label][1] for label in chosen]
    _by_class(records)
    st.dataframe(_table(records), hide_index=True, width="stretch")
    st.caption(
        "In brackets 95 % intervals. Distances are taken in the classifier's features, so they compare with each other and with the "
        "reals' own, not with published figures. Near: fakes nearer to a training image than all but 1 % of held-out reals are; 1 % is chance. "
        "Detector: the paper's network trained on these fakes and as many reals; few fakes make it worse, so compare equal numbers."
    )
    st.markdown("**The fakes nearest to a training image**, each above the training image it is nearest to.")
    for label in chosen:
        folder, record = labels[label]
        st.image((folder / measuring.PAIRS).read_bytes(), width="stretch", caption=f"{record['set']}. A copy would show the same picture twice.")


def _label(folder: Path, record: dict) -> str:
    return f"{record['set']} against {record['reals']}, {record['n']:,} fakes ({folder.name[:4]})"


def _by_class(records: list[dict]) -> None:
    rows = [
        {"set": record["set"], "class": word, "recognised": share["value"], "low": share["low"], "high": share["high"]}
        for record in records
        for word, share in record["recognised_by_class"].items()
        if share["value"] is not None
    ]
    spec = {
        "data": {"values": rows},
        "mark": {"type": "bar", "color": colours()["fake"]},
        "encoding": {
            "x": {"field": "class", "type": "nominal", "sort": None, "title": None},
            "xOffset": {"field": "set"},
            "y": {"field": "recognised", "type": "quantitative", "axis": {"format": "%"}, "scale": {"domain": [0, 1]}, "title": "seen as asked"},
            "opacity": {"field": "set", "title": None, "scale": {"range": [1, 0.65, 0.4, 0.25][: len(records)]}},
            "tooltip": [{"field": "set"}, {"field": "class"}, *({"field": f, "format": ".1%"} for f in ("recognised", "low", "high"))],
        },
        "config": {"view": {"stroke": None}},
    }
    said = "; ".join(f"{row['set']} {row['class']} {row['recognised']:.0%}" for row in rows)
    st.vega_lite_chart(spec, width="stretch", height=220, alt=f"Share of fakes seen as the asked class: {said}")


def _table(records: list[dict]) -> pd.DataFrame:
    floors = {(record["reals"], record["distances"]["n"]): record for record in records}  # what reals get: once for the same reals
    titles = ["held-out reals"] if len(floors) == 1 else [f"held-out reals of {reals}, {n:,}" for reals, n in floors]
    rows = {name: [] for name in ("", *(_title(record, records) for record in records), *titles)}
    for title, of_fakes, of_reals in _QUESTIONS:
        values = [title, *(of_fakes(record) for record in records), *(of_reals(record) for record in floors.values())]
        for column, value in zip(rows.values(), values, strict=True):
            column.append(value)
    return pd.DataFrame(rows)


def _title(record: dict, records: list[dict]) -> str:
    twins = [other for other in records if other["set"] == record["set"]]
    return record["set"] if len(twins) == 1 else f"{record['set']}, {record['n']:,}, {record['reals']}, {records.index(record) + 1}"


def _share(estimate: dict) -> str:
    return f"{percent(estimate['value'], 1)} ({percent(estimate['low'], 1)} to {percent(estimate['high'], 1)})"


def _far(estimate: dict) -> str:
    return f"{estimate['value']:.2f} ({estimate['low']:.2f} to {estimate['high']:.2f})"


def _kernel(found: dict) -> str:
    return f"{found['value']:.4f} ± {found['spread']:.4f}"


_QUESTIONS = (
    ("fakes measured", lambda r: f"{r['n']:,}", lambda r: f"{r['classifier']['n_held_out']:,}"),
    ("seen as the asked class", lambda r: _share(r["recognised"]), lambda r: _share(r["classifier"]["held_out"])),
    ("Fréchet distance", lambda r: _far(r["distances"]["fakes"]["frechet"]), lambda r: _far(r["distances"]["floor"]["frechet"])),
    ("kernel distance, ± over subsets", lambda r: _kernel(r["distances"]["fakes"]["kernel"]), lambda r: _kernel(r["distances"]["floor"]["kernel"])),
    ("near a training image", lambda r: _share(r["copying"]["pixels"]["near"]), lambda r: "1 %"),
    ("median distance to it", lambda r: f"{r['copying']['pixels']['median']:.0f}", lambda r: f"{r['copying']['pixels']['median_held_out']:.0f}"),
    ("detector's accuracy", lambda r: _share(r["detector"]["accuracy"]) if r["detector"] else "", lambda r: ""),
)
