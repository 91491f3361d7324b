// The chart by keyboard: arrow keys walk the points, Enter picks, S selects, Escape leaves.

const KEYS = "Arrow keys move from point to point, Enter picks, S selects, Escape leaves.";

// ``chart`` has the cursor (null or { number, point }) and what the keys do: point, pick, toggle, leave.
function listenToKeys(target, chart) {
  target.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target !== target || !chart.ready()) return;
    const moves = {
      ArrowLeft: () => chart.walk(-1, 0),
      ArrowRight: () => chart.walk(1, 0),
      ArrowUp: () => chart.walk(0, -1),
      ArrowDown: () => chart.walk(0, 1),
      Enter: chart.pick,
      s: chart.toggle,
      Escape: chart.leave,
    };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!moves[key]) return;
    event.preventDefault();
    event.stopPropagation();
    moves[key]();
  });
  target.addEventListener("blur", (event) => !target.contains(event.relatedTarget) && chart.rest());
}

// plotly's label of a point.
function hoverPoint(Plotly, frame, { number, point }) {
  const trace = frame._fullData[number];
  const [across, up] = [axisOf(frame, trace.xaxis), axisOf(frame, trace.yaxis)];
  if (!across || !up) return;
  const subplot = trace.xaxis + trace.yaxis;
  // A WebGL trace and a grid look up the point by its place.
  const place = /gl$/.test(trace.type) || Array.isArray(point) ? placeOf(frame, number, point) : null;
  const where = place ? { xpx: place[0] - across._offset, ypx: place[1] - up._offset } : [{ curveNumber: number, pointNumber: point }];
  Plotly.Fx.hover(frame, where, subplot);
}
