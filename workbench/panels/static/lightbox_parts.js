// The elements of the lightbox: the bar of buttons, the stages, the caption, the scale of the heat, the keys.

const KEYS = [
  ["← →", "other pictures"], ["+ − 0", "zoom"], ["Shift + arrows", "move"],
  ["drag", "draws a region to search for"], ["h", "heat"], ["q", "query"], ["c", "copies the path"], ["Esc", "closes"],
];

function makeDialog(acts, zoomed) {
  const dialog = element("dialog", "wb-lightbox");
  dialog.dataset.lmSuppressShortcuts = "true";
  dialog.tabIndex = -1;
  const button = (parent, name, text, title, keys) => {
    const one = element("button", `wb-lightbox-${name}`, parent, text);
    one.type = "button";
    one.title = keys ? `${title} (${keys})` : title;
    one.setAttribute("aria-label", title);
    one.addEventListener("click", acts[name]);
    return one;
  };

  const bar = element("div", "wb-lightbox-bar", dialog);
  const name = element("h2", "wb-lightbox-name", bar);
  name.id = `wb-lightbox-${Math.random().toString(36).slice(2)}`;
  dialog.setAttribute("aria-labelledby", name.id);
  const place = element("span", "wb-lightbox-place", bar);
  const tools = element("div", "wb-lightbox-tools", bar);
  const heat = button(tools, "heat", "Heat", "Heat", "h");
  const query = button(tools, "query", "Query", "Query beside the picture", "q");
  button(tools, "out", "−", "Zoom out", "−");
  const scale = button(tools, "fit", "100 %", "Fit the picture", "0");
  button(tools, "in", "+", "Zoom in", "+");
  const copy = button(tools, "copy", "Copy path", "Copy path", "c");
  button(tools, "close", "×", "Close", "Esc");

  const body = element("div", "wb-lightbox-body", dialog);
  const previous = button(body, "previous", "‹", "Previous picture", "←");
  const stages = element("div", "wb-lightbox-stages", body);
  const figures = ["wb-lightbox-beside", "wb-lightbox-main"].map((kind) => {
    const figure = element("figure", kind, stages);
    return { figure, stage: makeStage(figure, zoomed), caption: element("figcaption", "", figure) };
  });
  const [beside, main] = figures;
  const wait = element("p", "wb-lightbox-wait", main.stage.root);
  const next = button(body, "next", "›", "Next picture", "→");

  const foot = element("div", "wb-lightbox-foot", dialog);
  const fault = element("p", "wb-lightbox-fault", foot);
  fault.setAttribute("role", "alert");
  const facts = element("div", "wb-lightbox-facts", foot);
  const legend = element("div", "wb-lightbox-legend", foot);
  const low = element("span", "", legend);
  const strip = element("canvas", "wb-lightbox-scale", legend);
  const high = element("span", "", legend);
  const quantity = element("span", "", legend);
  strip.setAttribute("aria-hidden", "true");
  const status = element("div", "wb-lightbox-status", foot);
  status.setAttribute("role", "status");
  const keys = element("div", "wb-lightbox-keys", foot);
  for (const [key, does] of KEYS) {
    const one = element("span", "", keys);
    element("kbd", "", one, key);
    one.append(` ${does}`);
  }

  const setLegend = (heat) => {
    legend.hidden = !heat;
    if (!heat) return;
    const { top, signed, colours } = heat;
    const steps = Float32Array.from({ length: 256 }, (_, i) => (signed ? (i - 128) / 127 : i / 255));
    paint(strip, steps, [1, 256], 1, signed, colours, false);
    low.textContent = signed ? number(-top, top, true) : "0";
    high.textContent = number(top, top, signed);
    quantity.textContent = heat.quantity || (signed ? "a cell takes away · adds" : "");
  };
  const setFacts = (list) => {
    facts.replaceChildren();
    for (const { text, kind } of list) element("span", "wb-lightbox-fact", facts, text).dataset.relevance = kind;
  };
  const setFault = (text) => {
    fault.textContent = text;
    fault.hidden = !text;
  };
  return { dialog, name, place, heat, query, scale, copy, previous, next, beside, main, wait, status, setLegend, setFacts, setFault };
}

// Copy a text; without the clipboard, which a page has only where its address is safe, by a selection.
async function copyText(text, dialog) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", "wb-lightbox-copied", dialog);
    field.value = text;
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    dialog.focus();
    return done;
  }
}
