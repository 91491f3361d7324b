// Binary codes, one per line, below the query's. A bit that differs is a tall bar, a bit set in both a low one.

const SVG = "http://www.w3.org/2000/svg";
const [HIGH, FOOT] = [12, 3];

// Runs of bits as rectangles of one path; ``bits`` gives the height of each.
function pathOf(bits) {
  let path = "";
  for (let i = 0; i < bits.length; ) {
    let end = i + 1;
    while (end < bits.length && bits[end] === bits[i]) end++;
    if (bits[i]) path += `M${i} ${HIGH - bits[i]}H${end}V${HIGH}H${i}z`;
    i = end;
  }
  return path;
}

function render({ model, el }) {
  const table = document.createElement("table");
  el.classList.add("wb-bits");
  el.append(table);

  const picture = (paths, bits, said) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${bits} ${HIGH}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", said);
    for (const [kind, heights] of paths) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", `wb-bits-${kind}`);
      path.setAttribute("d", pathOf(heights));
      svg.append(path);
    }
    return svg;
  };

  const draw = () => {
    const rows = model.get("rows");
    const data = model.get("codes");
    const codes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
    const size = rows.length ? codes.length / rows.length : 0; // bytes of a code; the first is the query's
    const bit = (row, i) => (codes[row * size + (i >> 3)] >> (i & 7)) & 1;
    const all = [...Array(8 * size).keys()];
    const body = document.createElement("tbody");
    rows.forEach(({ rank, name, text, sign, relevance, said }, row) => {
      const line = body.insertRow();
      const cell = (kind, words) => {
        const one = line.insertCell();
        one.className = `wb-bits-${kind}`;
        one.append(words);
        return one;
      };
      if (relevance) line.dataset.relevance = relevance;
      cell("rank", rank);
      cell("name", name).title = name;
      const own = [["own", all.map((i) => (bit(0, i) ? HIGH : 0))]];
      const beside = [
        ["both", all.map((i) => (bit(row, i) && bit(0, i) ? FOOT : 0))],
        ["differ", all.map((i) => (bit(row, i) !== bit(0, i) ? HIGH : 0))],
      ];
      cell("code", picture(row ? beside : own, all.length, said));
      cell("text", text);
      const mark = cell("sign wb-sign", sign ?? "");
      mark.title = relevance ?? "";
    });
    table.replaceChildren(body);
    table.setAttribute("aria-label", model.get("label"));
    el.hidden = !rows.length;
  };

  model.on("change:rows", draw);
  draw();
  return () => model.off("change:rows", draw);
}

export default { render: dimmed(render) };
