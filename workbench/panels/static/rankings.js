// Two rankings side by side: rows of pictures with captions, and a line between the two ranks of an image.

const SVG = "http://www.w3.org/2000/svg";

function render({ model, el }) {
  const root = document.createElement("div");
  const empty = document.createElement("p");
  root.className = "wb-duel";
  empty.className = "wb-empty";
  el.append(root, empty);
  let urls = [];
  let columns = [[], []]; // the rows of both sides
  let lines = []; // {name, node}
  let tab = [0, 0]; // side and position of the row in the tab order

  const called = (side) => model.get("names")[side];
  const within = (side) => (called(side).length > 1 ? called(side) : `in ${called(side)}`);

  const moved = ({ rank, other, absent }, side) => {
    if (!other) return `${absent} ${within(1 - side)}`;
    if (!side) return rank === other ? "" : `${called(1)} ${other}`;
    return rank === other ? "=" : rank < other ? `▲ ${other - rank}` : `▼ ${rank - other}`;
  };

  const spoken = ({ rank, other, absent }, side) => {
    const there = within(1 - side);
    return other === rank ? `as ${there}` : other ? `rank ${other} ${there}` : `${absent} ${there}`;
  };

  const light = (name) => {
    columns.flat().forEach((row) => row.classList.toggle("wb-lit", row.dataset.name === name));
    lines.forEach((line) => line.node.classList.toggle("wb-lit", line.name === name));
  };

  const reach = (side, place, focus = true) => {
    const row = columns[side]?.[Math.max(0, Math.min(place, columns[side].length - 1))];
    if (!row) return;
    columns.flat().forEach((one) => (one.tabIndex = -1));
    row.tabIndex = 0;
    tab = [side, columns[side].indexOf(row)];
    if (focus) row.focus();
  };

  const across = () => {
    const [side, place] = tab;
    const name = columns[side][place].dataset.name;
    const same = columns[1 - side].findIndex((row) => row.dataset.name === name);
    reach(1 - side, same < 0 ? place : same);
  };

  const text = (parent, kind, words, title) => {
    const span = document.createElement("span");
    span.className = `wb-${kind}`;
    const isolated = kind === "name" ? span.appendChild(document.createElement("bdi")) : span;
    isolated.textContent = words;
    if (title) span.title = title;
    parent.append(span);
  };

  const row = (figure, side, place) => {
    const node = document.createElement("div");
    node.className = "wb-duel-row";
    node.setAttribute("role", "option");
    node.setAttribute("aria-label", [`rank ${figure.rank}`, figure.caption ?? figure.name, figure.relevance, `score ${figure.score}`, spoken(figure, side)].join(", "));
    node.dataset.name = node.dataset.picture = figure.name;
    node.title = "Double-click, Enter or f: large";
    node.dataset.relevance = figure.relevance;
    node.dataset.lmSuppressShortcuts = "true";
    node.tabIndex = -1;
    const frame = document.createElement("div");
    frame.className = "wb-duel-frame";
    if (figure.picture?.byteLength) {
      const image = document.createElement("img");
      const url = URL.createObjectURL(new Blob([figure.picture], { type: "image/jpeg" }));
      urls.push(url);
      image.src = url;
      image.alt = "";
      image.draggable = false;
      frame.append(image);
    } else {
      frame.textContent = "no picture";
    }
    const words = document.createElement("div");
    words.className = "wb-duel-words";
    text(words, "rank", figure.rank);
    text(words, "score", figure.score);
    text(words, "sign", figure.sign, figure.relevance);
    text(words, "moved", moved(figure, side), spoken(figure, side));
    text(words, "name", figure.caption ?? figure.name, figure.caption ?? figure.name);
    node.append(frame, words);
    node.addEventListener("click", () => {
      reach(side, place);
      model.send({ pick: figure.name });
    });
    node.addEventListener("pointerenter", () => light(figure.name));
    node.addEventListener("focus", () => light(figure.name));
    return node;
  };

  const between = ([left, right]) => {
    const svg = document.createElementNS(SVG, "svg");
    const count = Math.max(left.figures.length, right.figures.length);
    svg.setAttribute("viewBox", `0 0 100 ${count}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    lines = left.figures.flatMap((figure, i) => {
      const j = right.figures.findIndex((other) => other.name === figure.name);
      if (j < 0) return [];
      const node = document.createElementNS(SVG, "path");
      const [from, to] = [i + 0.5, j + 0.5];
      node.setAttribute("d", `M0 ${from} C40 ${from} 60 ${to} 100 ${to}`);
      node.dataset.relevance = figure.relevance;
      svg.append(node);
      return [{ name: figure.name, node }];
    });
    return svg;
  };

  const column = (side, number) => {
    const box = document.createElement("div");
    const title = document.createElement("div");
    const list = document.createElement("div");
    title.className = "wb-duel-title";
    title.textContent = `${called(number)}  ${side.title}`;
    title.title = side.title;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", `${called(number)}: ${side.title}`);
    list.dataset.pictures = side.figures.length;
    columns[number] = side.figures.map((figure, place) => row(figure, number, place));
    list.append(...columns[number]);
    box.className = "wb-duel-side";
    box.append(title, list);
    return box;
  };

  const draw = () => {
    const sides = model.get("sides");
    const focused = root.contains(document.activeElement);
    const old = urls;
    urls = [];
    columns = [[], []];
    lines = [];
    if (sides.length === 2) {
      const boxes = sides.map(column);
      root.replaceChildren(boxes[0], between(sides), boxes[1]);
    } else {
      root.replaceChildren();
    }
    old.forEach((url) => URL.revokeObjectURL(url));
    reach(...tab, focused);
    mark();
  };

  const mark = () => {
    const there = columns.flat().length > 0;
    empty.textContent = there ? "" : model.get("empty");
    empty.hidden = there;
    root.hidden = !there;
    root.setAttribute("aria-busy", String(model.get("stale")));
    root.classList.toggle("wb-stale", model.get("stale"));
    columns.flat().forEach((row) => row.setAttribute("aria-selected", String(row.dataset.name === model.get("current"))));
  };

  root.addEventListener("pointerleave", () => light(root.querySelector(":focus")?.dataset.name));
  root.addEventListener("focusout", () => light());
  root.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const [side, place] = tab;
    const pick = () => model.send({ pick: columns[side][place].dataset.name });
    const moves = {
      ArrowUp: () => reach(side, place - 1),
      ArrowDown: () => reach(side, place + 1),
      ArrowLeft: () => side && across(),
      ArrowRight: () => side || across(),
      Home: () => reach(side, 0),
      End: () => reach(side, columns[side].length - 1),
      Enter: () => {
        pick();
        columns[side][place].dispatchEvent(new CustomEvent("wb-open", { bubbles: true }));
      },
      " ": pick,
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  });

  const changes = { "change:sides": draw, "change:current": mark, "change:stale": mark, "change:empty": mark };
  for (const [name, act] of Object.entries(changes)) model.on(name, act);
  draw();
  return () => {
    for (const [name, act] of Object.entries(changes)) model.off(name, act);
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
}

export default { render };
