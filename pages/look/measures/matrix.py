"""A confusion matrix whose every cell, row and column is a button. It knows labels and counts, not images.

A real table with real buttons: a mouse, a keyboard and a screen reader can all use it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import streamlit as st


@dataclass(frozen=True)
class Cell:
    """A button of the matrix."""

    pick: str  # what `on_pick` is called with
    big: str  # the count, or a heading's text
    small: str = ""  # the share
    name: str = ""  # for a screen reader and the tooltip
    colour: str = "transparent"
    strength: float = 0.0  # of the colour, 0 to 1
    muted: bool = False


_HTML = '<table class="matrix"><thead></thead><tbody></tbody></table>'

_CSS = """
.matrix { width: 100%; border-collapse: separate; border-spacing: 4px; table-layout: fixed; font: 14px/1.25 var(--st-font);
  color: var(--st-text-color); }
.matrix.dense { font-size: 13px; border-spacing: 2px; }
th, td { padding: 0; font-weight: 400; }
th:first-child { width: var(--first); }
button { all: unset; box-sizing: border-box; cursor: pointer; display: block; width: 100%; text-align: center; border-radius: 8px;
  padding: 16px 6px; border: 2px solid transparent; }
.dense button { padding: 3px 4px; border-radius: 4px; }
th button { padding: 8px 4px; }
.dense th button { padding: 3px 4px; }
tbody th button { text-align: right; padding-right: 8px; }
button:hover { border-color: var(--st-border-color); }
th button:hover { text-decoration: underline; }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
button[aria-pressed="true"] { border-color: var(--st-primary-color); }
th button[aria-pressed="true"] { font-weight: 600; color: var(--st-primary-color); }
.big { display: block; font-variant-numeric: tabular-nums; }
td .big { font-size: 1.55em; font-weight: 600; }
.dense td .big { font-size: 1em; font-weight: 500; }
.small { display: block; opacity: .75; font-size: .9em; font-variant-numeric: tabular-nums; }
.dense td .small { font-size: .8em; line-height: 1; }
.dense th .small { display: none; }
.muted { opacity: .35; }
"""

_JS = """
export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const table = parentElement.querySelector("table")
  if (!table || !data) return
  table.classList.toggle("dense", data.dense)
  table.setAttribute("aria-label", data.label)
  table.style.setProperty("--first", data.first)
  const focused = parentElement.activeElement?.dataset?.pick

  function box(kind, cell) {
    const place = document.createElement(kind)
    if (!cell) return place
    const button = document.createElement("button")
    button.type = "button"
    button.dataset.pick = cell.pick
    button.title = cell.name
    button.setAttribute("aria-label", cell.name || cell.big)
    button.setAttribute("aria-pressed", String(data.picked.includes(cell.pick)))
    button.style.background = `color-mix(in srgb, ${cell.colour} ${Math.round(cell.strength * 100)}%, transparent)`
    button.classList.toggle("muted", cell.muted)
    for (const name of ["big", "small"]) {
      const text = document.createElement("span")
      text.className = name
      text.textContent = cell[name]
      if (cell[name]) button.append(text)
    }
    button.onclick = () => setTriggerValue("picked", cell.pick)
    place.append(button)
    return place
  }
  function line(cells, heads) {
    const row = document.createElement("tr")
    row.append(...cells.map((cell, index) => box(heads || index === 0 ? "th" : "td", cell)))
    return row
  }
  table.tHead.replaceChildren(line([null, ...data.heads], true))
  table.tBodies[0].replaceChildren(...data.rows.map(cells => line(cells, false)))
  if (focused) parentElement.querySelector(`button[data-pick="${CSS.escape(focused)}"]`)?.focus()
}
"""

_matrix = st.components.v2.component("cifake_matrix", html=_HTML, css=_CSS, js=_JS)


def matrix(
    heads: list[Cell],
    rows: list[list[Cell]],
    *,
    key: str,
    label: str,
    on_pick: Callable[[str], None],
    picked: tuple[str, ...] = (),
    dense: bool = False,
) -> None:
    """Shows the table; the first cell of each row is its heading. `on_pick(pick)` is called before the next run."""

    def chose() -> None:
        on_pick(st.session_state[key].picked)

    _matrix(
        key=key,
        data={
            "label": label,
            "heads": [asdict(cell) for cell in heads],
            "rows": [[asdict(cell) for cell in row] for row in rows],
            "picked": list(picked),
            "dense": dense,
            "first": "6.5rem" if dense else "5.5rem",
        },
        on_picked_change=chose,
    )
