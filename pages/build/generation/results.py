"""What was made: a gallery to look, mark and discard in, a detector's opinion, reals beside it, and the way out as files.

It knows image sets and marks; one image in detail is generate_image.py's business.
"""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from cifake_core.detectors import runs
from cifake_core.detectors.runs import Run
from cifake_core.evaluation.evaluating import class_name
from cifake_core.generators import defects
from cifake_core.images.discarding import Discard, free_name
from cifake_core.images.image_set import ImageSet, Part
from cifake_core.images.sprite import sprite
from cifake_core.jobs import queue
from cifake_core.step import Context
from cifake_core.store.workspace import Workspace
from pages.build.generation.image import image_detail
from pages.build.generation.recall import whole_page_if_asked
from pages.build.generation.taking import exports, side_by_side
from pages.shared.cached import detector_of
from pages.shared.guard import literal, shown_errors
from pages.shared.palette import colours
from pages.shared.pickers import link_to, percent, run_label
from pages.shared.sheet import Tile, sheet

COLUMNS = 12
PER_PAGE = 60
MOST_JUDGED = 20_000  # images a detector is asked about: seconds of a CPU
_AT_ONCE = 5_000  # images of a set that is copied while the page waits; a larger one becomes a job
_NOBODY, _ALL = "no detector", "all classes"
_ORDERS = ("as made", "most real-looking first", "most obviously fake first")
_LOOK, _MARK = "Look at it", "Mark it"


@dataclass(frozen=True)
class Judged:
    """What the chosen detector says of the images, by row; nothing where no detector is chosen."""

    run: Run | None = None
    fake_probability: np.ndarray | None = None  # (n,); rows beyond MOST_JUDGED are left out


def results(made: list[ImageSet]) -> None:
    """The newest generated set, or the chosen one."""
    if not made:
        return
    names = [one.name for one in sorted(made, key=lambda one: one.record["created_at"], reverse=True)]
    st.subheader("What was made")
    chosen = {one.name: one for one in made}[st.selectbox("Image set", names, key="generate_set", bind="query-params")]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge("generated images", color="orange", icon=":material/auto_awesome:")
        st.markdown(_headline(chosen), width="stretch")
        link_to("data", "Open in Data", icon=":material/photo_library:", data_set=chosen.name)
    if chosen.record["note"]:
        st.caption(literal(chosen.record["note"]))
    if in_vain := defects.sentence(chosen.record["source"].get("defects", {})):
        st.warning(literal(in_vain), icon=":material/block:")
    st.fragment(_shown)(chosen)


def _headline(image_set: ImageSet) -> str:
    total = sum(image_set.record["rows"].values())
    doubles = sum(image_set.record["duplicates"].values())
    same = f" · {doubles:,} {'pair' if doubles == 1 else 'pairs'} with the same pixels" if doubles else " · no two alike"
    return f"{total:,} images{same}"


