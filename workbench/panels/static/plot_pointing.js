// The point under study, by mouse or by keyboard: its ring, its card, and what the kernel is told.

const PAUSE = 30; // milliseconds that the pointer rests on a point before its description is asked for
const KEYS = "Arrow keys move from point to point, Enter picks, F opens its picture, S selects, Escape leaves.";

// ``view`` has the model, the elements chart, frame and over, ``library`` {Plotly}, and ``drawn``: the figure on
// screen with its version and the count of its traces. ``view.chosen`` is the selection, as the trait; ``draw``
// shows it.
function makePointing(view, say, draw) {
  const { model, chart, frame, over } = view;
  const card = makeCard(chart);
  let pointed = null; // { number, point, place, keyed }
  let waiting = 0;

  const send = (message) => model.send({ ...message, version: view.drawn.version });
  const named = (number) => Boolean(view.drawn.figure.named[number]);
  const described = ({ number }) => model.get("described") && named(number);

  const refresh = () => {
    if (!view.drawn) return;
    const own = pointed && (pointed.keyed || described(pointed)) ? [[pointed.number, pointed.point]] : [];
    const twins = own.map(([number, point]) => [view.drawn.figure.data[number]?.meta?.linked, point]);
    const cursor = [...own, ...twins.filter(([number]) => number !== undefined)];
    paintRings(over, frame, { current: model.get("rings"), cursor });
  };

  const point = (next) => {
    if (same(next, pointed) && next?.keyed === pointed?.keyed) return;
    pointed = next;
    clearTimeout(waiting);
    card.hide();
    delete chart.dataset.picture;
    chart.classList.toggle("wb-plot-pickable", Boolean(next) && named(next.number));
    refresh();
    if (next) enquire();
  };
  const enquire = () => {
    clearTimeout(waiting);
    if (described(pointed)) waiting = setTimeout(() => send({ show: [pointed.number, pointed.point] }), PAUSE);
  };

  // After a drawing: the point stays where it is still there (by keyboard: where it can be seen), and its card until
  // the answer. ``other``: of another figure, in which the number may mean another point.
  const renew = (other) => {
    refresh();
    if (!pointed) return;
    const { number, point: one, place: [x, y], keyed } = pointed;
    if (!other && !axisOf(frame, frame._fullData[number]?.xaxis)) return;
    const place = placeOf(frame, number, one);
    const moved = !place || Math.hypot(place[0] - x, place[1] - y) > 1;
    if (!place || (moved && !keyed)) return point(null);
    if (!moved && !other) return;
    pointed = { ...pointed, place };
    enquire();
    if (keyed) tell();
  };

  const describe = (content, buffers) => {
    if (!pointed || String(content.show) !== String([pointed.number, pointed.point])) return;
    const more = hoverText(frame._fullData[pointed.number], pointed.point);
    card.show(content.caption, more, buffers[0], pointed.place);
    if (buffers[0]?.byteLength) chart.dataset.picture = content.opens; // in the lightbox
    if (pointed.keyed) say([content.caption, more].filter(Boolean).join(", "));
  };

  // -- selection

  const select = (points) => {
    const kept = points.filter(([number]) => named(number));
    const chosen = {};
    for (const [number, one] of kept) (chosen[number] ??= []).push(one);
    for (const ones of Object.values(chosen)) ones.sort((a, b) => a - b);
    view.chosen = chosen;
    draw(); // without plotly's outline, in which the next lasso would move it
    send({ select: kept });
  };
  const clear = () => Object.keys(view.chosen).length > 0 && select([]);
  const toggle = () => {
    if (!pointed || !named(pointed.number)) return;
    const now = Object.entries(view.chosen).flatMap(([number, ones]) => ones.map((one) => [Number(number), one]));
    const without = now.filter(([number, one]) => !same({ number, point: one }, pointed));
    const added = without.length === now.length;
    select(added ? [...now, [pointed.number, pointed.point]] : without);
    say(added ? "Selected." : "No longer selected.");
  };

  // -- by mouse

  const numbers = (points) => points.filter(({ curveNumber }) => curveNumber < view.drawn.count)
    .flatMap(({ curveNumber, pointNumber, pointNumbers }) => (pointNumbers ?? [pointNumber]).map((one) => [curveNumber, one]));

  const listen = () => {
    frame.on("plotly_click", (event) => {
      const hit = numbers(event.points)[0];
      if (hit && named(hit[0])) send({ pick: hit });
    });
    frame.on("plotly_selected", (event) => (event ? select(numbers(event.points)) : clear()));
    frame.on("plotly_deselect", clear);
    frame.on("plotly_doubleclick", () => !chart.dataset.picture && clear());
    frame.on("plotly_hover", ({ points, event }) => {
      const hit = points.find(({ curveNumber }) => curveNumber < view.drawn.count);
      if (!hit || pointed?.keyed) return;
      const { left, top } = chart.getBoundingClientRect();
      const pointer = [(event?.clientX ?? left) - left, (event?.clientY ?? top) - top];
      const place = placeOf(frame, hit.curveNumber, hit.pointNumber) ?? pointer;
      point({ number: hit.curveNumber, point: hit.pointNumber, place });
    });
    frame.on("plotly_unhover", () => !pointed?.keyed && point(null));
    frame.on("plotly_afterplot", refresh);
    frame.on("plotly_relayouting", () => over.replaceChildren());
  };
  chart.addEventListener("pointermove", () => pointed?.keyed && point(null));

  // -- by keyboard

  const walk = (dx, dy) => {
    const [first] = model.get("rings");
    const start = pointed ?? (first ? { number: first[0], point: first[1] } : null);
    const [x, y] = pointed ? [dx, dy] : [0, 0]; // the first key shows where the walk begins
    const next = nextInChart(frame, view.drawn.count, start, x, y);
    if (!next) return say("There is no point to show.");
    view.library.Plotly.Fx.unhover(frame);
    point({ number: next.number, point: next.point, place: [next.x, next.y], keyed: true });
    tell();
  };
  const tell = () => {
    if (!described(pointed)) hoverPoint(view.library.Plotly, frame, pointed);
    say(spokenPoint(frame, pointed.number, pointed.point, countOf(frame, pointed.number)));
  };
  const rest = () => {
    if (!pointed?.keyed) return;
    point(null);
    view.library.Plotly.Fx.unhover(frame);
    say("");
  };
  const keys = {
    ArrowLeft: () => walk(-1, 0),
    ArrowRight: () => walk(1, 0),
    ArrowUp: () => walk(0, -1),
    ArrowDown: () => walk(0, 1),
    Enter: () => pointed && named(pointed.number) && send({ pick: [pointed.number, pointed.point] }),
    s: toggle,
    Escape: () => {
      rest();
      clear();
    },
  };
  chart.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target !== chart || !view.drawn) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!keys[key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[key]();
  });
  chart.addEventListener("blur", rest);

  const end = () => {
    clearTimeout(waiting);
    card.hide();
  };
  return { listen, refresh, renew, describe, end };
}

// plotly's label of a point.
function hoverPoint(Plotly, frame, { number, point }) {
  const trace = frame._fullData[number];
  const [across, up] = [axisOf(frame, trace.xaxis), axisOf(frame, trace.yaxis)];
  if (!across || !up) return;
  // A WebGL trace and a grid look up the point by its place.
  const place = /gl$/.test(trace.type) || Array.isArray(point) ? placeOf(frame, number, point) : null;
  const where = place ? { xpx: place[0] - across._offset, ypx: place[1] - up._offset } : [{ curveNumber: number, pointNumber: point }];
  Plotly.Fx.hover(frame, where, trace.xaxis + trace.yaxis);
}
