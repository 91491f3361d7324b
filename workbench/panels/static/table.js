// A table of text: headings sort, rows can be picked, one tab stop with arrow keys.

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
  let tab = ""; // the id of the row in the tab order

  const lines = () => [...body.rows];

  const reach = (line, focus = true) => {
    if (!line) return;
    lines().forEach((other) => (other.tabIndex = -1));
    line.tabIndex = 0;
    tab = line.dataset.id;
    if (focus) line.focus();
  };

  const inOrder = () => {
    const rows = [...model.get("rows")];
    const { key, down } = sorted;
    if (!key) return rows;
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
    for (const { key, title, number, hint } of model.get("columns")) {
      const cell = document.createElement("th");
      const button = document.createElement("button");
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
        drawHead();
        drawBody();
        head.rows[0].cells[model.get("columns").findIndex((one) => one.key === key)].firstChild.focus();
      });
      cell.append(button);
      line.append(cell);
    }
    head.replaceChildren(line);
  };

  const drawBody = () => {
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
        for (const { key, number, code } of columns.slice(0, last + 1)) {
          const cell = line.insertCell();
          // A long pipeline is wrapped after a slash.
          const words = (row.cells[key] ?? "").split(code ? /(?<=\/)/ : undefined);
          cell.append(...words.flatMap((word) => [word, document.createElement("wbr")]).slice(0, -1));
          if (row.titles?.[key]) cell.title = row.titles[key];
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

  const mark = () => {
    const chosen = new Set(model.get("chosen"));
    lines().forEach((line) => line.setAttribute("aria-selected", String(chosen.has(line.dataset.id))));
    empty.textContent = body.rows.length ? "" : model.get("empty");
    empty.hidden = body.rows.length > 0;
    table.hidden = !body.rows.length;
  };

  body.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const all = lines();
    const here = all.findIndex((line) => line.dataset.id === tab);
    const moves = {
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
  const changes = { "change:columns": draw, "change:rows": drawBody, "change:chosen": mark, "change:empty": mark };
  for (const [name, act] of Object.entries(changes)) model.on(name, act);
  draw();
  return () => {
    for (const [name, act] of Object.entries(changes)) model.off(name, act);
  };
}

export default { render: dimmed(render) };
