// Tabs: one tab stop, arrow keys select. The page of the selected tab is shown at once; the kernel follows.

function render({ model, el }) {
  el.classList.add("wb-tabs");
  const list = document.createElement("div");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", model.get("label"));
  el.append(list);
  const key = `wb-tab-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;

  const select = (index, focus) => {
    const count = list.children.length;
    model.set("selected", (index + count) % count);
    model.save_changes();
    if (focus) list.children[model.get("selected")].focus();
  };

  const write = () => {
    const [titles, notes] = [model.get("titles"), model.get("notes")];
    while (list.children.length > titles.length) list.lastElementChild.remove();
    titles.forEach((title, i) => {
      let tab = list.children[i];
      if (!tab) {
        tab = document.createElement("button");
        tab.type = "button";
        tab.id = `${key}-${i}`;
        tab.setAttribute("role", "tab");
        tab.addEventListener("click", () => select(i));
        tab.append(document.createElement("span"), " ", document.createElement("small"));
        list.append(tab);
      }
      tab.children[0].textContent = title;
      tab.children[1].textContent = notes[i] ?? "";
    });
    show();
  };

  // The pages may come into the page after the tabs.
  const show = () => {
    const selected = model.get("selected");
    const pages = [...(el.parentElement?.children ?? [])].filter((node) => node.classList.contains("wb-page"));
    [...list.children].forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === selected));
      tab.tabIndex = i === selected ? 0 : -1;
      if (!pages[i]) return;
      pages[i].id ||= `${key}-page-${i}`;
      pages[i].setAttribute("role", "tabpanel");
      pages[i].setAttribute("aria-labelledby", tab.id);
      pages[i].classList.toggle("wb-chosen-page", i === selected);
      tab.setAttribute("aria-controls", pages[i].id);
    });
  };

  list.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const selected = model.get("selected");
    const keys = { ArrowLeft: selected - 1, ArrowRight: selected + 1, Home: 0, End: -1 };
    if (!(event.key in keys)) return;
    event.preventDefault();
    event.stopPropagation();
    select(keys[event.key], true);
  });
  list.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = "true"));

  const placed = new MutationObserver(show);
  const attach = new ResizeObserver(() => {
    if (!el.parentElement) return;
    attach.disconnect();
    placed.observe(el.parentElement, { childList: true });
    show();
  });
  attach.observe(el);
  model.on("change:titles", write);
  model.on("change:notes", write);
  model.on("change:selected", show);
  write();
  return () => {
    attach.disconnect();
    placed.disconnect();
    model.off("change:titles", write);
    model.off("change:notes", write);
    model.off("change:selected", show);
  };
}

export default { render };
