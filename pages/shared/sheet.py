"""A sheet of tiles one can click: many small images in one picture, each tile a real button.

Streamlit has no click on an image; this is a small component for it. It knows pixels and captions, not what they mean.
Arrow keys move between tiles, Enter chooses; every tile has a name for screen readers.
"""

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass

import streamlit as st


@dataclass(frozen=True)
class Tile:
    """One image of a sheet."""

    id: str
    name: str  # what a screen reader says, and the tooltip
    caption: str  # short, below the tile
    left: str  # colours of the bar below the tile: left half, right half
    right: str


_HTML = '<div class="sheet" role="group"></div>'

_CSS = """
.sheet { display: grid; gap: 10px 8px; grid-template-columns: repeat(auto-fill, minmax(var(--tile), 1fr)); }
.tile { all: unset; cursor: pointer; display: block; border-radius: 6px; padding: 3px; text-align: center;
  font: 12px/1.3 var(--st-font); color: var(--st-text-color); box-sizing: border-box; }
.tile:hover { background: var(--st-secondary-background-color); }
.tile:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.tile[aria-pressed="true"] { background: color-mix(in srgb, var(--st-primary-color) 22%, transparent);
  outline: 2px solid var(--st-primary-color); }
.panes { display: flex; gap: 2px; }
.pane { position: relative; flex: 1; aspect-ratio: 1; overflow: hidden; border-radius: 3px; }
.pane i { position: absolute; inset: 0; background-repeat: no-repeat; }
.pane .pixels { image-rendering: pixelated; }
.bar { display: flex; height: 4px; margin: 3px 0 2px; border-radius: 2px; overflow: hidden; }
.bar b { flex: 1; }
.caption { opacity: .85; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; font-variant-numeric: tabular-nums; }
"""

_JS = """
const kept = new WeakMap()

function address(base64) {
  const raw = atob(base64), bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return URL.createObjectURL(new Blob([bytes], { type: "image/png" }))
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const sheet = parentElement.querySelector(".sheet")
  if (!sheet || !data) return
  const old = kept.get(sheet) ?? {}
  const urls = {}
  for (const name of ["pixels", "heat", "second"]) {
    urls[name] = old.source?.[name] === data[name] ? old.urls?.[name] : data[name] ? address(data[name]) : null
    if (old.urls?.[name] && old.urls[name] !== urls[name]) URL.revokeObjectURL(old.urls[name])
  }
  kept.set(sheet, { urls, source: { pixels: data.pixels, heat: data.heat, second: data.second } })
  sheet.style.setProperty("--tile", data.tile + "px")
  sheet.setAttribute("aria-label", data.label)

  const columns = data.columns, lines = Math.ceil(data.tiles.length / columns)
  function layer(kind, index, opacity) {
    const part = document.createElement("i")
    const x = index % columns, y = Math.floor(index / columns)
    part.className = kind
    part.style.backgroundImage = `url(${urls[kind]})`
    part.style.backgroundSize = `${columns * 100}% ${lines * 100}%`
    part.style.backgroundPosition =
      `${columns > 1 ? (x / (columns - 1)) * 100 : 0}% ${lines > 1 ? (y / (lines - 1)) * 100 : 0}%`
    part.style.opacity = opacity
    return part
  }
  function pane(index, kind) {
    const box = document.createElement("span")
    box.className = "pane"
    const alone = kind.startsWith("map"), which = kind.endsWith("2") ? "second" : "heat"
    if (!alone) box.append(layer("pixels", index, 1))
    if (kind !== "image" && urls[which]) box.append(layer(which, index, alone ? 1 : data.opacity))
    return box
  }
  const focused = parentElement.activeElement?.dataset?.id
  const pressed = data.tiles.findIndex(tile => tile.id === data.chosen)
  const buttons = data.tiles.map((tile, index) => {
    const button = document.createElement("button")
    button.className = "tile"
    button.type = "button"
    button.dataset.id = tile.id
    button.title = tile.name
    button.setAttribute("aria-label", tile.name)
    button.setAttribute("aria-pressed", String(tile.id === data.chosen))
    button.tabIndex = index === Math.max(0, pressed) ? 0 : -1
    const panes = document.createElement("span"), bar = document.createElement("span")
    panes.className = "panes"
    panes.append(...data.panes.map(kind => pane(index, kind)))
    bar.className = "bar"
    for (const colour of [tile.left, tile.right]) {
      const half = document.createElement("b")
      half.style.background = colour
      bar.append(half)
    }
    const caption = document.createElement("div")
    caption.className = "caption"
    caption.textContent = tile.caption
    button.append(panes, bar, caption)
    button.onclick = () => setTriggerValue("chosen", tile.id)
    return button
  })
  sheet.replaceChildren(...buttons)
  if (focused) buttons.find(button => button.dataset.id === focused)?.focus()
  sheet.onkeydown = event => {
    const at = buttons.indexOf(event.target.closest(".tile"))
    const across = getComputedStyle(sheet).gridTemplateColumns.split(" ").length
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key]
    if (step === undefined || at < 0) return
    event.preventDefault()
    event.stopPropagation()
    const next = buttons[Math.min(buttons.length - 1, Math.max(0, at + step))]
    buttons.forEach(button => (button.tabIndex = button === next ? 0 : -1))
    next.focus()
  }
  return () => Object.values(kept.get(sheet)?.urls ?? {}).forEach(url => url && URL.revokeObjectURL(url))
}
"""

_sheet = st.components.v2.component("cifake_sheet", html=_HTML, css=_CSS, js=_JS)


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
) -> None:
    """Shows the tiles; `on_choose(id)` is called before the next run when one is clicked.

    `pixels`, `heat` and `second` (another map of each image) are sprites (PNG) of the tiles in `columns` columns; `panes`
    are image, map or overlay, and "map 2" or "overlay 2" of the second, side by side in each tile; `tile` is the least
    width of one in pixels.
    """

    def chose() -> None:
        on_choose(st.session_state[key].chosen)

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
        },
        on_chosen_change=chose,
    )
