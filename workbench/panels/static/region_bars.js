// Bars of regions, each with a small picture of where its region is.

const between = (low, value, high) => Math.min(Math.max(value, low), high);

function render({ model, el }) {
  const get = (name) => model.get(name);
  const stopped = new AbortController();
  const on = (node, event, act) => node.addEventListener(event, act, { signal: stopped.signal });
  el.classList.add("wb-bars");
  let urls = []; // of the pictures
  let rows = []; // the drawn bars that can be picked
  let tab = 0; // the row in the tab order
  let pointed = "";
  let waiting = 0;
  let open = false; // the fold
  let all = false; // whether all bars are shown

  // The picture, pale outside of the region, which is outlined.
  const small = (parent, picture, box) => {
    const frame = element("span", "wb-bar-place", parent);
    frame.style.setProperty("--ratio", `var(--ratio-${picture}, 1.333)`);
    const [x0, y0, x1, y1] = box.map((edge) => `${100 * edge}%`);
    for (const part of urls[picture] ? ["wb-bar-place-whole", "wb-bar-place-region"] : []) {
      const image = element("img", part, frame);
      Object.assign(image, { src: urls[picture], alt: "", draggable: false });
    }
    frame.style.setProperty("--inside", `inset(${y0} calc(100% - ${x1}) calc(100% - ${y1}) ${x0})`);
    const outline = element("span", "wb-bar-place-box", frame);
    Object.assign(outline.style, { left: x0, top: y0, width: `calc(${x1} - ${x0})`, height: `calc(${y1} - ${y0})` });
  };

  const bar = (parent, tag, kind, { text, value, share, length, boxes, title }, low) => {
    const row = element(tag, `wb-bar wb-bar-${kind}`, parent);
    row.title = title ?? (boxes ? text : "");
    const pictures = element("span", "wb-bar-pictures", row);
    boxes?.forEach((box, picture) => small(pictures, picture, box));
    const named = element("span", "wb-bar-name", row, text);
    named.toggleAttribute("data-region", Boolean(boxes));
    element("span", "wb-bar-value", row, value);
    element("span", "wb-bar-share", row, share);
    const track = element("span", "wb-bar-track", row);
    if (length) {
      const fill = element("span", length < 0 ? "wb-bar-fill wb-bar-less" : "wb-bar-fill", track);
      const span = 1 - low;
      fill.style.left = `${(100 * (Math.min(0, length) - low)) / span}%`;
      fill.style.width = `${(100 * Math.abs(length)) / span}%`;
    }
    return row;
  };

  const point = (id) => {
    if (id === pointed) return;
    pointed = id;
    clearTimeout(waiting); // moving to the next bar is one change
    waiting = setTimeout(() => model.send({ point: id }), 30);
  };

  const reach = (number, focus = true) => {
    rows[tab]?.setAttribute("tabindex", "-1");
    tab = between(0, number, Math.max(0, rows.length - 1));
    rows[tab]?.setAttribute("tabindex", "0");
    if (focus) rows[tab]?.focus();
  };

  const mark = () => {
    rows.forEach((row) => {
      const marked = row.dataset.id === get("marked");
      row.classList.toggle("wb-marked", marked);
      row.setAttribute("aria-selected", String(marked));
    });
    const at = rows.findIndex((row) => row.dataset.id === get("marked"));
    if (at >= 0 && !el.contains(document.activeElement)) reach(at, false);
  };

  const draw = () => {
    const focused = el.contains(document.activeElement);
    const [bars, shown] = [get("bars"), get("shown")];
    const [rest, levels, others] = [get("rest"), get("levels"), get("others")];
    el.replaceChildren();
    rows = [];
    el.hidden = !bars.length && !rest.length;
    if (el.hidden) return;
    const section = element("section", "wb-bars-body", el);
    section.setAttribute("aria-label", get("label"));
    let body = section;
    if (get("folded")) {
      body = element("details", "wb-bars-fold", section);
      body.open = open;
      element("summary", "wb-bars-title", body, get("title"));
      body.addEventListener("toggle", () => {
        if (open !== body.open) ((open = body.open), draw(), el.querySelector("summary").focus());
      });
      if (!open) return; // its pictures are drawn once they are seen
    } else element("div", "wb-bars-title", body, get("title"));

    const lengths = (all_) => Math.min(0, ...all_.map(({ length }) => length ?? 0));
    const list = element("div", "wb-bars-list", body);
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", get("label"));
    const low = lengths(bars);
    rows = (all ? bars : bars.slice(0, shown)).map((content, number) => {
      const row = bar(list, "div", "region", content, low);
      row.dataset.id = content.id;
      row.dataset.lmSuppressShortcuts = "true";
      row.setAttribute("role", "option");
      row.setAttribute("aria-label", content.said);
      row.setAttribute("tabindex", "-1");
      row.addEventListener("pointerenter", () => point(content.id));
      row.addEventListener("pointerleave", () => point(""));
      row.addEventListener("focus", () => (reach(number, false), point(content.id)));
      row.addEventListener("blur", () => point(""));
      row.addEventListener("click", () => (reach(number), model.send({ pick: content.id })));
      return row;
    });
    if (others.text) {
      const more = shown < bars.length;
      const row = bar(body, more ? "button" : "div", "others", { ...others, title: more ? (all ? "Show the strongest alone" : "Show all") : "" }, low);
      if (more) {
        row.type = "button";
        row.setAttribute("aria-expanded", String(all));
        row.dataset.lmSuppressShortcuts = "true";
        row.addEventListener("click", () => ((all = !all), draw(), el.querySelector(".wb-bar-others").focus()));
      }
    }
    rest.forEach((content, number) => bar(body, "div", number < rest.length - 1 ? "constant" : "whole", content, low));
    if (levels.length) {
      element("div", "wb-bars-title", body, get("level_title"));
      levels.forEach((content) => bar(body, "div", "level", content, lengths(levels)));
    }
    reach(tab, focused && Boolean(rows.length));
    mark();
  };

  const load = () => {
    urls.forEach((url) => url && URL.revokeObjectURL(url));
    urls = get("pictures").map((view) => (view?.byteLength ? URL.createObjectURL(new Blob([view], { type: "image/jpeg" })) : ""));
    urls.forEach((url, number) => {
      const image = new Image();
      image.onload = () => el.style.setProperty(`--ratio-${number}`, image.naturalWidth / image.naturalHeight);
      if (url) image.src = url;
    });
  };

  on(el, "keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!rows.includes(event.target)) return;
    const moves = { ArrowUp: tab - 1, ArrowDown: tab + 1, Home: 0, End: rows.length - 1 };
    const pick = { Enter: rows[tab].dataset.id, " ": rows[tab].dataset.id }[event.key];
    if (pick === undefined && moves[event.key] === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (pick !== undefined) model.send({ pick });
    else reach(moves[event.key]);
  });

  // One message may change several traits: draw once.
  let due = false;
  const changed = () => {
    if (due) return;
    due = true;
    queueMicrotask(() => {
      due = false;
      if (!stopped.signal.aborted) draw();
    });
  };
  const fresh = () => {
    load();
    changed();
  };
  const heard = [["change:marked", mark], ["change:pictures", fresh]];
  for (const name of ["title", "label", "bars", "shown", "others", "rest", "levels", "level_title"]) heard.push([`change:${name}`, changed]);
  for (const [event, act] of heard) model.on(event, act);
  fresh();
  return () => {
    stopped.abort();
    clearTimeout(waiting);
    for (const [event, act] of heard) model.off(event, act);
    urls.forEach((url) => url && URL.revokeObjectURL(url));
  };
}

export default { render: dimmed(render) };
