"""A sheet of tiles one can click: many small images in one picture, each tile a real button.

Streamlit has no click on an image; this is a small component for it. It knows pixels and captions, not what they mean.
Arrow keys move between tiles, Enter opens one, Space marks it among several; every tile has a name for screen readers.
The behaviour is in sheet.js, the looks in sheet.css.
"""

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st


@dataclass(frozen=True)
class Tile:
    """One image of a sheet."""

    id: str
    name: str  # what a screen reader says, and the tooltip
    caption: str  # short, below the tile
    left: str  # colours of the bar below the tile: left half, right half
    right: str


@dataclass(frozen=True)
class Choice:
    """Several tiles at once: the ids marked now, and what to do when a user marks others."""

    marked: list[str]
    on_mark: Callable[[list[str], list[str]], None]  # called with the ids of all tiles shown, and of those marked
    by_click: bool = False  # a plain click marks; Ctrl-click, Shift-click and Space always do


_sheet = st.components.v2.component(
    "cifake_sheet",
    html='<div class="sheet"></div>',
    css=Path(__file__).with_suffix(".css").read_text(encoding="utf-8"),
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def sheet(
    tiles: list[Tile],
    pixels: bytes,
    columns: int,
    *,
    key: str,
    label: str,
    on_choose: Callable[[str], None],
    chosen: str | None = None,
    heat: bytes | None = None,
    second: bytes | None = None,
    opacity: float = 0.5,
    panes: tuple[str, ...] = ("image",),
    tile: int = 68,
    several: Choice | None = None,
    follow: bool = False,
) -> None:
    """Shows the tiles; `on_choose(id)` is called before the next run when one is clicked.

    `pixels`, `heat` and `second` (another map of each image) are sprites (PNG) of the tiles in `columns` columns; `panes`
    are image, map or overlay, and "map 2" or "overlay 2" of the second, side by side in each tile; `tile` is the least
    width of one in pixels. `chosen` is the open one; with `several`, any number can be marked besides. `follow`: left and
    right at the open tile are not handled here, because the page has keys for the previous and the next image.
    """

    def chose() -> None:
        on_choose(st.session_state[key].chosen)

    def marked() -> None:
        said = st.session_state[key].marked
        if said and several:
            several.on_mark(said["shown"], said["marked"])

    last = _last(key)
    _sheet(
        key=key,
        data={
            "label": label,
            "tiles": [asdict(one) for one in tiles],
            "pixels": base64.b64encode(pixels).decode(),
            "heat": base64.b64encode(heat).decode() if heat else None,
            "second": base64.b64encode(second).decode() if second else None,
            "columns": columns,
            "opacity": opacity,
            "panes": list(panes),
            "chosen": chosen,
            "tile": tile,
            "marked": several.marked if several else None,
            "by_click": bool(several and several.by_click),
            "turn": last["turn"] if last else 0,
            "follow": follow,
        },
        default={"marked": None},
        on_chosen_change=chose,
        on_marked_change=marked,
    )


def _last(key: str) -> dict | None:
    """What the browser said last of the marked tiles: its answer tells the browser that it was heard."""
    return (st.session_state.get(key) or {}).get("marked")
