// The lightbox of a panel: one picture over the window, walked through the list in which it stands.

const KEPT = 16; // pictures kept in memory while the lightbox is open
let heatOn = false;
let besideOn = true; // as they were left, for the next picture that is opened

function render({ model, el }) {
  el.classList.add("wb-lightbox-anchor");
  const known = new Map(); // reference → {about, url, side}
  const heats = new Map(); // reference → the heats of the picture and of the one beside it
  let parts = null; // made when a picture is first opened
  let opened = null; // the entry that was opened
  let entries = [];
  let at = -1;
  let asked = ""; // the reference whose heat is being computed

  const isOpen = () => Boolean(parts?.dialog.open);
  const current = () => entries[at];
  const aboutOf = (ref) => known.get(ref)?.about;
  // A picture without a file is shown as it is on the page; the kernel knows nothing of it.
  const know = () => {
    const { ref, node } = current();
    const image = node?.querySelector("img");
    if (onPage(ref) && image) known.set(ref, { about: { name: image.alt, size: [image.naturalWidth, image.naturalHeight] }, url: "", side: Infinity });
  };
  const beside = () => (besideOn && aboutOf(current().ref)?.beside) || "";
  const own = () => current().node?.isConnected && current().node.heat?.();

  const forget = (ref) => {
    const url = known.get(ref)?.url;
    if (url) URL.revokeObjectURL(url);
    known.delete(ref);
  };

  // -- what the kernel is asked

  const request = () => {
    const side = sideFor();
    const wanted = [current().ref, beside(), entries[at + 1]?.ref, entries[at - 1]?.ref];
    const lacking = [...new Set(wanted)].filter((ref) => ref && !onPage(ref) && !(known.get(ref)?.side >= side));
    if (lacking.length) model.send({ want: lacking, side });
  };
  const requestFiner = () => {
    const { ref } = current();
    const picture = known.get(ref);
    const { naturalWidth, naturalHeight } = parts.main.stage.image;
    if (onPage(ref) || !picture?.about.size || !parts.main.stage.zoomed()) return;
    const [width, height] = picture.about.size;
    const finer = naturalWidth * naturalHeight < 0.9 * width * height && picture.side < 4096;
    const coarse = parts.main.stage.scale() * width * (devicePixelRatio || 1) > 1.2 * naturalWidth;
    if (finer && coarse && !picture.finer) {
      picture.finer = true;
      model.send({ want: [ref], side: 4096 });
    }
  };
  const requestHeat = () => {
    const { ref } = current();
    if (!heatOn || own() || heats.has(ref) || onPage(ref) || aboutOf(ref)?.error) {
      if (asked && asked !== ref) model.send({ idle: true });
      asked = asked === ref ? asked : "";
    } else if (asked !== ref) {
      asked = ref;
      model.send({ heat: ref });
    }
  };

  // -- drawing

  const drawScale = () => {
    const scale = 100 * parts.main.stage.scale();
    parts.scale.textContent = aboutOf(current()?.ref)?.size && Number.isFinite(scale) ? `${scale < 10 ? scale.toFixed(1) : Math.round(scale)} %` : "Fit";
  };
  const drawHeat = () => {
    const { ref } = current();
    const mine = own();
    const both = heatOn ? (mine ? [{ ...mine, area: aboutOf(ref)?.box }] : heats.get(ref)) : null;
    parts.heat.setAttribute("aria-pressed", String(heatOn));
    parts.heat.disabled = onPage(ref);
    parts.main.stage.warm(both?.[0] ?? null);
    parts.beside.stage.warm(both?.[1] ? { ...both[1], area: aboutOf(beside())?.box } : null);
    parts.setLegend(both?.[0]);
  };
  const drawPicture = (figure, ref, src, same) => {
    const picture = known.get(ref);
    const name = picture?.about.name ?? "";
    figure.stage.show(picture?.url || src, name, picture?.about.size, same);
    figure.stage.outline(picture?.about.box);
  };
  const draw = (same = true) => {
    know();
    const { ref, node } = current();
    const src = smallOf(current());
    const about = aboutOf(ref);
    const gallery = node?.isConnected && galleryOf(node);
    const total = Math.max(entries.length, Number(gallery?.dataset.pictures) || 0);
    parts.name.textContent = parts.name.title = about?.name ?? "";
    parts.place.textContent = total > 1 ? `${(at + 1).toLocaleString("en")} of ${total.toLocaleString("en")}` : "";
    parts.previous.disabled = at === 0;
    parts.next.disabled = at + 1 >= entries.length;
    drawPicture(parts.main, ref, src, same);
    const other = beside();
    parts.beside.figure.hidden = !other;
    parts.query.setAttribute("aria-pressed", String(besideOn));
    parts.query.disabled = Boolean(about) && !about.beside;
    if (other) drawPicture(parts.beside, other, "", parts.beside.ref === other);
    parts.beside.ref = other;
    parts.beside.caption.textContent = other ? `query ${aboutOf(other)?.name ?? ""}` : "";
    parts.beside.caption.title = parts.beside.caption.textContent;
    const size = about?.size ? [{ text: `${about.size.map((one) => one.toLocaleString("en")).join(" × ")} px`, kind: "size" }] : [];
    parts.setFacts([...(about?.facts ?? []), ...size]);
    parts.setFault(about?.error ?? aboutOf(other)?.error ?? "");
    parts.copy.disabled = !about?.path;
    if (!same) parts.region?.close();
    parts.main.stage.root.classList.toggle("wb-stage-drawable", Boolean(about?.refines));
    parts.wait.textContent = about ? (about.error && !src ? "no picture" : "") : src ? "" : "Loading …";
    drawHeat();
    drawScale();
  };
  const go = (to) => {
    // The list may have grown meanwhile: a ranking is sent by page.
    const { node, ref } = current();
    if (node?.isConnected && node.dataset.picture === ref) {
      entries = entriesAround(node);
      at = Math.max(0, entries.findIndex((entry) => entry.node === node));
    }
    const next = between(0, to(at), entries.length - 1);
    if (next === at) return;
    at = next;
    parts.status.textContent = "";
    const gallery = entries[at].node && galleryOf(entries[at].node);
    if (gallery && at + 20 > entries.length) gallery.dispatchEvent(new CustomEvent("wb-more"));
    draw(false);
    request();
    requestHeat();
  };

  // -- opening and closing

  const acts = {
    heat: () => {
      heatOn = !heatOn;
      parts.status.textContent = "";
      drawHeat();
      requestHeat();
    },
    query: () => {
      besideOn = !besideOn;
      draw();
      request();
    },
    in: () => parts.main.stage.zoom(1.5),
    out: () => parts.main.stage.zoom(1 / 1.5),
    fit: () => [parts.main, parts.beside].forEach(({ stage }) => stage.reset()),
    copy: async () => {
      const path = aboutOf(current().ref)?.path;
      if (!path) return;
      const done = await copyText(path, parts.dialog);
      parts.status.textContent = done ? `Copied: ${path}` : `The browser does not let the page copy: ${path}`;
    },
    previous: () => go((now) => now - 1),
    next: () => go((now) => now + 1),
    close: () => parts.dialog.close(),
  };
  const keys = {
    ArrowLeft: acts.previous, ArrowRight: acts.next, Home: () => go(() => 0), End: () => go(() => entries.length - 1),
    "+": acts.in, "=": acts.in, "-": acts.out, "−": acts.out, 0: acts.fit, h: acts.heat, q: acts.query, c: acts.copy,
  };
  const moves = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };
  const press = (event) => {
    event.stopPropagation(); // the page behind the lightbox hears no key
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = event.shiftKey && moves[key] ? () => parts.main.stage.move(...moves[key]) : keys[key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  const left = () => {
    model.send({ closed: true });
    asked = "";
    for (const ref of [...known.keys()]) forget(ref);
    heats.clear();
    for (const { stage } of [parts.main, parts.beside]) {
      stage.show("", "");
      stage.warm(null);
    }
    focusOn(opened, el);
    parts.dialog.remove();
  };
  const open = (entry, list) => {
    if (isOpen()) return;
    if (!parts) {
      parts = makeDialog(acts, () => {
        drawScale();
        requestFiner();
      });
      const drawable = () => Boolean(aboutOf(current().ref)?.refines) && !parts.main.stage.zoomed();
      parts.region = regionMenu(parts.main.stage.frame, drawable, (sign, box) => {
        model.send({ region: sign, box, of: current().ref });
        parts.status.textContent = sign > 0 ? "The region is added to the query." : "The region is taken off the query.";
      });
      parts.dialog.addEventListener("keydown", press);
      parts.dialog.addEventListener("close", left);
    }
    opened = entry;
    entries = list;
    at = Math.max(0, list.findIndex(({ node }) => node === entry.node));
    if (entry.node.heat) heatOn = Boolean(entry.node.heat());
    parts.status.textContent = "";
    parts.beside.ref = null;
    document.body.append(parts.dialog);
    draw(false); // before the focus moves, with which the card of a point and its picture go
    parts.dialog.showModal();
    parts.dialog.focus();
    drawScale();
    request();
    requestHeat();
  };

  const receive = (message, buffers) => {
    if (!isOpen()) return;
    if (message.picture !== undefined) {
      const before = known.get(message.picture);
      forget(message.picture);
      const jpeg = buffers[0];
      const url = jpeg?.byteLength ? URL.createObjectURL(new Blob([jpeg], { type: "image/jpeg" })) : "";
      known.set(message.picture, { about: message.about, url, side: message.side, finer: before?.finer });
      const shown = [current().ref, beside()];
      for (const ref of [...known.keys()].slice(0, -KEPT)) if (!shown.includes(ref)) forget(ref);
      if (shown.includes(message.picture)) draw();
      if (message.picture === current().ref) request(); // the picture beside it is known now
    } else if (message.heat !== undefined) {
      const { top, signed, quantity, area, shapes } = message;
      const [colours, ...values] = buffers;
      const one = (view, i) => ({ values: floats(view), shape: shapes[i], top, signed, quantity, colours: bytes(colours), area });
      heats.set(message.heat, values.map(one));
      if (message.heat === asked) asked = "";
      if (message.heat === current().ref) drawHeat();
    } else if (message.work !== undefined) parts.status.textContent = asked ? message.work : "";
    else if (message.fail !== undefined) {
      asked = "";
      heatOn = false;
      parts.setFault(message.fail);
      drawHeat();
    } else if (message.renew) { // the ranking is another: places and heats are, too
      for (const picture of known.values()) picture.side = 0;
      heats.clear();
      asked = "";
      request();
      requestHeat();
    }
  };

  model.on("msg:custom", receive);
  const stop = listenForPictures(el, open);
  return () => {
    stop();
    model.off("msg:custom", receive);
    if (!parts) return;
    if (isOpen()) parts.dialog.close();
    for (const { stage } of [parts.main, parts.beside]) stage.end();
  };
}

export default { render };
