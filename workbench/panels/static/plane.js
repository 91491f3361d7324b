// Points over two axes with their Pareto front; redrawn for each width.

const SVG = "http://www.w3.org/2000/svg";
const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [320, 60, 16, 12, 40];
// Positions of a label around its point, nearest first; a far label is connected by a line.
const PLACES = [12, 26, 40].flatMap((far) => [[far, 0], [-far, 0], [0, -far], [0, far], [far, -far / 1.4], [-far, -far / 1.4], [far, far / 1.4], [-far, far / 1.4]]);

function short(value) {
  const size = Math.abs(value);
  const [scale, letter] = size >= 1e9 ? [1e9, "G"] : size >= 1e6 ? [1e6, "M"] : size >= 1e4 ? [1e3, "k"] : [1, ""];
  return `${Number((value / scale).toPrecision(3))}${letter}`.replace("-", "−");
}

// A scale from values to 0…1, and the values of its ticks.
function scaleOf(values, { log, most }) {
  const shown = values.map((value) => (log ? Math.log10(value) : value));
  let [low, high] = [Math.min(...shown), Math.max(...shown)];
  const least = log ? 0.3 : Math.max(Math.abs(high), 1) * 0.02;
  const room = Math.max((high - low) * 0.08, least);
  [low, high] = [low - room, high + room];
  const at = (value) => ((log ? Math.log10(value) : value) - low) / (high - low);
  const ticks = [];
  if (log) {
    const steps = high - low > 2.5 ? [1] : [1, 2, 5];
    for (let power = Math.floor(low); power <= high; power++) ticks.push(...steps.map((step) => step * 10 ** power));
  } else {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((one) => one * power >= rough) * power;
    for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k * step);
  }
  return { at, ticks: ticks.filter((value) => at(value) >= 0 && at(value) <= 1 && value <= (most ?? Infinity)) };
}

