// Draw the figures of the page in the colours that the browser prefers; in print light, and as wide as the paper.

const PAPER = 680; // pixels, within the margins of A4 and Letter
const read = (element) => JSON.parse(element.textContent);
const { light, dark, above } = read(document.getElementById("templates"));
const darkness = matchMedia("(prefers-color-scheme: dark)");
const charts = [...document.querySelectorAll(".chart")];

const theme = () => (darkness.matches ? dark : light);
const change = (layout) => charts.forEach((chart) => Plotly.relayout(chart, layout));

// A picture as PNG, with the titles that stand above the figure on the page.
function save(chart, { title, margin, height }) {
  const layout = { ...chart.layout, title, margin, height, width: chart.clientWidth, paper_bgcolor: theme().layout.hoverlabel.bgcolor };
  Plotly.downloadImage({ data: chart.data, layout }, { format: "png", scale: 2, width: layout.width, height, filename: "figure" });
}

for (const chart of charts) {
  const { data, layout } = read(chart.nextElementSibling);
  const shown = { ...layout, title: {}, height: undefined, margin: { ...layout.margin, t: above }, template: theme() };
  const button = { name: "png", title: "Download as PNG", icon: Plotly.Icons.camera, click: () => save(chart, layout) };
  const config = {
    responsive: true, displaylogo: false, showSendToCloud: false,
    modeBarButtonsToRemove: ["toImage", "sendChartToCloud"], modeBarButtonsToAdd: [button],
  };
  Plotly.newPlot(chart, data, { ...shown, autosize: true }, config);
}
darkness.addEventListener("change", () => change({ template: theme() }));
addEventListener("beforeprint", () => change({ template: light, width: PAPER, autosize: false }));
addEventListener("afterprint", () => change({ template: theme(), width: null, autosize: true }));
