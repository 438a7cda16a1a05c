"""The audit of an image set as pictures: what could tell real from fake besides the picture, a sentence under each."""

import numpy as np
import pandas as pd
import streamlit as st

from cifake_core.detectors import runs
from cifake_core.evaluation.audit import auditing
from cifake_core.images.image_set import ImageSet
from cifake_core.images.sprite import sprite
from cifake_core.jobs import queue
from cifake_core.store.workspace import Workspace
from pages.shared import charts
from pages.shared.guard import literal, shown_errors
from pages.shared.jobs_panel import jobs_panel, known_jobs, moving
from pages.shared.pickers import link_to, percent, run_label

_PAIRS = {"train-train": "within train", "train-test": "train and test", "test-test": "within test"}
_BLIND = {"metadata": "Files alone", "sizes": "Original sizes alone", "spectrum": "Spectrum alone", "statistics": "Statistics alone"}
_SHOWN = 8  # pairs of pictures


def audit(image_set: ImageSet) -> None:
    """The whole tab: the audit if it was made, else the button that makes it."""
    kinds = frozenset({"audit"})
    if moving(known_jobs(kinds)) or any(job.error for job in known_jobs(kinds)[:1]):
        jobs_panel("data-audit", kinds=kinds, finished=1)
    with shown_errors():
        found = auditing.stored(Workspace.current(), image_set)
        if found is None:
            _launch(image_set)
            return
        _blind(found)
        left, right = st.columns(2, gap="large")
        with left:
            _duplicates(image_set, found)
            _spectrum(found)
            _balance(found)
            _originals(found)
        with right:
            _nearly(image_set, found)
            _colour(found)
            _files(found)
        st.code(f"python -m cifake_core audit --dataset {image_set.name} --json", language="bash", wrap_lines=True)


def _launch(image_set: ImageSet) -> None:
    st.markdown("**What gives the label away?** The audit looks for identical and nearly identical images, differences of the files, of spectrum and colours, and lets three classifiers without eyes try their luck.")
    if st.button("Audit this image set", type="primary", icon=":material/troubleshoot:", key="data_audit_launch"):
        queue.submit(Workspace.current(), "audit", {"dataset": image_set.name}, title=f"Audit of {image_set.name}")
        st.rerun()
    st.caption("About a minute for 120,000 images; it runs on when this tab is closed.")


def _said(section: dict) -> None:
    st.caption(literal(section["meaning"]))


def _blind(found: dict) -> None:
    st.subheader("Classifiers that cannot see the picture", anchor="blind")
    for column, (name, title) in zip(st.columns(len(_BLIND)), _BLIND.items(), strict=True):
        made = found["baselines"][name]
        with column.container(border=True, height="stretch"):
            st.metric(title, percent(made["accuracy"]["value"], 1) if "accuracy" in made else "–", help=f"Logistic regression, {found['baselines']['split']}.")
            _said(made)
            if made.get("strongest"):
                words = ", ".join(f"{one['name']} (AUC {one['auc']:.2f}, higher in {one['higher_in']}s)" for one in made["strongest"][:3])
                st.caption(f"Strongest alone: {literal(words)}.")


def _pairs(section: dict) -> None:
    for column, (pair, words) in zip(st.columns(3), _PAIRS.items(), strict=True):
        column.metric(words, f"{section['pairs'][pair]:,}", border=True)


def _duplicates(image_set: ImageSet, found: dict) -> None:
    st.subheader("Identical images", anchor="identical")
    _pairs(found["duplicates"])
    _said(found["duplicates"])
    trained = [run for run in runs.runs(Workspace.current()) if run.dataset == image_set.name and run.record.get("test")]
    if trained and found["duplicates"]["pairs"]["train-test"]:
        link_to(
            "metrics", "Re-evaluate without duplicates", icon=":material/content_copy:", metrics_run=run_label(trained[0]),
            metrics_view="Numbers", metrics_unseen="true", help="Both accuracies of the newest network of this set, with and without them.",
        )  # fmt: skip
    _strip(image_set, [(group["copies"][0], group["copies"][1]) for group in found["duplicates"]["examples"][:_SHOWN]], "identical")


def _nearly(image_set: ImageSet, found: dict) -> None:
    st.subheader("Nearly identical images", anchor="nearly")
    section = found["near_duplicates"]
    _pairs(section)
    _said(section)
    st.caption(literal(section["method"]))
    _strip(image_set, [(one["first"], one["second"]) for one in section["examples"][:_SHOWN]], "nearly identical")


