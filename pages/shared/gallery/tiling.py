"""A page of a selection as tiles: which images are on it, what is said below each, and how to read it."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from cifake_core.evaluation.evaluating import class_name
from cifake_core.evaluation.scored import Scored
from cifake_core.images.sprite import sprite
from pages.shared.gallery import choosing
from pages.shared.gallery.view import COLUMNS, View
from pages.shared.palette import colours
from pages.shared.sheet import Choice, Tile, sheet


@dataclass(frozen=True)
class Page:
    """The part of a selection on the screen."""

    rows: np.ndarray  # row numbers of the images of this page
    start: int  # position of the first of them in the selection


def pager(view: View, rows: np.ndarray, per_page: int) -> Page:
    """Which page of the selection is shown; says how many images there are."""
    pages = max(1, -(-len(rows) // per_page))
    view.keep_within("page", pages)
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
    """The page's images as tiles; a click opens one, `number` is the open one, and many can be chosen.

    `notes` says more of some rows (row → words).
    """
    names = tile_ids(view.scores.image_ids[page.rows])
    row_of = dict(zip(names, page.rows.tolist(), strict=True))
    place_of = {name: page.start + place for place, name in enumerate(names, 1)}
    open_row = rows[number - 1] if number and number <= len(rows) else None

    def opened(name: str) -> None:
        st.session_state[view.key("image")] = place_of.get(name)

    def chosen(shown: list[str], marked: list[str]) -> None:
        choosing.replace(view, [row_of[n] for n in shown if n in row_of], [row_of[n] for n in marked if n in row_of])

    inside = set(choosing.chosen(view).tolist())
    sheet(
        [_tile(view, row, name, (notes or {}).get(row, "")) for name, row in row_of.items()],
        _sprite(view.scores.run.record["dataset_digest"], view.scores.split, page.rows.tobytes(), view.scores, page.rows),
        COLUMNS,
        key=view.key("sheet"),
        label=f"{len(page.rows)} images; Enter shows one large, Space chooses it",
        on_choose=opened,
        chosen=next((name for name, row in row_of.items() if row == open_row), None),
        heat=heat,
        second=second,
        opacity=opacity,
        panes=panes,
        tile=tile,
        several=Choice([name for name, row in row_of.items() if row in inside], chosen, choosing.clicks_choose(view)),
        follow=True,
    )


def tile_ids(image_ids: np.ndarray) -> list[str]:
    """The image ids with a number behind those that came before: a picture can be in a part twice, a tile cannot."""
    seen: dict[str, int] = {}
    names = []
    for image_id in image_ids.tolist():
        seen[image_id] = seen.get(image_id, 0) + 1
        names.append(image_id if seen[image_id] == 1 else f"{image_id}.{seen[image_id]}")
    return names


@st.cache_data(max_entries=200, show_spinner=False)
def _sprite(images: str, split: str, rows: bytes, _scores: Scored, _rows: np.ndarray) -> bytes:
    """The pictures of a page: a step of the threshold shows mostly the same ones."""
    return sprite(np.asarray(_scores.pixels[_rows]), COLUMNS)


def _tile(view: View, row: int, name: str, note: str) -> Tile:
    paint, probability = colours(), view.scores.probabilities[row]
    truth, verdict = view.scores.labels[row], int(probability >= view.threshold)
    word = class_name(int(view.scores.class_labels[row]))
    said = f"{word}, {('real', 'fake')[truth]}, called {('real', 'fake')[verdict]}, {probability:.1%} fake"
    return Tile(
        id=name,
        name=f"{said}, {note}" if note else said,
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
        "use the arrow keys and Enter, to see it large; ← and → then go on. Ctrl-click or Space chooses one, Shift-click a range."
    )
