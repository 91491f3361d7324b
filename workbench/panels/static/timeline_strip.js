// The strip of one timeline: similarities as colours, hits above it, segments below it, and the time of the player.

const MARKS = 8; // pixels above the strip, for hits
const TONES = { easy: "#009e73", positive: "#009e73", good: "#009e73", ok: "#009e73", hard: "#0072b2", negative: "#d55e00" };

// `times` and `values` are those of all moments; a row has its first moment, their number, its hits and segments.
function paintStrip(canvas, row, { times, values, colours, playhead }) {
  const ratio = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (!width || !height) return;
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  context.clearRect(0, 0, width, height);
  const columns = new Uint8Array(width);
  const scaled = width / row.seconds;
  for (let i = 0; i < row.count; i++) {
    const value = values[row.first + i];
    const from = Math.min(width - 1, Math.floor(times[row.first + i] * scaled));
    const to = i + 1 < row.count ? Math.max(from + 1, Math.ceil(times[row.first + i + 1] * scaled)) : width;
    for (let x = from; x < to && x < width; x++) if (columns[x] < value) columns[x] = value;
  }
  const top = Math.round(MARKS * ratio);
  context.fillStyle = colour("--jp-layout-color3"); // which is seen on the row of the current video too
  context.fillRect(0, top, width, height - top);
  for (let x = 0; x < width; ) { // runs of one colour
    let end = x + 1;
    while (end < width && columns[end] === columns[x]) end++;
    if (columns[x]) {
      context.fillStyle = colours[columns[x]];
      context.fillRect(x, top, end - x, height - top);
    }
    x = end;
  }
  for (const { start, end } of row.segments) {
    context.fillStyle = colour("--jp-brand-color1");
    context.fillRect(start * scaled, height - 4 * ratio, Math.max(3, (end - start) * scaled), 4 * ratio);
  }
  for (const hit of [...row.hits].reverse()) mark(context, hit, times[hit.moment] * scaled, top, ratio, colour("--jp-ui-font-color2"));
  if (row.name === playhead.video) {
    const x = Math.min(width - 2 * ratio, Math.max(0, playhead.at * scaled));
    context.fillStyle = colour("--jp-layout-color0");
    context.fillRect(x - 2 * ratio, 0, 5 * ratio, height);
    context.fillStyle = colour("--jp-ui-font-color0");
    context.fillRect(x - ratio / 2, 0, 2 * ratio, height);
  }
}

// Right results are triangles, wrong ones crosses, all others bars, so that colour is not the only difference.
function mark(context, { relevance }, x, base, ratio, plain) {
  const half = 3.5 * ratio;
  x = Math.min(context.canvas.width - half, Math.max(half, x));
  const tone = TONES[relevance];
  context.fillStyle = context.strokeStyle = tone ?? plain;
  context.lineWidth = 1.75 * ratio;
  context.beginPath();
  if (tone && relevance !== "negative") {
    context.moveTo(x - half, ratio);
    context.lineTo(x + half, ratio);
    context.lineTo(x, base - ratio / 2);
    context.fill();
  } else if (tone) {
    context.moveTo(x - half + ratio, ratio);
    context.lineTo(x + half - ratio, base - ratio);
    context.moveTo(x + half - ratio, ratio);
    context.lineTo(x - half + ratio, base - ratio);
    context.stroke();
  } else context.fillRect(x - ratio, ratio, 2 * ratio, base - 2 * ratio);
}