def _strip(image_set: ImageSet, pairs: list[tuple[dict, dict]], word: str) -> None:
    """The first of each pair above, the second below."""
    if not pairs:
        return
    places = [first for first, _ in pairs] + [second for _, second in pairs]
    pixels = np.stack([image_set.pixels(place["split"])[place["row"]] for place in places])
    st.image(sprite(pixels.repeat(2, 2).repeat(2, 3), len(pairs)), width="stretch", output_format="PNG", alt=f"{len(pairs)} {word} pairs, one above the other")
    st.caption(literal("; ".join(f"{a['split']} {a['row']} ({a['label']}) and {b['split']} {b['row']} ({b['label']})" for a, b in pairs)))


def _curve(section: dict, xs: list[float]) -> pd.DataFrame:
    rows = [
        {"x": x, "truth": word, "mean": m, "low": m - s, "high": m + s}
        for word in ("real", "fake")
        if word in section
        for x, m, s in zip(xs, section[word]["mean"], section[word]["sd"], strict=True)
    ]
    return pd.DataFrame(rows, columns=["x", "truth", "mean", "low", "high"])


def _spectrum(found: dict) -> None:
    st.subheader("Spectrum", anchor="spectrum")
    section = found["spectrum"]
    charts.two_curves(_curve(section, section["cycles"]), ("cycles a picture", section["unit"]))
    _said(section)


def _colour(found: dict) -> None:
    st.subheader("Colours", anchor="colours")
    section = found["colour"]
    names = [name for name in ("saturation", "red", "green", "blue") if name in section]
    chosen = st.segmented_control("Quantity", names, default=names[0], required=True, key="data_audit_colour", bind="query-params", label_visibility="collapsed")
    table = _curve(section[chosen], section[chosen]["low"])
    charts.two_curves(table.assign(low=table["low"].clip(lower=0)), (chosen, "share of pixels"))
    _said(section)


def _files(found: dict) -> None:
    st.subheader("Files", anchor="files")
    rows = [
        {
            "label": row["label"], "format": row["format"], "tables": row["quantisation"], "chroma": row["subsampling"], "EXIF": row["exif"],
            "mode": row["mode"], "images": row["n"], "share": f"{row['share']:.1%}", "bytes": f"{row['bytes_mean']:,.0f} ± {row['bytes_sd']:,.0f}",
        }
        for row in found["files"]["rows"]
    ]  # fmt: skip
    st.dataframe(rows, hide_index=True, width="stretch")
    _said(found["files"])


def _originals(found: dict) -> None:
    st.subheader("Original sizes and metadata", anchor="originals")
    section = found["originals"]
    _said(section)
    for name, title in (("size", "size"), ("aspect", "width : height")):
        rows = [
            {title: row[name], **{word: f"{row[word]:,} ({row[f'share_{word}']:.1%})" for word in ("real", "fake")}} for row in section[f"{name}s"]
        ]
        if rows:
            st.dataframe(rows, hide_index=True, width="stretch", height=min(36 * len(rows) + 38, 220))
    st.caption(", ".join(f"{section['different_sizes'][word]:,} different {'size' if section['different_sizes'][word] == 1 else 'sizes'} of {section['known'][word]:,} {word}s" for word in ("real", "fake")) + ".")
    rows = [
        {
            "label": word, "shrunk": f"{one['shrunk']:.1%}", "enlarged": f"{one['enlarged']:.1%}", "cropped to a square": f"{one['cropped']:.1%}",
            "times, median": f"{one['factor_median']:.1f}", "quartiles": " – ".join(f"{q:.1f}" for q in one["factor_quartiles"]),
        }
        for word, one in section["shrinking"].items()
    ]  # fmt: skip
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")
    kinds = [
        {"label": row["label"], "came as": row["format"], "tables": row["quantisation"], "EXIF": row["exif"], "images": row["n"], "share": f"{row['share']:.1%}"}
        for row in section["metadata"]
    ]  # fmt: skip
    if kinds:
        st.dataframe(kinds, hide_index=True, width="stretch")
        st.caption(literal(section["metadata_meaning"]))


def _balance(found: dict) -> None:
    st.subheader("Balance", anchor="balance")
    section = found["balance"]
    st.dataframe(section["classes"], hide_index=True, width="stretch", height=240)
    if section["generators"]:
        st.dataframe([{**row, "share": f"{row['share']:.1%}"} for row in section["generators"]], hide_index=True, width="stretch")
    _said(section)
