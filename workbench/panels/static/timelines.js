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
  const legend = element("span", "wb-timelines-legend", head);
  const low = element("span", "", legend);
  const scale = element("canvas", "wb-timelines-scale", legend);
  const high = element("span", "", legend);
  const list = element("div", "wb-timelines-list", el);
  const floor = element("div", "wb-timelines-floor", list);
  const empty = element("p", "wb-empty", el);
  find.type = "search";
  find.placeholder = "part of a name";
  find.setAttribute("aria-label", "Find videos");
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", model.get("label"));
  scale.setAttribute("aria-hidden", "true");

  let rows = []; // all, in the order of the moments, each with its first moment and its hits
  let order = []; // numbers of the rows that are listed
  let place = new Map(); // number of a row → its place in the list
  let byName = new Map();
  let times = new Float32Array();
  let values = new Uint8Array();
  let colours = [];
  let cells = new Map(); // number of a row → its elements
  let tab = -1; // the number of the row in the tab order
  let at = 0;
  let playhead = { video: "", at: 0 };
  let telling = 0;
  let due = 0;

  const bytesOf = (view) => new Uint8Array(view.buffer ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : view);
  const timesOf = (row) => times.subarray(row.first, row.first + row.count);
  const scored = (moment) => {
    const [bottom, top] = model.get("scale");
    return values[moment] ? bottom + ((values[moment] - 1) / 254) * (top - bottom) : NaN;
  };

  // -- what is known of a moment

  const hitAt = (row, seconds, reach) => row.hits.reduce((best, hit) => (Math.abs(times[hit.moment] - seconds) <= Math.min(reach, Math.abs((best ? times[best.moment] : Infinity) - seconds)) ? hit : best), null);
  const about = (row, seconds) => {
    const here = row.first + Math.max(0, lastBefore(timesOf(row), seconds));
    const score = scored(here);
    const hit = row.hits.find(({ moment }) => moment === here);
    return [clock(seconds), Number.isFinite(score) ? `similarity ${score.toFixed(3)}` : "not reached by the index", hit && `rank ${hit.rank} ${hit.sign}`.trim()].filter(Boolean).join(" · ");
  };
  const readOut = (row, seconds) => (readout.textContent = row ? `${row.name} · ${about(row, seconds)}` : "");

  // -- drawing

  const paint = (row, cell) => paintStrip(cell.canvas, row, { times, values, colours, playhead });

  const say = (row, cell) => {
    const seconds = row.name === playhead.video ? playhead.at : row.at;
    cell.strip.setAttribute("aria-valuemax", row.seconds.toFixed(2));
    cell.strip.setAttribute("aria-valuenow", Math.min(seconds, row.seconds).toFixed(2));
    cell.strip.setAttribute("aria-valuetext", about(row, seconds));
  };
  const dress = (row, cell) => {
    const current = row.name === model.get("current");
    const beside = row.name === model.get("beside");
    cell.line.toggleAttribute("data-current", current);
    cell.name.setAttribute("aria-pressed", String(current));
    cell.beside.setAttribute("aria-pressed", String(beside));
    cell.beside.disabled = current;
    for (const one of [cell.name, cell.strip, cell.beside]) one.tabIndex = row.number === tab ? 0 : -1;
    const best = row.hits[0];
    cell.best.textContent = best ? `#${best.rank} ${best.sign.length < 3 ? best.sign : ""}` : "";
    cell.best.dataset.relevance = best?.relevance ?? "";
  };
  const make = (row) => {
    const line = element("div", "wb-timeline", floor);
    const name = element("button", "wb-timeline-name", line, row.name);
    const best = element("span", "wb-timeline-best", line);
    const strip = element("div", "wb-timeline-strip", line);
    const canvas = element("canvas", "", strip);
    element("span", "wb-timeline-length", line, clock(row.seconds).replace(/\.\d$/, ""));
    const beside = element("button", "wb-timeline-beside", line, "Beside");
    name.type = beside.type = "button";
    name.title = row.name;
    beside.title = "Show this video beside the other one";
    beside.setAttribute("aria-label", `Beside: ${row.name}`);
    strip.setAttribute("role", "slider");
    strip.setAttribute("aria-label", `Time in ${row.name}`);
    strip.setAttribute("aria-valuemin", "0");
    line.dataset.row = row.number;
    return { line, name, best, strip, canvas, beside };
  };

  const draw = () => {
    due = 0;
    floor.style.height = `${order.length * ROW}px`;
    empty.hidden = order.length > 0;
    list.hidden = !order.length;
    empty.textContent = rows.length ? "No video has this in its name." : model.get("empty");
    head.hidden = !rows.length;
    if (!order.length) return;
    if (!place.has(tab)) tab = place.has(byName.get(model.get("current"))) ? byName.get(model.get("current")) : order[0];
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
      if (!cells.has(number)) cells.set(number, make(rows[number]));
      const cell = cells.get(number);
      cell.line.style.top = `${place.get(number) * ROW}px`;
      dress(rows[number], cell);
      say(rows[number], cell);
      paint(rows[number], cell);
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
    const numbers = all.length ? all : rows.map(({ number }) => number);
    order = wanted ? numbers.filter((number) => rows[number].name.toLowerCase().includes(wanted)) : numbers;
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
    times = new Float32Array(bytesOf(model.get("times")).buffer);
    let first = 0;
    rows = model.get("rows").map(({ name, seconds, count }, number) => {
      const row = { name, seconds: Math.max(seconds, 1e-3), count, number, first, hits: [], segments: [], at: 0 };
      first += count;
      return row;
    });
    byName = new Map(rows.map(({ name, number }) => [name, number]));
    cells.forEach(({ line }) => line.remove());
    cells = new Map();
    readValues();
  };
  const readValues = () => {
    values = bytesOf(model.get("values"));
    const table = bytesOf(model.get("colours"));
    colours = Array.from({ length: 256 }, (_, i) => `rgb(${table[3 * i]} ${table[3 * i + 1]} ${table[3 * i + 2]})`);
    for (const row of rows) row.hits = [];
    for (const [moment, rank, sign, relevance] of model.get("hits")) {
      const row = rows[rowOf(moment)];
      row?.hits.push({ moment, rank, sign, relevance });
    }
    const known = model.get("scale").length > 0;
    [low.textContent, high.textContent] = known ? model.get("scale").map((value) => value.toFixed(2).replace("-", "−")) : ["", ""];
    legend.hidden = !known;
    scale.width = 255;
    scale.height = 1;
    const context = scale.getContext("2d");
    for (let x = 0; x < 255; x++) {
      context.fillStyle = colours[x + 1];
      context.fillRect(x, 0, 1, 1);
    }
    readSegments();
    listed();
  };
  const readSegments = () => {
    for (const row of rows) row.segments = [];
    for (const { video, start, end } of model.get("segments")) rows[byName.get(video)]?.segments.push({ start, end });
    drawSoon();
  };
  const rowOf = (moment) => {
    let [bottom, top] = [0, rows.length];
    while (bottom < top) {
      const middle = (bottom + top) >> 1;
      if (rows[middle].first <= moment) bottom = middle + 1;
      else top = middle;
    }
    return bottom - 1;
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
    const row = rows[strip?.parentElement.dataset.row];
    if (!row) return null;
    const seconds = timeOf(row, event, strip);
    // A hit within four pixels is meant.
    const hit = hitAt(row, seconds, (4 / Math.max(1, strip.clientWidth)) * row.seconds);
    return { row, strip, seconds: hit ? times[hit.moment] : seconds };
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
    const row = rows[line?.dataset.row];
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
    const row = rows[line?.dataset.row];
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
    const own = timesOf(row);
    const now = row.name === playhead.video ? playhead.at : row.at;
    const moment = lastBefore(own, now);
    const hits = row.hits.map((hit) => times[hit.moment]).sort((a, b) => a - b);
    const to = {
      ArrowLeft: () => own[Math.max(0, now > own[moment] + 0.02 ? moment : moment - 1)],
      ArrowRight: () => own[Math.min(own.length - 1, moment + 1)],
      Home: () => own[0],
      End: () => own[own.length - 1],
      PageUp: () => hits.filter((time) => time < now - 0.02).pop(),
      PageDown: () => hits.find((time) => time > now + 0.02),
      Enter: () => now,
      " ": () => now,
    }[event.key];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    const seconds = to();
    if (seconds !== undefined) seek(row, seconds, event.key === "Enter" ? 0 : SETTLED);
  });
  list.addEventListener("focusin", (event) => {
    const row = rows[event.target.closest(".wb-timeline")?.dataset.row];
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
    const before = byName.get(playhead.video);
    playhead = { video: detail.video, at: detail.at };
    for (const number of new Set([before, byName.get(detail.video)])) {
      const cell = cells.get(number);
      if (!cell) continue;
      rows[number].at = detail.at;
      paint(rows[number], cell);
      if (!detail.playing) say(rows[number], cell);
    }
  };
  const turn = () => {
    const number = byName.get(model.get("current"));
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

  const changes = {
    "change:rows": readRows, "change:times": readRows, "change:values": readValues, "change:hits": readValues,
    "change:order": listed, "change:segments": readSegments, "change:current": turn, "change:beside": drawSoon, "change:empty": drawSoon,
  };
  // Changes that come in one message are read once.
  let pending = new Set();
  const soon = Object.fromEntries(
    Object.entries(changes).map(([name, act]) => [
      name,
      () => {
        if (!pending.size) queueMicrotask(() => {
          const acts = pending;
          pending = new Set();
          if (acts.has(readRows)) return readRows();
          if (acts.has(readValues)) acts.delete(listed);
          acts.forEach((one) => one());
        });
        pending.add(act);
      },
    ]),
  );
  for (const [name, act] of Object.entries(soon)) model.on(name, act);
  readRows();
  turn();
  return () => {
    placed.disconnect();
    themed.disconnect();
    cancelAnimationFrame(due);
    clearTimeout(telling);
    heard?.removeEventListener("wb-time", follow);
    for (const [name, act] of Object.entries(soon)) model.off(name, act);
  };
}

export default { render: dimmed(render) };
