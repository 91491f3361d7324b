// The scale of the colours of timelines; the returned function shows a range, or nothing where none is known.

function timelineLegend(parent) {
  const legend = element("span", "wb-timelines-legend", parent);
  const low = element("span", "", legend);
  const scale = element("canvas", "wb-timelines-scale", legend);
  const high = element("span", "", legend);
  scale.setAttribute("aria-hidden", "true");
  return (range, colours) => {
    legend.hidden = !range.length;
    [low.textContent, high.textContent] = range.length ? range.map((value) => value.toFixed(2).replace("-", "−")) : ["", ""];
    scale.width = 255;
    scale.height = 1;
    const context = scale.getContext("2d");
    for (let x = 0; x < 255; x++) {
      context.fillStyle = colours[x + 1];
      context.fillRect(x, 0, 1, 1);
    }
  };
}
