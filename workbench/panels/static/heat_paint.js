// Heat as colours, shared by the views of pictures under heat.

const OPAQUE = 220; // alpha of coloured cells, as at the end of a scale
const FINE = 256; // pixels along the longer side of interpolated heat

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const floats = (view) => new Float32Array(bytes(view).slice().buffer);
const between = (low, value, high) => Math.min(Math.max(value, low), high);

// A number with three significant digits at the end of the scale, and its sign if the heat is signed.
function number(value, top, signed) {
  const digits = between(0, 2 - Math.floor(Math.log10(top || 1)), 8);
  const text = Math.abs(value).toFixed(digits);
  if (!Number(text)) return text;
  return (value < 0 ? "−" : signed ? "+" : "") + text;
}

// The interpolated value at [row, column], in units of cells.
function interpolated(values, rows, columns, row, column) {
  const y = between(0, row - 0.5, rows - 1);
  const x = between(0, column - 0.5, columns - 1);
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [down, right] = [Math.min(top + 1, rows - 1), Math.min(left + 1, columns - 1)];
  const across = (line) => values[line * columns + left] * (1 - x + left) + values[line * columns + right] * (x - left);
  return across(top) * (1 - y + top) + across(down) * (y - top);
}

function paint(canvas, values, shape, top, signed, table, smooth) {
  const put = (data, at, [value]) => {
    const share = Number.isFinite(value) ? value / (top || 1) : 0;
    const index = Math.round(signed ? 128 + 127 * between(-1, share, 1) : 255 * between(0, share, 1));
    for (let part = 0; part < 4; part++) data[at + part] = table[4 * index + part];
  };
  fill(canvas, [values], shape, smooth, put);
}

// The colours of cells: red, green and blue follow one another in `rgb`.
function paintColours(canvas, rgb, [rows, columns], smooth) {
  const planes = [0, 1, 2].map((n) => rgb.subarray(n * rows * columns, (n + 1) * rows * columns));
  fill(canvas, planes, [rows, columns], smooth, (data, at, colour) => data.set([...colour, OPAQUE], at));
}

// Calls `put` for each pixel with the values of the planes there.
function fill(canvas, planes, [rows, columns], smooth, put) {
  const fine = smooth ? Math.max(1, Math.ceil(FINE / Math.max(rows, columns))) : 1;
  canvas.width = Math.max(1, columns * fine);
  canvas.height = Math.max(1, rows * fine);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0, at = 0; y < rows * fine; y++) {
    for (let x = 0; x < columns * fine; x++, at += 4) {
      const here = (plane) => (fine > 1 ? interpolated(plane, rows, columns, (y + 0.5) / fine, (x + 0.5) / fine) : plane[y * columns + x]);
      put(image.data, at, planes.map(here));
    }
  }
  context.putImageData(image, 0, 0);
}
