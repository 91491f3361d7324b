// While a chart with many WebGL points is dragged, a picture of them moves, and plotly draws them at the end. Without a
// graphics card plotly needs 0.5 s and more to draw 100,000 points, and it would for each movement.

const SLOW = 60; // milliseconds that a movement may take
const ENDS = ["mouseup", "touchend", "touchcancel"];

// ``frame`` is plotly's element. Returns {listen, end}: ``listen`` after plotly has drawn a new chart.
function makeGliding(frame) {
  let slow = false; // whether a movement took too long
  let dragged = false;
  let moved = []; // [scene, update, draw, picture] of each subplot

  const begin = () => {
    const layers = [...frame.querySelectorAll(".gl-container canvas")];
    for (const { _scene: scene, xaxis, yaxis } of Object.values(frame._fullLayout._plots ?? {})) {
      if (!scene || !layers.length) continue;
      const picture = pictureOf(frame, layers, xaxis, yaxis);
      const ends = (axis) => axis.range.map((value) => axis.r2l(value));
      const before = [ends(xaxis), ends(yaxis)];
      moved.push([scene, scene.update, scene.draw, picture]);
      scene.update = ({ range: [left, bottom, right, top] }) => {
        const [across, up] = [shift(before[0], [left, right], xaxis._length), shift(before[1], [bottom, top], yaxis._length)];
        const down = yaxis._length * (1 - up.scale) - up.by; // the axis goes up, pixels go down
        picture.firstChild.style.transform = `translate(${across.by}px, ${down}px) scale(${across.scale}, ${up.scale})`;
      };
      scene.draw = () => {};
    }
    for (const layer of layers) layer.style.visibility = moved.length ? "hidden" : "";
  };

  const restore = () => {
    for (const [scene, update, draw] of moved) Object.assign(scene, { update, draw });
  };
  const end = () => {
    dragged = false;
    restore();
    for (const [, , , picture] of moved) picture.remove();
    if (moved.length) for (const layer of frame.querySelectorAll(".gl-container canvas")) layer.style.visibility = "";
    moved = [];
  };

  const start = ({ target }) => {
    if (!target.closest?.(".draglayer")) return;
    dragged = true;
    const moving = frame._fullLayout.dragmode === "pan" || !target.classList.contains("nsewdrag");
    if (slow && moving && !moved.length) begin();
    const release = () => {
      for (const kind of ENDS) window.removeEventListener(kind, release, true);
      restore(); // before plotly draws the end of the movement
      setTimeout(end); // after it
    };
    for (const kind of ENDS) window.addEventListener(kind, release, true);
  };
  for (const kind of ["mousedown", "touchstart"]) frame.addEventListener(kind, start, true);

  const measure = () => {
    if (slow || !dragged) return;
    const began = performance.now();
    requestAnimationFrame(() => requestAnimationFrame(() => {
      if (slow || !dragged || performance.now() - began < SLOW) return;
      slow = true;
      begin();
    }));
  };
  return { listen: () => frame.on("plotly_relayouting", measure), end };
}

// The plot area of a subplot as a picture above the WebGL canvases, cut at its edges.
function pictureOf(frame, layers, across, up) {
  const [box, canvas] = [document.createElement("div"), document.createElement("canvas")];
  const density = layers[0].width / frame._fullLayout.width;
  const [x, y, width, height] = [across._offset, up._offset, across._length, up._length];
  box.className = "wb-plot-glide";
  Object.assign(box.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
  Object.assign(canvas, { width: Math.round(width * density), height: Math.round(height * density) });
  const pen = canvas.getContext("2d");
  for (const layer of layers) {
    pen.drawImage(layer, x * density, y * density, width * density, height * density, 0, 0, canvas.width, canvas.height);
  }
  box.append(canvas);
  layers[0].parentElement.append(box);
  return box;
}

// How the picture of an axis from ``a`` to ``b`` is scaled and moved along it, in pixels, to show another range.
function shift([a, b], [from, to], length) {
  return { scale: (b - a) / (to - from), by: (length * (a - from)) / (to - from) };
}
