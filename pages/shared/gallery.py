"""The gallery of Metrics and Grad-CAM: filters, a page of tiles, one image large, and the way out as files.

Every choice is a widget bound to the URL, so a link restores the view. The matrix and the tiles change those widgets'
values; they hold no state of their own. It knows a run's scores, not how they were made.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from cifake_core.evaluation import exporting, selecting
from cifake_core.evaluation.evaluating import class_name
from cifake_core.evaluation.scored import Scored
from cifake_core.evaluation.selecting import Selection
from cifake_core.images.sprite import png, sprite
from pages.shared.guard import literal, shown_errors
from pages.shared.palette import colours
from pages.shared.pickers import link_to, run_label
from pages.shared.sheet import Tile, sheet

CELLS = {
    "all": "all images",
    "wrong": "wrong verdicts",
    "right": "right verdicts",
    "FP": "real called fake (FP)",
    "FN": "fake called real (FN)",
    "TN": "real called real (TN)",
    "TP": "fake called fake (TP)",
    "real": "all reals",
    "fake": "all fakes",
    "called real": "called real",
    "called fake": "called fake",
}
SORTS = {
    "most wrong": "most confidently wrong",
    "least sure": "least sure",
    "surest": "surest",
    "stored order": "stored order",
}
COLUMNS = 12  # of the sprite that is sent; the browser arranges the tiles by itself
ANY = "any"


@dataclass(frozen=True)
class View:
    """One gallery on one page: `prefix` keeps its keys apart from another page's."""

    prefix: str
    scores: Scored
    threshold: float

    def key(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def pick(self, cell: str, class_label: int | None = None) -> None:
        """What a click on the matrix does; the same pick again shows all images."""
        wanted = (CELLS[cell], ANY if class_label is None else class_name(class_label))
        there = (st.session_state.get(self.key("cell")), st.session_state.get(self.key("class"), ANY))
        if wanted == there:
            wanted = (CELLS["all"], ANY)
        st.session_state[self.key("cell")], st.session_state[self.key("class")] = wanted
        self.rewind()

    def rewind(self) -> None:
        """Back to the first page with no image open: what stood there is another one now."""
        st.session_state[self.key("page")] = 1
        st.session_state[self.key("image")] = None


def filters(view: View, *, cell: str = "all") -> Selection:
    """The row of filters; gives what they select. `cell` is what is shown at first."""
    first, second, third, fourth = st.columns([3, 2, 3, 1.6], vertical_alignment="bottom")
    names, present = list(CELLS), sorted({int(c) for c in np.unique(view.scores.class_labels)})
    bound = {"bind": "query-params", "on_change": view.rewind}
    chosen = first.selectbox(
        "Images",
        list(CELLS.values()),
        index=names.index(cell),
        key=view.key("cell"),
        help="TP and TN are right verdicts; FP is a real called fake, FN a fake called real.",
        **bound,
    )
    classes = {ANY: None, **{class_name(label): label for label in present}}
    word = second.selectbox("Class", list(classes), key=view.key("class"), **bound)
    order = third.selectbox(
        "Order",
        list(SORTS.values()),
        key=view.key("sort"),
        help="Most confidently wrong: mistakes far on the wrong side of the threshold first.",
        **bound,
    )
    with fourth.popover("More filters", icon=":material/tune:", width="stretch"):
        low, high = st.slider(
            "Probability of fake", 0.0, 1.0, (0.0, 1.0), 0.01, key=view.key("range"), **bound,
        )  # fmt: skip
        doubles = st.selectbox(
            "Doubles",
            list(selecting.DOUBLES),
            key=view.key("doubles"),
            help="A double is pixel-identical to a training image, or to another image shown here.",
            **bound,
        )
        generator = _generator(view, bound)
    back = {shown: name for name, shown in (CELLS | SORTS).items()}
    return Selection(back[chosen], classes[word], generator, doubles, low, high, back[order])


def _generator(view: View, bound: dict) -> str | None:
    found = sorted({str(name) for name in np.unique(view.scores.generators) if name})
    if len(found) < 2:
        return None
    chosen = st.selectbox("Generator", [ANY, *found], key=view.key("generator"), **bound)
    return None if chosen == ANY else chosen


@dataclass(frozen=True)
class Page:
    """The part of a selection on the screen."""

    rows: np.ndarray  # row numbers of the images of this page
    start: int  # position of the first of them in the selection


def pager(view: View, rows: np.ndarray, per_page: int) -> Page:
    """Which page of the selection is shown; says how many images there are."""
    pages = max(1, -(-len(rows) // per_page))
    left, right = st.columns([2, 3], vertical_alignment="center")
    with right.container(horizontal=True, horizontal_alignment="right"):
        page = st.pagination(pages, key=view.key("page"), bind="query-params")
    start = (page - 1) * per_page
    share = len(rows) / max(1, len(view.scores))
    left.markdown(f"**{len(rows):,}** of {len(view.scores):,} images ({share:.1%})")
    return Page(rows[start : start + per_page], start)


def tiles(
    view: View,
    rows: np.ndarray,
    page: Page,
    number: int | None = None,
    *,
    heat: bytes | None = None,
    second: bytes | None = None,
    opacity: float = 0.5,
    panes: tuple[str, ...] = ("image",),
    tile: int = 68,
    notes: dict[int, str] | None = None,
) -> None:
    """The page's images as tiles; a click opens one, `number` is the open one. `notes` says more of some rows (row → words)."""
    where = {view.scores.image_ids[row]: page.start + place + 1 for place, row in enumerate(page.rows)}
    open_row = rows[number - 1] if number and number <= len(rows) else None

    def chose(image_id: str) -> None:
        st.session_state[view.key("image")] = where.get(image_id)

    sheet(
        [_tile(view, row, (notes or {}).get(int(row), "")) for row in page.rows],
        sprite(np.asarray(view.scores.pixels[page.rows]), COLUMNS),
        COLUMNS,
        key=view.key("sheet"),
        label=f"{len(page.rows)} images; choose one to see it large",
        on_choose=chose,
        chosen=None if open_row is None else view.scores.image_ids[open_row],
        heat=heat,
        second=second,
        opacity=opacity,
        panes=panes,
        tile=tile,
    )


def _tile(view: View, row: int, note: str) -> Tile:
    paint, probability = colours(), view.scores.probabilities[row]
    truth, verdict = view.scores.labels[row], int(probability >= view.threshold)
    word = class_name(int(view.scores.class_labels[row]))
    name = f"{word}, {('real', 'fake')[truth]}, called {('real', 'fake')[verdict]}, {probability:.1%} fake"
    return Tile(
        id=view.scores.image_ids[row],
        name=f"{name}, {note}" if note else name,
        caption=f"{note or _short(probability)} {word}",
        left=paint[("real", "fake")[truth]],
        right=paint[("real", "fake")[verdict]],
    )


def _short(probability: float) -> str:
    """Never 0 % or 100 %: no network is that sure."""
    return "<1%" if probability < 0.01 else ">99%" if probability > 0.99 else f"{probability:.0%}"


def legend(view: View) -> None:
    """How to read a tile."""
    st.caption(
        "Below each image: the probability of fake, and its class. The bar's left half is the truth, the right half the "
        f"verdict at {view.threshold:.3f}: :blue[real] or :orange[fake]; two colours are a mistake. Click an image, or "
        "use the arrow keys and Enter, to see it large."
    )


def detail(view: View, rows: np.ndarray, per_page: int, more: Callable[[int], None] | None = None) -> int | None:
    """The open image large, what is known of it, and the way to the previous and next; its place, from 1. `more(row)` draws it."""
    if not len(rows):
        return None

    def turned() -> None:
        number = st.session_state[view.key("image")]
        if number:
            st.session_state[view.key("page")] = (number - 1) // per_page + 1

    number = st.number_input(
        "Image no. of this selection",
        1,
        len(rows),
        None,
        key=view.key("image"),
        bind="query-params",
        on_change=turned,
        placeholder="click an image, or type its place",
        help="Arrow keys or − and + go to the previous and the next one.",
    )
    if number:
        _large(view, int(rows[number - 1]), more)
    else:
        st.caption("No image is open: click one of the tiles to see it large, with what is known of it.")
    return number


def _large(view: View, row: int, more: Callable[[int], None] | None) -> None:
    scores = view.scores
    truth, probability = ("real", "fake")[scores.labels[row]], float(scores.probabilities[row])
    verdict = ("real", "fake")[int(probability >= view.threshold)]
    word = class_name(int(scores.class_labels[row]))
    if more:
        more(row)
    else:
        st.image(
            png(scores.pixels[row].transpose(1, 2, 0).repeat(8, 0).repeat(8, 1)),
            output_format="PNG",
            width="stretch",
            alt=f"{word}, {truth}, enlarged eight times",
        )
    mark = ":green-badge[right]" if truth == verdict else ":red-badge[wrong]"
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


def exports(view: View, rows: np.ndarray) -> None:
    """Two buttons: the selection as a table and as an archive, made when asked for."""
    name = f"{view.scores.run.id}-{len(rows)}-images"

    def table() -> bytes:
        return exporting.csv(exporting.table(view.scores, rows, view.threshold))

    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Table (CSV)", table, f"{name}.csv", "text/csv", icon=":material/table:", on_click="ignore",
            disabled=not len(rows), key=view.key("csv"), help="One line an image: identity, truth, verdict, probability, class, provenance.",
        )  # fmt: skip
        too_many = len(rows) > exporting.MAX_IMAGES
        with shown_errors():
            st.download_button(
                "Images (zip)",
                lambda: exporting.archive(view.scores, rows, view.threshold),
                f"{name}.zip",
                "application/zip",
                icon=":material/folder_zip:",
                on_click="ignore",
                disabled=too_many or not len(rows),
                key=view.key("zip"),
                help=f"Lossless PNGs and a table, for up to {exporting.MAX_IMAGES:,} images at a time.",
            )
