// Points in the plane, [x0, y0, x1, y1, …] in pixels: the nearest, those inside a path, the next in a direction.

// Convert points of any extent, y upwards, to pixels. Both axes share one scale, since a map shows distances.
function fitted(points, width, height, margin) {
  const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
  points.forEach((value, k) => {
    low[k % 2] = Math.min(low[k % 2], value);
    high[k % 2] = Math.max(high[k % 2], value);
  });
  const extent = [high[0] - low[0], high[1] - low[1]];
  const scale = Math.min((width - 2 * margin) / (extent[0] || 1), (height - 2 * margin) / (extent[1] || 1));
  return points.map((value, k) => {
    const off = (value - low[k % 2] - extent[k % 2] / 2) * scale;
    return k % 2 ? height / 2 - off : width / 2 + off;
  });
}

function nearestPoint(at, x, y, within = Infinity) {
  let best = -1;
  let least = within * within;
  for (let i = 0; i < at.length / 2; i++) {
    const dx = at[2 * i] - x;
    const dy = at[2 * i + 1] - y;
    const distance = dx * dx + dy * dy;
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

// The rows inside a closed path of [x, y], by the even-odd rule.
function pointsInside(at, path) {
  const rows = [];
  for (let i = 0; i < at.length / 2; i++) {
    const [x, y] = [at[2 * i], at[2 * i + 1]];
    let inside = false;
    for (let a = 0, b = path.length - 1; a < path.length; b = a++) {
      const [xa, ya] = path[a];
      const [xb, yb] = path[b];
      if (ya > y !== yb > y && x < xa + ((y - ya) / (yb - ya)) * (xb - xa)) inside = !inside;
    }
    if (inside) rows.push(i);
  }
  return rows;
}

// The nearest point in a direction: within 45° of it, else anywhere ahead; the point itself if there is none.
function nextPoint(at, from, dx, dy) {
  const [x, y] = [at[2 * from], at[2 * from + 1]];
  let [best, least] = [from, Infinity];
  for (let i = 0; i < at.length / 2; i++) {
    if (i === from) continue;
    const [px, py] = [at[2 * i] - x, at[2 * i + 1] - y];
    let along = px * dx + py * dy;
    const across = Math.abs(px * dy - py * dx);
    // Points at the same position are visited by number.
    if (along === 0 && across === 0) along = (i - from) * (dx + dy) > 0 ? 1e-6 * Math.abs(i - from) : 0;
    if (along <= 0) continue;
    const cost = Math.hypot(along, across) + (across > along ? 1e6 : 0);
    if (cost < least) [best, least] = [i, cost];
  }
  return best;
}
