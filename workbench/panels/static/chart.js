// Percentages over x: lines with a legend, or columns with a mark for A and one for B. Redrawn for each width.

const SVG = "http://www.w3.org/2000/svg";
const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [256, 44, 12, 8, 36];

function render({ model, el }) {
  const svg = document.createElementNS(SVG, "svg");
  const legend = document.createElement("div");
  const hint = document.createElement("div");
  el.classList.add("wb-chart");
  legend.className = "wb-plot-legend";
  hint.className = "wb-plot-hint";
  hint.setAttribute("role", "status");
  hint.hidden = true;
  svg.setAttribute("aria-label", model.get("label"));
  svg.setAttribute("tabindex", "0");
  svg.dataset.lmSuppressShortcuts = "true";
  el.append(svg, legend, hint);
  let drawn = 0; // the width of the current drawing
  let here = -1; // the column, or the percent of x, under the pointer

  const columns = () => model.get("columns");
  const size = () => (model.get("lines").length ? 100 : Math.max(columns().length, 1));
  const width = () => Math.max(el.clientWidth, 160);
  const across = (x) => LEFT + ((width() - LEFT - RIGHT) * (model.get("lines").length ? x : x + 0.5)) / size();
  const up = (y) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * y) / 100;

  const add = (tag, kind, attributes = {}, text) => {
    const node = document.createElementNS(SVG, tag);
    node.setAttribute("class", `wb-plot-${kind}`);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    svg.append(node);
    return node;
  };

  const drawAxes = (ticks) => {
    for (let y = 0; y <= 100; y += 20) {
      add("path", "rule", { d: `M${LEFT} ${up(y)}H${width() - RIGHT}` });
      add("text", "tick", { x: LEFT - 6, y: up(y) + 4, "text-anchor": "end" }, y);
      if (ticks) add("text", "tick", { x: across(y), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, y);
    }
    const middle = LEFT + (width() - LEFT - RIGHT) / 2;
    add("text", "axis", { x: middle, y: HEIGHT - 4, "text-anchor": "middle" }, model.get("x"));
    add("text", "axis", { x: 0, y: 0, transform: `translate(12 ${up(50)}) rotate(-90)`, "text-anchor": "middle" }, model.get("y"));
  };

  const drawColumns = () => {
    const room = (width() - LEFT - RIGHT) / size();
    const r = Math.max(1.5, Math.min(4.5, room / 2.5));
    const at = columns().findIndex(({ name }) => name === model.get("current"));
    if (at >= 0) add("path", "current", { d: `M${across(at)} ${TOP}V${HEIGHT - BOTTOM}` });
    columns().forEach(({ a, b }, i) => {
      const x = across(i);
      add("path", "stem", { d: `M${x} ${up(a)}V${up(b)}` });
      add("circle", "mark wb-plot-tone-a", { cx: x, cy: up(a), r });
      add("path", "mark wb-plot-tone-b", { d: `M${x} ${up(b) - r - 1}l${r + 1} ${r + 1}l${-r - 1} ${r + 1}l${-r - 1} ${-r - 1}z` });
    });
    return { x: room };
  };

  const drawLines = () => {
    const lines = model.get("lines");
    // A and B come first and are drawn last, on top.
    for (const { y, tone } of [...lines].reverse()) {
      add("path", `line wb-plot-tone-${tone}`, { d: y.map((value, x) => `${x ? "L" : "M"}${across(x).toFixed(1)} ${up(value).toFixed(1)}`).join("") });
    }
    legend.replaceChildren(
      ...lines.filter(({ tone }) => tone !== -1).map(({ name, tone }) => {
        const entry = document.createElement("div");
        const sample = document.createElementNS(SVG, "svg");
        const path = document.createElementNS(SVG, "path");
        const words = document.createElement("span");
        sample.setAttribute("aria-hidden", "true");
        path.setAttribute("d", "M0 6H32");
        path.setAttribute("class", `wb-plot-line wb-plot-tone-${tone}`);
        words.textContent = words.title = name;
        sample.append(path);
        entry.append(sample, words);
        return entry;
      }),
    );
  };

  const point = () => {
    svg.querySelector(".wb-plot-pointer")?.remove();
    hint.hidden = here < 0;
    if (here < 0) return;
    svg.prepend(add("path", "pointer", { d: `M${across(here)} ${TOP}V${HEIGHT - BOTTOM}` }));
    if (columns().length) {
      const { name, a, b } = columns()[here];
      hint.textContent = `${name}\nA ${a.toFixed(1)} · B ${b.toFixed(1)} · B − A ${b < a ? "−" : "+"}${Math.abs(b - a).toFixed(1)}`;
    } else {
      const named = model.get("lines").filter(({ tone }) => tone !== -1);
      hint.textContent = [`recall ${here}`, ...named.map(({ name, y }) => `${y[here].toFixed(1)}  ${name}`)].join("\n");
    }
    const right = across(here) > width() / 2;
    hint.style.maxWidth = `${(right ? across(here) : width() - across(here)) - 28}px`;
    hint.style.left = right ? "auto" : `${across(here) + 12}px`;
    hint.style.right = right ? `${width() - across(here) + 12}px` : "auto";
  };

  const draw = () => {
    drawn = width();
    const there = columns().length || model.get("lines").length;
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width()} ${HEIGHT}`);
    svg.setAttribute("height", HEIGHT);
    svg.setAttribute("role", columns().length ? "application" : "img");
    el.classList.toggle("wb-pick", columns().length > 0);
    if (!there) return;
    drawAxes(model.get("lines").length > 0);
    model.get("lines").length ? drawLines() : drawColumns();
    here = Math.min(here, columns().length ? columns().length - 1 : 100);
    point();
  };

  const under = (event) => {
    const share = (event.clientX - svg.getBoundingClientRect().left - LEFT) / (width() - LEFT - RIGHT);
    if (share < 0 || share > 1) return -1;
    return columns().length ? Math.min(columns().length - 1, Math.floor(share * size())) : Math.round(100 * share);
  };
  const pick = () => columns()[here] && model.send({ pick: columns()[here].name });

  svg.addEventListener("pointermove", (event) => {
    here = under(event);
    point();
  });
  svg.addEventListener("pointerleave", () => {
    here = -1;
    point();
  });
  svg.addEventListener("click", (event) => {
    here = under(event);
    point();
    pick();
  });
  svg.addEventListener("blur", () => {
    here = -1;
    point();
  });
  svg.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const last = columns().length ? columns().length - 1 : 100;
    const started = here >= 0 ? here : Math.max(0, columns().findIndex(({ name }) => name === model.get("current")));
    const places = { ArrowLeft: started - (here >= 0), ArrowRight: started + (here >= 0), Home: 0, End: last };
    const chosen = event.key === "Enter" || event.key === " ";
    if (!chosen && !(event.key in places)) return;
    event.preventDefault();
    event.stopPropagation();
    if (chosen) return void pick();
    here = Math.max(0, Math.min(last, places[event.key]));
    point();
  });

  const sized = new ResizeObserver(() => width() !== drawn && draw());
  sized.observe(el);
  const changes = ["change:lines", "change:columns", "change:current"];
  changes.forEach((name) => model.on(name, draw));
  draw();
  return () => {
    sized.disconnect();
    changes.forEach((name) => model.off(name, draw));
  };
}

export default { render };
