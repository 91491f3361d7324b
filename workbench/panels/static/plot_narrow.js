// A narrow chart: the layout that its figure names for it, and names cut to the space that they have.

const LEGEND_LEFT_UNDER = 560; // pixels of a chart whose legend below it starts near its left edge
const NAMES = 0.38; // of the width, for the names beside an axis
const SLANTED = 0.26; // of the width, for the names below an axis that are slanted

const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function merge(target, patch) {
  for (const [key, value] of Object.entries(patch)) {
    if (isPlain(value)) merge((target[key] = isPlain(target[key]) ? target[key] : {}), value);
    else target[key] = value;
  }
}

// Markup without its middle, if it is wider than ``width``; tags are kept, and entities are kept or left out.
function cut(markup, width, { size, family }) {
  pen.font = `${size}px ${family}`;
  const fits = (part) => pen.measureText(plainText(part)).width <= width;
  if (fits(markup)) return markup;
  const parts = markup.match(/<[^>]*>|&[^;\s]+;|./gsu) ?? [];
  const without = (kept) => {
    const [head, tail] = [Math.ceil(kept / 2), parts.length - Math.floor(kept / 2)];
    const middle = parts.slice(head, tail).filter((part) => /^<./.test(part));
    return [...parts.slice(0, head), "…", ...middle, ...parts.slice(tail)].join("");
  };
  let [low, high] = [2, parts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(without(middle))) low = middle;
    else high = middle - 1;
  }
  return without(low);
}

// Merge what a figure names in ``meta.narrow`` for a chart of this width; pictures, which fill the
// width, set the height.
function narrowed(data, layout, width) {
  for (const { below, layout: patch, data: traces } of layout.meta?.narrow ?? []) {
    if (width >= below) continue;
    merge(layout, structuredClone(patch));
    for (const [number, attributes] of Object.entries(traces)) Object.assign(data[number], attributes);
  }
  const { ratio, around, most } = layout.meta?.pictures ?? {};
  if (ratio) layout.height = Math.round(around + Math.min(most, ratio * (width - 16)));
}

// Cut the names of legend, ticks and captions, and wrap the titles of axes and notices, to the space that they have.
function fitNames(data, layout, template, width) {
  const { font, margin } = template.layout;
  const room = width - margin.l - margin.r;
  const axes = Object.entries(layout).filter(([key, axis]) => /^[xy]axis\d*$/.test(key) && axis).sort().reverse(); // y first
  let taken = 0; // pixels of the width that names beside a plot take, besides the margin
  for (const [key, axis] of axes) {
    const [start, end] = axis.domain ?? [0, 1];
    const lying = key.startsWith("x");
    const tick = { ...font, ...axis.tickfont };
    const most = lying ? (axis.tickangle ? SLANTED * width : 0) : spaceBeside(layout, axis, width, room);
    if (axis.ticktext && most) axis.ticktext = Array.from(axis.ticktext, (name) => cut(String(name), most, tick));
    if (axis.ticktext && most && !lying && !startOf(layout, axis)) {
      taken = Math.max(taken, ...axis.ticktext.map((name) => pen.measureText(plainText(name)).width + 24 - margin.l));
    }
    const space = lying ? (end - start) * (room - taken) + 24 : (end - start) * ((layout.height ?? HEIGHT) - 150) + 24;
    if (axis.title?.text && space > 80) axis.title.text = wrapped(axis.title.text, space, { ...font, size: 14, ...axis.title.font });
  }
  for (const note of layout.annotations ?? []) {
    if (note.name === "notice") note.text = wrapped(note.text, room, { ...font, ...note.font });
  }
  const { ratio, most } = layout.meta?.pictures ?? {};
  const filled = ratio ? Math.min(width - 16, most / ratio) : room;
  (layout.meta?.captions ?? []).forEach((share, number) => {
    const caption = layout.annotations?.[number];
    if (!share || !caption?.text) return;
    const shown = cut(caption.text, share * filled, { ...font, ...caption.font });
    if (shown !== caption.text) Object.assign(caption, { hovertext: caption.text, text: shown });
  });
  const legend = layout.legend;
  if (legend?.yref !== "container" || layout.showlegend === false) return;
  const further = width < LEGEND_LEFT_UNDER ? margin.l - 12 : 0; // to the left of the axes
  if (further) legend.x = -further / room;
  for (const trace of data) {
    if (trace.name && trace.showlegend !== false) trace.name = cut(trace.name, room + further - 52, font);
  }
}

// Where the plot of a vertical axis starts, as a share of the width.
const startOf = (layout, axis) => layout[(axis.anchor ?? "x").replace("x", "xaxis")]?.domain?.[0] ?? 0;

// The pixels for names to the left of a vertical axis: up to the plot before it, else a share of the width.
function spaceBeside(layout, axis, width, room) {
  const domains = Object.keys(layout).filter((key) => /^xaxis/.test(key)).map((key) => layout[key].domain ?? [0, 1]);
  const start = startOf(layout, axis);
  const beside = domains.some(([from]) => from > 0.45); // plots in two columns
  if (start === 0) return NAMES * width * (beside ? 0.5 : 1);
  const before = Math.max(0, ...domains.map(([, end]) => (end <= start ? end : 0)));
  return (start - before) * room + (before ? 0 : 32);
}
