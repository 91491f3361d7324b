// The legend of a scatter: classes with counts, or a scale of values, and the marks in use.

function part(tag, name, parent, text) {
  const node = document.createElement(tag);
  node.className = name;
  if (text !== undefined) node.textContent = text;
  parent?.append(node);
  return node;
}

function drawLegend(legend, colour, ramp, marks) {
  legend.replaceChildren();
  if (!colour.kind) return;
  part("div", "wb-legend-title", legend, colour.title);
  if (colour.kind === "values") {
    const scale = part("div", "wb-scale", legend);
    const stops = Array.from({ length: 17 }, (_, i) => rampColour(ramp, i / 16));
    part("span", "wb-ramp", scale).style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    part("span", "wb-low", scale, colour.low);
    part("span", "wb-high", scale, colour.high);
  }
  const list = part("ul", "wb-keys", legend);
  const entry = (swatch, text, count) => {
    const item = part("li", "wb-key", list);
    part("span", `wb-swatch wb-${swatch}`, item).setAttribute("aria-hidden", "true");
    part("span", "wb-key-text", item, text).title = text;
    part("span", "wb-key-count", item, count ? count.toLocaleString("en") : "");
  };
  (colour.items ?? []).forEach(({ text, count }, code) =>
    entry(`class-${classOf(code)}${isDiamond(code) ? " wb-diamond" : ""}`, text, count),
  );
  if (colour.other) entry("class-other", colour.others, colour.other);
  if (colour.none) entry("class-none", "none", colour.none);
  for (const [swatch, text, count] of marks) entry(swatch, text, count);
}
