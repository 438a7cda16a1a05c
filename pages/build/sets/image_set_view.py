"""What is in an image set, pictures first: counts, sheets of images, duplicates, where it came from, deleting it."""

import streamlit as st

from cifake_core.images.image_set import ImageSet
from cifake_core.images.importing import one_label_warning
from cifake_core.store.workspace import Workspace
from pages.build.generation.taking import exports
from pages.build.sets.figures import FLAT, counts_figure
from pages.build.sets.import_preview import account, on_page
from pages.shared.guard import literal, shown_errors
from pages.shared.palette import FAKE_TEXT, REAL_TEXT
from pages.shared.pickers import link_to, why_not_trainable
from pages.shared.set_pictures import class_sheet, classes_of, overview_sheet

_KIND = {
    "photographs": ("photographs", "blue", ":material/photo_camera:"),
    "generated": ("generated images", "orange", ":material/auto_awesome:"),
    "rendered": ("rendered, no photographs", "violet", ":material/draw:"),
    "rendered-mixed": ("rendered scenes and fakes, no photographs", "violet", ":material/draw:"),
    "mixed": ("photographs and fakes", "green", ":material/contrast:"),
}
_PAIRS = {"train-train": "within train", "train-test": "between train and test", "test-test": "within test"}


def contents(image_set: ImageSet) -> None:
    """The whole view of one set."""
    _headline(image_set)
    st.plotly_chart(
        counts_figure(image_set.record["classes"]), key="data_counts", config=FLAT,
        alt=f"Images of {image_set.name} by split, label and class; {_counts_text(image_set)}",
    )  # fmt: skip
    _sheets(image_set)
    left, right = st.columns(2, gap="large")
    with left:
        _duplicates(image_set)
    with right:
        _provenance(image_set)
    with st.expander("Export", icon=":material/download:", key="data_export", on_change="rerun") as export:
        if export.open:
            exports(image_set)
    if st.button("Delete this image set", icon=":material/delete:", type="tertiary", key="data_delete"):
        _confirm_deletion(image_set.name)


def _headline(image_set: ImageSet) -> None:
    label, colour, icon = _KIND.get(_kind(image_set.record), _KIND["mixed"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(label, color=colour, icon=icon)
        problem = why_not_trainable(image_set)
        if problem:
            st.badge("browse only", color="gray", icon=":material/visibility:", help=literal(problem))
        st.markdown(_counts_text(image_set), width="stretch")
        if not problem:
            link_to("train", "Train on it", icon=":material/grid_on:", train_set=image_set.name)
    if image_set.record.get("note"):
        st.caption(literal(image_set.record["note"]))
    for warning in _warnings(image_set):
        st.warning(literal(warning), icon=":material/warning:")
    if problem and not _warnings(image_set):
        st.info(literal(problem), icon=":material/info:")


def _warnings(image_set: ImageSet) -> list[str]:
    """What is said first of an import: that only one label came in."""
    warning = one_label_warning(image_set.record["counts"]) if "files" in image_set.record["source"] else ""
    return [warning] if warning else []


def _kind(record: dict) -> str:
    """The set's kind; a mixed set whose reals were rendered is never called photographs."""
    rendered = any(name.startswith("demo-world-") for name in record.get("generators", {}))
    return "rendered-mixed" if rendered and record["kind"] == "mixed" else record["kind"]


def _counts_text(image_set: ImageSet) -> str:
    return " · ".join(f"{split} {c['real']:,} real + {c['fake']:,} fake" for split, c in image_set.record["counts"].items())


def _sheets(image_set: ImageSet) -> None:
    st.subheader("Look at them")
    splits = list(image_set.record["rows"])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        split = st.segmented_control("Split", splits, default=splits[0], required=True, key="data_split", bind="query-params")
        classes = classes_of(image_set, split)
        chosen = st.selectbox("Class", ["all classes", *classes], key="data_class", bind="query-params", width=220)
        draw = st.number_input(
            "Draw", 0, 9999, 0, key="data_draw", bind="query-params", width=140,
            help="Which images are drawn. The same number always shows the same ones, so a link to it can be shared.",
        )  # fmt: skip
    if chosen in classes:
        _one_class(image_set, split, chosen, classes[chosen], int(draw))
        return
    sheet = overview_sheet(image_set, split, int(draw))
    st.image(sheet, width="stretch", output_format="PNG", alt=f"Reals and fakes of every class in {image_set.name}, side by side")
    st.caption(
        f"One row a class: {REAL_TEXT} on the left, {FAKE_TEXT} on the right, each pixel as it is. "
        "Compare backgrounds and textures as well as the objects; choose one class to see more of it."
    )


def _one_class(image_set: ImageSet, split: str, name: str, number: int, draw: int) -> None:
    for column, (label, word) in zip(st.columns(2, gap="large"), enumerate((REAL_TEXT, FAKE_TEXT)), strict=True):
        with column:
            total = image_set.record["classes"][split][("real", "fake")[label]].get(name, 0)
            st.markdown(f"**{word}** · {total:,} images of {name}")
            sheet = class_sheet(image_set, split, label, number, draw)
            if sheet is None:
                st.caption("None in this split.")
            else:
                st.image(sheet, width="stretch", output_format="PNG", alt=f"{name}, {('real', 'fake')[label]}, from {split}")


def _duplicates(image_set: ImageSet) -> None:
    found = {pair: n for pair, n in image_set.record["duplicates"].items() if n}
    st.subheader("Identical images")
    if not found:
        st.markdown("No two images have the same pixels.")
        return
    st.markdown(", ".join(f"**{n:,}** {'pair' if n == 1 else 'pairs'} {_PAIRS[pair]}" for pair, n in found.items()) + ".")
    across = found.get("train-test", 0)
    if across:
        st.caption(
            f"{across:,} test images have been seen in training pixel for pixel, so accuracy on them may be memory. "
            "They stay, because the official split is what everybody reports; validation never shares an image with train."
        )
    else:
        st.caption("None of them lies on both sides of train and test, so no test image has been seen in training.")


def _provenance(image_set: ImageSet) -> None:
    record = image_set.record
    st.subheader("Where it came from")
    files = [f"{literal(f['name'])} ({f['images']:,} images, {literal(f['kind'])})" for f in record["source"].get("files", [])]
    makers = [f"{literal(name)} ({n:,})" for name, n in record.get("generators", {}).items()]
    formats = ", ".join(f"{literal(name)} {n:,}" for name, n in record["formats"].items())
    rows = {"Files": "; ".join(files), "Generators": ", ".join(makers), "Stored as": formats, "Made": record["created_at"][:10]}
    if record.get("resized"):
        rows["Shrunk to 32 × 32"] = f"{record['resized']:,}"
    rows["Fingerprint"] = f"`{image_set.digest[:16]}`"
    st.table({name: text for name, text in rows.items() if text}, border="horizontal", width="content")
    for sentence in record["source"].get("conventions", []):
        st.caption(literal(on_page(sentence)))
    account(record["source"].get("account", {}), done=True)


@st.dialog("Delete the image set?", icon=":material/delete:")
def _confirm_deletion(name: str) -> None:
    st.markdown(
        f"**{literal(name)}** and its images will be removed from the workspace. Runs trained on it stay, but their images "
        "can no longer be shown."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it", key="data_keep"):
            st.rerun()
        if st.button("Delete", type="primary", key="data_really_delete"):
            with shown_errors():
                ImageSet.delete(Workspace.current(), name)
                st.rerun()
