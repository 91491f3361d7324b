// The figure as plotly takes it: its arrays from the buffers, the template of the theme, zoom kept on updates.

const TYPES = {
  i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array,
};
const HEIGHT = 360; // pixels of a figure that names no height

// {json, arrays} as an object with typed arrays; those with two dimensions as lists of rows.
function parsedSpec({ json, arrays }) {
  return JSON.parse(new TextDecoder().decode(json), (_, value) => {
    const Type = TYPES[value?.dtype];
    if (!Type || typeof value.bdata !== "number") return value;
    const { buffer, byteOffset, byteLength } = arrays[value.bdata];
    const all = new Type(buffer.slice(byteOffset, byteOffset + byteLength));
    const [rows, columns] = value.shape.split(",").map(Number);
    if (columns === undefined) return all;
    return Array.from({ length: rows }, (_, row) => all.subarray(row * columns, (row + 1) * columns));
  });
}

// Figures with the same titles and number of traces are versions of one, whose zoom and hidden traces stay.
function revisionOf({ data, layout }) {
  if (layout.uirevision !== undefined) return layout.uirevision;
  const axes = Object.keys(layout).filter((key) => /^[xyz]axis|^scene/.test(key)).sort();
  const titles = axes.map((key) => layout[key].title?.text ?? "");
  return [layout.title?.text ?? "", ...axes, ...titles, ...data.map((trace) => trace.type ?? "")].join("|");
}

// A name for a trace in letters and digits, since plotly makes CSS classes of it.
const hashed = (name) => `t${Array.from(name).reduce((hash, letter) => (31 * hash + letter.codePointAt(0)) >>> 0, 7).toString(36)}`;

// Traces and layout for Plotly.react. ``chosen`` are the numbers of the selected points of traces,
// ``rings`` the marked points, of which those in a 3-D scene become a trace; ``described``: a card replaces labels.
// ``turn`` is the number of the drawing, ``width`` that of the chart. ``height`` is the figure's, with the further
// lines of its titles.
function prepared(figure, { marks, chosen, rings, described, template, turn, width }) {
  const selecting = Object.keys(chosen).length > 0;
  const names = {};
  const data = figure.data.map((trace, number) => {
    const name = `${trace.type}:${trace.name ?? ""}`;
    names[name] = (names[name] ?? 0) + 1;
    const named = { ...trace, uid: hashed(`${name}:${names[name]}`) };
    if (selecting && figure.named[number]) named.selectedpoints = chosen[number] ?? [];
    if (described && figure.named[number]) Object.assign(named, { hoverinfo: "none", hovertemplate: undefined });
    return named;
  });
  const layout = structuredClone(figure.layout);
  narrowed(data, layout, width);
  const height = (layout.height ?? HEIGHT) + fitTitles(layout, template, width);
  fitNames(data, layout, template, width);
  const revision = revisionOf(figure);
  const solid = rings.filter(([number]) => figure.data[number]?.type === "scatter3d").map((point) => ringInScene(figure, template, point));
  Object.assign(layout, { template, autosize: true, uirevision: revision, selectionrevision: turn });
  delete layout.width;
  delete layout.height;
  const above = marks.map((trace) => ({ ...trace })); // plotly writes into traces which points were selected
  return { data: [...data, ...above, ...solid], layout, height };
}

function ringInScene(figure, template, [number, point]) {
  const { x, y, z, scene } = figure.data[number];
  const marker = { symbol: "circle-open", size: 14, color: template.layout.font.color, line: { width: 3 } };
  return {
    type: "scatter3d", mode: "markers", hoverinfo: "skip", showlegend: false, scene: scene ?? "scene",
    x: [x[point]], y: [y[point]], z: [z[point]], marker, uid: `ring${number}`,
  };
}
