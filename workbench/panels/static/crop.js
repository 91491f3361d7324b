// A box on a picture, drawn, moved and resized with pointer or keys, in pixels of the whole image.

const PAUSE = 150; // milliseconds without movement before a box is searched for during a drag
const REACH = { mouse: 7, pen: 10, touch: 16 }; // screen pixels around an edge in which it can be dragged
const CURSORS = { "0,0": "move", "-1,-1": "nwse-resize", "1,1": "nwse-resize", "-1,1": "nesw-resize", "1,-1": "nesw-resize", "-1,0": "ew-resize", "1,0": "ew-resize", "0,-1": "ns-resize", "0,1": "ns-resize" };

const make = (tag, name, parent) => {
  const node = document.createElement(tag);
  node.className = name;
  parent.append(node);
  return node;
};
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function render({ model, el }) {
  const figure = make("figure", "wb-crop", el);
  const shelf = make("div", "wb-crop-shelf", figure);
  const stage = make("div", "wb-crop-stage", shelf);
  const image = document.createElement("img");
  figure.dataset.lmSuppressShortcuts = "true";
  const frame = document.createElement("div");
  frame.className = "wb-crop-box";
  for (const corner of ["nw", "ne", "sw", "se"]) make("i", `wb-crop-${corner}`, frame);
  const caption = make("figcaption", "wb-crop-caption", figure);
  const name = make("span", "wb-crop-name", caption);
  const words = make("bdi", "", name);
  const size = make("span", "wb-crop-size", caption);
  const reset = make("button", "wb-crop-reset", caption);
  reset.type = "button";
  image.draggable = false;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-roledescription", "crop box");

  let url = "";
  let box = []; // the box on screen: the model's, unless a newer one is being drawn or sent
  let held = null; // the drag: {grip, from, at, moved}
  let timer = 0;
  let refused = 0;

  const extent = () => [model.get("width"), model.get("height")];
  const least = () => extent().map((side) => Math.min(model.get("smallest"), side));
  const mine = () => held || timer;

  const publish = () => {
    clearTimeout(timer);
    timer = 0;
    model.send({ box: box.length ? box : null });
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(publish, PAUSE);
  };

  const draw = () => {
    const [width, height] = extent();
    const shares = box.map((edge, i) => (100 * edge) / (i % 2 ? height : width));
    frame.hidden = !box.length;
    const [x0, y0, x1, y1] = shares;
    if (box.length) Object.assign(frame.style, { left: `${x0}%`, top: `${y0}%`, width: `${x1 - x0}%`, height: `${y1 - y0}%` });
    const own = model.get("own") && !mine();
    const pixels = box.length ? `${Math.round(box[2] - box[0])} × ${Math.round(box[3] - box[1])}` : "";
    const said = !width ? "" : !pixels ? `whole image, ${width} × ${height} px` : `${own ? "own box" : "box"} ${pixels} of ${width} × ${height} px`;
    size.textContent = refused ? `A box needs ${least().join(" × ")} pixels.` : said;
    size.title = size.textContent;
    reset.hidden = own || !box.length;
    reset.textContent = model.get("whole") ? "Whole image" : "Own box";
    const place = pixels ? `${pixels} pixels at ${Math.round(box[0])}, ${Math.round(box[1])}. ` : "The whole image. ";
    const keys = pixels ? "Arrows move, Shift and arrows resize, Escape removes it." : "Press an arrow for a box, or drag.";
    stage.setAttribute("aria-label", `Crop box: ${place}${keys}`);
  };

  const follow = () => {
    if (!mine()) box = [...model.get("box")];
    draw();
  };

  const load = () => {
    clearTimeout(timer);
    timer = 0;
    held = null;
    const picture = model.get("picture");
    const old = url;
    url = picture?.byteLength ? URL.createObjectURL(new Blob([picture], { type: "image/jpeg" })) : "";
    if (url) {
      image.src = url;
      image.alt = `query ${model.get("name")}`;
      stage.replaceChildren(image, frame);
    } else stage.replaceChildren(model.get("name") ? "no picture" : "");
    if (old) URL.revokeObjectURL(old);
    stage.classList.toggle("wb-crop-none", !url);
    figure.dataset.picture = url ? model.get("opens") : "";
    name.title = `${model.get("name")}\nDouble-click, or f on the picture: large`;
    const [width, height] = extent();
    stage.style.setProperty("--ratio", width && height ? width / height : 4);
    url ? (stage.tabIndex = 0) : stage.removeAttribute("tabindex");
    words.textContent = model.get("name");
    follow();
  };

  const set = (x0, y0, x1, y1) => (box = [x0, y0, x1, y1].map(Math.round));

  // The position of a pointer in pixels of the image, and the image pixels per screen pixel.
  const locate = (event) => {
    const seen = image.getBoundingClientRect();
    const scale = extent()[0] / seen.width;
    const [width, height] = extent();
    return { x: clamp((event.clientX - seen.left) * scale, 0, width), y: clamp((event.clientY - seen.top) * scale, 0, height), scale };
  };

  // [-1, 0 or 1 for each axis]: the dragged edges; [0, 0]: the whole box; null: nothing.
  const gripped = ({ x, y, scale }, kind) => {
    if (!box.length) return null;
    const reach = (REACH[kind] ?? 7) * scale;
    const axis = (at, low, high) => {
      const inside = Math.min(reach, (high - low) / 4); // a small box can still be moved
      if (at < low - reach || at > high + reach) return null;
      return at < low + inside ? -1 : at > high - inside ? 1 : 0;
    };
    const grip = [axis(x, box[0], box[2]), axis(y, box[1], box[3])];
    return grip.includes(null) ? null : grip;
  };

  const move = (from, dx, dy) => {
    const [width, height] = extent();
    dx = clamp(dx, -from[0], width - from[2]);
    dy = clamp(dy, -from[1], height - from[3]);
    set(from[0] + dx, from[1] + dy, from[2] + dx, from[3] + dy);
  };
  const resize = (from, [across, down], dx, dy) => {
    const [[width, height], [w, h]] = [extent(), least()];
    let [x0, y0, x1, y1] = from;
    if (across < 0) x0 = clamp(x0 + dx, 0, x1 - w);
    if (across > 0) x1 = clamp(x1 + dx, x0 + w, width);
    if (down < 0) y0 = clamp(y0 + dy, 0, y1 - h);
    if (down > 0) y1 = clamp(y1 + dy, y0 + h, height);
    set(x0, y0, x1, y1);
  };

  stage.addEventListener("pointerdown", (event) => {
    if (!url || event.button || held) return;
    const at = locate(event);
    held = { grip: gripped(at, event.pointerType), from: [...box], own: model.get("own"), at, x: event.clientX, y: event.clientY, moved: false };
    clearTimeout(refused);
    refused = 0;
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!url) return;
    const at = locate(event);
    if (!held) {
      stage.style.cursor = CURSORS[gripped(at, event.pointerType)] ?? "crosshair";
      return;
    }
    if (!held.moved && Math.hypot(event.clientX - held.x, event.clientY - held.y) < 3) return;
    held.moved = true;
    const { grip, from } = held;
    const [dx, dy] = [at.x - held.at.x, at.y - held.at.y];
    if (!grip) set(Math.min(at.x, held.at.x), Math.min(at.y, held.at.y), Math.max(at.x, held.at.x), Math.max(at.y, held.at.y));
    else grip.some(Boolean) ? resize(from, grip, dx, dy) : move(from, dx, dy);
    if (large()) later();
    draw();
  });
  const large = () => box[2] - box[0] >= least()[0] && box[3] - box[1] >= least()[1];
  const release = (event) => {
    if (!held) return;
    const { moved, from, own } = held;
    held = null;
    if (moved && event.type === "pointerup" && large()) publish();
    else if (moved) {
      clearTimeout(timer);
      timer = 0;
      box = from;
      model.send({ box: own ? null : from });
      clearTimeout(refused);
      refused = setTimeout(() => { refused = 0; draw(); }, 3000);
    }
    draw();
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);

  const clear = () => {
    clearTimeout(timer);
    timer = 0;
    held = null;
    if (!model.get("own")) model.send({ box: null });
    else follow();
  };
  reset.addEventListener("click", () => {
    clear();
    stage.focus();
  });

  stage.addEventListener("keydown", (event) => {
    if (!url || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const away = ["Escape", "Delete", "Backspace"].includes(event.key);
    if (!arrow && !away) return;
    event.preventDefault();
    event.stopPropagation();
    if (away) return clear();
    const [width, height] = extent();
    const step = Math.max(1, Math.round(Math.max(width, height) / 50));
    const [dx, dy] = arrow.map((one) => one * step);
    if (!box.length) set(width / 4, height / 4, (3 * width) / 4, (3 * height) / 4);
    else event.shiftKey ? resize(box, arrow.map(Math.abs), dx, dy) : move(box, dx, dy);
    later();
    draw();
    // Scroll only the container of a large picture: scrollIntoView would scroll the notebook too.
    const near = (at, start, length, room) => Math.max(Math.min(at, start), Math.min(start, start + length - room));
    shelf.scrollLeft = near(shelf.scrollLeft, frame.offsetLeft, frame.offsetWidth, shelf.clientWidth);
    shelf.scrollTop = near(shelf.scrollTop, frame.offsetTop, frame.offsetHeight, shelf.clientHeight);
  });

  const changes = { "change:picture": load, "change:name": load, "change:opens": load, "change:width": load, "change:height": load, "change:box": follow, "change:own": follow, "change:whole": follow };
  for (const [what, act] of Object.entries(changes)) model.on(what, act);
  load();
  return () => {
    clearTimeout(timer);
    clearTimeout(refused);
    for (const [what, act] of Object.entries(changes)) model.off(what, act);
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
