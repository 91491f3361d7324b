// plotly styles the markers of scatter traces twice in a drawing: as it places each, and once more for all. The second
// takes a third of the time of a chart with 1,000 points, and is left out where it would change nothing.

// Whether all scatter traces are markers alone, without lines, texts and error bars.
const onlyMarkers = (frame) => (frame._fullData ?? []).every(
  ({ type, mode, error_x, error_y }) => type !== "scatter" || (mode === "markers" && !error_x?.visible && !error_y?.visible),
);

// Plotly.react; where plotly draws later than at once, as it always did.
function reactStyledOnce(Plotly, frame, ...drawing) {
  const module = frame._fullData?.find((trace) => trace.type === "scatter")?._module;
  const style = module?.style;
  if (!style) return Plotly.react(frame, ...drawing);
  module.style = (styled) => {
    if (styled !== frame || !onlyMarkers(frame)) return style(styled);
    for (const trace of frame.querySelectorAll("g.trace.scatter")) trace.style.opacity = trace.__data__[0].trace.opacity;
  };
  try {
    return Plotly.react(frame, ...drawing);
  } finally {
    module.style = style;
  }
}
