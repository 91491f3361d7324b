// The sheet of a drawing: a picture, and strokes over it, drawn at any resolution.

const WHITE = "#ffffff";

// A line through points, rounded by quadratic curves between the middles of its pieces.
function trace(pen, points) {
  const [[x, y], ...rest] = points;
  pen.beginPath();
  pen.moveTo(x, y);
  if (!rest.length) pen.lineTo(x, y); // a dot
  rest.forEach(([x1, y1], i) => {
    const next = rest[i + 1];
    next ? pen.quadraticCurveTo(x1, y1, (x1 + next[0]) / 2, (y1 + next[1]) / 2) : pen.lineTo(x1, y1);
  });
  pen.stroke();
}

function drawStroke(pen, { colour, width, points }) {
  if (!points?.length) return;
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = width;
  pen.strokeStyle = colour || WHITE; // the eraser paints paper
  trace(pen, points);
}

// Draw everything into a canvas of any size; ``size`` is that of the paper.
function drawPaper(canvas, size, picture, strokes) {
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = WHITE;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.setTransform(canvas.width / size[0], 0, 0, canvas.height / size[1], 0, 0);
  if (picture) {
    const scale = Math.min(size[0] / picture.width, size[1] / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, (size[0] - width) / 2, (size[1] - height) / 2, width, height);
  }
  strokes.forEach((stroke) => drawStroke(pen, stroke));
  return pen;
}

// The drawing as a PNG of the size of the paper, or null if all of it is white.
async function pngOf(size, picture, strokes) {
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = size;
  const pen = drawPaper(sheet, size, picture, strokes);
  const pixels = new Uint32Array(pen.getImageData(0, 0, ...size).data.buffer);
  if (pixels.every((pixel) => pixel === 0xffffffff)) return null;
  const blob = await new Promise((done) => sheet.toBlob(done, "image/png"));
  return blob.arrayBuffer();
}
