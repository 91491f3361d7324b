// Two pictures with keypoints and matches on one canvas over both. Each picture is a tab stop with arrow keys.

const REACH = 14; // pixels around the pointer in which a keypoint is hit
const STEPS = [0, 25, 50, 100, 200, 500, 1000]; // keypoints drawn
const KEYS = "Arrow keys move, M goes to the match, Enter holds a keypoint, Escape releases it.";

function render({ model, el }) {
  el.classList.add("wb-keypairs");
  const stopped = new AbortController();
  const on = (target, event, act) => target.addEventListener(event, act, { signal: stopped.signal });
  // With the version of the points: they may change before the kernel reads this.
  const send = (message) => model.send({ ...message, version: model.get("version") });
  const empty = element("p", "wb-empty", el);
  const root = element("div", "wb-keypair", el);
  const places = element("div", "wb-keysides", root);
  const sides = ["query", "result"].map((role, side) => {
    const figure = element("figure", "wb-keyside", places);
    const frame = element("div", "wb-keyframe", figure);
    const image = element("img", "", frame);
    const missing = element("div", "wb-missing", frame, "no picture");
    const caption = element("figcaption", "", figure);
    const words = element("bdi", "", caption);
    Object.assign(image, { draggable: false, alt: "" });
    frame.tabIndex = 0;
    frame.dataset.lmSuppressShortcuts = "true";
    frame.setAttribute("role", "application");
    return { role, side, frame, image, missing, caption, words, url: "", bytes: null, seen: [], at: new Float32Array() };
  });
  const canvas = element("canvas", "wb-keycanvas", places);
  const controls = element("div", "wb-keycontrols", root);
  const label = element("label", "", controls, "Keypoints drawn");
  const slider = element("input", "", label);
  Object.assign(slider, { type: "range", min: 0, max: STEPS.length - 1, step: 1 });
  const drawn = element("span", "wb-keydrawn", label);
  const button = (trait, text) => {
    const one = element("button", `wb-key-${trait}`, controls);
    one.type = "button";
    element("span", "wb-key-line", one).setAttribute("aria-hidden", "true");
    one.append(text);
    on(one, "click", () => {
      model.set(trait, !model.get(trait));
      model.save_changes();
    });
    return one;
  };
  const toggles = { inliers: button("inliers", "Inliers"), outliers: button("outliers", "Other matches") };
  const readout = element("span", "wb-keyread", controls);
  const said = element("div", "wb-word", el);
  said.setAttribute("role", "status");
  for (const control of [slider, ...Object.values(toggles)]) control.dataset.lmSuppressShortcuts = "true";

  let read = { sides: [[], []], matches: [] };
  let cursor = null; // {side, i} under the pointer, or reached by keys
  let walking = false;
  let waiting = 0;

  const held = () => {
    const [side, i] = model.get("held");
    return read.sides[side]?.[i] ? { side, i } : null;
  };
  const same = (a, b) => a?.side === b?.side && a?.i === b?.i;
  const shows = ({ inlier }) => model.get(inlier ? "inliers" : "outliers");
  const matchOf = ({ side, i }) => read.matches[read.sides[side][i].match];

  const text = ({ side, i }) => {
    const match = matchOf({ side, i });
    const kind = !match ? "no match" : match.inlier ? "inlier" : "match, no inlier";
    return `${sides[side].role} keypoint ${i + 1} of ${read.sides[side].length.toLocaleString("en")} · ${read.sides[side][i].size.toFixed(1)} px wide · ${kind}`;
  };

  const paint = () => {
    if (stopped.signal.aborted || !places.clientWidth) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [places.clientWidth, places.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const origin = places.getBoundingClientRect();
    const frames = sides.map(({ frame }) => {
      const { left, top, width, height } = frame.getBoundingClientRect();
      return { left: left - origin.left, top: top - origin.top, width, height };
    });
    const put = (side, i) => laid(read.sides[side][i], frames[side], model.get("sizes")[side]);
    const mark = cursor ?? held();
    const lit = model.get("lit");
    const some = lit.some((one) => one.length);
    const ends = [new Set(), new Set()];
    for (const match of read.matches) if (shows(match)) match.ends.forEach((end, side) => ends[side].add(end));
    for (const { side, ...one } of sides) {
      const few = read.sides[side].map((_, i) => i).filter((i) => i < model.get("most") || ends[side].has(i) || lit[side]?.includes(i) || (held()?.side === side && held().i === i));
      sides[side].seen = few;
      sides[side].at = new Float32Array(few.flatMap((i) => [put(side, i).x, put(side, i).y]));
      // Clip keypoints at the border of their picture.
      pen.save();
      pen.beginPath();
      pen.rect(frames[side].left, frames[side].top, frames[side].width, frames[side].height);
      pen.clip();
      const tone = (i) => (matchOf({ side, i })?.inlier ? "inlier" : matchOf({ side, i }) ? "outlier" : "plain");
      for (const kind of ["plain", "outlier", "inlier"]) {
        const these = few.filter((i) => tone(i) === kind && i < model.get("most"));
        paintCircles(pen, these.map((i) => put(side, i)), TONES[kind], 1, (kind === "plain" ? 0.55 : 0.9) * (mark || some ? 0.45 : 1));
      }
      pen.restore();
    }
    for (const inlier of [false, true]) {
      const lines = read.matches.filter((match) => match.inlier === inlier && shows(match));
      paintLines(pen, lines.map(({ ends }) => ends.map((end, side) => put(side, end))), inlier, mark || some);
    }
    lit.forEach((these, side) => paintCircles(pen, these.filter((i) => read.sides[side][i]).map((i) => put(side, i)), TONES.marked, 2, 1));
    if (mark) {
      const match = matchOf(mark);
      const both = [put(mark.side, mark.i), ...(match ? [put(1 - mark.side, match.ends[1 - mark.side])] : [])];
      paintMarked(pen, both, match?.inlier);
    }
    readout.textContent = mark ? text(mark) : "";
  };
  let due = 0;
  const redraw = () => {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(paint);
  };

  const drawPictures = () => {
    const something = model.get("pictures").length === 2;
    empty.textContent = something ? "" : model.get("empty");
    empty.hidden = something;
    root.hidden = !something;
    root.classList.toggle("wb-stale", model.get("stale"));
    root.setAttribute("aria-busy", String(model.get("stale")));
    sides.forEach((one, side) => {
      const [bytes, about, size] = [model.get("pictures")[side], model.get("sides")[side], model.get("sizes")[side]];
      if (!about || !size) return;
      if (one.bytes !== bytes) {
        const old = one.url;
        one.bytes = bytes;
        one.url = bytes?.byteLength ? URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" })) : "";
        one.url ? (one.image.src = one.url) : one.image.removeAttribute("src");
        if (old) URL.revokeObjectURL(old);
      }
      one.image.hidden = !one.url;
      one.frame.parentNode.dataset.picture = one.url ? (about.opens ?? about.name) : "";
      one.missing.hidden = Boolean(one.url);
      one.frame.style.setProperty("--ratio", size[0] / size[1]);
      one.words.textContent = one.caption.title = about.name;
      one.frame.setAttribute("aria-label", `Keypoints of the ${about.role} ${about.name}. ${KEYS}`);
    });
    redraw();
  };

  const drawControls = () => {
    const most = model.get("most");
    const step = STEPS.findLastIndex((one) => one <= most);
    slider.value = step;
    const counts = model.get("counts").map((count) => Math.min(count, most).toLocaleString("en"));
    drawn.textContent = counts[0] === counts[1] ? counts[0] : counts.join(" and ");
    slider.setAttribute("aria-valuetext", `the ${most} strongest`);
    for (const [trait, one] of Object.entries(toggles)) one.setAttribute("aria-pressed", String(model.get(trait)));
    redraw();
  };
  on(slider, "input", () => {
    model.set("most", STEPS[Number(slider.value)]);
    model.save_changes();
  });

  // -- pointer and keys

  const point = (place) => {
    if (same(place, cursor)) return;
    cursor = place;
    clearTimeout(waiting);
    if (place && !held()) waiting = setTimeout(() => send({ point: [place.side, place.i] }), 40);
    if (walking && place) said.textContent = text(place);
    redraw();
  };
  const pick = (place) => {
    clearTimeout(waiting);
    send({ pick: place && !same(place, held()) ? [place.side, place.i] : [-1, -1] });
  };
  const under = (event) => {
    const origin = places.getBoundingClientRect();
    for (const { side, frame, at, seen } of sides) {
      if (!frame.contains(event.target)) continue;
      const found = nearestPoint(at, event.clientX - origin.left, event.clientY - origin.top, REACH);
      return found < 0 ? null : { side, i: seen[found] };
    }
    return null;
  };
  on(places, "pointermove", (event) => {
    walking = false;
    point(under(event));
  });
  on(places, "pointerleave", () => !walking && point(null));
  on(places, "click", (event) => under(event) && pick(under(event)));

  for (const { side, frame } of sides) {
    const walk = (dx, dy) => () => {
      const { at, seen } = sides[side];
      const from = cursor?.side === side ? cursor : held()?.side === side ? held() : null;
      const here = from ? seen.indexOf(from.i) : -1;
      return { side, i: here < 0 ? seen[0] : seen[nextPoint(at, here, dx, dy)] };
    };
    const across = () => {
      const match = cursor && matchOf(cursor);
      if (!match) return cursor;
      const other = { side: 1 - cursor.side, i: match.ends[1 - cursor.side] };
      sides[other.side].frame.focus();
      return other;
    };
    on(frame, "keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || !read.sides[side].length) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const moves = {
        ArrowLeft: walk(-1, 0), ArrowRight: walk(1, 0), ArrowUp: walk(0, -1), ArrowDown: walk(0, 1),
        Home: () => ({ side, i: sides[side].seen[0] }),
        End: () => ({ side, i: sides[side].seen.at(-1) }),
        m: across,
      };
      const acts = { Enter: () => cursor && pick(cursor), " ": () => cursor && pick(cursor), Escape: () => pick(null) };
      if (!moves[key] && !acts[key]) return;
      event.preventDefault();
      event.stopPropagation();
      walking = true;
      if (acts[key]) return acts[key]();
      const to = moves[key]();
      if (to?.i !== undefined) point(to);
    });
    on(frame, "blur", (event) => {
      if (sides.some((one) => one.frame === event.relatedTarget)) return;
      walking = false;
      point(null);
    });
  }

  const recount = () => {
    read = readKeypoints(model);
    cursor = null;
    drawControls();
  };
  const changes = {
    pictures: [drawPictures], sides: [drawPictures], sizes: [drawPictures], stale: [drawPictures], empty: [drawPictures],
    points: [recount], pairs: [recount], inside: [recount], counts: [recount],
    most: [drawControls], inliers: [drawControls], outliers: [drawControls], lit: [redraw], held: [redraw],
  };
  // One message may change several traits: draw each part once.
  const acts = new Set();
  const draw = () => {
    const now = [...acts];
    acts.clear();
    if (!stopped.signal.aborted) now.forEach((act) => act());
  };
  const heard = Object.entries(changes).map(([trait, parts]) => [
    `change:${trait}`,
    () => {
      if (!acts.size) queueMicrotask(draw);
      parts.forEach((act) => acts.add(act));
    },
  ]);
  for (const [event, act] of heard) model.on(event, act);
  const sized = new ResizeObserver(redraw);
  sized.observe(places);
  recount();
  drawPictures();
  return () => {
    stopped.abort();
    sized.disconnect();
    cancelAnimationFrame(due);
    clearTimeout(waiting);
    for (const [event, act] of heard) model.off(event, act);
    for (const { url } of sides) if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
