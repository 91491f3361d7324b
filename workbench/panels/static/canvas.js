// A sheet to draw on, with its tools. The strokes are the model's, so that each view and a reloaded page show them.

const PAUSE = 10; // milliseconds after a stroke before the drawing is sent
const STEP = 16; // pixels of the paper that an arrow key moves the cursor; 4 with Shift
const NEAR = 1.5; // pixels of the paper between the points of a stroke, at least
const COLOURS = [
  ["black", "#000000"], ["grey", "#8a8a8a"], ["brown", "#7a4a21"], ["red", "#d62828"], ["orange", "#f28c28"],
  ["yellow", "#f5d328"], ["green", "#2e9e44"], ["blue", "#2a6fdb"], ["sky blue", "#8fc7f0"], ["purple", "#8e4ec6"], ["pink", "#f2a0c0"],
];
const READINGS = [["contours", "contours", "The edges of the drawing"], ["colours", "colour layout", "Which colours are where"]];
const KEYS = "Arrow keys move the pen, with Shift in small steps. Space puts it down and lifts it. Backspace removes the last stroke.";

function render({ model, el }) {
  const size = model.get("size");
  const root = element("div", "wb-canvas", el);
  root.dataset.lmSuppressShortcuts = "true";
  const sheet = element("div", "wb-canvas-sheet", root);
  const canvas = element("canvas", "", sheet);
  const cursor = element("div", "wb-canvas-cursor", sheet);
  const hint = element("p", "wb-canvas-hint", sheet, "Draw here: each stroke searches");
  sheet.style.aspectRatio = `${size[0]} / ${size[1]}`;
  sheet.tabIndex = 0;
  sheet.setAttribute("role", "application");
  sheet.setAttribute("aria-roledescription", "drawing");
  sheet.title = KEYS;
  canvas.setAttribute("aria-hidden", "true");
  cursor.hidden = true;

  let colour = COLOURS[0][1];
  let width = 6;
  let erasing = false;
  let stroke = null; // the stroke that is being drawn
  let pointer = null; // the id of the pointer that draws
  let at = [size[0] / 2, size[1] / 2]; // of the keyboard's pen
  let picture = null; // decoded
  let version = 0; // of the drawing, as it was last changed here
  let timer = 0;
  let ended = false;

  // -- the paper

  const draw = () => {
    const strokes = model.get("strokes");
    if (canvas.width) drawPaper(canvas, size, picture, stroke ? [...strokes, stroke] : strokes);
    hint.hidden = Boolean(strokes.length || stroke || picture);
    const count = `${strokes.length} ${strokes.length === 1 ? "stroke" : "strokes"}`;
    sheet.setAttribute("aria-label", `Drawing: ${picture ? "a picture, " : ""}${count}. ${stroke ? "The pen is down. " : ""}${KEYS}`);
    undo.disabled = clear.disabled = !strokes.length && !picture;
    const [x, y] = at;
    Object.assign(cursor.style, { left: `${(100 * x) / size[0]}%`, top: `${(100 * y) / size[1]}%` });
    cursor.classList.toggle("wb-canvas-down", Boolean(stroke));
  };
  const decode = async () => {
    const data = model.get("picture");
    const blob = data?.byteLength ? new Blob([data]) : null;
    const decoded = blob ? await createImageBitmap(blob).catch(() => null) : null;
    if (ended || data !== model.get("picture")) return;
    picture = decoded;
    draw();
  };
  const fit = () => {
    const scale = Math.max(1, devicePixelRatio || 1);
    const [across, down] = [Math.round(sheet.clientWidth * scale), Math.round(sheet.clientHeight * scale)];
    if (!across || (canvas.width === across && canvas.height === down)) return;
    [canvas.width, canvas.height] = [across, down];
    draw();
  };

  const send = async () => {
    clearTimeout(timer);
    timer = 0;
    const sent = version; // the strokes themselves may be replaced by their echo from the kernel
    const png = await pngOf(size, picture, model.get("strokes"));
    if (!ended && sent === version) model.send({ drawn: Boolean(png) }, undefined, png ? [png] : []);
  };
  const change = (strokes, file) => {
    version += 1;
    model.set("strokes", strokes);
    if (file !== undefined) model.set("picture", file);
    model.save_changes();
    draw();
    clearTimeout(timer);
    timer = setTimeout(send, PAUSE);
  };

  // -- strokes

  const begin = (point) => (stroke = { colour: erasing ? "" : colour, width: erasing ? Math.max(24, 2 * width) : width, points: [point] });
  const extend = ([x, y]) => {
    const [[x0, y0]] = stroke.points.slice(-1);
    if (Math.hypot(x - x0, y - y0) >= NEAR) stroke.points.push([x, y]);
  };
  const finish = () => {
    const done = stroke;
    stroke = null;
    if (done) change([...model.get("strokes"), done]);
  };
  const place = (event) => {
    const { left, top, width: across, height: down } = canvas.getBoundingClientRect();
    const within = (share, side) => Math.round(10 * side * Math.min(Math.max(share, 0), 1)) / 10;
    return [within((event.clientX - left) / across, size[0]), within((event.clientY - top) / down, size[1])];
  };

  sheet.addEventListener("pointerdown", (event) => {
    if (event.button || pointer !== null) return;
    pointer = event.pointerId;
    sheet.setPointerCapture(pointer);
    cursor.hidden = true;
    begin(place(event));
    draw();
  });
  sheet.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer || !stroke) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) extend(place(one));
    draw();
  });
  sheet.addEventListener("pointerup", (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    at = place(event);
    finish();
  });
  sheet.addEventListener("pointercancel", (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    stroke = null;
    draw();
  });

  // -- keyboard

  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  sheet.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || pointer !== null) return;
    const move = moves[event.key];
    if (move) {
      const step = event.shiftKey ? STEP / 4 : STEP;
      at = at.map((value, i) => Math.min(Math.max(value + step * move[i], 0), size[i]));
      if (stroke) extend(at);
    } else if (event.key === " ") {
      stroke ? finish() : begin([...at]);
    } else if (event.key === "Backspace" || event.key === "Delete") {
      stroke ? (stroke = null) : undo.click();
    } else if (event.key === "Escape" && stroke) stroke = null;
    else return;
    event.preventDefault();
    event.stopPropagation();
    cursor.hidden = false;
    draw();
  });
  sheet.addEventListener("focus", () => (cursor.hidden = !sheet.matches(":focus-visible")));
  sheet.addEventListener("blur", () => {
    cursor.hidden = true;
    if (pointer === null) finish();
  });

  // -- tools

  const tools = element("div", "wb-canvas-tools", root);
  const choices = (kind, label, options, choose) => {
    const group = element("div", `wb-canvas-${kind}`, tools);
    const name = `wb-canvas-${Math.random().toString(36).slice(2)}`;
    group.setAttribute("role", "radiogroup");
    group.setAttribute("aria-label", label);
    return options.map(([value, text, title]) => {
      const choice = element("label", "", group);
      const input = element("input", "", choice);
      Object.assign(input, { type: "radio", name, value });
      choice.title = title ?? text;
      input.addEventListener("change", () => choose(value));
      if (kind === "colours") {
        input.setAttribute("aria-label", text);
        choice.style.setProperty("--ink", value);
      } else choice.append(text);
      return input;
    });
  };
  const button = (text, title, parent, act) => {
    const one = element("button", "", parent, text);
    Object.assign(one, { type: "button", title });
    one.addEventListener("click", act);
    return one;
  };
  const erase = (on) => {
    erasing = on;
    eraser.setAttribute("aria-pressed", String(on));
  };

  const inks = choices("colours", "Colour", COLOURS.map(([name, value]) => [value, name]), (value) => {
    colour = value;
    erase(false);
  });
  inks[0].checked = true;
  const row = element("div", "wb-canvas-row", tools);
  const thickness = element("label", "wb-canvas-width", row, "Width");
  const range = element("input", "", thickness);
  Object.assign(range, { type: "range", min: 2, max: 48, step: 2, value: width });
  range.setAttribute("aria-label", "Width of the pen");
  range.addEventListener("input", () => {
    width = Number(range.value);
    range.setAttribute("aria-valuetext", `${width} of ${size[0]} pixels`);
  });
  const eraser = button("Eraser", "Paint paper over the drawing", row, () => erase(!erasing));
  const acts = element("div", "wb-canvas-row", tools);
  const undo = button("Undo stroke", "Remove the last stroke (Backspace on the paper)", acts, () => {
    const strokes = model.get("strokes");
    strokes.length ? change(strokes.slice(0, -1)) : change([], new Uint8Array());
  });
  const clear = button("Clear", "Empty the paper", acts, () => change([], new Uint8Array()));
  const file = document.createElement("input"); // opened by the button, and never on the page
  Object.assign(file, { type: "file", accept: "image/*" });
  button("Load", "Load a drawing from a file, to search with it or to draw over it", acts, () => file.click());
  const fault = element("p", "wb-canvas-fault", tools);
  fault.setAttribute("role", "alert");
  fault.hidden = true;
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    file.value = ""; // so that the same file can be chosen again
    const decoded = chosen && (await createImageBitmap(chosen).catch(() => null));
    fault.hidden = Boolean(decoded || !chosen);
    fault.textContent = decoded || !chosen ? "" : `${chosen.name} is not an image that the browser can read; choose another file.`;
    if (!decoded || ended) return;
    // Stored as a picture of the size of the paper: a photo would be too large for a message.
    picture = decoded;
    const small = element("canvas", "");
    [small.width, small.height] = size;
    drawPaper(small, size, decoded, []);
    const blob = await new Promise((done) => small.toBlob(done, "image/png"));
    change([], new Uint8Array(await blob.arrayBuffer()));
  });
  const readings = choices("readings", "Compare", READINGS, (value) => {
    model.set("reading", value);
    model.save_changes();
  });
  const read = () => readings.forEach((one) => (one.checked = one.value === model.get("reading")));

  const sized = new ResizeObserver(fit);
  sized.observe(sheet);
  const changes = { "change:strokes": draw, "change:picture": decode, "change:reading": read };
  for (const [what, act] of Object.entries(changes)) model.on(what, act);
  erase(false);
  read();
  decode();
  draw();
  return () => {
    ended = true;
    clearTimeout(timer);
    sized.disconnect();
    for (const [what, act] of Object.entries(changes)) model.off(what, act);
  };
}

export default { render };
