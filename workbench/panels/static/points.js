// Points in the plane, [x0, y0, x1, y1, …] in pixels: the nearest, and the next in a direction.

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
