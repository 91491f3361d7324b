// A table of patches: pictures from bytes with lines of text below. A marked cell has a sign and a colour.

function render({ model, el }) {
  const table = document.createElement("table");
  el.classList.add("wb-patches");
  el.append(table);
  let urls = [];
  let tab = 0; // the picture in the tab order

  const pictures = () => [...table.querySelectorAll("[data-picture]")];
  const reach = (number, focus) => {
    const all = pictures();
    tab = Math.min(Math.max(number, 0), all.length - 1);
    all.forEach((one, i) => (one.tabIndex = i === tab ? 0 : -1));
    if (focus) all[tab]?.focus();
  };
  const press = (event) => {
    const to = { ArrowLeft: tab - 1, ArrowRight: tab + 1, Home: 0, End: pictures().length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    reach(to, true);
  };
  table.addEventListener("keydown", press);
  table.addEventListener("focusin", ({ target }) => pictures().includes(target) && reach(pictures().indexOf(target), false));

  const pictured = ({ picture, alt }) => {
    const image = document.createElement("img");
    image.src = URL.createObjectURL(new Blob([picture], { type: "image/png" }));
    image.alt = alt;
    image.draggable = false;
    urls.push(image.src);
    return image;
  };

  const draw = () => {
    const old = urls;
    urls = [];
    const body = document.createElement("tbody");
    model.get("rows").forEach((row, number) => {
      const line = body.insertRow();
      const title = model.get("titles")[number];
      if (title) {
        const cell = document.createElement("th");
        cell.scope = "row";
        cell.textContent = title;
        line.append(cell);
      }
      for (const one of row) {
        const cell = line.insertCell();
        if (one.mark) cell.className = "wb-taken";
        if (one.picture?.byteLength) {
          const picture = document.createElement("div");
          Object.assign(picture, { className: "wb-patch", title: "Double-click or f: large" });
          Object.assign(picture.dataset, { picture: one.opens, lmSuppressShortcuts: "true" });
          picture.setAttribute("role", "group");
          picture.setAttribute("aria-label", `${one.alt}; Enter or f: large`);
          picture.append(pictured(one));
          cell.append(picture);
        }
        one.texts.forEach((text, i) => {
          const said = document.createElement("div");
          said.className = i ? "wb-patch-note" : "wb-patch-text";
          said.textContent = said.title = !i && one.mark ? `${one.mark} ${text}` : text;
          cell.append(said);
        });
      }
    });
    table.replaceChildren(body);
    table.dataset.pictures = pictures().length;
    reach(tab, false);
    table.setAttribute("aria-label", model.get("label"));
    table.hidden = !body.rows.length;
    el.classList.toggle("wb-stale", model.get("stale"));
    old.forEach((url) => URL.revokeObjectURL(url));
  };

  const changes = ["change:rows", "change:titles", "change:stale"];
  for (const name of changes) model.on(name, draw);
  draw();
  return () => {
    for (const name of changes) model.off(name, draw);
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
}

export default { render };
