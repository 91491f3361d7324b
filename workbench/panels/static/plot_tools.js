// The tool bar: plotly's tools for moving and selecting, the image as PNG and SVG, the data as CSV.

const REMOVED = [
  "sendChartToCloud", "toImage", "zoomIn2d", "zoomOut2d", "autoScale2d", "hoverClosestCartesian", "hoverCompareCartesian", "toggleSpikelines",
  "tableRotation", "resetCameraLastSave3d", "hoverClosest3d", "hoverClosestPie", "toggleHover", "resetViews",
];
const IMAGE = "M3 3h18v18H3V3zm2 2v10.6l4-4 3 3 5-5 2 2V5H5zm0 14h14v-4.6l-2-2-5 5-3-3-4 4V19z";
const DOWNLOAD = "M10 3h4v7h4l-6 6-6-6h4V3zM4 18h16v3H4v-3z";
const COPY = "M3 1h13v2H5v14H3V1zm4 4h14v18H7V5zm2 2v14h10V7H9z";

const icon = (path) => ({ width: 24, height: 24, path });

// ``selecting``: whether points can be boxed and lassoed; ``copy`` copies the data; ``el`` is the chart.
function toolbar(library, el, selecting, scrolling, copy) {
  const save = (format) => (frame) => saveImage(library.Plotly, frame, el, format);
  return {
    displaylogo: false,
    displayModeBar: true,
    responsive: false, // the view watches its own size
    scrollZoom: scrolling,
    showTips: false,
    topojsonURL: "",
    plotlyServerURL: "",
    modeBarButtonsToRemove: selecting ? REMOVED : [...REMOVED, "select2d", "lasso2d"],
    modeBarButtonsToAdd: [
      { name: "png", title: "Download as PNG", icon: icon(IMAGE), click: save("png") },
      { name: "svg", title: "Download as SVG", icon: icon(DOWNLOAD), click: save("svg") },
      { name: "csv", title: "Copy data as CSV", icon: icon(COPY), click: copy },
    ],
  };
}

const fileName = (frame) => {
  const title = plainText(frame.layout.title?.text).replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_+|_+$/g, "");
  return title.slice(0, 80) || "chart";
};

// The image has the ground of the page, on which the colours of the theme are legible.
async function saveImage(Plotly, frame, el, format) {
  const ground = groundOf(el);
  const layout = { ...frame.layout, paper_bgcolor: ground };
  const { width, height } = frame._fullLayout;
  const options = { format, width, height, scale: format === "png" ? 2 : 1 };
  download(await Plotly.toImage({ data: frame.data, layout }, options), `${fileName(frame)}.${format}`);
}

function download(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

// Copy a text that comes later; where the clipboard is not allowed it is saved as a file. Returns what was done.
async function copyText(promise, name) {
  try {
    // The promise goes into the item, as some browsers allow the clipboard only at once after the click.
    const blob = promise.then((text) => new Blob([text], { type: "text/plain" }));
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    return "The data is in the clipboard.";
  } catch {
    const url = URL.createObjectURL(new Blob([await promise], { type: "text/csv;charset=utf-8" }));
    download(url, name);
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    return `The data is saved as ${name}, as the browser does not allow to copy it.`;
  }
}
