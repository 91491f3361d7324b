// Draws points: one style for each class or value, and one path for all points of a style.

const HUES = 6; // classes beyond them are diamonds in the same colours
const OTHER = 254;
const NONE = 255;
const LEVELS = 64; // of values: as many as are distinguishable

const classOf = (code) => (code === OTHER ? "other" : code === NONE ? "none" : `${code % HUES}`);
const isDiamond = (code) => code < OTHER && code >= HUES;

// The colour of a ramp of 256 × RGB at a value from 0 to 1.
function rampColour(ramp, share) {
  const at = 3 * Math.round(255 * share);
  return `rgb(${ramp[at]} ${ramp[at + 1]} ${ramp[at + 2]})`;
}

// The style of a code: fill, edge, shape, and position in the drawing order.
function looks(kind, ramp, style) {
  const known = new Map();
  const valued = kind === "values";
  const edge = style(valued ? "edge" : "ground");
  return (code) => {
    const key = !valued ? code : Number.isNaN(code) ? NONE : Math.round(code * (LEVELS - 1)) / (LEVELS - 1);
    if (!known.has(key)) {
      const quiet = key === NONE || key === OTHER;
      known.set(key, {
        fill: valued && !quiet ? rampColour(ramp, key) : style(`class-${classOf(key)}`),
        edge,
        size: quiet ? 0.7 : 1,
        hollow: key === NONE,
        diamond: !valued && isDiamond(key),
        order: quiet ? -1 : valued ? key : 0, // high values, and coloured classes, on top
      });
    }
    return known.get(key);
  };
}

function trace(pen, x, y, r, diamond) {
  if (!diamond) {
    pen.moveTo(x + r, y);
    pen.arc(x, y, r, 0, 2 * Math.PI);
    return;
  }
  const d = 1.3 * r;
  pen.moveTo(x, y - d);
  pen.lineTo(x + d, y);
  pen.lineTo(x, y + d);
  pen.lineTo(x - d, y);
  pen.closePath();
}

function paintPoints(pen, at, rows, radius, lookOf, edge) {
  const groups = new Map();
  for (const i of rows) {
    const look = lookOf(i);
    groups.has(look) ? groups.get(look).push(i) : groups.set(look, [i]);
  }
  for (const [look, members] of [...groups].sort(([a], [b]) => a.order - b.order)) {
    pen.beginPath();
    for (const i of members) trace(pen, at[2 * i], at[2 * i + 1], look.size * radius, look.diamond);
    pen.fillStyle = look.fill;
    pen.strokeStyle = edge ?? (look.hollow ? look.fill : look.edge);
    pen.stroke(); // below the fill, so that edges do not cover neighbouring points
    if (!look.hollow) pen.fill();
  }
}

// A ring or a square around a point, in dark and light, visible on any point.
function paintRing(pen, x, y, r, width, square, style) {
  for (const [colour, wide] of [["ground", width + 3], ["mark", width]]) {
    pen.beginPath();
    square ? pen.rect(x - r, y - r, 2 * r, 2 * r) : trace(pen, x, y, r, false);
    pen.strokeStyle = style(colour);
    pen.lineWidth = wide;
    pen.stroke();
  }
}

function paintPath(pen, path, style) {
  pen.beginPath();
  for (const [x, y] of path) pen.lineTo(x, y);
  pen.closePath();
  pen.fillStyle = style("lasso");
  pen.fill();
  pen.strokeStyle = style("mark");
  pen.lineWidth = 1;
  pen.stroke();
}
