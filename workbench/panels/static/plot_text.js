// What plotly shows for a text with markup, and the words for a point.

function plainText(markup) {
  const spaced = String(markup ?? "").replace(/<br\s*\/?>/g, " · ").replace(/<\/?[a-zA-Z][^<>]*>/g, "");
  const area = document.createElement("textarea"); // whose content is text with entities, and never elements
  area.innerHTML = spaced;
  return area.value;
}

const at = (values, point) => {
  if (values === undefined || values === null || typeof values === "string") return values;
  return Array.isArray(point) ? values[point[0]]?.[point[1]] : values[point];
};

// A value of an axis by its label, where its ticks are labelled.
function shownValue(axis, value) {
  const number = axis?.ticktext ? Array.from(axis.tickvals ?? []).indexOf(value) : -1;
  if (number >= 0) return plainText(axis.ticktext[number]);
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : plainText(value);
}

// The coordinates of a point with their axes, as [[title, value], …].
function coordinates(frame, trace, point) {
  const full = frame._fullLayout;
  const scene = full[trace.scene];
  const grid = Array.isArray(point);
  return ["x", "y", "z"].flatMap((letter) => {
    const index = grid && letter !== "z" ? point[letter === "y" ? 0 : 1] : point;
    const value = trace[letter] === undefined && grid && letter !== "z" ? index : at(trace[letter], index);
    if (value === undefined || value === null) return [];
    const axis = scene ? scene[`${letter}axis`] : full[(trace[`${letter}axis`] ?? letter).replace(letter, `${letter}axis`)];
    const given = plainText(axis?.title?.text);
    return [[given === `Click to enter ${letter.toUpperCase()} axis title` ? "" : given, shownValue(axis, value)]];
  });
}

function hoverText(trace, point) {
  return plainText(at(trace.hovertext, point) || at(trace.text, point) || "");
}

// The point for screen readers: trace, coordinates, text, and its number of all.
function spokenPoint(frame, number, point, count) {
  const trace = frame._fullData[number];
  const values = coordinates(frame, trace, point).map(([title, value]) => [title, value].filter(Boolean).join(" "));
  const place = Array.isArray(point) || !count ? "" : `${point + 1} of ${count}`;
  return [trace._input?.name ? plainText(trace.name) : "", ...values, hoverText(trace, point), place].filter(Boolean).join(", ");
}
