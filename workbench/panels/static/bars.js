// Bars side by side. One is chosen by a click, or with the keys as in a slider.

const SVG = "http://www.w3.org/2000/svg";
const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [96, 36, 4, 8, 14];

function render({ model, el }) {
  const svg = document.createElementNS(SVG, "svg");
  el.classList.add("wb-bars");
  svg.setAttribute("role", "slider");
  svg.setAttribute("aria-label", model.get("label"));
  svg.setAttribute("tabindex", "0");
  svg.dataset.lmSuppressShortcuts = "true";
  el.append(svg);
  let drawn = 0;

  const width = () => Math.max(el.clientWidth, 160);
  const count = () => model.get("values").length;
  const room = () => (width() - LEFT - RIGHT) / Math.max(count(), 1);

  const add = (tag, kind, attributes, text) => {
    const node = document.createElementNS(SVG, tag);
    node.setAttribute("class", `wb-bars-${kind}`);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    svg.append(node);
  };

  const draw = () => {
    const [values, current, solid] = [model.get("values"), model.get("current"), model.get("solid")];
    const most = Math.max(...values, 1);
    const up = (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / most;
    drawn = width();
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${drawn} ${HEIGHT}`);
    svg.setAttribute("height", HEIGHT);
    el.hidden = !values.length;
    if (!values.length) return;
    for (const value of [0, most]) {
      add("path", "rule", { d: `M${LEFT} ${up(value)}H${drawn - RIGHT}` });
      add("text", "tick", { x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, value);
    }
    const gap = room() > 5 ? 1 : 0;
    values.forEach((value, i) => {
      const kind = `bar${i < solid ? " wb-bars-solid" : ""}${i === current ? " wb-bars-current" : ""}`;
      if (value) add("rect", kind, { x: LEFT + i * room() + gap / 2, y: up(value), width: Math.max(room() - gap, 0.5), height: up(0) - up(value) });
    });
    const even = model.get("even");
    if (even) add("path", "even", { d: `M${LEFT} ${up(even)}H${drawn - RIGHT}` });
    const x = LEFT + (current + 0.5) * room();
    if (current >= 0) add("path", "pointer", { d: `M${x} ${up(0) + 2}l5 8h-10z` });
    svg.setAttribute("aria-valuemin", 1);
    svg.setAttribute("aria-valuemax", values.length);
    svg.setAttribute("aria-valuenow", current + 1);
    svg.setAttribute("aria-valuetext", model.get("texts")[current] ?? "");
  };

  const choose = (at) => {
    const there = Math.max(0, Math.min(count() - 1, at));
    if (there === model.get("current")) return;
    model.set("current", there);
    model.save_changes();
  };
  const under = (event) => Math.floor((event.clientX - svg.getBoundingClientRect().left - LEFT) / room());

  svg.addEventListener("click", (event) => choose(under(event)));
  svg.addEventListener("pointermove", (event) => (svg.style.cursor = "pointer", el.title = model.get("texts")[under(event)] ?? ""));
  svg.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const at = model.get("current");
    const places = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: count() - 1, PageUp: at + 10, PageDown: at - 10 };
    if (!(event.key in places)) return;
    event.preventDefault();
    event.stopPropagation();
    choose(places[event.key]);
  });

  const sized = new ResizeObserver(() => width() !== drawn && draw());
  sized.observe(el);
  const changes = ["values", "texts", "solid", "even", "current"].map((name) => `change:${name}`);
  changes.forEach((name) => model.on(name, draw));
  draw();
  return () => {
    sized.disconnect();
    changes.forEach((name) => model.off(name, draw));
  };
}

export default { render };