function render({ model, el }) {
  const svg = document.createElementNS(SVG, "svg");
  const hint = document.createElement("div");
  const empty = document.createElement("p");
  el.classList.add("wb-plane");
  hint.className = "wb-plane-hint";
  hint.hidden = true;
  empty.className = "wb-empty";
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", model.get("label"));
  el.append(svg, hint, empty);
  let drawn = 0; // the width of the current drawing
  let reach = ""; // the point in the tab order
  let marks = new Map(); // id → its element

  const width = () => Math.max(el.clientWidth, 240);

  const add = (tag, kind, attributes = {}, text, parent = svg) => {
    const node = document.createElementNS(SVG, tag);
    node.setAttribute("class", `wb-plane-${kind}`);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  };

  const drawAxis = (axis, scale, across) => {
    const [right, bottom] = [width() - RIGHT, HEIGHT - BOTTOM];
    let last = -Infinity;
    for (const value of scale.ticks) {
      const at = across ? LEFT + scale.at(value) * (right - LEFT) : bottom - scale.at(value) * (bottom - TOP);
      add("path", "rule", { d: across ? `M${at} ${TOP}V${bottom}` : `M${LEFT} ${at}H${right}` });
      if (across && at - last < 34) continue; // no room for its number
      last = at;
      if (across) add("text", "tick", { x: at, y: bottom + 16, "text-anchor": "middle" }, short(value));
      else add("text", "tick", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, short(value));
    }
    const title = axis.more ? `${axis.title}, more is better →` : `← less is better, ${axis.title}`;
    if (across) add("text", "axis", { x: (LEFT + right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, title);
    else add("text", "axis", { x: 0, y: 0, transform: `translate(12 ${(TOP + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, title);
  };

  const drawFront = (points) => {
    const front = points.filter(({ front }) => front).sort((a, b) => a.at[0] - b.at[0] || b.at[1] - a.at[1]);
    if (!front.length) return [];
    const more = model.get("x").more;
    const steps = front.slice(1).map(({ at: [x, y] }) => (more ? `V${y}H${x}` : `H${x}V${y}`));
    add("path", "front", { d: `M${front[0].at}${steps.join("")}` });
    return front.slice(1).flatMap(({ at: [x, y] }, k) => {
      const [x0, y0] = front[k].at;
      const [corner, level] = more ? [x0, y] : [x, y0];
      return [[x0, level, x, level], [corner, y0, corner, y]].map(([a, b, c, d]) => [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)]);
    });
  };

  const drawTrail = (place) => {
    const trail = model.get("trail").map((one) => ({ ...one, at: place(one) }));
    if (trail.length < 2) return;
    add("path", "trail", { d: `M${trail.map(({ at }) => at).join("L")}` });
    for (const { at: [cx, cy] } of trail) add("circle", "step", { cx, cy, r: 2.5 });
  };

  // Place each label where it covers no point, no other label and, if possible, no line of the front; else omit it.
  const drawLabels = (points, lines) => {
    const taken = points.map(({ at: [x, y] }) => [x - 6, y - 6, x + 6, y + 6]);
    const clear = ([x0, y0, x1, y1], boxes) => boxes.every(([a0, b0, a1, b1]) => x1 <= a0 || x0 >= a1 || y1 <= b0 || y0 >= b1);
    const free = (box) => box[0] >= LEFT && box[2] <= width() && box[1] >= 0 && box[3] <= HEIGHT - BOTTOM && clear(box, taken);
    const current = model.get("current");
    const order = [...points].sort((a, b) => (b.id === current) - (a.id === current) || b.front - a.front);
    for (const { id, label, at: [x, y] } of order) {
      const text = add("text", `label${id === current ? " wb-plane-chosen" : ""}`, {}, label);
      const wide = text.getComputedTextLength() || 6 * label.length;
      const places = PLACES.map(([dx, dy]) => {
        const left = dx > 0 ? x + dx : dx < 0 ? x + dx - wide : x - wide / 2;
        return { dx, dy, box: [left, y + dy - 7, left + wide, y + dy + 7] };
      }).filter(({ box }) => free(box));
      const found = places.find(({ box }) => clear(box, lines)) ?? places[0];
      if (!found) {
        text.remove();
        continue;
      }
      const [x0, y0, x1] = found.box;
      taken.push(found.box);
      text.point = points.find((point) => point.id === id);
      text.setAttribute("x", x0);
      text.setAttribute("y", y0 + 11);
      if (Math.max(Math.abs(found.dx), Math.abs(found.dy)) > 12) {
        const end = found.dx > 0 ? x0 - 2 : found.dx < 0 ? x1 + 2 : (x0 + x1) / 2;
        svg.insertBefore(add("path", "leader", { d: `M${x} ${y}L${end} ${y + found.dy}` }), svg.querySelector(".wb-plane-point"));
      }
    }
  };

  const tell = (point) => {
    hint.hidden = !point;
    if (!point) return;
    hint.textContent = point.said;
    const right = point.at[0] > width() / 2;
    hint.style.left = right ? "auto" : `${point.at[0] + 14}px`;
    hint.style.right = right ? `${width() - point.at[0] + 14}px` : "auto";
    hint.style.top = `${Math.min(point.at[1] + 14, HEIGHT - BOTTOM - 60)}px`;
  };

  const drawPoint = (point) => {
    const [cx, cy] = point.at;
    const mark = add("g", `point${point.front ? " wb-plane-best" : ""}`, { role: "button", "aria-label": point.said, "aria-pressed": point.id === model.get("current"), tabindex: -1 });
    mark.dataset.lmSuppressShortcuts = "true";
    mark.point = point;
    add("circle", "ring", { cx, cy, r: 9 }, undefined, mark);
    add("circle", "mark", { cx, cy, r: 5 }, undefined, mark);
    marks.set(point.id, mark);
  };

  const draw = () => {
    const focused = svg.contains(document.activeElement);
    const points = model.get("points");
    drawn = width();
    marks = new Map();
    svg.replaceChildren();
    tell(null);
    svg.setAttribute("viewBox", `0 0 ${drawn} ${HEIGHT}`);
    svg.setAttribute("height", HEIGHT);
    svg.style.display = points.length ? "" : "none";
    empty.textContent = points.length ? "" : model.get("empty");
    empty.hidden = points.length > 0;
    el.classList.toggle("wb-stale", model.get("stale"));
    if (!points.length) return;
    const every = [...points, ...model.get("trail")];
    const scales = ["x", "y"].map((axis) => scaleOf(every.map((point) => point[axis]), model.get(axis)));
    const place = ({ x, y }) => [
      LEFT + scales[0].at(x) * (drawn - RIGHT - LEFT),
      HEIGHT - BOTTOM - scales[1].at(y) * (HEIGHT - BOTTOM - TOP),
    ];
    const placed = points.map((point) => ({ ...point, at: place(point) }));
    drawAxis(model.get("x"), scales[0], true);
    drawAxis(model.get("y"), scales[1], false);
    const lines = drawFront(placed);
    drawTrail(place);
    placed.forEach(drawPoint);
    drawLabels(placed, lines);
    go(marks.get(reach) ?? marks.get(model.get("current")) ?? marks.values().next().value, focused);
  };

  const go = (mark, focus = true) => {
    if (!mark) return;
    for (const other of marks.values()) other.setAttribute("tabindex", -1);
    mark.setAttribute("tabindex", 0);
    reach = mark.point.id;
    if (focus) mark.focus();
  };

  // The points under the pointer, nearest first, or the point whose label is under it.
  const under = (event) => {
    if (event.target.point) return [marks.get(event.target.point.id)];
    const box = svg.getBoundingClientRect();
    const far = ({ point: { at } }) => Math.hypot(at[0] - event.clientX + box.left, at[1] - event.clientY + box.top);
    return [...marks.values()].filter((mark) => far(mark) < 14).sort((a, b) => far(a) - far(b));
  };
  svg.addEventListener("pointermove", (event) => {
    const [mark] = under(event);
    svg.style.cursor = mark ? "pointer" : "";
    tell(mark?.point);
  });
  svg.addEventListener("pointerleave", () => tell(null));
  svg.addEventListener("focusin", (event) => tell(event.target.point));
  svg.addEventListener("focusout", () => tell(null));
  svg.addEventListener("click", (event) => {
    const found = under(event);
    // Of points at the same position, a further click picks the next.
    const same = found.filter(({ point }) => String(point.at) === String(found[0].point.at));
    const mark = same[(same.findIndex(({ point }) => point.id === model.get("current")) + 1) % same.length];
    if (!mark) return;
    go(mark);
    model.send({ pick: mark.point.id });
  });
  svg.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const here = marks.get(reach);
    if (!here) return;
    const sorted = (k, sign) => [...marks.values()].sort((a, b) => sign * (a.point.at[k] - b.point.at[k]));
    const step = (k, sign, by) => {
      const order = sorted(k, sign);
      return order[Math.max(0, Math.min(order.length - 1, order.indexOf(here) + by))];
    };
    const moves = {
      ArrowLeft: () => step(0, 1, -1),
      ArrowRight: () => step(0, 1, 1),
      ArrowUp: () => step(1, 1, -1),
      ArrowDown: () => step(1, 1, 1),
      Home: () => sorted(0, 1)[0],
      End: () => sorted(0, 1).at(-1),
    };
    const chosen = event.key === "Enter" || event.key === " ";
    if (!chosen && !moves[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    if (chosen) model.send({ pick: here.point.id });
    else go(moves[event.key]());
  });

  const sized = new ResizeObserver(() => width() !== drawn && draw());
  sized.observe(el);
  const changes = ["points", "trail", "x", "y", "current", "stale", "empty"].map((name) => `change:${name}`);
  let due = 0; // changes of one message are drawn together
  const later = () => (due ||= requestAnimationFrame(() => ((due = 0), draw())));
  changes.forEach((name) => model.on(name, later));
  draw();
  return () => {
    sized.disconnect();
    cancelAnimationFrame(due);
    changes.forEach((name) => model.off(name, later));
  };
}

export default { render };