def _shown(image_set: ImageSet) -> None:
    whole_page_if_asked()
    with shown_errors():
        split = next(iter(image_set.record["rows"]))
        part = image_set.part("test" if split == "test" else "train+validation")
        judged = _judge(image_set, part)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            present = [class_name(number) for number in sorted({int(c) for c in np.unique(part.class_labels)})]
            word = st.selectbox("Class", [_ALL, *present], key="generate_class", bind="query-params", width=200)
            order = st.selectbox("Order", _ORDERS if judged.run else _ORDERS[:1], key="generate_order", bind="query-params", width=260)
            click = st.segmented_control(
                "A click on an image", [_LOOK, _MARK], default=_LOOK, required=True, key="generate_click",
                help="Look: opens it below. Mark: marks it for being left out, or takes the mark back.",
            )  # fmt: skip
        rows = _ordered(part, judged, word, order)
        left, right = st.columns([2, 3], vertical_alignment="center")
        with right.container(horizontal=True, horizontal_alignment="right"):
            page = st.pagination(max(1, -(-len(rows) // PER_PAGE)), key="generate_page", bind="query-params")
        left.markdown(f"**{len(rows):,}** images")
        here = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
        _tiles(image_set, part, judged, here, click)
        _marking(image_set, part, judged, here, word)
        image_detail(image_set, part, split)
        side_by_side(image_set, split, None if word == _ALL else word)
        exports(image_set)


def _judge(image_set: ImageSet, part: Part) -> Judged:
    """Asks the chosen detector, and says in one line how many it flags and by class."""
    found = {run_label(run): run for run in runs.runs(Workspace.current())}
    if not found:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Train a network to see whether it recognises these images as fake.")
            link_to("train", "Train networks", icon=":material/grid_on:")
        return Judged()
    label = st.selectbox(
        "Classify what was made with", [_NOBODY, *found], key="generate_detector", bind="query-params",
        help="The detector's verdict on every image. A detector trained on other generators may miss these entirely.",
    )  # fmt: skip
    run = found.get(label)
    if run is None:
        return Judged()
    answer = _classified(run.id, run.record["sha256"]["weights.safetensors"], image_set.digest, part.name, run, part)
    asked = len(answer.fake_probability)
    flagged, note = answer.flagged, "" if asked == len(part) else f", the first {asked:,} images"
    with st.container(horizontal=True, vertical_alignment="center", gap="large"):
        st.metric("Flagged as fake", f"{answer.flagged_count:,} of {asked:,}", width="content")
        st.markdown(
            f"**{percent(flagged.value, 1)}** of these fakes are recognised (95 % interval {percent(flagged.low, 1)} to {percent(flagged.high, 1)}{note})."
            f"  \n{_extremes(answer.by_class)}",
            width="stretch",
        )
    return Judged(run, answer.fake_probability)


def _extremes(by_class: dict[str, tuple[int, int]]) -> str:
    shares = {word: hits / total for word, (hits, total) in by_class.items()}
    best, worst = max(shares, key=shares.get), min(shares, key=shares.get)
    if shares[best] == shares[worst]:
        return f"Every class alike: {percent(shares[best], 0)}."
    return (
        f"Most easily recognised: {best} ({by_class[best][0]} of {by_class[best][1]}). "
        f"Best at fooling it: {worst} ({by_class[worst][0]} of {by_class[worst][1]} recognised)."
    )


@st.cache_data(max_entries=20, show_spinner="Asking the detector …")
def _classified(run_id: str, weights: str, digest: str, name: str, _run: Run, _part: Part):
    from cifake_core.evaluation.classifying import classify

    pixels = np.ascontiguousarray(_part.pixels[:MOST_JUDGED])
    return classify(detector_of(_run), pixels, _part.class_labels[:MOST_JUDGED])


def _ordered(part: Part, judged: Judged, word: str, order: str) -> np.ndarray:
    """Row numbers in the part, filtered and sorted; images the detector was not asked about come last."""
    words = np.array([class_name(int(number)) for number in part.class_labels])
    rows = np.arange(len(part)) if word == _ALL else np.flatnonzero(words == word)
    if judged.fake_probability is None or order == _ORDERS[0]:
        return rows
    known, rest = rows[rows < len(judged.fake_probability)], rows[rows >= len(judged.fake_probability)]
    sign = 1 if order == _ORDERS[1] else -1
    return np.concatenate([known[np.argsort(sign * judged.fake_probability[known], kind="stable")], rest])


def _tiles(image_set: ImageSet, part: Part, judged: Judged, rows: np.ndarray, click: str) -> None:
    marks, paint = _marks(image_set), colours()
    pixels = np.array(part.pixels[rows])
    gone = np.array([part.image_ids[row] in marks for row in rows], dtype=bool)
    pixels[gone] = pixels[gone] // 4 + 144  # faded: it will be left out

    def tile(row: int) -> Tile:
        word, marked = class_name(int(part.class_labels[row])), part.image_ids[row] in marks
        known = judged.fake_probability is not None and row < len(judged.fake_probability)
        said = f"{judged.fake_probability[row]:.0%} " if known else ""
        verdict = paint["fake"] if not known or judged.fake_probability[row] >= 0.5 else paint["real"]
        name = f"{word}, {said}fake according to the detector" if known else f"{word}, made"
        return Tile(
            str(row), f"{name}, marked" if marked else name, f"✕ {word}" if marked else f"{said}{word}",
            left=paint["muted"] if marked else paint["fake"], right=paint["muted"] if marked else verdict,
        )  # fmt: skip

    def chose(row: str) -> None:
        key = part.image_ids[int(row)]
        if click == _LOOK:
            st.session_state.generate_image = int(row) + 1
        elif key in marks:
            marks.discard(key)
        else:
            marks.add(key)

    opened = st.session_state.get("generate_image")
    sheet(
        [tile(int(row)) for row in rows], sprite(pixels, COLUMNS), COLUMNS, key="generate_sheet", on_choose=chose,
        label=f"{len(rows)} generated images", chosen=str(opened - 1) if opened else None, tile=84,
    )  # fmt: skip
    said = "Below each: the probability of fake; a bar half blue is a fake the detector takes for real. " if judged.run else ""
    st.caption(f"{said}Faded images are marked and will be left out when you make a new set without them.")


def _marks(image_set: ImageSet) -> set[str]:
    """The ids of the images marked in this session, by content of the set."""
    return st.session_state.setdefault("generate_marks", {}).setdefault(image_set.digest, set())


def _marking(image_set: ImageSet, part: Part, judged: Judged, here: np.ndarray, word: str) -> None:
    """The buttons of bulk marking, and the new set without what is marked."""
    marks = _marks(image_set)
    words = np.array([class_name(int(number)) for number in part.class_labels])
    with st.container(horizontal=True, vertical_alignment="center"):
        bulk = {"Mark this page": here}
        if word != _ALL:
            bulk[f"Mark all of {word}"] = np.flatnonzero(words == word)
        if judged.fake_probability is not None:
            bulk["Mark those recognised as fake"] = np.flatnonzero(judged.fake_probability >= 0.5)
        for label, rows in bulk.items():
            st.button(label, key=f"generate-{label}", type="tertiary", on_click=marks.update, args=(part.image_ids[rows].tolist(),))
        st.button("Unmark all", key="generate_unmark", type="tertiary", disabled=not marks, on_click=marks.clear)
        with st.popover(f"Leave out {len(marks):,} marked", icon=":material/filter_alt_off:", disabled=not marks):
            name = st.text_input("Name of the new set", free_name(Workspace.current(), image_set.name), key=f"generate_kept_{image_set.name}")
            st.caption(f"{literal(image_set.name)} stays as it is; the new set has its other images.")
            if st.button("Make the set without them", type="primary", key="generate_discard"):
                with shown_errors():
                    _discard(image_set, name.strip(), marks)


def _discard(image_set: ImageSet, name: str, marks: set[str]) -> None:
    workspace = Workspace.current()
    step = Discard(image_set.name, tuple(sorted(marks)), name)
    if sum(image_set.record["rows"].values()) > _AT_ONCE:
        arguments = {"dataset": step.dataset, "image_ids": list(step.image_ids), "name": step.name}
        queue.submit(workspace, "discard", arguments, title=f"Leave out {len(marks):,} images of {image_set.name}")
    else:
        step.run(Context(workspace))
    marks.clear()
    st.toast(f"{literal(name)} has the others.", icon=":material/filter_alt_off:")
    st.rerun()
