// One figure of a grid: a picture from bytes, and a caption that is plain text.

function caption(figure) {
  const line = document.createElement("figcaption");
  const add = (kind, text, title) => {
    if (!text) return;
    const span = document.createElement("span");
    span.className = `wb-${kind}`;
    const isolated = kind === "name" ? span.appendChild(document.createElement("bdi")) : span;
    isolated.textContent = text;
    if (title) span.title = title;
    line.append(span, " ");
  };
  add("rank", figure.rank);
  add("score", figure.score);
  add("sign", figure.sign, figure.relevance);
  add("word", figure.relevance);
  add("moved", figure.moved, "places moved by feedback");
  add("members", figure.members);
  if (figure.parts) line.append(partBars(figure), " ");
  add("name", figure.caption ?? figure.name, figure.caption ?? figure.name);
  return line;
}

// What each part of the query adds to the score: one bar a part, from the middle of its place to left or right.
function partBars({ parts, said }) {
  const bars = document.createElement("span");
  bars.className = "wb-parts-bars";
  bars.title = said.join("\n");
  bars.setAttribute("role", "img");
  bars.setAttribute("aria-label", said.join(", "));
  for (const length of parts) {
    const bar = document.createElement("i");
    bar.style.setProperty("--from", `${50 + 50 * Math.min(length, 0)}%`);
    bar.style.setProperty("--to", `${50 + 50 * Math.max(length, 0)}%`);
    if (length < 0) bar.dataset.sign = "-";
    bars.append(bar);
  }
  return bars;
}

// A box over a picture, placed after the picture is laid out in its frame.
function boxOver(frame, image, shares) {
  const box = document.createElement("div");
  box.className = "wb-box";
  const place = () => {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    if (!width || !frame.clientWidth) return;
    const across = frame.clientWidth / width;
    const down = frame.clientHeight / height;
    const scale = { contain: Math.min(across, down), cover: Math.max(across, down) }[getComputedStyle(image).objectFit];
    const [wide, high] = scale ? [scale / across, scale / down] : [1, 1]; // as fractions of the frame
    const spot = (from, to, share) => {
      const edge = (at) => Math.min(Math.max(100 * ((1 - share) / 2 + at * share), 0), 100);
      return [edge(from), edge(to) - edge(from)];
    };
    const [left, breadth] = spot(shares[0], shares[2], wide);
    const [top, depth] = spot(shares[1], shares[3], high);
    Object.assign(box.style, { left: `${left}%`, top: `${top}%`, width: `${breadth}%`, height: `${depth}%` });
  };
  image.addEventListener("load", place);
  const sized = new ResizeObserver(() => (box.isConnected ? place() : sized.disconnect()));
  sized.observe(frame); // also called when first visible
  return box;
}

// The cells of a grid, each with its ``figure``. The object URL of a picture is revoked when it is removed.
function cellsOf(pick) {
  const pictures = new Map(); // cell → the URL of its picture, its side length, and the requested side length

  const revoke = (cell) => {
    const url = pictures.get(cell)?.url;
    if (url) URL.revokeObjectURL(url);
    pictures.delete(cell);
  };

  const fill = (cell, bytes, side) => {
    const frame = cell.firstChild;
    const wanted = Math.max(side, pictures.get(cell)?.wanted ?? 0);
    revoke(cell);
    pictures.set(cell, { url: "", side, wanted });
    frame.classList.toggle("wb-missing", !bytes?.byteLength);
    if (!bytes?.byteLength) return frame.replaceChildren("no picture");
    const image = document.createElement("img");
    image.src = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    image.alt = cell.figure.alt;
    image.draggable = false;
    pictures.get(cell).url = image.src;
    frame.replaceChildren(image, ...(cell.figure.box ? [boxOver(frame, image, cell.figure.box)] : []));
  };

  const make = (figure) => {
    const cell = document.createElement(pick ? "div" : "figure");
    const frame = document.createElement("div");
    cell.className = "wb-figure";
    frame.className = "wb-frame";
    cell.dataset.lmSuppressShortcuts = "true";
    cell.tabIndex = -1;
    cell.figure = figure;
    cell.append(frame);
    if (figure.picture) fill(cell, figure.picture, Infinity);
    if (!pick) return cell;
    cell.setAttribute("role", "option");
    const said = figure.caption ?? figure.name;
    cell.title = `${said}\nDouble-click, Enter or f: large`;
    cell.setAttribute("aria-label", said);
    if (figure.score) cell.append(caption({ score: figure.score }));
    return cell;
  };

  // Draw a box on a cell's picture, now and whenever the picture is replaced; or remove it.
  const box = (cell, shares) => {
    cell.figure = { ...cell.figure, box: shares };
    const frame = cell.firstChild;
    frame.querySelector(".wb-box")?.remove();
    const image = frame.querySelector("img");
    if (shares && image) frame.append(boxOver(frame, image, shares));
  };

  // An image whose picture was sent separately keeps its cell in the next ranking.
  const cell = (figure, old) => {
    const one = (!figure.picture && old?.get(figure.name)) || make(figure);
    one.figure = figure;
    one.dataset.picture = figure.opens ?? figure.id ?? figure.name;
    if (figure.relevance) one.dataset.relevance = figure.relevance;
    if (pick) return one;
    const image = one.querySelector("img");
    if (image) image.alt = figure.alt;
    if (!figure.box) one.querySelector(".wb-box")?.remove();
    one.querySelector("figcaption")?.remove();
    one.append(caption(figure));
    return one;
  };

  // The cells whose picture of this side is neither loaded nor requested; marks them as requested.
  const lacking = (cells, side) => {
    const found = cells.filter((one) => !(pictures.get(one)?.wanted >= side));
    for (const one of found) pictures.set(one, { url: "", side: 0, ...pictures.get(one), wanted: side });
    return found;
  };

  const receive = (cell, bytes, side) => {
    const has = pictures.get(cell);
    if (!has?.side || has.side < side) fill(cell, bytes, side);
  };

  // Drop the pictures of all other cells, and their requests.
  const keep = (cells) => {
    const kept = new Set(cells);
    for (const [one, picture] of pictures) {
      if (!kept.has(one) || !picture.url) revoke(one);
      else picture.wanted = picture.side; // the pending request is dropped
    }
  };

  return { cell, box, lacking, receive, keep };
}
