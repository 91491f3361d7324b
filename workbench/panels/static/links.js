// Lines between regions of adjacent pictures, drawn over all of them.

const SVG = "http://www.w3.org/2000/svg";

function render({ model, el }) {
  const straight = model.get("kind") === "matches";
  el.classList.add("wb-links", `wb-links-${model.get("kind")}`);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  el.append(svg);
  let box = null; // the container of the pictures and this widget
  const watched = new WeakSet();
  const sizes = new ResizeObserver(() => draw());

  const watch = (node) => {
    if (watched.has(node)) return;
    watched.add(node);
    sizes.observe(node);
  };

  const draw = () => {
    box ??= el.closest(".wb-linked");
    if (!box) return;
    watch(box);
    const frames = [...box.querySelectorAll(".wb-heat-frame")].filter((frame) => frame.offsetWidth);
    frames.forEach(watch);
    const origin = svg.getBoundingClientRect();
    const places = frames.map((frame) => frame.getBoundingClientRect());
    const at = (place, [x, y]) => [place.left - origin.left + x * place.width, place.top - origin.top + y * place.height];
    const paths = [];
    for (const { parts, view, start, end, strength, always = true } of model.get("links")) {
      if (!places[view]) continue;
      const [[x0, y0], [x1, y1]] = [at(places[0], start), at(places[view], end)];
      const bend = Math.abs(y1 - y0) > Math.abs(x1 - x0) ? [x0, (y0 + y1) / 2, x1, (y0 + y1) / 2] : [(x0 + x1) / 2, y0, (x0 + x1) / 2, y1];
      const group = document.createElementNS(SVG, "g");
      group.dataset.parts = parts.join(" ");
      group.classList.toggle("wb-hidden", !always);
      group.style.setProperty("--strength", strength);
      for (const kind of ["wb-casing", "wb-line-drawn"]) {
        const path = document.createElementNS(SVG, "path");
        path.setAttribute("class", kind);
        // A dot at each end marks the point.
        const dot = (x, y) => `M${x - 2},${y}a2,2 0 1 0 4,0a2,2 0 1 0 -4,0`;
        const curve = straight ? `L${x1},${y1}` : `C${bend},${x1},${y1}`;
        path.setAttribute("d", `M${x0},${y0}${curve}${dot(x0, y0)}${dot(x1, y1)}`);
        group.append(path);
      }
      paths.push(group);
    }
    svg.replaceChildren(...paths.reverse()); // the strongest on top
    mark();
  };

  const mark = () => {
    const marked = model.get("marked");
    const groups = [...svg.children];
    const holds = (group) => Boolean(marked) && group.dataset.parts.split(" ").includes(marked);
    const some = groups.some(holds);
    svg.classList.toggle("wb-some-marked", some);
    // With more than two pictures, only the lines of one part are distinguishable.
    svg.classList.toggle("wb-one", !straight && model.get("links").some(({ view }) => view > 1));
    svg.classList.toggle("wb-stale", model.get("stale"));
    groups.forEach((group) => group.classList.toggle("wb-marked", holds(group)));
  };

  sizes.observe(el); // drawn once this is in the page
  // Pictures are laid out after the message that contains them.
  const late = () => requestAnimationFrame(draw);
  const changes = { "change:links": late, "change:marked": mark, "change:stale": mark };
  for (const [name, act] of Object.entries(changes)) model.on(name, act);
  return () => {
    sizes.disconnect();
    for (const [name, act] of Object.entries(changes)) model.off(name, act);
  };
}

export default { render };
