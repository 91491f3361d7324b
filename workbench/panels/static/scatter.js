// A scatter of images on two canvases, points below and marks above, with a legend and a card for the point
// under the pointer. One tab stop: arrow keys move from point to point.

const REACH = 14; // pixels around the pointer in which a point is hit
const STILL = 4; // pixels of movement up to which a drag is a click
const KEYS = "Arrow keys move from image to image, Enter studies one, S selects it, Escape clears the selection.";

function render({ model, el }) {
  el.classList.add("wb-map");
  const empty = part("p", "wb-empty", el);
  const root = part("div", "wb-scatter", el);
  const plot = part("div", "wb-plot", root);
  const [base, over] = [part("canvas", "wb-points", plot), part("canvas", "wb-marks", plot)];
  const probe = part("span", "", plot);
  const card = part("div", "wb-card", plot);
  const [photo, caption] = [part("img", "", card), part("div", "wb-card-text", card)];
  const legend = part("div", "wb-legend", root);
  part("p", "wb-hint", root, `Click an image to study it, draw a lasso to select images, hold Shift to add to the selection. ${KEYS}`);
  const said = part("div", "wb-said", el); // read aloud
  plot.tabIndex = 0;
  plot.dataset.lmSuppressShortcuts = "true";
  plot.setAttribute("role", "application");
  plot.setAttribute("aria-label", `${model.get("label")}. ${KEYS}`);
  said.setAttribute("role", "status");
  photo.alt = "";
  probe.hidden = card.hidden = true;

  // With the version of the points: they may change before the kernel reads this.
  const send = (message) => model.send({ ...message, version: model.get("version") });
  let points = new Float32Array();
  let at = new Float32Array(); // the points in pixels
  let codes = new Uint8Array();
  let radius = 4;
  let cursor = -1; // the point under the pointer, or reached by keys
  let walking = false; // whether keys are used
  let path = null; // the lasso
  let url = null; // the card's picture
  let waiting = 0;

  const bytes = (name) => {
    const view = model.get(name);
    return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  };
  const style = (name) => {
    probe.className = `wb-${name}`;
    return getComputedStyle(probe).color;
  };
  const count = () => at.length / 2;
  const ramp = () => new Uint8Array(bytes("ramp"));
  const chosen = () => model.get("chosen").filter((i) => i < count());

  const fit = () => {
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [base, over]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    radius = Math.max(2, Math.min(5, 0.17 * Math.sqrt((width * height) / (points.length / 2))));
    at = fitted(points, width, height, 2 * radius + 12); // with room for the rings
  };

  const lookOf = () => {
    const look = looks(model.get("colour").kind, ramp(), style);
    return (i) => look(codes[i]);
  };

  const draw = () => {
    empty.textContent = points.length ? "" : model.get("empty");
    empty.hidden = points.length > 0;
    root.hidden = !points.length;
    root.classList.toggle("wb-stale", model.get("stale"));
    plot.setAttribute("aria-busy", String(model.get("stale")));
    if (!points.length || !plot.clientWidth) return;
    fit();
    const pen = base.getContext("2d");
    pen.lineWidth = 1.5;
    paintPoints(pen, at, Array(count()).keys(), radius, lookOf());
    drawMarks();
    const lit = chosen();
    const marks = [
      ["square", "the query", 0, model.get("query") >= 0],
      ["ring", "image under study", 0, model.get("current") >= 0],
      ["lit-point", "selected", lit.length, lit.length > 0],
    ];
    drawLegend(legend, model.get("colour"), ramp(), marks.filter((mark) => mark[3]));
  };

  const drawMarks = () => {
    const pen = over.getContext("2d");
    pen.clearRect(0, 0, over.width, over.height);
    const lit = chosen();
    root.classList.toggle("wb-lit", lit.length > 0);
    pen.lineWidth = 2.5;
    paintPoints(pen, at, lit, radius + 1, lookOf(), style("mark"));
    const ring = (i, r, width, square) =>
      i >= 0 && i < count() && paintRing(pen, at[2 * i], at[2 * i + 1], r, width, square, style);
    ring(model.get("query"), radius + 6, 2, true);
    ring(model.get("current"), radius + 6, 2, false);
    ring(cursor, radius + 2, 1.5, false);
    if (path) paintPath(pen, path, style);
  };

  // -- the card

  const forget = () => {
    if (url) URL.revokeObjectURL(url);
    url = null;
    photo.removeAttribute("src");
  };

  const placeCard = () => {
    const [x, y] = [at[2 * cursor], at[2 * cursor + 1]];
    const right = x + 16 + card.offsetWidth <= plot.clientWidth;
    card.style.left = `${Math.max(0, right ? x + 16 : x - 16 - card.offsetWidth)}px`;
    card.style.top = `${Math.max(0, Math.min(y - 24, plot.clientHeight - card.offsetHeight))}px`;
  };

  const point = (i) => {
    if (i === cursor) return;
    cursor = i;
    plot.style.cursor = i < 0 ? "" : "pointer";
    card.hidden = true;
    clearTimeout(waiting);
    if (i >= 0) waiting = setTimeout(() => send({ show: i }), 30);
    drawMarks();
  };

  const showCard = (content, buffers) => {
    if (content.show !== cursor) return;
    forget();
    caption.textContent = content.caption;
    photo.hidden = !buffers[0]?.byteLength;
    if (!photo.hidden) {
      photo.src = url = URL.createObjectURL(new Blob([buffers[0]], { type: "image/jpeg" }));
      photo.onload = placeCard;
    } else caption.textContent += " · no picture";
    card.hidden = false;
    placeCard();
    if (walking) said.textContent = content.caption + (chosen().includes(cursor) ? ", selected" : "");
  };

  // -- by mouse

  const place = (event) => {
    const box = plot.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const select = (rows) => send({ select: rows });
  const toggle = (i) => select(chosen().includes(i) ? chosen().filter((j) => j !== i) : [...chosen(), i]);

  plot.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    plot.setPointerCapture(event.pointerId);
    plot.focus({ preventScroll: true });
    path = [place(event)];
  });
  plot.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    walking = false;
    if (!path) return point(nearestPoint(at, x, y, REACH));
    if (path.length > 1 || Math.hypot(x - path[0][0], y - path[0][1]) > STILL) {
      path.push([x, y]);
      point(-1);
      drawMarks();
    }
  });
  plot.addEventListener("pointerup", (event) => {
    if (!path) return;
    const [drawn, adding] = [path, event.shiftKey || event.ctrlKey || event.metaKey];
    path = null;
    if (drawn.length > 1) {
      const inside = pointsInside(at, drawn);
      select(adding ? [...new Set([...chosen(), ...inside])] : inside);
    } else {
      const i = nearestPoint(at, ...drawn[0], REACH);
      if (i < 0 && !adding) select([]);
      else if (i >= 0) adding ? toggle(i) : send({ choose: i });
      point(i);
    }
    drawMarks();
  });
  plot.addEventListener("pointercancel", () => {
    path = null;
    drawMarks();
  });
  plot.addEventListener("pointerleave", () => !path && !walking && point(-1));

  // -- by keyboard

  plot.addEventListener("blur", () => {
    walking = false;
    point(-1);
  });
  plot.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !count()) return;
    const start = [cursor, model.get("current"), model.get("query")].find((i) => i >= 0 && i < count());
    const from = start ?? nearestPoint(at, plot.clientWidth / 2, plot.clientHeight / 2);
    const walk = (dx, dy) => point(cursor < 0 ? from : nextPoint(at, from, dx, dy));
    const moves = {
      ArrowLeft: () => walk(-1, 0),
      ArrowRight: () => walk(1, 0),
      ArrowUp: () => walk(0, -1),
      ArrowDown: () => walk(0, 1),
      Enter: () => cursor >= 0 && send({ choose: cursor }),
      s: () => cursor >= 0 && toggle(cursor),
      Escape: () => select([]),
    };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!moves[key]) return;
    event.preventDefault();
    event.stopPropagation();
    walking = true;
    moves[key]();
  });

  // -- what changes

  const recode = () => {
    const valued = model.get("colour").kind === "values";
    codes = valued ? new Float32Array(bytes("codes")) : new Uint8Array(bytes("codes"));
  };
  let due = 0;
  const later = (act) => () => {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(act);
  };
  const redraw = later(() => {
    points = new Float32Array(bytes("points"));
    if (cursor >= points.length / 2) point(-1);
    recode();
    draw();
  });
  const changed = ["points", "codes", "colour", "chosen", "current", "query", "stale", "empty"];
  for (const name of changed) model.on(`change:${name}`, redraw);
  const hear = (content, buffers) => "show" in content && showCard(content, buffers);
  model.on("msg:custom", hear);
  const size = new ResizeObserver(redraw);
  size.observe(plot);
  size.observe(el);
  // Colours are read from the page's style, since they change with its theme.
  const theme = new MutationObserver(redraw);
  theme.observe(document.body, { attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
  redraw();
  return () => {
    for (const name of changed) model.off(`change:${name}`, redraw);
    model.off("msg:custom", hear);
    size.disconnect();
    theme.disconnect();
    cancelAnimationFrame(due);
    clearTimeout(waiting);
    forget();
  };
}

export default { render };
