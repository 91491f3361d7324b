// A picture that is zoomed and moved, with its heat and its box.

const MOST = 32; // the largest zoom; 1 fits the picture into the stage

// The longest side, in pixels, of pictures that fill the screen.
function sideFor() {
  const screen = Math.ceil((Math.max(innerWidth, innerHeight) * (devicePixelRatio || 1)) / 400) * 400;
  return Math.min(1600, screen);
}

function makeStage(parent, zoomed) {
  const root = element("div", "wb-stage", parent);
  const frame = element("div", "wb-stage-frame", root);
  const image = element("img", "", frame);
  const canvas = element("canvas", "wb-stage-heat", frame);
  const box = element("div", "wb-stage-box", frame);
  canvas.setAttribute("aria-hidden", "true");
  image.draggable = false;
  let size = [1, 1]; // of the picture, in pixels
  let view = { zoom: 1, x: 0, y: 0 }; // x and y move the picture from the middle, in pixels of the screen
  let area = [0, 0, 1, 1];
  let held = null;

  const fit = () => Math.min(root.clientWidth / size[0], root.clientHeight / size[1]);
  const put = (node, [x0, y0, x1, y1]) => {
    const place = { left: x0, top: y0, width: x1 - x0, height: y1 - y0 };
    for (const [key, share] of Object.entries(place)) node.style[key] = `${100 * share}%`;
  };
  const lay = () => {
    if (!root.clientWidth) return;
    const scale = fit() * view.zoom;
    const [width, height] = [Math.max(2, size[0] * scale), Math.max(2, size[1] * scale)];
    const [freeX, freeY] = [Math.max(0, width - root.clientWidth) / 2, Math.max(0, height - root.clientHeight) / 2];
    view.x = between(-freeX, view.x, freeX);
    view.y = between(-freeY, view.y, freeY);
    frame.style.width = `${width}px`;
    frame.style.height = `${height}px`;
    frame.style.left = `${(root.clientWidth - width) / 2 + view.x}px`;
    frame.style.top = `${(root.clientHeight - height) / 2 + view.y}px`;
    root.classList.toggle("wb-stage-zoomed", view.zoom > 1);
  };
  // Zoom by a factor about a point of the screen, or about the middle.
  const zoom = (factor, event) => {
    const { left, top, width, height } = root.getBoundingClientRect();
    const [x, y] = event ? [event.clientX - left - width / 2, event.clientY - top - height / 2] : [0, 0];
    const next = between(1, view.zoom * factor, MOST);
    const change = next / view.zoom;
    view = { zoom: next, x: x + (view.x - x) * change, y: y + (view.y - y) * change };
    lay();
    zoomed();
  };
  const move = (x, y) => {
    view.x += x;
    view.y += y;
    lay();
  };
  const reset = () => {
    view = { zoom: 1, x: 0, y: 0 };
    lay();
    zoomed();
  };

  root.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-between(-200, event.deltaY * (event.deltaMode ? 30 : 1), 200) * (event.ctrlKey ? 0.01 : 0.002)), event);
  }, { passive: false });
  root.addEventListener("pointerdown", (event) => {
    if (event.button || held) return;
    held = { id: event.pointerId, x: event.clientX, y: event.clientY };
    root.setPointerCapture(event.pointerId);
  });
  root.addEventListener("pointermove", (event) => {
    if (held?.id !== event.pointerId) return;
    move(event.clientX - held.x, event.clientY - held.y);
    Object.assign(held, { x: event.clientX, y: event.clientY });
  });
  for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, () => (held = null));
  const sized = new ResizeObserver(lay);
  sized.observe(root);

  // Another picture; ``shape`` is its size in pixels, where it is known.
  const show = (src, alt, shape, same) => {
    if (!same) view = { zoom: 1, x: 0, y: 0 };
    image.alt = alt;
    if (shape) size = shape;
    image.onload = () => {
      if (!shape) size = [image.naturalWidth || 1, image.naturalHeight || 1];
      image.hidden = false;
      lay();
    };
    image.onerror = () => (image.hidden = true);
    if (same && !src) return; // the picture on the page is gone, and the large one on its way
    if (image.getAttribute("src") !== src) {
      if (!same) image.hidden = true;
      src ? (image.src = src) : image.removeAttribute("src");
    }
    if (!src) image.hidden = true;
    lay();
  };
  const outline = (shares) => {
    box.hidden = !shares;
    if (shares) put(box, shares);
  };
  // ``heat``: {values, shape, top, signed, colours, area, smooth}, or null.
  const warm = (heat) => {
    canvas.hidden = !heat;
    image.style.setProperty("--grey", heat ? 0.85 : 0);
    if (!heat) return;
    area = heat.area ?? [0, 0, 1, 1];
    put(canvas, area);
    canvas.classList.toggle("wb-stage-cells", heat.smooth === false);
    paint(canvas, heat.values, heat.shape, heat.top, heat.signed, heat.colours, heat.smooth !== false);
  };
  outline(null);
  warm(null);
  return {
    root, frame, image, show, outline, warm, zoom, move, reset,
    scale: () => fit() * view.zoom, // pixels of the screen for a pixel of the picture
    zoomed: () => view.zoom > 1,
    end: () => sized.disconnect(),
  };
}
