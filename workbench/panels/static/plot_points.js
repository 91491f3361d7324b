// Where the points of a chart are, in pixels of its frame, and which is the next in a direction.

const axisOf = (frame, id) => frame._fullLayout[id?.replace(/^[xy]/, "$&axis")];

// The place of one point: [x, y], or null outside of the visible part, or without axes.
function placeOf(frame, number, point) {
  const trace = frame._fullData?.[number];
  if (trace?.visible !== true) return null;
  const [across, up] = [axisOf(frame, trace.xaxis), axisOf(frame, trace.yaxis)];
  if (!across?.d2p || !up?.d2p) return null;
  let x, y;
  const bar = frame.calcdata?.[number]?.[point]?.ct;
  if (bar) [x, y] = bar;
  else if (Array.isArray(point)) {
    x = across.d2p(trace.x?.[point[1]] ?? point[1]);
    y = up.d2p(trace.y?.[point[0]] ?? point[0]);
  } else {
    x = across.d2p(trace.x ? trace.x[point] : (trace.x0 ?? 0) + point * (trace.dx ?? 1));
    y = up.d2p(trace.y ? trace.y[point] : (trace.y0 ?? 0) + point * (trace.dy ?? 1));
  }
  const inside = x >= -1 && y >= -1 && x <= across._length + 1 && y <= up._length + 1; // false for NaN
  return inside ? [across._offset + x, up._offset + y] : null;
}

const isGrid = (trace) => Boolean(trace.z?.[0]?.length) && trace.type !== "surface";
const isCloud = (trace) => /^scatter(gl)?$/.test(trace.type) && trace.mode === "markers";

function countOf(frame, number) {
  const trace = frame._fullData[number];
  if (isGrid(trace)) return trace.z.length * trace.z[0].length;
  if (/^(bar|histogram|waterfall|funnel)$/.test(trace.type)) return frame.calcdata[number].length;
  return trace._length ?? trace.x?.length ?? trace.y?.length ?? trace.values?.length ?? 0;
}

// All points of a visible trace that can be seen, in order: [{ number, point, x, y }].
function pointsOf(frame, number) {
  const trace = frame._fullData[number];
  if (trace.visible !== true || trace.hoverinfo === "skip" || frame.calcdata?.[number]?.[0]?.empty) return [];
  const flat = !axisOf(frame, trace.xaxis); // in 3-D and in pies: in a row
  const columns = isGrid(trace) ? trace.z[0].length : 0;
  const points = [];
  for (let k = 0; k < countOf(frame, number); k++) {
    const point = columns ? [Math.floor(k / columns), k % columns] : k;
    const place = flat ? [k, number] : placeOf(frame, number, point);
    if (place) points.push({ number, point, x: place[0], y: place[1] });
  }
  return points;
}

const same = (a, b) => a && b && a.number === b.number && String(a.point) === String(b.point);

// The next point from ``from`` (null: the first) in a direction (dx, dy); the point itself if there is none.
function nextInChart(frame, count, from, dx, dy) {
  const traces = Array.from({ length: count }, (_, number) => pointsOf(frame, number));
  const all = traces.flat();
  const here = all.find((point) => same(point, from));
  if (!here) return all[0] ?? null;
  const trace = frame._fullData[here.number];
  if (isCloud(trace) || isGrid(trace)) {
    return all[nextPoint(all.flatMap(({ x, y }) => [x, y]), all.indexOf(here), dx, dy)];
  }
  // Along the trace, or to another trace: for horizontal bars the two exchange their keys.
  const lying = trace.orientation === "h";
  const step = lying ? -dy : dx;
  if (step) {
    const along = traces[here.number];
    return along[along.indexOf(here) + step] ?? here;
  }
  const other = lying ? (point) => [point.y, dx * (point.x - here.x)] : (point) => [point.x, dy * (point.y - here.y)];
  return nextAcross(traces, here, other, dx + dy) ?? here;
}

// Of each other trace the point at the same position of the common axis; the nearest of them ahead.
function nextAcross(traces, here, placed, sign) {
  const [position] = placed(here);
  let [best, least] = [null, Infinity];
  traces.forEach((points, number) => {
    if (number === here.number || !points.length) return;
    const near = points.reduce((a, b) => (Math.abs(placed(b)[0] - position) < Math.abs(placed(a)[0] - position) ? b : a));
    let ahead = placed(near)[1];
    if (ahead === 0) ahead = (number - here.number) * sign > 0 ? 1e-6 * Math.abs(number - here.number) : -1;
    if (ahead > 0 && ahead < least) [best, least] = [near, ahead];
  });
  return best;
}
