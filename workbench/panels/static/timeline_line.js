// The elements of one timeline: its name, its best hit, its strip and its buttons.

function timelineLine(row, parent) {
  const line = element("div", "wb-timeline", parent);
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
}

// `current` and `beside` tell whether the video is shown, `tab` whether the line is in the tab order.
function dressLine(cell, row, { current, beside, tab }) {
  cell.line.toggleAttribute("data-current", current);
  cell.name.setAttribute("aria-pressed", String(current));
  cell.beside.setAttribute("aria-pressed", String(beside));
  cell.beside.disabled = current;
  for (const one of [cell.name, cell.strip, cell.beside]) one.tabIndex = tab ? 0 : -1;
  const best = row.hits[0];
  cell.best.textContent = best ? `#${best.rank} ${best.sign.length < 3 ? best.sign : ""}` : "";
  cell.best.dataset.relevance = best?.relevance ?? "";
}

// What a screen reader hears of the strip at a time.
function sayLine(cell, row, seconds, text) {
  cell.strip.setAttribute("aria-valuemax", row.seconds.toFixed(2));
  cell.strip.setAttribute("aria-valuenow", Math.min(seconds, row.seconds).toFixed(2));
  cell.strip.setAttribute("aria-valuetext", text);
}
