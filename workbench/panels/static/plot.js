// A plotly figure in the theme of the page: by mouse, by keyboard, for screen readers.

const SHOWN = 4000; // milliseconds that a message is seen

function render({ model, el }) {
  el.classList.add("wb-plot");
  el.dataset.lmSuppressShortcuts = "true";
  const part = (className, parent) => {
    const element = document.createElement("div");
    element.className = className;
    parent.append(element);
    return element;
  };
  const chart = part("wb-plot-chart", el);
  const [frame, over] = [part("wb-plot-frame", chart), part("wb-plot-over", chart)];
  const hint = part("wb-plot-hint", el);
  const said = part("wb-plot-said", el);
  chart.tabIndex = 0;
  chart.setAttribute("role", "application");
  chart.setAttribute("aria-roledescription", "chart");
  said.setAttribute("role", "status");
  const say = (text) => { said.textContent = text; };

  const view = { model, chart, frame, over, library: null, drawn: null, chosen: {} };
  const pointing = makePointing(view, say, () => draw());
  const gliding = makeGliding(frame);
  let gone = false;
  let figure = null; // of the spec, with its ``version``
  let marks = [];
  let turns = 0; // how often the chart was to be drawn
  let due = false; // whether it is drawn after the changes of this message
  let late = false; // whether there was no room when it should have been drawn
  let lost = false; // whether the context of WebGL is lost
  let seen = false;
  let told = { sentence: "", hoping: true }; // of the kernel, before the first drawing
  let copied = null; // takes the text that is copied

  const readMarks = () => {
    const spec = model.get("marks");
    marks = spec.json ? parsedSpec(spec).data : [];
  };
  const read = () => {
    const spec = model.get("spec");
    figure = spec.json ? { ...parsedSpec(spec), version: spec.version } : null;
    view.chosen = model.get("chosen");
    readMarks();
  };
  const choose = () => {
    const chosen = model.get("chosen");
    if (JSON.stringify(chosen) === JSON.stringify(view.chosen)) return;
    view.chosen = chosen;
    drawOnce();
  };
  const name = () => {
    const title = model.get("label") || plainText(figure?.layout.title?.text) || "Chart";
    chart.setAttribute("aria-label", `${title}. ${KEYS}`);
  };
  const busy = (working) => {
    chart.setAttribute("aria-busy", String(Boolean(working) || model.get("stale")));
  };

  const tell = () => {
    const waiting = figure && !view.library;
    hint.textContent = waiting ? told.sentence : figure ? "" : model.get("empty");
    busy(figure && (!waiting || told.hoping));
  };

  const draw = async () => {
    const turn = ++turns;
    chart.hidden = !figure;
    tell();
    name();
    if (!figure) return;
    if (!view.drawn) chart.style.height = `${figure.layout.height ?? HEIGHT}px`;
    view.library ??= await joined.loaded;
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
    await (view.drawn ? paint() : inTurn(paint));
  };

  // One drawing for all changes of a message.
  const drawOnce = () => {
    if (!due) queueMicrotask(() => { due = false; draw(); });
    due = true;
  };

  const react = async (turn) => {
    const { Plotly, templates } = view.library;
    const before = view.drawn;
    const [selecting, scrolling] = [figure.named.some(Boolean), Boolean(figure.layout.meta?.scroll_zoom)];
    const tools = `${selecting} ${scrolling}`;
    const fresh = lost || before?.tools !== tools; // plotly takes another tool bar only with a new chart
    if (before && fresh) Plotly.purge(frame);
    lost = false;
    gliding.end();
    const template = themedTemplate(templates, el);
    const state = { marks, chosen: view.chosen, rings: model.get("rings"), described: model.get("described"), template, turn };
    const width = chart.clientWidth;
    const { data, layout, height } = prepared(figure, { ...state, width });
    chart.style.height = `${height}px`;
    view.drawn = {
      figure, version: figure.version, count: figure.data.length, width, tools,
      config: fresh ? toolbar(Plotly, el, selecting, scrolling, copy) : before.config,
    };
    await reactStyledOnce(Plotly, frame, data, layout, view.drawn.config);
    if (fresh) {
      pointing.listen();
      gliding.listen();
      frame.on("plotly_webglcontextlost", () => {
        lost = true; // a page has few contexts: the chart gets another when it is seen
        if (seen) draw();
      });
    }
    pointing.renew(before?.figure !== figure);
  };

  const resize = () => {
    if (gone || !figure || !view.library || !chart.clientWidth) return;
    if (late || (view.drawn && view.drawn.width !== chart.clientWidth)) draw();
  };

  const copy = async () => {
    const text = new Promise((resolve, reject) => {
      copied = resolve;
      setTimeout(() => reject(new Error("the kernel does not answer")), 20000);
      model.send({ need: "csv" });
    });
    try {
      say(await copyText(text, `${fileName(frame)}.csv`));
    } catch (error) {
      say(`The data could not be copied: ${error.message}.`);
    }
    said.classList.add("wb-plot-shown");
    setTimeout(() => said.classList.remove("wb-plot-shown"), SHOWN);
  };

  const changes = {
    "change:spec": () => { read(); drawOnce(); },
    "change:marks": () => { readMarks(); drawOnce(); },
    "change:chosen": choose,
    "change:rings": () => (figure?.data.some((trace) => trace.type === "scatter3d") ? drawOnce() : pointing.refresh()),
    "change:empty": draw,
    "change:label": name,
    "change:stale": () => busy(false),
    "msg:custom": (content, buffers) => {
      if ("show" in content) pointing.describe(content, buffers);
      if ("csv" in content) copied?.(content.csv);
    },
  };
  for (const [event, handler] of Object.entries(changes)) model.on(event, handler);
  const joined = joinLibrary(model, el, (sentence, hoping) => {
    told = { sentence, hoping };
    tell();
  });
  // The wheel scrolls the page, unless the chart has the focus.
  const passWheel = (event) => !chart.contains(document.activeElement) && event.stopPropagation();
  chart.addEventListener("wheel", passWheel, { capture: true, passive: true });
  chart.addEventListener("pointerdown", () => chart.focus({ preventScroll: true }), true);
  const sized = new ResizeObserver(resize);
  const shown = new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting;
    if (seen && lost) draw();
  });
  const endTheme = watchTheme(el, draw);
  sized.observe(chart);
  shown.observe(chart);
  read();
  draw();

  return () => {
    gone = true;
    pointing.end();
    gliding.end();
    endTheme();
    sized.disconnect();
    shown.disconnect();
    joined.leave();
    for (const [event, handler] of Object.entries(changes)) model.off(event, handler);
    view.library?.Plotly.purge(frame);
  };
}

export default { render: dimmed(render) };
