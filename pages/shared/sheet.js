const kept = new WeakMap()

function address(base64) {
  const raw = atob(base64), bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return URL.createObjectURL(new Blob([bytes], { type: "image/png" }))
}

export default function (component) {
  const { data, parentElement, setTriggerValue, setStateValue } = component
  const sheet = parentElement.querySelector(".sheet")
  if (!sheet || !data) return
  // `pending`: marks the server has not answered yet (id → on); `turn` counts what was sent, the server says which it has seen
  const state = kept.get(sheet) ?? { urls: {}, source: {}, tiles: [], pending: new Map(), turn: 0 }
  const wasOpen = state.open
  kept.set(sheet, state)
  state.open = data.chosen
  for (const name of ["pixels", "heat", "second"]) {
    if (state.source[name] === data[name]) continue
    if (state.urls[name]) URL.revokeObjectURL(state.urls[name])
    state.urls[name] = data[name] ? address(data[name]) : null
    state.source[name] = data[name]
  }
  const urls = state.urls
  sheet.style.setProperty("--tile", data.tile + "px")
  sheet.setAttribute("aria-label", data.label)
  const several = data.marked !== null
  const marked = new Set(data.marked ?? [])
  if (data.turn >= state.turn) {
    state.turn = data.turn
    state.pending.clear()
  }
  sheet.setAttribute("role", several ? "listbox" : "group")
  if (several) sheet.setAttribute("aria-multiselectable", "true")
  sheet.classList.toggle("marking", several && data.by_click)

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
    if (kind !== "image" && urls[which]) {
      box.append(layer(which, index, alone ? 1 : data.opacity))
      if (!alone) box.lastChild.classList.add("over")
    }
    return box
  }

  const isMarked = id => state.pending.get(id) ?? marked.has(id)
  function mark(some, on) {
    for (const button of some) {
      state.pending.set(button.dataset.id, on)
      button.setAttribute("aria-selected", String(on))
    }
    const shown = data.tiles.map(tile => tile.id)
    setStateValue("marked", { turn: ++state.turn, shown, marked: shown.filter(isMarked) })
  }
  function toggle(button) {
    state.anchor = button.dataset.id
    mark([button], !isMarked(button.dataset.id))
  }
  function markUpTo(button) {
    const from = buttons.findIndex(one => one.dataset.id === state.anchor), to = buttons.indexOf(button)
    if (from < 0) toggle(button)
    else mark(buttons.slice(Math.min(from, to), Math.max(from, to) + 1), true)
  }
  function open(button) {
    state.anchor = button.dataset.id
    setTriggerValue("chosen", button.dataset.id)
  }
  function clicked(event, button) {
    if (several && event.shiftKey) markUpTo(button)
    else if (several && (event.ctrlKey || event.metaKey || data.by_click || event.target.closest(".check"))) toggle(button)
    else open(button)
  }

  // A tile is built anew where its picture or its place is another one; else only what differs is changed.
  function built(button, index) {
    const panes = document.createElement("span"), bar = document.createElement("span"), caption = document.createElement("div")
    panes.className = "panes"
    panes.append(...data.panes.map(kind => pane(index, kind)))
    bar.className = "bar"
    bar.append(document.createElement("b"), document.createElement("b"))
    caption.className = "caption"
    button.replaceChildren(panes, bar, caption)
    if (!several) return
    const check = document.createElement("span")
    check.className = "check"
    button.append(check)
    button.setAttribute("role", "option")
  }
  function said(button, tile) {
    button.dataset.id = tile.id
    button.title = tile.name
    button.setAttribute("aria-label", tile.name)
    const [left, right] = button.querySelectorAll(".bar b")
    left.style.background = tile.left
    right.style.background = tile.right
    button.querySelector(".caption").textContent = tile.caption
  }
  function tileAt(index, alike) {
    const tile = data.tiles[index], before = state.tiles[index], there = alike && sheet.children[index]
    const button = there || document.createElement("button")
    if (!there) {
      button.className = "tile"
      button.type = "button"
      built(button, index)
    }
    if (!there || Object.keys(tile).some(name => tile[name] !== before?.[name])) said(button, tile)
    set(button, "aria-current", String(tile.id === data.chosen))
    if (several) set(button, "aria-selected", String(isMarked(tile.id)))
    return button
  }
  function set(button, name, value) {
    if (button.getAttribute(name) !== value) button.setAttribute(name, value)
  }

  const focused = parentElement.activeElement?.dataset?.id
  const opened = data.tiles.findIndex(tile => tile.id === data.chosen)
  const look = JSON.stringify([data.panes, columns, data.tiles.length, several, urls])
  const alike = look === state.look
  const buttons = data.tiles.map((_, index) => tileAt(index, alike))
  if (!alike) sheet.replaceChildren(...buttons)
  else if (data.opacity !== state.opacity)
    for (const layer of sheet.querySelectorAll("i.over")) layer.style.opacity = data.opacity
  Object.assign(state, { look, tiles: data.tiles, opacity: data.opacity })
  if (!alike || opened >= 0)
    buttons.forEach((button, index) => (button.tabIndex = index === Math.max(0, opened) ? 0 : -1))
  sheet.onclick = event => {
    const button = event.target.closest(".tile")
    if (button) clicked(event, button)
  }
  // the focus stays where it was, or goes on with the open image where it was on that
  const followed = data.follow && focused && focused === wasOpen && opened >= 0 ? data.chosen : focused
  if (followed) buttons.find(button => button.dataset.id === followed)?.focus()

  sheet.onkeydown = event => {
    const at = buttons.indexOf(event.target.closest(".tile"))
    if (at < 0) return
    const taken = () => {
      event.preventDefault()
      event.stopPropagation()
    }
    if (several && event.key === " ") {
      taken()
      if (event.shiftKey) markUpTo(buttons[at])
      else toggle(buttons[at])
    } else if (several && event.key === "a" && (event.ctrlKey || event.metaKey)) {
      taken()
      mark(buttons, true)
    } else if (event.key === "Enter" && !event.repeat) {
      taken()
      open(buttons[at])
    }
    // at the open image, left and right are the page's: they open the image before and after it
    if (data.follow && at === opened && ["ArrowLeft", "ArrowRight"].includes(event.key)) return
    const across = getComputedStyle(sheet).gridTemplateColumns.split(" ").length
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key]
    if (step === undefined) return
    taken()
    const next = buttons[Math.min(buttons.length - 1, Math.max(0, at + step))]
    buttons.forEach(button => (button.tabIndex = button === next ? 0 : -1))
    next.focus()
  }
  // a button is clicked when the space bar comes up again
  sheet.onkeyup = event => several && event.key === " " && event.preventDefault()
  return () => {
    Object.values(state.urls).forEach(url => url && URL.revokeObjectURL(url))
    state.urls = {}
    state.source = {}
    state.look = null
  }
}
