// A button that asks the kernel for a file and saves it; with several files, a menu of them.

function render({ model, el }) {
  el.classList.add("wb-download");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "lm-Widget jupyter-widgets jupyter-button widget-button";
  const menu = document.createElement("div");
  menu.className = "wb-download-menu";
  menu.popover = "auto"; // above all else; closes by Escape and by a click elsewhere
  menu.setAttribute("role", "menu");
  const state = document.createElement("span");
  state.className = "wb-download-state";
  state.setAttribute("role", "status");
  el.append(button, menu, state);
  el.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = "true"));

  const save = (number) => {
    if (menu.matches(":popover-open")) menu.hidePopover();
    state.textContent = "Preparing…";
    model.send({ save: number, version: model.get("version") });
  };

  const show = () => {
    const files = model.get("files");
    el.hidden = !files.length;
    button.textContent = model.get("label");
    menu.setAttribute("aria-label", model.get("label"));
    state.textContent = "";
    for (const [name, value] of [["aria-haspopup", "menu"], ["aria-expanded", "false"]]) {
      if (files.length > 1) button.setAttribute(name, value);
      else button.removeAttribute(name);
    }
    button.title = files.length === 1 ? files[0] : "";
    menu.replaceChildren(
      ...files.map((name, number) => {
        const item = document.createElement("button");
        item.type = "button";
        item.className = "wb-download-item";
        item.setAttribute("role", "menuitem");
        item.tabIndex = -1;
        item.textContent = name;
        item.addEventListener("click", () => save(number));
        return item;
      }),
    );
    if (menu.matches(":popover-open")) menu.hidePopover();
  };

  const open = () => {
    menu.showPopover();
    const place = button.getBoundingClientRect();
    const { width, height } = menu.getBoundingClientRect();
    const below = place.bottom + height <= innerHeight;
    menu.style.top = `${below ? place.bottom : Math.max(0, place.top - height)}px`;
    menu.style.left = `${Math.max(0, Math.min(place.left, innerWidth - width))}px`;
    menu.firstElementChild.focus();
  };

  const close = () => menu.matches(":popover-open") && menu.hidePopover();
  menu.addEventListener("toggle", (event) => {
    const opened = event.newState === "open";
    if (button.hasAttribute("aria-haspopup")) button.setAttribute("aria-expanded", String(opened));
    if (opened) addEventListener("scroll", close, true);
    else removeEventListener("scroll", close, true);
  });
  button.addEventListener("click", () => {
    if (model.get("files").length === 1) save(0);
    else if (menu.matches(":popover-open")) close();
    else open();
  });
  button.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" || model.get("files").length < 2) return;
    event.preventDefault();
    open();
  });
  menu.addEventListener("keydown", (event) => {
    const items = [...menu.children];
    const at = items.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    items[(next + items.length) % items.length].focus();
  });

  const receive = (content, buffers) => {
    if (content.error) {
      state.textContent = content.error;
      return;
    }
    const address = URL.createObjectURL(new Blob(buffers, { type: "application/octet-stream" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = content.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    state.textContent = `Saved ${content.name}`;
  };

  const shown = ["label", "files", "version"].map((name) => `change:${name}`);
  shown.forEach((change) => model.on(change, show));
  model.on("msg:custom", receive);
  show();
  return () => {
    removeEventListener("scroll", close, true);
    shown.forEach((change) => model.off(change, show));
    model.off("msg:custom", receive);
  };
}

export default { render: dimmed(render) };
