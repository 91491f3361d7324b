// A plotly figure in the theme of the page: by mouse, by keyboard, for screen readers.

const PAUSE = 30; // milliseconds that the pointer rests on a point before its description is asked for
const SHOWN = 4000; // milliseconds that a message is seen

function render({ model, el }) {
  el.classList.add("wb-plot");
  const part = (name, className, parent) => {
    const element = document.createElement(name);
    element.className = className;
    parent.append(element);
    return element;
  };
  const chart = part("div", "wb-plot-chart", el);
  const [frame, over] = [part("div", "wb-plot-frame", chart), part("div", "wb-plot-over", chart)];
  const hint = part("div", "wb-plot-hint", el);
  const said = part("div", "wb-plot-said", el);
  const card = makeCard(chart);
  const paintRings = makeRings(over);
  chart.tabIndex = 0;
  chart.setAttribute("role", "application");
  chart.setAttribute("aria-roledescription", "chart");
  el.dataset.lmSuppressShortcuts = "true";
  said.setAttribute("role", "status");

  let library = null; // { Plotly, templates }
  let gone = false;
  let figure = null; // of the spec, with ``version``
  let marks = [];
  let marked = 0; // how often the marks changed
  let drawn = null; // { figure, version, width, chosen, tools }
  let turns = 0;
  let late = false; // whether there was no room when it should have been drawn
  let lost = false; // the context of WebGL
  let pointed = null; // { number, point, place, keyed }: the point under the pointer, or reached by keys
  let waiting = 0;
  let copied = null; // resolves the text that is copied

  const send = (message) => model.send({ ...message, version: drawn.version });
  const say = (text) => { said.textContent = text; };
  const tell = (text) => {
    say(text);
    said.classList.add("wb-plot-shown");
    setTimeout(() => said.classList.remove("wb-plot-shown"), SHOWN);
  };

  // -- drawing

  const read = () => {
    const spec = model.get("spec");
    figure = spec.json ? { ...parsedSpec(spec), spec, version: model.get("version") } : null;
    readMarks();
  };
  const readMarks = () => {
    const spec = model.get("marks");
    marks = spec.json ? parsedSpec(spec).data : [];
    marked += 1;
  };
  const name = () => {
    const title = model.get("label") || plainText(figure?.layout.title?.text) || "Chart";
    chart.setAttribute("aria-label", `${title}. ${KEYS}`);
  };
  const busy = (working) => chart.setAttribute("aria-busy", String(working || model.get("stale")));

  const draw = async () => {
    const turn = ++turns;
    chart.hidden = !figure;
    hint.textContent = figure ? "" : model.get("empty");
    name();
    busy(Boolean(figure));
    if (!figure) return;
    chart.style.height = `${figure.layout.height ?? HEIGHT}px`;
    library ??= await joined.loaded;
    const paint = async () => {
      if (gone || turn !== turns) return;
      late = !chart.clientWidth; // hidden: ``resize`` draws it
      if (late) return void requestAnimationFrame(resize); // JupyterLab hides all for a moment to change the theme
      hint.textContent = "";
      try {
        await react(turn);
      } catch (error) {
        hint.textContent = `This chart could not be drawn: ${error.message}`;
      }
      if (turn === turns) busy(false);
    };
    await (drawn ? paint() : inTurn(paint));
  };

  const react = async (turn) => {
    const chosen = model.get("chosen");
    const selecting = figure.named.some(Boolean);
    const tools = `${selecting} ${Boolean(figure.layout.meta?.scroll_zoom)}`;
    const template = themedTemplate(library.templates, el);
    const state = { marks, marked, chosen, rings: model.get("rings"), described: model.get("described"), template, turn };
    const { data, layout } = prepared(figure, state);
    if (lost || drawn?.tools !== tools) {
      library.Plotly.purge(frame);
      lost = false;
    }
    if (drawn?.figure !== figure) point(null);
    const config = drawn?.tools === tools ? drawn.config : toolbar(library, el, selecting, Boolean(figure.layout.meta?.scroll_zoom), copy);
    const listening = frame.on && drawn?.tools === tools;
    drawn = { figure, version: figure.version, count: figure.data.length, width: chart.clientWidth, chosen: JSON.stringify(chosen), tools, config };
    await library.Plotly.react(frame, data, layout, config);
    if (!listening || !frame._ev?.listenerCount?.("plotly_click")) listen();
    refresh();
  };

  const refresh = () => {
    if (!drawn || gone) return;
    const own = pointed && (pointed.keyed || model.get("described")) ? [[pointed.number, pointed.point]] : [];
    const linked = own.map(([number, point]) => [drawn.figure.data[number]?.meta?.linked, point]).filter(([twin]) => twin !== undefined);
    paintRings(frame, { current: model.get("rings"), cursor: [...own, ...linked] });
  };

  const resize = () => {
    if (gone || !figure || !library || !chart.clientWidth) return;
    if (late || lost) draw();
    else if (drawn && drawn.width !== chart.clientWidth) {
      drawn.width = chart.clientWidth;
      library.Plotly.Plots.resize(frame)?.catch(() => {});
    }
  };

  // -- by mouse

  const numbers = (points) => points.filter(({ curveNumber }) => curveNumber < drawn.count)
    .flatMap(({ curveNumber, pointNumber, pointNumbers }) => (pointNumbers ?? [pointNumber]).map((point) => [curveNumber, point]));
  const named = (number) => Boolean(drawn.figure.named[number]);
  const select = (points) => {
    const kept = points.filter(([number]) => named(number));
    const chosen = {};
    for (const [number, point] of kept) (chosen[number] ??= []).push(point);
    drawn.chosen = JSON.stringify(chosen);
    send({ select: kept });
  };
  const clear = () => drawn.chosen !== "{}" && select([]);

  const listen = () => {
    frame.on("plotly_click", (event) => {
      const hit = numbers(event.points)[0];
      if (hit && named(hit[0])) send({ pick: hit });
    });
    frame.on("plotly_selected", (event) => select(numbers(event?.points ?? [])));
    frame.on("plotly_deselect", clear);
    frame.on("plotly_doubleclick", clear);
    frame.on("plotly_hover", ({ points, event }) => {
      const hit = points.find(({ curveNumber }) => curveNumber < drawn.count);
      if (!hit || pointed?.keyed) return;
      const box = chart.getBoundingClientRect();
      const place = placeOf(frame, hit.curveNumber, hit.pointNumber) ?? [(event?.clientX ?? box.left) - box.left, (event?.clientY ?? box.top) - box.top];
      point({ number: hit.curveNumber, point: hit.pointNumber, place });
    });
    frame.on("plotly_unhover", () => !pointed?.keyed && point(null));
    frame.on("plotly_afterplot", refresh);
    frame.on("plotly_relayouting", () => over.replaceChildren());
    frame.on("plotly_webglcontextlost", () => {
      lost = true;
      if (seen) draw();
    });
  };
  chart.addEventListener("pointermove", () => {
    if (pointed?.keyed) point(null);
  });

  // -- the point under study

  const point = (next) => {
    if (same(next, pointed) && next?.keyed === pointed?.keyed) return;
    pointed = next;
    clearTimeout(waiting);
    card.hide();
    chart.classList.toggle("wb-plot-pickable", Boolean(next) && named(next.number));
    refresh();
    if (next && model.get("described") && named(next.number))
      waiting = setTimeout(() => send({ show: [next.number, next.point] }), PAUSE);
  };

  const describe = (content, buffers) => {
    if (!pointed || String(content.show) !== String([pointed.number, pointed.point])) return;
    const more = hoverText(frame._fullData[pointed.number], pointed.point);
    card.show(content.caption, more, buffers[0], pointed.place);
    if (pointed.keyed) say([content.caption, more].filter(Boolean).join(", "));
  };

  // -- by keyboard

  const walk = (dx, dy) => {
    const [first] = model.get("rings");
    const start = pointed ?? (first && { number: first[0], point: first[1] });
    const next = pointed ? nextInChart(frame, drawn.count, start, dx, dy) : nextInChart(frame, drawn.count, start ?? null, 0, 0);
    if (!next) return say("There is no point to show.");
    library.Plotly.Fx.unhover(frame);
    point({ number: next.number, point: next.point, place: [next.x, next.y], keyed: true });
    if (!model.get("described") || !named(next.number)) hoverPoint(library.Plotly, frame, next);
    say(spokenPoint(frame, next.number, next.point, countOf(frame, next.number)));
  };
  const rest = () => {
    if (!pointed?.keyed) return;
    point(null);
    library.Plotly.Fx.unhover(frame);
    say("");
  };
  const toggle = () => {
    if (!pointed || !named(pointed.number)) return;
    const now = Object.entries(model.get("chosen")).flatMap(([number, points]) => points.map((one) => [Number(number), one]));
    const without = now.filter(([number, one]) => !same({ number, point: one }, pointed));
    const added = without.length === now.length;
    select(added ? [...now, [pointed.number, pointed.point]] : without);
    drawn.chosen = ""; // unlike a lasso, this is not yet shown
    say(added ? "Selected." : "No longer selected.");
  };
  listenToKeys(chart, {
    ready: () => Boolean(drawn && figure),
    walk,
    rest,
    toggle,
    pick: () => pointed && named(pointed.number) && send({ pick: [pointed.number, pointed.point] }),
    leave: () => {
      rest();
      clear();
    },
  });

  // -- the data as CSV

  const copy = async () => {
    const text = new Promise((resolve, reject) => {
      copied = resolve;
      setTimeout(() => reject(new Error("the kernel does not answer")), 20000);
      model.send({ need: "csv" });
    });
    try {
      tell(await copyText(text, `${fileName(frame)}.csv`));
    } catch (error) {
      tell(`The data could not be copied: ${error.message}.`);
    }
  };

  // -- what changes

  const receive = (content, buffers) => {
    if ("show" in content) describe(content, buffers);
    if ("csv" in content) copied?.(content.csv);
  };
  const changes = {
    "change:spec": () => { read(); draw(); },
    "change:version": () => { // an equal figure, whose points may have other ids
      if (!figure || model.get("spec") !== figure.spec) return;
      figure.version = model.get("version");
      if (drawn?.figure === figure) drawn.version = figure.version;
    },
    "change:marks": () => { readMarks(); draw(); },
    "change:chosen": () => drawn?.chosen !== JSON.stringify(model.get("chosen")) && draw(),
    "change:rings": () => (figure?.data.some((trace) => trace.type === "scatter3d") ? draw() : refresh()),
    "change:empty": draw,
    "change:label": name,
    "change:stale": () => busy(false),
    "msg:custom": receive,
  };
  const joined = joinLibrary(model, (sentence) => { if (figure && !drawn) hint.textContent = sentence; });
  for (const [event, handler] of Object.entries(changes)) model.on(event, handler);
  const sized = new ResizeObserver(resize);
  sized.observe(chart);
  let seen = false;
  const shown = new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting;
    if (seen && lost) draw();
  });
  shown.observe(chart);
  const endTheme = watchTheme(el, draw);
  read();
  draw();

  return () => {
    gone = true;
    clearTimeout(waiting);
    endTheme();
    sized.disconnect();
    shown.disconnect();
    joined.leave();
    card.hide();
    for (const [event, handler] of Object.entries(changes)) model.off(event, handler);
    library?.Plotly.purge(frame);
  };
}

export default { render };
