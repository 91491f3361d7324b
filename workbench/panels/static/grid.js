// A grid of figures: pictures as bytes, captions as text only, one tab stop with arrow keys.

function caption(figure) {
  const line = document.createElement("figcaption");
  const add = (kind, text, title) => {
    if (!text) return;
    const span = document.createElement("span");
    span.className = `wb-${kind}`;
    span.textContent = text;
    if (title) span.title = title;
    line.append(span, " ");
  };
  add("rank", figure.rank);
  add("score", figure.score);
  add("sign", figure.sign, figure.relevance);
  add("word", figure.relevance);
  add("name", figure.name, figure.name);
  return line;
}

function picture(figure, urls) {
  const frame = document.createElement("div");
  frame.className = "wb-frame";
  if (!figure.picture?.byteLength) {
    frame.classList.add("wb-missing");
    frame.textContent = "no picture";
    return frame;
  }
  const image = document.createElement("img");
  const url = URL.createObjectURL(new Blob([figure.picture], { type: "image/jpeg" }));
  urls.push(url);
  image.src = url;
  image.alt = figure.alt;
  image.draggable = false;
  frame.append(image);
  if (figure.box) {
    const [x0, y0, x1, y1] = figure.box.map((share) => 100 * share);
    const box = document.createElement("div");
    box.className = "wb-box";
    Object.assign(box.style, { left: `${x0}%`, top: `${y0}%`, width: `${x1 - x0}%`, height: `${y1 - y0}%` });
    frame.append(box);
  }
  return frame;
}

function render({ model, el }) {
  const root = document.createElement("div");
  const empty = document.createElement("p");
  empty.className = "wb-empty";
  el.classList.add("wb-shelf");
  el.append(root, empty);
  const pick = model.get("pick");
  root.className = `wb-grid wb-${model.get("look")}`;
  root.setAttribute("role", pick ? "listbox" : "group");
  root.setAttribute("aria-label", model.get("label"));
  if (pick) root.setAttribute("aria-orientation", "horizontal");
  let urls = [];
  let cells = [];
  let tab = 0; // the one figure that the tab key reaches

  const revoke = (old) => old.forEach((url) => URL.revokeObjectURL(url));

  const reach = (index, focus = true) => {
    if (!cells.length) return;
    cells[tab]?.setAttribute("tabindex", "-1");
    tab = Math.max(0, Math.min(index, cells.length - 1));
    cells[tab].setAttribute("tabindex", "0");
    if (focus) cells[tab].focus();
  };

  const columns = () => {
    const second = cells.findIndex((cell) => cell.offsetTop > cells[0].offsetTop + 4);
    return second < 1 ? cells.length : second;
  };

  const markChosen = () => {
    if (!pick) return;
    const chosen = model.get("chosen");
    cells.forEach((cell, i) => cell.setAttribute("aria-selected", String(i === chosen)));
    if (chosen < 0 || chosen >= cells.length) return;
    if (!root.contains(document.activeElement)) reach(chosen, false);
    // Only the grid itself scrolls: scrollIntoView would move the notebook too.
    const cell = cells[chosen];
    const left = cell.offsetLeft - root.offsetLeft;
    const top = cell.offsetTop - root.offsetTop;
    if (top < root.scrollTop || top + cell.offsetHeight > root.scrollTop + root.clientHeight) root.scrollTop = top;
    if (left < root.scrollLeft || left + cell.offsetWidth > root.scrollLeft + root.clientWidth) root.scrollLeft = left;
  };

  const draw = () => {
    const figures = model.get("figures");
    const focused = root.contains(document.activeElement);
    const old = urls;
    urls = [];
    cells = figures.map((figure, i) => {
      const cell = document.createElement(pick ? "div" : "figure");
      cell.className = "wb-figure";
      cell.dataset.lmSuppressShortcuts = "true";
      cell.tabIndex = -1;
      if (figure.relevance) cell.dataset.relevance = figure.relevance;
      if (pick) {
        cell.setAttribute("role", "option");
        cell.setAttribute("aria-label", figure.name);
        cell.title = figure.name;
        cell.addEventListener("click", () => {
          reach(i);
          model.send({ pick: i });
        });
      } else {
        cell.addEventListener("click", () => reach(i));
      }
      cell.append(picture(figure, urls));
      if (!pick) cell.append(caption(figure));
      return cell;
    });
    root.replaceChildren(...cells);
    revoke(old);
    reach(tab, focused);
    markChosen();
    mark();
  };

  const mark = () => {
    empty.textContent = cells.length ? "" : model.get("empty");
    empty.hidden = cells.length > 0;
    root.hidden = !cells.length;
    root.setAttribute("aria-busy", String(model.get("stale")));
    root.classList.toggle("wb-stale", model.get("stale"));
  };

  root.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const moves = {
      ArrowLeft: () => reach(tab - 1),
      ArrowRight: () => reach(tab + 1),
      ArrowUp: () => tab >= columns() && reach(tab - columns()),
      ArrowDown: () => tab + columns() < cells.length && reach(tab + columns()),
      Home: () => reach(0),
      End: () => reach(cells.length - 1),
    };
    if (pick) moves.Enter = moves[" "] = () => model.send({ pick: tab });
    if (!moves[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  });

  const changes = { "change:figures": draw, "change:chosen": markChosen, "change:stale": mark, "change:empty": mark };
  for (const [name, act] of Object.entries(changes)) model.on(name, act);
  draw();
  return () => {
    for (const [name, act] of Object.entries(changes)) model.off(name, act);
    revoke(urls);
  };
}

export default { render };
