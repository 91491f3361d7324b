// A table of text: headings sort, rows can be picked, moved and removed, one tab stop with arrow keys.

const LONG = 80; // characters of a text, of which three lines are shown

function render({ model, el }) {
  const table = document.createElement("table");
  const head = table.createTHead();
  const body = table.createTBody();
  const empty = document.createElement("p");
  empty.className = "wb-empty";
  table.className = "wb-table";
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", model.get("label"));
  el.classList.add("wb-sheet");
  el.append(table, empty);
  let sorted = { key: "", down: false };
  // Of a long table there is one page here; all its rows are sorted in the kernel.
  const long = () => Boolean(model.get("total"));
  const pages = longPages(model, el);
  let tab = ""; // the id of the row in the tab order

  const lines = () => [...body.rows];

  const stop = (line, index) => [line, ...line.querySelectorAll("button")].forEach((part) => (part.tabIndex = index));

  const reach = (line, focus = true) => {
    if (!line) return;
    lines().forEach((other) => stop(other, -1));
    stop(line, 0);
    tab = line.dataset.id;
    if (focus) line.focus();
  };

  const inOrder = () => {
    const rows = [...model.get("rows")];
    const { key, down } = sorted;
    if (!key || long()) return rows;
    const numbers = rows.some((row) => row.order?.[key] !== undefined);
    const value = (row) => row.order?.[key] ?? (numbers ? undefined : (row.cells[key] ?? ""));
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      // Rows without a number come last, in either direction.
      if (x === undefined || y === undefined) return ((x === undefined) - (y === undefined)) * (down ? -1 : 1);
      return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
    };
    return rows.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
  };

  const drawHead = () => {
    const line = document.createElement("tr");
    for (const { key, title, number, hint, help, frozen } of model.get("columns")) {
      const cell = document.createElement("th");
      const button = document.createElement("button");
      const heading = document.createElement("div");
      heading.className = "wb-heading";
      button.className = "wb-sort";
      cell.classList.toggle("wb-frozen", Boolean(frozen));
      cell.scope = "col";
      cell.classList.toggle("wb-number", Boolean(number));
      cell.setAttribute("aria-sort", sorted.key !== key ? "none" : sorted.down ? "descending" : "ascending");
      button.type = "button";
      button.textContent = title + (sorted.key !== key ? "" : sorted.down ? " ↓" : " ↑");
      if (hint) button.title = hint;
      button.addEventListener("click", () => {
        // Numbers are sorted with the largest first.
        const down = sorted.key === key ? !sorted.down : Boolean(number);
        sorted = { key, down };
        if (long()) model.send({ sort: sorted });
        drawHead();
        drawBody();
        head.querySelectorAll(".wb-sort")[model.get("columns").findIndex((column) => column.key === key)].focus();
      });
      heading.append(button);
      if (help) heading.append(helpButton(help));
      cell.append(heading);
      line.append(cell);
    }
    head.replaceChildren(line);
  };

  // The handle to drag a row, and the button that removes it, beside the text of its first cell.
  const tool = (cell, row) => {
    const [box, handle, place, remove] = ["div", "span", "span", "button"].map((tag) => document.createElement(tag));
    box.className = "wb-tools-cell";
    handle.className = "wb-handle";
    handle.draggable = true;
    handle.title = "Drag to another place (Alt+↑, Alt+↓)";
    handle.addEventListener("dragstart", (event) => {
      dragged = row.id;
      held = true;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", row.id);
      event.dataTransfer.setDragImage(cell.parentElement, 8, 8);
    });
    handle.addEventListener("dragend", () => {
      dragged = "";
      held = false;
      aim(null);
      if (late) drawBody();
    });
    place.className = "wb-place";
    remove.type = "button";
    remove.className = "wb-remove";
    remove.textContent = "×";
    remove.title = "Remove (Delete)";
    remove.setAttribute("aria-label", `Remove ${row.cells[model.get("columns")[0].key]}`);
    remove.addEventListener("click", (event) => {
      event.stopPropagation();
      takeOut(row.id);
    });
    box.append(handle, place, remove);
    cell.append(box);
    return place;
  };

  const takeOut = (id) => {
    const all = lines();
    const at = all.findIndex((line) => line.dataset.id === id);
    reach(all[at + 1] ?? all[at - 1], body.contains(document.activeElement));
    model.send({ remove: id });
  };

  // The row gets its new place here at once; the order of the others is as shown.
  const moveTo = (id, at) => {
    const order = lines().map((line) => line.dataset.id).filter((other) => other !== id);
    order.splice(at, 0, id);
    model.send({ order });
    sorted = { key: "", down: false };
    drawHead();
    model.set("rows", order.map((name) => model.get("rows").find((row) => row.id === name)));
    const line = lines().find((other) => other.dataset.id === id);
    reach(line, body.contains(document.activeElement) || !dragged);
    line?.scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  let dragged = ""; // the id of a row
  let held = false; // a row that is drawn again while it is dragged would be dropped
  let late = false; // whether the rows have changed meanwhile
  const aim = (line, after) => {
    for (const other of lines()) other.classList.remove("wb-drop-before", "wb-drop-after");
    line?.classList.add(after ? "wb-drop-after" : "wb-drop-before");
  };
  const below = (line, event) => {
    const { top, height } = line.getBoundingClientRect();
    return event.clientY > top + height / 2;
  };
  body.addEventListener("dragover", (event) => {
    const line = event.target.closest("tr");
    if (!dragged || !line) return;
    event.preventDefault();
    aim(line, below(line, event));
  });
  body.addEventListener("drop", (event) => {
    const line = event.target.closest("tr");
    if (!dragged || !line) return;
    event.preventDefault();
    event.stopPropagation();
    const others = lines().filter((other) => other.dataset.id !== dragged);
    aim(null);
    held = false;
    if (line.dataset.id !== dragged) moveTo(dragged, others.indexOf(line) + below(line, event));
  });

  const drawBody = () => {
    late = held;
    if (held) return;
    const tools = model.get("editable");
    const focused = body.contains(document.activeElement);
    const columns = model.get("columns");
    body.replaceChildren(
      ...inOrder().map((row) => {
        const line = document.createElement("tr");
        line.dataset.id = row.id;
        line.dataset.lmSuppressShortcuts = "true";
        line.tabIndex = -1;
        line.addEventListener("click", () => {
          reach(line);
          model.send({ pick: row.id });
        });
        const last = row.said ? columns.findLastIndex(({ key }) => row.cells[key]) : columns.length - 1;
        for (const { key, number, code, frozen } of columns.slice(0, last + 1)) {
          const cell = line.insertCell();
          const place = frozen && tools ? tool(cell, row) : cell;
          // A long pipeline is wrapped after a slash.
          const words = (row.cells[key] ?? "").split(code ? /(?<=\/)/ : undefined);
          const parts = words.flatMap((word) => [word, document.createElement("wbr")]).slice(0, -1);
          if (row.marks?.[key]) {
            const mark = document.createElement("span");
            mark.className = "wb-mark";
            mark.textContent = row.marks[key];
            parts.unshift(mark);
          }
          if (row.cards?.[key]) {
            const button = cardButton(document.createElement("button"), row.cards[key]);
            button.className = "wb-cell-button";
            button.append(...parts);
            if (row.titles?.[key]) button.setAttribute("aria-label", row.titles[key]);
            place.append(button);
          } else {
            const long = !number && !code && row.cells[key]?.length > LONG;
            const isolated = number || code ? place : element("bdi", long ? "wb-long" : "", place);
            isolated.append(...parts);
            cell.title = row.titles?.[key] ?? (long || place !== cell ? row.cells[key] : ""); // it is cut
          }
          cell.classList.toggle("wb-frozen", Boolean(frozen));
          cell.classList.toggle("wb-number", Boolean(number));
          cell.classList.toggle("wb-code", Boolean(code));
          cell.classList.toggle("wb-strong", Boolean(row.strong?.includes(key)));
        }
        if (row.said) {
          const cell = line.insertCell();
          cell.colSpan = columns.length - last - 1;
          cell.className = "wb-sentence";
          cell.textContent = row.said;
        }
        return line;
      }),
    );
    reach(lines().find((line) => line.dataset.id === tab) ?? body.rows[0], focused);
    mark();
  };

  // Scrolls to the first chosen row, once for each.
  let brought = "";
  const bring = () => {
    const line = body.querySelector("tr[aria-selected=true]");
    if (!line || line.dataset.id === brought || !el.clientHeight) return;
    brought = line.dataset.id;
    const [row, sheet] = [line, el].map((part) => part.getBoundingClientRect());
    const margin = 2 * line.offsetHeight; // the heading, or the buttons of pages
    if (row.top < sheet.top + margin || row.bottom > sheet.bottom - margin) el.scrollTop += row.top - sheet.top - el.clientHeight / 2;
  };

  const mark = () => {
    const chosen = new Set(model.get("chosen"));
    lines().forEach((line) => line.setAttribute("aria-selected", String(chosen.has(line.dataset.id))));
    empty.textContent = body.rows.length ? "" : model.get("empty");
    empty.hidden = body.rows.length > 0;
    table.hidden = !body.rows.length;
    bring();
  };

  body.addEventListener("focusin", (event) => {
    const line = event.target.closest("tr");
    if (line && line.dataset.id !== tab) reach(line, false);
  });
  body.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("button") && ["Enter", " "].includes(event.key)) return;
    const all = lines();
    const here = all.findIndex((line) => line.dataset.id === tab);
    const editable = model.get("editable");
    const moves = event.altKey ? {
      ArrowUp: () => editable && here > 0 && moveTo(tab, here - 1),
      ArrowDown: () => editable && here < all.length - 1 && moveTo(tab, here + 1),
    } : {
      ...(editable ? { Delete: () => takeOut(tab), Backspace: () => takeOut(tab) } : {}),
      ArrowUp: () => reach(all[here - 1]),
      ArrowDown: () => reach(all[here + 1]),
      Home: () => reach(all[0]),
      End: () => reach(all.at(-1)),
      Enter: () => model.send({ pick: tab }),
      " ": () => model.send({ pick: tab }),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  });

  const draw = () => {
    drawHead();
    drawBody();
  };
  const resort = () => {
    sorted = { key: model.get("sort").key ?? "", down: Boolean(model.get("sort").down) };
    drawHead();
  };
  const changes = { ...pages, "change:sort": resort, "change:columns": draw, "change:editable": drawBody, "change:rows": drawBody, "change:chosen": mark, "change:empty": mark };
  for (const [name, act] of Object.entries(changes)) model.on(name, act);
  draw();
  const sizes = new ResizeObserver(bring); // a table is drawn before it is laid out
  sizes.observe(el);
  return () => {
    sizes.disconnect();
    for (const [name, act] of Object.entries(changes)) model.off(name, act);
  };
}

// The buttons that turn the pages of a long table, and what to do when it has another page.
function longPages(model, el) {
  if (model.get("total") === undefined) return {};
  const bar = element("div", "wb-table-pages", el);
  const turn = (text, title, step) => {
    const button = element("button", "", bar, text);
    Object.assign(button, { type: "button", title, ariaLabel: title });
    button.addEventListener("click", () => model.send({ page: model.get("first") + step() }));
    return button;
  };
  const size = () => model.get("rows").length;
  const before = turn("‹", "Earlier rows", () => -1);
  const place = element("span", "", null);
  const after = turn("›", "Later rows", size);
  before.after(place);
  place.setAttribute("role", "status");
  const show = () => {
    const [first, total] = [model.get("first"), model.get("total")];
    const number = (value) => value.toLocaleString("en");
    bar.hidden = !total;
    if (!total) return;
    place.textContent = `${number(first + 1)}–${number(first + size())} of ${number(total)}`;
    before.disabled = first === 0;
    after.disabled = first + size() >= total;
  };
  const turned = () => {
    el.scrollTop = 0;
    show();
  };
  show();
  return { "change:total": show, "change:first": turned };
}

export default { render: dimmed(render) };
