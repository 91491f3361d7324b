// A select of a few names, or a field that searches many: what is typed is matched in the kernel.
// Follows the combobox with a list of the ARIA Authoring Practices.

function render({ model, el }) {
  el.classList.add("jupyter-widgets", "widget-inline-hbox", "widget-dropdown");
  let release = () => {};
  const draw = () => {
    release();
    el.replaceChildren();
    release = (model.get("searched") ? drawSearch : drawSelect)(model, el, labelled(model, el));
  };
  model.on("change:searched", draw);
  draw();
  return () => {
    release();
    model.off("change:searched", draw);
  };
}

// The label of a control, which is to have the id that is returned.
function labelled(model, el) {
  const id = `wb-name-${Math.random().toString(36).slice(2)}`;
  const label = element("label", "", el, model.get("description"));
  label.htmlFor = id;
  label.title = model.get("description");
  return id;
}

// Calls each function at the changes of the traits of its name; returns what ends that.
function following(model, handlers) {
  const all = Object.entries(handlers).flatMap(([names, act]) => names.split(" ").map((name) => [`change:${name}`, act]));
  all.forEach(([name, act]) => model.on(name, act));
  return () => all.forEach(([name, act]) => model.off(name, act));
}

function drawSelect(model, el, id) {
  const select = element("select", "", el);
  select.id = id;
  const fill = () => {
    select.replaceChildren(
      ...model.get("options").map(([text, value]) => {
        const option = element("option", "", null, text);
        option.value = value;
        return option;
      }),
    );
    show();
  };
  const show = () => {
    select.selectedIndex = model.get("options").findIndex(([, value]) => value === model.get("value"));
    select.title = model.get("label") || model.get("description");
  };
  select.addEventListener("change", () => model.send({ choose: model.get("options")[select.selectedIndex][1] }));
  fill();
  return following(model, { options: fill, "value label": show });
}

function drawSearch(model, el, id) {
  const input = element("input", "", el);
  const popup = element("div", "wb-matches", el);
  const list = element("ul", "", popup);
  const note = element("div", "wb-matches-note", popup);
  const name = model.get("description");
  Object.assign(input, { id, type: "text", spellcheck: false, autocomplete: "off", dir: "auto", role: "combobox" });
  input.dataset.lmSuppressShortcuts = "true";
  list.id = `${id}-list`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", name);
  note.setAttribute("role", "status");
  popup.popover = "manual";
  const aria = (part, value) => input.setAttribute(`aria-${part}`, value);
  aria("autocomplete", "list");
  aria("controls", list.id);
  aria("expanded", "false");

  let number = 0; // of the newest search
  let offered = []; // [text, value] of each option
  let active = -1;
  let edited = false;
  let entered = false; // Enter was pressed before the matches came
  const open = () => popup.matches(":popover-open");

  const show = () => {
    input.title = model.get("label") || name;
    input.placeholder = `search ${model.get("total").toLocaleString("en")} names`;
    if (!edited) input.value = model.get("label");
  };

  const place = () => {
    const { left, bottom, top, width } = input.getBoundingClientRect();
    const below = innerHeight - bottom - 8;
    const up = below < 160 && top > below;
    popup.style.width = `${Math.min(Math.max(width, 280), innerWidth - 16)}px`;
    popup.style.maxHeight = `${Math.min(320, up ? top - 8 : below)}px`;
    popup.style.left = `${Math.max(8, Math.min(left, innerWidth - popup.offsetWidth - 8))}px`;
    popup.style.top = up ? `${top - popup.offsetHeight - 2}px` : `${bottom + 2}px`;
  };
  const follow = (event) => (event.target instanceof Node && popup.contains(event.target) ? null : place());

  const close = () => {
    number += 1; // matches that are on their way are not shown
    edited = entered = false;
    if (open()) popup.hidePopover();
    window.removeEventListener("scroll", follow, true);
    aria("expanded", "false");
    input.removeAttribute("aria-activedescendant");
    show();
  };

  const reach = (at) => {
    active = at;
    [...list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === at)));
    const option = list.children[at];
    option ? aria("activedescendant", option.id) : input.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  };

  const choose = (at) => {
    const option = offered[at];
    close();
    if (!option) return;
    input.value = option[0];
    model.send({ choose: option[1] });
  };

  const search = () => {
    number += 1;
    model.send({ search: edited ? input.value : "", number });
  };

  const offer = (content) => {
    if (content.number !== number || !("matches" in content)) return;
    const part = edited ? input.value.trim().toLowerCase() : "";
    const fixed = model.get("options").filter(([text]) => text.toLowerCase().includes(part));
    offered = [...fixed, ...content.matches];
    list.replaceChildren(
      ...offered.map(([text], i) => {
        const option = element("li", i < fixed.length ? "wb-fixed" : "", null, text);
        option.id = `${list.id}-${i}`;
        option.setAttribute("role", "option");
        option.addEventListener("click", () => choose(i));
        return option;
      }),
    );
    list.hidden = !offered.length;
    const all = model.get("total").toLocaleString("en");
    const more = part ? `The first ${content.matches.length} matches: type more of the name` : `Type a part of a name: ${all} names`;
    note.textContent = !offered.length ? "No name contains this text" : content.more ? more : "";
    note.hidden = !note.textContent;
    if (!open()) {
      popup.showPopover();
      window.addEventListener("scroll", follow, true);
    }
    aria("expanded", "true");
    place();
    list.scrollTop = 0;
    const chosen = offered.findIndex(([, value]) => value === model.get("value"));
    reach(part ? 0 : chosen);
    if (entered) choose(0);
  };

  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => open() || search());
  input.addEventListener("input", () => {
    edited = true;
    search();
  });
  input.addEventListener("blur", close);
  popup.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey) return;
    const count = offered.length;
    const moves = open()
      ? {
          ArrowDown: () => reach((active + 1) % count),
          ArrowUp: () => reach((active - 1 + count) % count),
          PageDown: () => reach(Math.min(active + 8, count - 1)),
          PageUp: () => reach(Math.max(active - 8, 0)),
          Enter: () => choose(active),
          Escape: close,
        }
      : { ArrowDown: search, ArrowUp: search, Enter: () => (edited ? (entered = true) : search()), Escape: close };
    if (!moves[event.key] || (open() && !count && event.key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  });

  model.on("msg:custom", offer);
  const end = following(model, { "label total": show });
  show();
  return () => {
    close();
    model.off("msg:custom", offer);
    end();
  };
}

export default { render };
