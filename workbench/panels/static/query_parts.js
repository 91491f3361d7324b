// The parts of a query as chips: a picture or text, a weight, a switch, and a button that removes the part.

const PAUSE = 60; // milliseconds without movement of a slider before its weight is sent
const [LIMIT, WEIGHT_STEP] = [2, 0.1];
const KINDS = { text: "words", image: "picture", sketch: "drawing, its contours", colours: "colour layout" };

function render({ model, el }) {
  el.classList.add("wb-parts");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", model.get("label"));
  el.dataset.lmSuppressShortcuts = "true";
  let rows = [];
  let urls = [];
  const timers = new Map(); // place of a chip → the weight that is still to be sent

  const number = (value) => `${value < 0 ? "−" : ""}${Math.abs(Number(value)).toFixed(Math.abs(10 * value - Math.round(10 * value)) > 1e-6 ? 2 : 1)}`;
  const say = (place, event) => model.send({ chip: place, id: model.get("chips")[place]?.id, ...event });
  const cancel = () => {
    timers.forEach((timer) => clearTimeout(timer));
    timers.clear();
  };

  const build = (chip, place) => {
    const row = element("div", "wb-part-chip", el);
    const named = `${KINDS[chip.kind] ?? chip.kind}: ${chip.name}`;
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", `Part ${place + 1}, ${named}`);
    const sign = element("div", "wb-part-sign", row);
    if (chip.picture?.byteLength) {
      const image = element("img", "", sign);
      image.src = URL.createObjectURL(new Blob([chip.picture]));
      image.alt = "";
      image.draggable = false;
      urls.push(image.src);
      if (chip.opens) row.dataset.picture = chip.opens;
    } else sign.textContent = chip.kind === "text" ? "Aa" : "";
    const head = element("div", "wb-part-head", row);
    if (chip.joint) element("span", "wb-part-joint", head, chip.joint);
    const name = element("span", "wb-part-name", head, chip.name);
    name.title = named;
    const button = (kind, text, label, act) => {
      const one = element("button", kind, head, text);
      one.type = "button";
      one.title = label;
      one.setAttribute("aria-label", `${label}: ${chip.name}`);
      one.addEventListener("click", act);
      return one;
    };
    if (chip.reading) button("wb-part-reading", chip.reading, `Compare the ${chip.other} instead`, () => say(place, { reading: true }));
    const turn = button("wb-part-switch", "", "Part is used", () => say(place, { on: turn.getAttribute("aria-checked") !== "true" }));
    turn.setAttribute("role", "switch");
    button("wb-part-remove", "×", "Remove the part", () => say(place, { remove: true }));
    const scale = element("div", "wb-part-weight", row);
    const range = element("input", "", scale);
    Object.assign(range, { type: "range", step: WEIGHT_STEP });
    range.setAttribute("aria-label", `Weight of ${chip.name}`);
    range.title = "Weight: below 0, images with it come later; a double click sets 1";
    const value = element("output", "", scale);
    const show = (weight) => {
      value.textContent = number(weight);
      range.setAttribute("aria-valuetext", number(weight));
    };
    const sendSoon = () => {
      show(range.value);
      clearTimeout(timers.get(place));
      const send = () => {
        timers.delete(place);
        say(place, { weight: Number(range.value) });
      };
      timers.set(place, setTimeout(send, PAUSE));
    };
    range.addEventListener("input", sendSoon);
    range.addEventListener("dblclick", () => {
      range.value = 1;
      sendSoon();
    });
    const put = ({ weight, on }) => {
      row.classList.toggle("wb-part-off", !on);
      turn.setAttribute("aria-checked", String(on));
      if (timers.has(place)) return; // a newer weight is on its way
      const limit = Math.max(LIMIT, Math.ceil(Math.abs(weight)));
      Object.assign(range, { min: -limit, max: limit, value: weight });
      show(weight);
    };
    return { put };
  };

  const shape = (chip) => JSON.stringify([chip.id, chip.kind, chip.name, chip.joint, chip.picture?.byteLength]);
  let shapes = [];
  const draw = () => {
    const chips = model.get("chips");
    const now = chips.map(shape);
    if (now.length !== shapes.length || now.some((one, i) => one !== shapes[i])) {
      // The focus stays on the control at the same place, of the last chip if the list became shorter.
      const held = document.activeElement?.closest(".wb-part-chip");
      const focused = held && el.contains(held) ? [[...el.children].indexOf(held), [...held.querySelectorAll("button, input")].indexOf(document.activeElement)] : null;
      cancel();
      const old = urls;
      urls = [];
      el.replaceChildren();
      rows = chips.map(build);
      shapes = now;
      old.forEach((url) => URL.revokeObjectURL(url));
      if (focused) el.children[Math.min(focused[0], chips.length - 1)]?.querySelectorAll("button, input")[focused[1]]?.focus();
    }
    chips.forEach((chip, i) => rows[i].put(chip));
    el.hidden = !chips.length;
  };

  model.on("change:chips", draw);
  draw();
  return () => {
    cancel();
    model.off("change:chips", draw);
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
}

export default { render };
