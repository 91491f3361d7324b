// A timeline for each video: the similarity of its moments to the query as a heat strip, hits and segments above
// it. Only the rows in sight are drawn.

const ROW = 40; // pixels
const MORE = 6; // rows that are made beyond those in sight
const SETTLED = 120; // milliseconds without a further key before the kernel hears of a seek

function render({ model, el }) {
  el.classList.add("wb-timelines");
  const head = element("div", "wb-timelines-head", el);
  const find = element("input", "wb-timelines-find", head);
  const readout = element("span", "wb-timelines-readout", head);
  const showScale = timelineLegend(head);
  const list = element("div", "wb-timelines-list", el);
  const floor = element("div", "wb-timelines-floor", list);
  const empty = element("p", "wb-empty", el);
  find.type = "search";
  find.placeholder = "part of a name";
  find.setAttribute("aria-label", "Find videos");
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", model.get("label"));

  const data = timelineData(model);
  let order = []; // numbers of the rows that are listed
  let place = new Map(); // number of a row → its place in the list
  let cells = new Map(); // number of a row → its elements
  let tab = -1; // the number of the row in the tab order
  let at = 0;
  let playhead = { video: "", at: 0 };
  let telling = 0;
  let due = 0;

  const readOut = (row, seconds) => (readout.textContent = row ? `${row.name} · ${data.about(row, seconds)}` : "");

  // -- drawing

  const paint = (row, cell) => paintStrip(cell.canvas, row, { ...data, playhead });
  const timeIn = (row) => (row.name === playhead.video ? playhead.at : row.at);
  const say = (row, cell) => sayLine(cell, row, timeIn(row), data.about(row, timeIn(row)));
  const dress = (row, cell) =>
    dressLine(cell, row, { current: row.name === model.get("current"), beside: row.name === model.get("beside"), tab: row.number === tab });

  const draw = () => {
    due = 0;
    floor.style.height = `${order.length * ROW}px`;
    empty.hidden = order.length > 0;
    list.hidden = !order.length;
    empty.textContent = data.rows.length ? "No video has this in its name." : model.get("empty");
    head.hidden = !data.rows.length;
    if (!order.length) return;
    if (!place.has(tab)) tab = place.has(data.byName.get(model.get("current"))) ? data.byName.get(model.get("current")) : order[0];
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - MORE);
    const last = Math.min(order.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + MORE);
    const wanted = new Set(order.slice(first, last));
    wanted.add(tab); // the focus may be there
    for (const [number, cell] of cells)
      if (!wanted.has(number)) {
        cell.line.remove();
        cells.delete(number);
      }
    for (const number of wanted) {
      if (!cells.has(number)) cells.set(number, timelineLine(data.rows[number], floor));
      const cell = cells.get(number);
      cell.line.style.top = `${place.get(number) * ROW}px`;
      dress(data.rows[number], cell);
      say(data.rows[number], cell);
      paint(data.rows[number], cell);
    }
    // Tab order and reading order are those of the list.
    const sorted = [...cells].sort(([a], [b]) => place.get(a) - place.get(b)).map(([, cell]) => cell.line);
    sorted.forEach((line, i) => line !== floor.children[i] && floor.insertBefore(line, floor.children[i] ?? null));
  };
  const drawSoon = () => {
    if (!due) due = requestAnimationFrame(draw);
  };

  const listed = () => {
    const wanted = find.value.trim().toLowerCase();
    const all = model.get("order");
    const numbers = all.length ? all : data.rows.map(({ number }) => number);
    order = wanted ? numbers.filter((number) => data.rows[number].name.toLowerCase().includes(wanted)) : numbers;
    place = new Map(order.map((number, i) => [number, i]));
    drawSoon();
  };
  const uncover = (number) => {
    const top = place.get(number) * ROW;
    if (top === undefined || !list.clientHeight) return;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  };

  const readRows = () => {
    data.readRows();
    cells.forEach(({ line }) => line.remove());
    cells = new Map();
    readValues();
  };
  const readValues = () => {
    data.readValues();
    showScale(model.get("scale"), data.colours);
    readSegments();
    listed();
  };
  const readSegments = () => {
    data.readSegments();
    drawSoon();
  };

  // -- seeking

  const tell = (row, seconds, delay) => {
    clearTimeout(telling);
    telling = setTimeout(() => model.send({ seek: seconds, video: row.name }), delay);
  };
  const seek = (row, seconds, delay = 0) => {
    const to = Math.max(0, Math.min(seconds, row.seconds));
    row.at = to;
    playhead = { video: row.name, at: to };
    readOut(row, to);
    tab = row.number;
    drawSoon();
    el.closest(".wb-region")?.dispatchEvent(new CustomEvent("wb-seek", { detail: { video: row.name, at: to, from: el } }));
    tell(row, to, delay);
  };
  const timeOf = (row, event, strip) => {
    const box = strip.getBoundingClientRect();
    return ((event.clientX - box.left) / Math.max(1, box.width)) * row.seconds;
  };
  const pointed = (event) => {
    const strip = event.target.closest(".wb-timeline-strip");
    const row = data.rows[strip?.parentElement.dataset.row];
    if (!row) return null;
    const seconds = timeOf(row, event, strip);
    // A hit within four pixels is meant.
    const hit = data.hitAt(row, seconds, (4 / Math.max(1, strip.clientWidth)) * row.seconds);
    return { row, strip, seconds: hit ? data.times[hit.moment] : seconds };
  };
  list.addEventListener("pointerdown", (event) => {
    const spot = event.button === 0 && pointed(event);
    if (!spot) return;
    spot.strip.setPointerCapture(event.pointerId);
    seek(spot.row, spot.seconds, SETTLED);
  });
  list.addEventListener("pointermove", (event) => {
    const spot = pointed(event);
    if (!spot) return readOut(null);
    if (event.buttons === 1 && spot.strip.hasPointerCapture(event.pointerId)) seek(spot.row, timeOf(spot.row, event, spot.strip), SETTLED);
    else readOut(spot.row, spot.seconds);
  });
  list.addEventListener("pointerleave", () => readOut(null));
  list.addEventListener("click", (event) => {
    const line = event.target.closest(".wb-timeline");
    const row = data.rows[line?.dataset.row];
    if (!row) return;
    tab = row.number;
    if (event.target.closest(".wb-timeline-name")) model.send({ show: row.name });
    else if (event.target.closest(".wb-timeline-beside")) model.send({ beside: row.name === model.get("beside") ? "" : row.name });
    drawSoon();
  });

  const reach = (number, part) => {
    if (number === undefined) return;
    tab = number;
    uncover(number);
    draw();
    cells.get(number)[part].focus({ preventScroll: true });
  };
  list.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const line = event.target.closest(".wb-timeline");
    const row = data.rows[line?.dataset.row];
    if (!row) return;
    const cell = cells.get(row.number);
    const part = ["name", "strip", "beside"].find((name) => cell[name] === event.target) ?? "strip";
    const here = place.get(row.number);
    const up = { ArrowUp: order[here - 1], ArrowDown: order[here + 1] };
    if (event.key in up) {
      event.preventDefault();
      event.stopPropagation();
      return reach(up[event.key], part);
    }
    if (part !== "strip") return;
    const to = data.keysOf(row, timeIn(row))[event.key];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    const seconds = to();
    if (seconds !== undefined) seek(row, seconds, event.key === "Enter" ? 0 : SETTLED);
  });
  list.addEventListener("focusin", (event) => {
    const row = data.rows[event.target.closest(".wb-timeline")?.dataset.row];
    if (!row || row.number === tab) return;
    tab = row.number;
    drawSoon();
  });
  find.addEventListener("input", () => {
    list.scrollTop = 0;
    listed();
  });
  list.addEventListener("scroll", drawSoon);

  // -- other widgets

  const follow = ({ detail }) => {
    if (detail.video !== model.get("current")) return;
    const before = data.byName.get(playhead.video);
    playhead = { video: detail.video, at: detail.at };
    for (const number of new Set([before, data.byName.get(detail.video)])) {
      const cell = cells.get(number);
      if (!cell) continue;
      data.rows[number].at = detail.at;
      paint(data.rows[number], cell);
      if (!detail.playing) say(data.rows[number], cell);
    }
  };
  const turn = () => {
    const number = data.byName.get(model.get("current"));
    if (number !== undefined && !list.contains(document.activeElement)) uncover(number);
    drawSoon();
  };
  let heard = null;
  const placed = new ResizeObserver(() => {
    if (!heard) {
      heard = el.closest(".wb-region");
      heard?.addEventListener("wb-time", follow);
    }
    drawSoon(); // also when first visible, and at another width
  });
  placed.observe(list);
  const themed = new MutationObserver(drawSoon);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });

  // Changes that come in one message are read once.
  let pending = new Set();
  const together = () => {
    const acts = pending;
    pending = new Set();
    if (acts.has(readRows)) return readRows();
    if (acts.has(readValues)) acts.delete(listed);
    acts.forEach((act) => act());
  };
  const soon = (act) => () => {
    if (!pending.size) queueMicrotask(together);
    pending.add(act);
  };
  const changes = {
    "change:rows": readRows, "change:times": readRows, "change:values": readValues, "change:hits": readValues,
    "change:order": listed, "change:segments": readSegments, "change:current": turn, "change:beside": drawSoon, "change:empty": drawSoon,
  };
  const handlers = Object.entries(changes).map(([name, act]) => [name, soon(act)]);
  for (const [name, act] of handlers) model.on(name, act);
  readRows();
  turn();
  return () => {
    placed.disconnect();
    themed.disconnect();
    cancelAnimationFrame(due);
    clearTimeout(telling);
    heard?.removeEventListener("wb-time", follow);
    for (const [name, act] of handlers) model.off(name, act);
  };
}

export default { render: dimmed(render) };
