"""A picture one can paint a mask on: brush, eraser, undo, clear. A small component; Streamlit has no canvas of its own.

The mask comes back as a PNG whose alpha says where something was painted, after every stroke. It knows pixels, not what
the mask is for. Without a pointer, a mask can still be begun from a given one (`start`).
"""

import base64

import numpy as np
import streamlit as st

from cifake_core.explanations.drawn_masks import from_png
from cifake_core.images.codec import encode_png

_HTML = """
<div class="draw">
  <div class="stack"><img alt=""><canvas width="320" height="320" tabindex="0" role="img"></canvas></div>
  <div class="tools" role="toolbar" aria-label="Drawing tools">
    <button type="button" data-tool="brush">Brush</button>
    <button type="button" data-tool="eraser">Eraser</button>
    <button type="button" data-act="undo">Undo</button>
    <button type="button" data-act="clear">Clear</button>
    <label>Size <input type="range" min="1" max="8" step="1" value="3" aria-label="Size of the brush in pixels of the image"></label>
  </div>
</div>
"""

_CSS = """
.draw { font: 13px/1.3 var(--st-font); color: var(--st-text-color); }
.stack { position: relative; width: 100%; max-width: 360px; aspect-ratio: 1; border-radius: 6px; overflow: hidden; }
.stack img { position: absolute; inset: 0; width: 100%; height: 100%; image-rendering: pixelated; }
.stack canvas { position: absolute; inset: 0; width: 100%; height: 100%; opacity: .55; cursor: crosshair; touch-action: none; }
.stack canvas:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -2px; }
.tools { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin-top: 8px; }
.tools button { all: unset; cursor: pointer; padding: 4px 10px; border-radius: 6px; border: 1px solid var(--st-border-color); }
.tools button:hover { background: var(--st-secondary-background-color); }
.tools button:focus-visible { outline: 2px solid var(--st-primary-color); }
.tools button[aria-pressed="true"] { background: color-mix(in srgb, var(--st-primary-color) 22%, transparent);
  border-color: var(--st-primary-color); }
.tools label { display: flex; gap: 6px; align-items: center; }
.tools input { width: 90px; accent-color: var(--st-primary-color); }
"""

_JS = """
const kept = new WeakMap()
const COLOUR = "#ffd600"

export default function (component) {
  const { data, parentElement, setStateValue } = component
  const root = parentElement.querySelector(".draw")
  if (!root || !data) return
  const canvas = root.querySelector("canvas"), pen = canvas.getContext("2d")
  const picture = root.querySelector("img"), size = root.querySelector("input")
  const state = kept.get(root) ?? { tool: "brush", past: [], version: null }
  kept.set(root, state)
  picture.src = "data:image/png;base64," + data.picture
  picture.alt = data.label
  canvas.setAttribute("aria-label", data.label)

  if (state.version !== data.version) {
    state.version = data.version
    state.past = []
    pen.clearRect(0, 0, canvas.width, canvas.height)
    if (data.start) {
      const mask = new Image()
      mask.onload = () => {
        if (state.version !== data.version) return
        pen.imageSmoothingEnabled = false
        pen.drawImage(mask, 0, 0, canvas.width, canvas.height)
      }
      mask.src = "data:image/png;base64," + data.start
    }
  }

  const send = () => {
    const png = canvas.toDataURL("image/png").split(",")[1]
    setStateValue("drawn", { version: data.version, png })
  }
  const remember = () => {
    state.past.push(pen.getImageData(0, 0, canvas.width, canvas.height))
    if (state.past.length > 30) state.past.shift()
  }
  const place = event => {
    const box = canvas.getBoundingClientRect()
    return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height]
  }
  const stroke = (from, to) => {
    pen.globalCompositeOperation = state.tool === "eraser" ? "destination-out" : "source-over"
    pen.strokeStyle = COLOUR
    pen.lineWidth = Number(size.value) * 10
    pen.lineCap = pen.lineJoin = "round"
    pen.beginPath()
    pen.moveTo(...from)
    pen.lineTo(...to)
    pen.stroke()
  }
  canvas.onpointerdown = event => {
    canvas.setPointerCapture(event.pointerId)
    remember()
    state.last = place(event)
    stroke(state.last, state.last)
  }
  canvas.onpointermove = event => {
    if (!state.last) return
    const here = place(event)
    stroke(state.last, here)
    state.last = here
  }
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (!state.last) return
    state.last = null
    send()
  }
  const tools = [...root.querySelectorAll("button[data-tool]")]
  const mark = () => tools.forEach(b => b.setAttribute("aria-pressed", String(b.dataset.tool === state.tool)))
  tools.forEach(button => (button.onclick = () => { state.tool = button.dataset.tool; mark() }))
  mark()
  root.querySelector('[data-act="undo"]').onclick = () => {
    if (!state.past.length) return
    pen.putImageData(state.past.pop(), 0, 0)
    send()
  }
  root.querySelector('[data-act="clear"]').onclick = () => {
    remember()
    pen.clearRect(0, 0, canvas.width, canvas.height)
    send()
  }
}
"""

_canvas = st.components.v2.component("cifake_canvas", html=_HTML, css=_CSS, js=_JS)


def canvas(
    picture: np.ndarray, *, key: str, version: str, label: str, start: np.ndarray | None = None
) -> np.ndarray | None:
    """What is painted on uint8 (H, W, 3), bool (320, 320); None until something was painted since `version` began.

    `start`: a mask bool (H, W) the painting begins with. A new `version` begins anew.
    """
    given = _canvas(
        key=key,
        data={
            "picture": base64.b64encode(encode_png(picture)).decode(),
            "start": None if start is None else base64.b64encode(_as_png(start)).decode(),
            "version": version,
            "label": label,
        },
        default={"drawn": None},
        on_drawn_change=lambda: None,
    )
    drawn = given.drawn
    if not drawn or drawn.get("version") != version:
        return None
    return from_png(base64.b64decode(drawn.get("png", "")))


def _as_png(mask: np.ndarray) -> bytes:
    """The mask as the canvas paints it: yellow where true, clear elsewhere."""
    import io

    from PIL import Image

    out, yellow = io.BytesIO(), np.zeros((*mask.shape, 4), np.uint8)
    yellow[mask] = (255, 214, 0, 255)
    Image.fromarray(yellow).save(out, "PNG")
    return out.getvalue()
