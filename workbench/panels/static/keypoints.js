// Keypoints of two pictures and the matches between them: decoded, placed on the page, drawn.

// Okabe and Ito's colour-blind safe colours over a dark outline, visible on any picture.
const TONES = { plain: "#fff", inlier: "#56b4e9", outlier: "#e69f00", marked: "#f0e442" };
const CASING = "rgba(0, 0, 0, 0.55)";
const PATCH = 8; // the side of a patch, in sizes of its keypoint

// Decode the keypoints of both sides, the matches, and the match of each keypoint.
function readKeypoints(model) {
  const copy = (name) => {
    const view = model.get(name);
    return view?.byteLength ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : new ArrayBuffer(0);
  };
  const [values, pairs, inside] = [new Float32Array(copy("points")), new Uint32Array(copy("pairs")), new Uint8Array(copy("inside"))];
  const counts = model.get("counts");
  const sides = [0, 1].map((side) =>
    Array.from({ length: counts[side] }, (_, i) => {
      const at = 4 * (i + side * counts[0]);
      const [x, y, size, angle] = values.subarray(at, at + 4);
      return { x, y, size, angle: (angle * Math.PI) / 180, match: -1 };
    }),
  );
  const matches = Array.from(inside, (one, i) => ({ ends: [pairs[2 * i], pairs[2 * i + 1]], inlier: one > 0 }));
  matches.forEach(({ ends }, i) => ends.forEach((end, side) => (sides[side][end].match = i)));
  return { sides, matches };
}

// The position of a keypoint on the page. ``frame`` is the picture on the page, ``size`` its size in keypoint coordinates.
function laid({ x, y, size, angle }, frame, [width, height]) {
  const [across, down] = [frame.width / width, frame.height / height];
  return { x: frame.left + x * across, y: frame.top + y * down, r: Math.max(1.5, (size / 2) * Math.min(across, down)), angle };
}

function stroke(pen, path, tone, width, alpha = 1, casing = 1.5) {
  pen.globalAlpha = alpha;
  if (casing) {
    pen.strokeStyle = CASING;
    pen.lineWidth = width + casing;
    pen.stroke(path);
  }
  pen.strokeStyle = tone;
  pen.lineWidth = width;
  pen.stroke(path);
  pen.globalAlpha = 1;
}

// A circle of the keypoint's size, with a line from the centre in its orientation.
function circle(path, { x, y, r, angle }) {
  path.moveTo(x + r, y);
  path.arc(x, y, r, 0, 2 * Math.PI);
  path.moveTo(x, y);
  path.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
}

// The outline of the patch of a keypoint.
function outline(path, { x, y, r, angle }) {
  const half = PATCH * r;
  for (let corner = 0; corner <= 4; corner++) {
    const turn = angle + Math.PI / 4 + (corner * Math.PI) / 2;
    const [u, v] = [x + half * Math.SQRT2 * Math.cos(turn), y + half * Math.SQRT2 * Math.sin(turn)];
    corner ? path.lineTo(u, v) : path.moveTo(u, v);
  }
}

function paintCircles(pen, keypoints, tone, width, alpha) {
  const path = new Path2D();
  keypoints.forEach((one) => circle(path, one));
  stroke(pen, path, tone, width, alpha);
}

// The more matches, the thinner and fainter their lines, so that the pictures stay visible.
function paintLines(pen, lines, inlier, faint) {
  const few = lines.length < 60;
  const alpha = Math.max(0.25, Math.min(0.9, 6 / Math.sqrt(lines.length || 1))) * (faint ? 0.4 : 1);
  const path = new Path2D();
  for (const [a, b] of lines) {
    path.moveTo(a.x, a.y);
    path.lineTo(b.x, b.y);
  }
  pen.setLineDash(inlier ? [] : [4, 4]);
  stroke(pen, path, inlier ? TONES.inlier : TONES.outlier, few ? 1.5 : 1, alpha, few ? 1.5 : 0);
  pen.setLineDash([]);
}

// One keypoint with its patch, and its match with a line to it.
function paintMarked(pen, ends, inlier) {
  const [circles, patches, joined] = [new Path2D(), new Path2D(), new Path2D()];
  for (const end of ends) {
    circle(circles, { ...end, r: Math.max(4, end.r) });
    outline(patches, end);
  }
  if (ends.length > 1) {
    joined.moveTo(ends[0].x, ends[0].y);
    joined.lineTo(ends[1].x, ends[1].y);
    pen.setLineDash(inlier ? [] : [6, 4]);
    stroke(pen, joined, TONES.marked, 2, 1, 2);
    pen.setLineDash([]);
  }
  stroke(pen, patches, TONES.marked, 1, 0.9);
  stroke(pen, circles, TONES.marked, 2, 1, 2.5);
}
