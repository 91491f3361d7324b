// A grid of figures: one tab stop with arrow keys. A ranked grid may have any length: it requests
// further pages as it is scrolled, and the pictures that are missing.

const SIDES = { small: 160, medium: 160, large: 320 }; // pixels of the requested pictures

function render({ model, el }) {
  const root = document.createElement("div");
  const empty = document.createElement("p");
  empty.className = "wb-empty";
  el.classList.add("wb-shelf");
  el.append(root, empty);
  const pick = model.get("pick");
  const look = model.get("look");
  const ranked = look === "ranked" && !pick;
  root.setAttribute("role", pick ? "listbox" : "group");
  root.setAttribute("aria-label", model.get("label"));
  if (pick) root.setAttribute("aria-orientation", "horizontal");
  const made = cellsOf(pick);
  let cells = [];
  let byName = new Map();
  let asked = 0; // the start of the last requested page
  let tab = 0; // the figure in the tab order
  let due = false;

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

  // Scroll only the grid: scrollIntoView would scroll the notebook too.
  const uncover = (cell) => {
    const left = cell.offsetLeft - root.offsetLeft;
    const top = cell.offsetTop - root.offsetTop;
    if (top < root.scrollTop || top + cell.offsetHeight > root.scrollTop + root.clientHeight) root.scrollTop = top;
    if (left < root.scrollLeft || left + cell.offsetWidth > root.scrollLeft + root.clientWidth) root.scrollLeft = left;
  };

  const markChosen = () => {
    if (!pick) return;
    const chosen = model.get("chosen");
    cells.forEach((cell, i) => cell.setAttribute("aria-selected", String(i === chosen)));
    if (chosen < 0 || chosen >= cells.length) return;
    if (!root.contains(document.activeElement)) reach(chosen, false);
    uncover(cells[chosen]);
  };

  // Mark the image under study, the selected images and the judged ones.
  const note = () => {
    if (!ranked) return;
    const [current, marked, judged] = [model.get("current"), new Set(model.get("marked")), model.get("judged")];
    const put = (cell, name, value) => (value ? cell.setAttribute(name, value) : cell.removeAttribute(name));
    for (const cell of cells) {
      const { name } = cell.figure;
      const sign = JUDGED[judged[name]];
      put(cell, "aria-current", name === current && "true");
      put(cell, "data-marked", marked.has(name) && "true");
      put(cell, "data-judged", sign);
      put(cell, "aria-description", [marked.has(name) && "selected", sign && `judged ${sign}`].filter(Boolean).join(", "));
    }
  };

  const fetchPictures = () => {
    if (!model.get("total")) return;
    const side = SIDES[model.get("size")];
    // Visible figures first, then those below.
    const seen = root.scrollTop && cells.findIndex((cell) => cell.offsetTop - root.offsetTop + cell.offsetHeight > root.scrollTop);
    const lacking = made.lacking([...cells.slice(seen), ...cells.slice(0, seen)], side);
    if (lacking.length) model.send({ pictures: lacking.map((cell) => cell.figure.name), side });
  };

  const fetchPage = (event) => {
    const near = event?.type === "wb-more" || root.scrollTop + 3 * root.clientHeight > root.scrollHeight;
    if (!near || !root.clientHeight || asked === cells.length || cells.length >= model.get("total")) return;
    asked = cells.length;
    model.send({ page: asked, version: model.get("version") });
  };

  const mark = () => {
    root.className = `wb-grid wb-${look} wb-${model.get("size")}`;
    empty.textContent = cells.length ? "" : model.get("empty");
    empty.hidden = cells.length > 0;
    root.hidden = !cells.length;
    root.dataset.pictures = Math.max(model.get("total"), cells.length);
    root.setAttribute("aria-busy", String(model.get("stale")));
    root.classList.toggle("wb-stale", model.get("stale"));
  };

  const settle = () => {
    note();
    mark();
    fetchPictures();
    fetchPage();
  };

  const draw = () => {
    due = false;
    const focused = root.contains(document.activeElement);
    const name = cells[tab]?.figure.name;
    const old = byName;
    cells = model.get("figures").map((figure) => made.cell(figure, old));
    byName = new Map(cells.map((cell) => [cell.figure.name, cell]));
    made.keep(cells);
    root.replaceChildren(...cells);
    asked = 0;
    if (ranked) root.scrollTop = 0;
    // The focus stays on its image if that is still on the first page.
    reach(ranked ? (focused ? Math.max(0, cells.indexOf(byName.get(name))) : 0) : tab, false);
    if (focused && cells.length) cells[tab].focus({ preventScroll: true });
    settle();
    if (focused && cells.length) uncover(cells[tab]);
    markChosen();
  };

  const drawSoon = () => {
    if (!due) queueMicrotask(() => due && draw());
    due = true;
  };

  const receive = (message, buffers) => {
    if (message.boxes) {
      const none = !Object.keys(message.boxes).length; // removes all boxes
      for (const cell of cells) if (none || message.boxes[cell.figure.name]) made.box(cell, message.boxes[cell.figure.name]);
    } else if (message.captions) {
      for (const [name, text] of Object.entries(message.captions)) {
        const cell = byName.get(name);
        const words = cell?.querySelector("figcaption .wb-name");
        if (!words) continue;
        cell.figure = { ...cell.figure, caption: text };
        words.firstElementChild.textContent = words.title = text;
      }
    } else if (message.pictures) {
      message.pictures.forEach((name, i) => byName.has(name) && made.receive(byName.get(name), buffers[i], message.sides[i]));
    } else if (message.page === cells.length && message.version === model.get("version")) {
      const fresh = message.figures.map((figure) => made.cell(figure));
      for (const cell of fresh) byName.set(cell.figure.name, cell);
      cells.push(...fresh);
      root.append(...fresh);
      settle();
    }
  };

  const judge = (cell, sign) => {
    const { name } = cell.figure;
    const { [name]: before, ...others } = model.get("judged");
    model.set("judged", before === sign ? others : { ...others, [name]: sign }); // a second time takes it back
    note(); // at once; the ranking follows
    model.send({ judge: name, sign });
  };

  const study = (cell, add) => {
    if (pick) return model.send({ pick: cell.figure.id ?? cell.figure.name }); // a place would be another's once the list changes
    if (!ranked) return;
    const { name } = cell.figure;
    const marked = model.get("marked");
    if (!add) model.set("current", name);
    else model.set("marked", marked.includes(name) ? marked.filter((one) => one !== name) : [...marked, name]);
    note();
    model.save_changes();
  };

  root.addEventListener("click", (event) => {
    const cell = event.target.closest(".wb-figure");
    if (!cell) return;
    reach(cells.indexOf(cell));
    study(cell, event.ctrlKey || event.metaKey);
  });

  // Keys act on the focused figure, however it got the focus.
  root.addEventListener("focusin", (event) => {
    const here = cells.indexOf(event.target.closest(".wb-figure"));
    if (here >= 0 && here !== tab) reach(here, false);
  });

  root.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("button")) return;
    const moves = {
      ArrowLeft: () => reach(tab - 1),
      ArrowRight: () => reach(tab + 1),
      ArrowUp: () => tab >= columns() && reach(tab - columns()),
      ArrowDown: () => tab + columns() < cells.length && reach(tab + columns()),
      Home: () => reach(0),
      End: () => reach(cells.length - 1),
    };
    if (pick || ranked) moves[" "] = () => study(cells[tab]);
    // As a double click: the picture is picked, and opened in the lightbox.
    moves.Enter = () => {
      const cell = cells[tab];
      study(cell);
      cell.dispatchEvent(new CustomEvent("wb-open", { bubbles: true }));
    };
    if (ranked) moves.s = () => study(cells[tab], true);
    if (model.get("judging")) {
      moves["+"] = moves["="] = () => judge(cells[tab], 1);
      moves["-"] = () => judge(cells[tab], -1);
    }
    if (!moves[event.key] || (event.shiftKey && event.key !== "+")) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  });

  const placeThumbs = ranked ? thumbsOf(model, root, judge) : () => {};
  root.addEventListener("scroll", fetchPage, { passive: true });
  root.addEventListener("wb-more", fetchPage); // the lightbox is near the end
  const resized = new ResizeObserver(() => fetchPage());
  resized.observe(root);
  const changes = {
    "change:figures": drawSoon,
    "change:version": drawSoon, // the figures may be the same while their pictures are missing
    "change:chosen": markChosen,
    "change:current": note,
    "change:marked": note,
    "change:judged": note,
    "change:judging": placeThumbs,
    "change:size": settle,
    "change:stale": mark,
    "change:empty": mark,
    "msg:custom": receive,
  };
  for (const [name, act] of Object.entries(changes)) model.on(name, act);
  draw();
  return () => {
    for (const [name, act] of Object.entries(changes)) model.off(name, act);
    resized.disconnect();
    made.keep([]);
  };
}

export default { render };
