"""One image of a gallery large: what is known of it, and the way to the previous and the next one, by button or key."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from cifake_core.evaluation.evaluating import class_name
from cifake_core.evaluation.scored import Scored
from cifake_core.images.sprite import png
from pages.shared.gallery.view import View
from pages.shared.guard import literal
from pages.shared.pickers import link_to, run_label


def detail(view: View, rows: np.ndarray, per_page: int, more: Callable[[int], None] | None = None) -> int | None:
    """The open image large, what is known of it, and the way to the previous and next; its place, from 1. `more(row)` draws it."""
    if not len(rows):
        return None

    def turned() -> None:
        number = st.session_state[view.key("image")]
        if number:
            view.open(number, per_page)

    view.keep_within("image", len(rows))
    number = st.number_input(
        "Image no. of this selection",
        1,
        len(rows),
        None,
        key=view.key("image"),
        bind="query-params",
        on_change=turned,
        placeholder="click an image, or type its place",
        help="With an image open, the keys ← and → go to the previous and the next one.",
    )
    if number:
        _steps(view, number, len(rows), per_page)
        _large(view, int(rows[number - 1]), more)
    else:
        st.caption("No image is open: click one of the tiles to see it large, with what is known of it.")
    return number


def _steps(view: View, number: int, last: int, per_page: int) -> None:
    """Two buttons with keys. Streamlit leaves keys alone that are meant for a slider or a text."""
    left, right = st.columns(2)
    shown = {"on_click": view.open, "width": "stretch"}
    left.button(
        "Previous", key=view.key("previous"), shortcut="Left", disabled=number <= 1,
        args=(number - 1, per_page), **shown,
    )  # fmt: skip
    right.button(
        "Next", key=view.key("next"), shortcut="Right", disabled=number >= last,
        args=(number + 1, per_page), **shown,
    )  # fmt: skip


def enlarged(scores: Scored, row: int) -> None:
    """The image eight times as large, each pixel a square."""
    truth, word = ("real", "fake")[scores.labels[row]], class_name(int(scores.class_labels[row]))
    st.image(
        png(scores.pixels[row].transpose(1, 2, 0).repeat(8, 0).repeat(8, 1)),
        output_format="PNG",
        width="stretch",
        alt=f"{word}, {truth}, enlarged eight times",
    )


def _large(view: View, row: int, more: Callable[[int], None] | None) -> None:
    scores = view.scores
    truth, probability = ("real", "fake")[scores.labels[row]], float(scores.probabilities[row])
    verdict = ("real", "fake")[int(probability >= view.threshold)]
    if more:
        more(row)
    else:
        enlarged(scores, row)
    mark = ":green-badge[right]" if truth == verdict else ":red-badge[wrong]"
    word = class_name(int(scores.class_labels[row]))
    st.markdown(f"{mark} A **{_coloured(truth)}** {word}, called **{_coloured(verdict)}**: {probability:.2%} fake.")
    if scores.split == "test":
        link_to(
            "try_image", "What if it were altered?", icon=":material/tune:", try_run=run_label(scores.run),
            image_id=str(scores.image_ids[row]), help="Sliders, a painted mask and similar training images for this image.",
        )  # fmt: skip
    st.table(_facts(scores, row), border="horizontal")


def _coloured(word: str) -> str:
    return {"real": ":blue[real]", "fake": ":orange[fake]"}[word]


def _facts(scores: Scored, row: int) -> dict[str, str]:
    """What is known of the image, without what nobody said."""
    known = scores.manifest.iloc[row]
    size = f"{known['format']}, {known['width']} × {known['height']}"
    found = {"Logit": f"{scores.logits[row]:+.2f}", "File": literal(str(known["path"] or "")), "Stored as": size}
    for name in ("generator", "prompt", "seed", "real_source"):
        value = known.get(name)
        if value is not None and str(value) not in ("", "<NA>", "nan"):
            found[name.replace("_", " ").capitalize()] = literal(str(value))
    if scores.doubles[row]:
        found["Double"] = "the same picture is in the training images, or here twice"
    found["Identity"] = f"{scores.image_ids[row][:16]}…"
    return found
