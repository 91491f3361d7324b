// A picture under heat (canvas), regions and outlines (SVG), with the scale of the heat.

const DOUBLE = 250; // milliseconds in which a second click opens the picture in place of picking a region
const SVG = "http://www.w3.org/2000/svg";

function element(tag, name, parent, space) {
  const node = space ? document.createElementNS(space, tag) : document.createElement(tag);
  node.setAttribute("class", name);
  parent?.append(node);
  return node;
}

function render({ model, el }) {
  const get = (name) => model.get(name);
  const look = get("look");
  el.classList.add("wb-heat");
  const stopped = new AbortController();
  const on = (node, event, act) => node.addEventListener(event, act, { signal: stopped.signal });

  // The picture and its layers.
  const empty = element("p", "wb-empty", look === "controls" ? null : el);
  const figure = element("figure", "wb-heat-figure", look === "controls" ? null : el);
  const frame = element("div", "wb-heat-frame", figure);
  const image = element("img", "wb-heat-picture", frame);
  const missing = element("div", "wb-missing", frame);
  const canvas = element("canvas", "wb-heat-layer", frame);
  const outlines = element("svg", "wb-heat-layer wb-heat-outlines", frame, SVG);
  const regions = element("svg", "wb-heat-layer wb-heat-regions", frame, SVG);
  const caption = element("figcaption", "wb-heat-caption", figure);
  const name = element("span", "wb-name", caption);
  const words = element("bdi", "", name);
  const readout = element("span", "wb-heat-value", caption);
  const note = element("div", "wb-heat-note", caption);
  image.draggable = false;
  figure.dataset.lmSuppressShortcuts = "true";
  // For the lightbox: the heat that this view shows.
  figure.heat = () => canvas.hidden ? null : {
    values, shape: get("shape"), top: get("top"), signed: get("signed"), quantity: get("quantity"),
    colours: bytes(get("colours")), smooth: get("smooth"),
  };
  missing.textContent = "no picture";
  canvas.setAttribute("aria-hidden", "true");
  outlines.setAttribute("aria-hidden", "true");
  outlines.setAttribute("viewBox", "0 0 1 1");
  outlines.setAttribute("preserveAspectRatio", "none");
  const shade = element("path", "wb-heat-shade", null, SVG); // of all but the marked region
  shade.setAttribute("fill-rule", "evenodd");
  const menu = look === "controls" ? null : regionMenu(frame, () => get("refines") && Boolean(url), (sign, box) => model.send({ region: sign, box, opens: get("opens") }));
  let url = "";
  let values = new Float32Array();
  let groups = []; // a <g> for each region
  let tab = -1; // the region in the tab order
  let hovered = -1;
  let waiting = 0;
  let picking = 0;

  const fit = () => {
    // Small pictures are enlarged, so that cells and regions are visible.
    const [across, down] = image.naturalWidth ? [image.naturalWidth, image.naturalHeight] : [4, 3];
    frame.style.setProperty("--ratio", across / down);
  };

  const drawPicture = () => {
    const data = get("picture");
    const old = url;
    url = data?.byteLength ? URL.createObjectURL(new Blob([data], { type: "image/jpeg" })) : "";
    url ? (image.src = url) : image.removeAttribute("src");
    image.hidden = !url;
    figure.dataset.picture = url ? get("opens") : "";
    frame.title = figure.dataset.picture ? "Double-click or f: large" : "";
    if (old) URL.revokeObjectURL(old);
    menu?.close();
    const something = Boolean(url || get("heat")?.byteLength || get("name"));
    missing.hidden = Boolean(url);
    figure.hidden = !something;
    empty.hidden = something;
    empty.textContent = something ? "" : get("empty");
    if (!url) fit();
  };
  on(image, "load", fit);

  const drawHeat = () => {
    const view = get("heat");
    values = view?.byteLength ? floats(view) : new Float32Array();
    const [rows, columns] = get("shape");
    const rgb = get("rgb")?.byteLength ? bytes(get("rgb")) : new Uint8Array();
    const coloured = rgb.length > 0 && rgb.length === 3 * rows * columns;
    canvas.hidden = !get("picture")?.byteLength || !(coloured || (values.length && values.length === rows * columns));
    if (!canvas.hidden && coloured) paintColours(canvas, rgb, [rows, columns], get("smooth"));
    else if (!canvas.hidden) paint(canvas, values, [rows, columns], get("top"), get("signed"), bytes(get("colours")), get("smooth"));
    canvas.classList.toggle("wb-heat-cells", !get("smooth"));
    drawOpacity();
  };

  const drawOpacity = () => {
    canvas.style.opacity = get("opacity");
    // The stronger the heat, the greyer the picture, so that colour comes from the heat alone.
    image.style.setProperty("--grey", canvas.hidden ? 0 : get("opacity"));
  };

  const drawText = () => {
    image.alt = get("alt");
    words.textContent = name.title = get("name");
    note.textContent = get("note");
    note.hidden = !get("note");
    figure.classList.toggle("wb-stale", get("stale"));
    figure.setAttribute("aria-busy", String(get("stale")));
  };

  const drawOutlines = () => {
    outlines.replaceChildren(shade);
    for (const kind of ["wb-casing", "wb-line-drawn"]) {
      for (const corners of get("outlines")) {
        element("polygon", kind, outlines, SVG).setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
      }
    }
  };

  // Regions: one tab stop, arrow keys move, Enter picks.
  const visible = () => groups.map((_, i) => i).filter((i) => !groups[i].hasAttribute("hidden"));

  const say = () => {
    readout.textContent = hovered >= 0 ? (get("regions")[hovered]?.text ?? "") : "";
  };

  // With the picture and the box: the views may change before the kernel reads this.
  const sendPick = (i) => model.send({ pick: i, name: get("name"), box: get("regions")[i]?.box });
  const offer = (i) => get("refines") && get("regions")[i] && menu?.show(get("regions")[i].box);

  const hover = (i) => {
    if (i === hovered) return;
    hovered = i;
    say();
    clearTimeout(waiting); // moving to the next region is one change
    waiting = setTimeout(() => model.send({ hover: i }), 40);
  };

  const reach = (i, focus = true) => {
    groups[tab]?.setAttribute("tabindex", "-1");
    tab = i ?? -1;
    groups[tab]?.setAttribute("tabindex", "0");
    if (focus) groups[tab]?.focus();
  };

  const drawRegions = () => {
    const focused = regions.contains(document.activeElement);
    hovered = -1;
    say();
    groups = get("regions").map(({ box: [x0, y0, x1, y1], text, strength }, i) => {
      const group = element("g", "wb-region-drawn", null, SVG);
      for (const kind of ["wb-casing", "wb-line-drawn"]) {
        const rect = element("rect", kind, group, SVG);
        const place = { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
        for (const [key, share] of Object.entries(place)) rect.setAttribute(key, `${100 * share}%`);
      }
      group.style.setProperty("--strength", between(0, strength ?? 1, 1));
      group.setAttribute("role", "option");
      group.setAttribute("aria-label", text);
      group.dataset.lmSuppressShortcuts = "true";
      group.addEventListener("pointerenter", () => hover(i));
      group.addEventListener("pointerleave", () => hover(-1));
      group.addEventListener("focus", () => {
        reach(i, false);
        hover(i);
      });
      group.addEventListener("blur", () => hover(-1));
      group.addEventListener("click", ({ detail }) => {
        reach(i);
        clearTimeout(picking);
        if (detail > 1) return drawMarked(); // a double click opens the picture
        const message = { pick: i, name: get("name"), box: get("regions")[i]?.box };
        picking = setTimeout(() => {
          model.send(message);
          offer(i);
        }, detail && get("opens") ? DOUBLE : 0);
        groups.forEach((one) => one.classList.toggle("wb-marked", one === group)); // at once
      });
      return group;
    });
    // Small regions are above large ones, so that the pointer reaches each.
    const area = ({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);
    const order = get("regions").map((region, i) => [area(region), i]).sort((a, b) => b[0] - a[0]);
    regions.replaceChildren(...order.map(([, i]) => groups[i]));
    drawShown(focused);
    drawMarked();
  };

  const drawShown = (focus = false) => {
    const shown = get("shown")?.map(String);
    groups.forEach((group, i) => group.toggleAttribute("hidden", Boolean(shown && !shown.includes(String(get("regions")[i]?.group)))));
    const any = visible().length > 0;
    // Without regions the picture itself is the tab stop, so that keys open it.
    const focusable = !any && Boolean(get("opens"));
    focusable ? (frame.tabIndex = 0) : frame.removeAttribute("tabindex");
    focusable ? frame.setAttribute("role", "group") : frame.removeAttribute("role");
    focusable ? frame.setAttribute("aria-label", `${get("alt") || get("name")}; Enter or f: large`) : frame.removeAttribute("aria-label");
    any ? regions.setAttribute("role", "listbox") : regions.removeAttribute("role");
    any ? regions.setAttribute("aria-label", `Regions of ${get("name")}`) : regions.removeAttribute("aria-label");
    groups.forEach((group) => group.setAttribute("tabindex", "-1"));
    reach(visible().includes(tab) ? tab : visible()[0], focus === true);
  };

  const drawMarked = () => {
    const marked = get("marked");
    regions.classList.toggle("wb-some-marked", Boolean(groups[marked]));
    groups.forEach((group, i) => {
      group.classList.toggle("wb-marked", i === marked);
      group.setAttribute("aria-selected", String(i === marked));
    });
    const [x0, y0, x1, y1] = get("regions")[marked]?.box ?? [0, 0, 1, 1];
    shade.setAttribute("d", `M0,0H1V1H0ZM${x0},${y0}H${x1}V${y1}H${x0}Z`);
    if (groups[marked] && !regions.contains(document.activeElement)) reach(marked, false);
  };

  on(regions, "keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const all = visible();
    const here = all.indexOf(tab);
    const step = (by) => () => reach(all[between(0, here + by, all.length - 1)]);
    const moves = { ArrowLeft: step(-1), ArrowUp: step(-1), ArrowRight: step(1), ArrowDown: step(1), Home: step(-all.length), End: step(all.length) };
    moves.Enter = moves[" "] = () => (sendPick(tab), offer(tab));
    if (!moves[event.key] || !all.length) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  });

  on(frame, "pointermove", (event) => {
    if (canvas.hidden || !values.length) return;
    const place = frame.getBoundingClientRect();
    const [rows, columns] = get("shape");
    const row = between(0, Math.floor((rows * (event.clientY - place.top)) / place.height), rows - 1);
    const column = between(0, Math.floor((columns * (event.clientX - place.left)) / place.width), columns - 1);
    const value = number(values[row * columns + column], get("top"), get("signed"));
    const region = get("regions")[hovered]?.text;
    readout.textContent = `cell ${value}${region ? ` · ${region}` : ""}`;
  });
  on(frame, "pointerleave", say);

  // The scale, and the controls.
  const controls = element("div", "wb-heat-controls", look === "picture" ? null : el);
  const scale = element("div", "wb-heat-scale", controls);
  const low = element("span", "wb-heat-end", scale);
  const bar = element("canvas", "wb-heat-bar", scale);
  const high = element("span", "wb-heat-end", scale);
  const quantity = element("span", "wb-heat-quantity", scale);
  const label = element("label", "wb-heat-opacity", controls);
  label.append("Opacity");
  const slider = element("input", "wb-heat-slider", label);
  Object.assign(slider, { type: "range", min: 0, max: 1, step: 0.05 });
  const button = element("button", "wb-heat-smooth", controls);
  button.type = "button";
  button.textContent = "Cells";
  button.title = "Show the cells of the feature map instead of values between them";
  bar.setAttribute("aria-hidden", "true");
  for (const control of [slider, button]) control.dataset.lmSuppressShortcuts = "true";

  const drawScale = () => {
    const [top, signed] = [get("top"), get("signed")];
    const steps = Float32Array.from({ length: 256 }, (_, i) => (signed ? (i - 128) / 127 : i / 255));
    paint(bar, steps, [1, 256], 1, signed, bytes(get("colours")), false);
    low.textContent = signed ? number(-top, top, true) : "0";
    high.textContent = number(top, top, signed);
    for (const part of [low, bar, high]) part.hidden = Boolean(get("rgb")?.byteLength);
    quantity.textContent = get("quantity");
    slider.value = get("opacity");
    button.setAttribute("aria-pressed", String(!get("smooth")));
    controls.hidden = look === "all" && !get("heat")?.byteLength && !get("rgb")?.byteLength;
  };
  const set = (key, value) => {
    model.set(key, value);
    model.save_changes();
  };
  on(slider, "input", () => set("opacity", Number(slider.value)));
  on(button, "click", () => set("smooth", !get("smooth")));

  const picture = [drawPicture, drawText];
  const changes = {
    picture: [...picture, drawHeat], name: picture, alt: picture, opens: [drawPicture, drawShown], empty: picture, note: [drawText], stale: [drawText],
    heat: [drawPicture, drawHeat, drawScale], rgb: [drawHeat, drawScale], shape: [drawHeat], colours: [drawHeat, drawScale],
    top: [drawHeat, drawScale], signed: [drawHeat, drawScale], smooth: [drawHeat, drawScale],
    opacity: [drawOpacity, drawScale], quantity: [drawScale],
    regions: [drawRegions], shown: [drawShown], marked: [drawMarked], outlines: [drawOutlines],
  };
  // One message may change several traits: draw each part once.
  const due = new Set();
  const draw = () => {
    const now = [...due];
    due.clear();
    if (!stopped.signal.aborted) now.forEach((act) => act());
  };
  const heard = Object.entries(changes).map(([trait, acts]) => [
    `change:${trait}`,
    () => {
      if (!due.size) queueMicrotask(draw);
      acts.forEach((act) => due.add(act));
    },
  ]);
  for (const [event, act] of heard) model.on(event, act);
  for (const act of [drawPicture, drawText, drawHeat, drawOutlines, drawRegions, drawScale]) act();
  return () => {
    stopped.abort();
    clearTimeout(waiting);
    clearTimeout(picking);
    for (const [event, act] of heard) model.off(event, act);
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
