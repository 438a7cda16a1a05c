// Draws what plot.py describes: every place is a share of an axis, 0 to 1, from the left and from the bottom.
const SVG = "http://www.w3.org/2000/svg"
const SIDE = 1000 // of the drawing's own coordinates, which are stretched over the chart

export default function ({ data, parentElement }) {
  const plot = parentElement.querySelector(".plot")
  if (!plot || !data) return
  plot.style.height = `${data.height}px`
  plot.setAttribute("aria-label", data.alt)
  const area = make("div", "area"), tip = make("div", "tip")
  area.style.left = `${data.margin}px`
  tip.hidden = true
  area.append(drawing(data), ...ticks("x", "left", data.x), ...ticks("y", "bottom", data.y), ...data.marks.flatMap(dots))
  plot.replaceChildren(...legend(data.legend), area, ...title("y", data.y), tip)
  area.append(...title("x", data.x))
  if (data.tips.words) area.onpointermove = event => tell(event, data.tips, plot, area, tip)
  area.onpointerdown = area.onpointermove // a finger does not hover
  area.onpointerleave = () => { tip.hidden = true }
}

function make(kind, name, words = "") {
  const found = document.createElement(kind)
  found.className = name
  found.textContent = words
  return found
}

function shape(kind, attributes) {
  const found = document.createElementNS(SVG, kind)
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value)
  return found
}

const across = share => (share * SIDE).toFixed(1)
const down = share => ((1 - share) * SIDE).toFixed(1)
const point = (x, y) => `${across(x)},${down(y)}`
const each = (list, draw) => list.map((_, number) => draw(number)).join("")

function drawing({ y, marks }) {
  const svg = shape("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, preserveAspectRatio: "none", "aria-hidden": "true" })
  const grid = y.ticks.map(([at]) => `M${point(0, at)}H${SIDE}`).join("")
  svg.append(shape("path", { d: grid, class: "grid", fill: "none" }), ...marks.filter(mark => PATHS[mark.kind]).map(path))
  return svg
}

const PATHS = {
  line: mark => curve(mark.x, mark.y),
  segments: mark => each(mark.x0, n => `M${point(mark.x0[n], mark.y0[n])}L${point(mark.x1[n], mark.y1[n])}`),
  boxes: mark => each(mark.x0, n => `M${point(mark.x0[n], mark.y0[n])}H${across(mark.x1[n])}V${down(mark.y1[n])}H${across(mark.x0[n])}Z`),
  ribbon: mark => `${curve([...mark.x, ...mark.x.toReversed()], [...mark.low, ...mark.high.toReversed()])}Z`,
}

function curve(x, y) {
  const known = x.map((_, n) => n).filter(n => x[n] !== null && y[n] !== null)
  return known.map((n, number) => (number ? "L" : "M") + point(x[n], y[n])).join("")
}

function path(mark) {
  const filled = mark.kind === "boxes" || mark.kind === "ribbon"
  const paint = filled
    ? { fill: mark.colour }
    : { fill: "none", stroke: mark.colour, "stroke-width": mark.width, "stroke-dasharray": mark.dash ?? "", "stroke-linejoin": "round" }
  return shape("path", { d: PATHS[mark.kind](mark), opacity: mark.opacity ?? 1, ...paint })
}

function dots(mark) {
  if (mark.kind !== "dots") return []
  return mark.x.map((x, n) => [x, mark.y[n]]).filter(([x, y]) => x !== null && y !== null).map(([x, y]) => {
    const found = make("span", "dot")
    const size = `${mark.size}px`
    Object.assign(found.style, { left: `${100 * x}%`, bottom: `${100 * y}%`, width: size, height: size, background: mark.colour })
    return found
  })
}

function ticks(name, side, axis) {
  return axis.ticks.map(([at, word]) => {
    const found = make("span", `tick ${name}`, word)
    found.style[side] = `${100 * at}%`
    return found
  })
}

function title(name, axis) {
  return axis.title ? [make("span", `title ${name}`, axis.title)] : []
}

function legend(pairs) {
  if (!pairs.length) return []
  const found = make("div", "legend")
  for (const [colour, word] of pairs) {
    const item = make("span", "", word), square = make("i", "")
    square.style.background = colour
    item.prepend(square)
    found.append(item)
  }
  return [found]
}

function tell(event, tips, plot, area, tip) {
  const inside = area.getBoundingClientRect(), whole = plot.getBoundingClientRect()
  const x = (event.clientX - inside.left) / inside.width, y = 1 - (event.clientY - inside.top) / inside.height
  const at = tips.along === "x" ? x : y
  const number = tips.low.findIndex((low, n) => low <= at && at <= tips.high[n])
  tip.hidden = number < 0 || x < 0 || x > 1 || y < 0 || y > 1
  if (tip.hidden) return
  tip.textContent = tips.words[number]
  const left = event.clientX - whole.left + 14
  tip.style.left = `${Math.max(0, Math.min(left, whole.width - tip.offsetWidth - 2))}px`
  tip.style.top = `${Math.max(0, event.clientY - whole.top - tip.offsetHeight - 8)}px`
}
