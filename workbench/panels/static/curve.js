// Lines with points over epochs or other named positions, on a fitted scale. Redrawn for each width and epoch.

const SVG = "http://www.w3.org/2000/svg";
const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [176, 56, 12, 10, 34];

// Round numbers from below the smallest value to above the largest.
function ticksOf(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const rough = Math.max(high - low, Math.abs(high) * 0.02, 1e-6) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((one) => one * power >= rough) * power;
  const [first, last] = [Math.floor(low / step), Math.max(Math.ceil(high / step), Math.floor(low / step) + 1)];
  const ticks = Array.from({ length: last - first + 1 }, (_, k) => (first + k) * step);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function render({ model, el }) {
  const svg = document.createElementNS(SVG, "svg");
  const legend = document.createElement("div");
  const hint = document.createElement("div");
  const empty = document.createElement("p");
  el.classList.add("wb-curve");
  legend.className = "wb-curve-legend";
  hint.className = "wb-curve-hint";
  hint.setAttribute("role", "status");
  empty.className = "wb-empty";
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", model.get("label"));
  svg.setAttribute("tabindex", "0");
  svg.dataset.lmSuppressShortcuts = "true";
  el.append(svg, hint, empty, legend);
  let drawn = 0; // the width of the current drawing
  let here = -1; // the epoch under the pointer

  const lines = () => model.get("lines").filter(({ x }) => x.length);
  const epochs = () => [...new Set(lines().flatMap(({ x }) => x))].sort((a, b) => a - b);
  const width = () => Math.max(el.clientWidth, 160);
  const across = (x) => LEFT + ((width() - LEFT - RIGHT) * x) / Math.max(model.get("last"), 1);
  const named = (x) => model.get("names")[x] ?? x;
  const words = (value) => value.toFixed(model.get("digits")).replace("-", "−");

  const add = (tag, kind, attributes = {}, text) => {
    const node = document.createElementNS(SVG, tag);
    node.setAttribute("class", `wb-curve-${kind}`);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    svg.append(node);
    return node;
  };

  const point = () => {
    svg.querySelector(".wb-curve-pointer")?.remove();
    hint.hidden = here < 0;
    if (here < 0) return;
    svg.prepend(add("path", "pointer", { d: `M${across(here)} ${TOP}V${HEIGHT - BOTTOM}` }));
    const said = lines().filter(({ x }) => x.includes(here)).map(({ name, x, y }) => `${words(y[x.indexOf(here)])}  ${name}`);
    hint.textContent = [`${model.get("x")} ${named(here)}${here === model.get("kept") ? ", kept" : ""}`, ...said].join("\n");
    const right = across(here) > width() / 2;
    hint.style.left = right ? "auto" : `${across(here) + 10}px`;
    hint.style.right = right ? `${width() - across(here) + 10}px` : "auto";
  };

  const drawAxes = ({ ticks, digits }, up) => {
    for (const value of ticks) {
      add("path", "rule", { d: `M${LEFT} ${up(value)}H${width() - RIGHT}` });
      add("text", "tick", { x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, value.toFixed(digits).replace("-", "−"));
    }
    const last = Math.max(model.get("last"), 1);
    const every = Math.ceil(last / Math.max(1, Math.floor((width() - LEFT) / 32)));
    for (let x = 0; x <= last; x += every) add("text", "tick", { x: across(x), y: HEIGHT - BOTTOM + 15, "text-anchor": "middle" }, named(x));
    add("text", "axis", { x: LEFT + (width() - LEFT - RIGHT) / 2, y: HEIGHT - 3, "text-anchor": "middle" }, model.get("x"));
    const middle = (TOP + HEIGHT - BOTTOM) / 2;
    add("text", "axis", { x: 0, y: 0, transform: `translate(10 ${middle}) rotate(-90)`, "text-anchor": "middle" }, model.get("y"));
  };

  const drawLine = ({ x, y }, number, up) => {
    const places = x.map((epoch, k) => [across(epoch), up(y[k])]);
    add("path", `line wb-curve-${number}`, { d: `M${places.map((place) => place.join(" ")).join("L")}` });
    places.forEach(([cx, cy], k) => {
      if (x[k] === model.get("kept")) add("circle", `ring wb-curve-${number}`, { cx, cy, r: 6.5 });
      add("circle", `dot wb-curve-${number}`, { cx, cy, r: places.length > 40 ? 1.5 : 3 });
    });
  };

  const drawLegend = () => {
    const names = lines().length > 1 ? lines().map(({ name }) => name) : [];
    legend.replaceChildren(
      ...names.map((name, number) => {
        const entry = document.createElement("span");
        entry.className = `wb-curve-entry wb-curve-${number}`;
        entry.textContent = name;
        return entry;
      }),
    );
  };

  const draw = () => {
    drawn = width();
    const there = lines().length > 0;
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width()} ${HEIGHT}`);
    svg.setAttribute("height", HEIGHT);
    svg.style.display = there ? "" : "none";
    empty.textContent = there ? "" : model.get("empty");
    empty.hidden = there;
    drawLegend();
    if (!there) return void (hint.hidden = true);
    const scale = ticksOf(lines().flatMap(({ y }) => y));
    const [low, high] = [scale.ticks[0], scale.ticks.at(-1)];
    const up = (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * (value - low)) / (high - low);
    drawAxes(scale, up);
    lines().forEach((line, number) => drawLine(line, number, up));
    if (!epochs().includes(here)) here = -1;
    point();
  };

  svg.addEventListener("pointermove", (event) => {
    const x = event.clientX - svg.getBoundingClientRect().left;
    here = epochs().reduce((best, one) => (Math.abs(across(one) - x) < Math.abs(across(best) - x) ? one : best));
    point();
  });
  const leave = () => {
    here = -1;
    point();
  };
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("blur", leave);
  svg.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const [all, at] = [epochs(), epochs().indexOf(here)];
    const places = { ArrowLeft: Math.max(at - 1, 0), ArrowRight: Math.min(at + 1, all.length - 1), Home: 0, End: all.length - 1 };
    if (!(event.key in places)) return;
    event.preventDefault();
    event.stopPropagation();
    here = all[places[event.key]];
    point();
  });

  const sized = new ResizeObserver(() => width() !== drawn && draw());
  sized.observe(el);
  const changes = ["lines", "last", "kept", "empty", "x", "y", "names"].map((name) => `change:${name}`);
  changes.forEach((name) => model.on(name, draw));
  draw();
  return () => {
    sized.disconnect();
    changes.forEach((name) => model.off(name, draw));
  };
}

export default { render };
