// A plotly figure in the theme of the page. The first view of a page asks the kernel for plotly.js, all others wait.

const WAIT = 20000; // milliseconds after which another view may ask again

function library(model) {
  const loaded = (globalThis.workbenchPlotly ??= { views: new Set() });
  loaded.promise ??= new Promise((resolve, reject) => {
    const fail = () => { delete loaded.promise; reject(new Error("The kernel did not send plotly.js: run the cell again.")); };
    const timer = setTimeout(fail, WAIT);
    const receive = (content, buffers) => {
      if (!content.templates) return;
      clearTimeout(timer);
      model.off("msg:custom", receive);
      // As a CommonJS module, so that RequireJS (Voila) does not take it.
      const module = { exports: {} };
      const bytes = buffers[0].buffer ? buffers[0] : new Uint8Array(buffers[0]);
      new Function("module", "exports", "define", "require", new TextDecoder().decode(bytes))(module, module.exports);
      resolve({ Plotly: module.exports, templates: content.templates });
    };
    model.on("msg:custom", receive);
    model.send({ need: "script" });
  });
  return loaded.promise;
}

const isDark = () => document.body.dataset.jpThemeLight === "false";

function render({ model, el }) {
  el.classList.add("wb-plot");
  const frame = document.createElement("div");
  const hint = document.createElement("div");
  hint.className = "wb-plot-hint";
  el.append(frame, hint);
  let gone = false;

  const draw = async () => {
    const spec = model.get("spec");
    frame.hidden = !spec;
    hint.textContent = spec ? "" : model.get("empty");
    if (!spec) return;
    let shared;
    try {
      shared = await library(model);
    } catch (error) {
      hint.textContent = error.message;
      return;
    }
    if (gone || spec !== model.get("spec")) return;
    const { data, layout } = JSON.parse(spec);
    layout.template = shared.templates[isDark() ? "dark" : "light"];
    layout.autosize = true;
    await shared.Plotly.react(frame, data, layout, { responsive: true, displaylogo: false });
    if (frame.listening) return;
    frame.listening = true;
    const numbers = (points) => points.map((point) => [point.curveNumber, point.pointNumber]);
    frame.on("plotly_click", (event) => model.send({ pick: numbers(event.points)[0], version: model.get("version") }));
    frame.on("plotly_selected", (event) => model.send({ select: numbers(event?.points ?? []), version: model.get("version") }));
  };

  const themed = new MutationObserver(draw);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  model.on("change:spec", draw);
  draw();
  return () => {
    gone = true;
    themed.disconnect();
    model.off("change:spec", draw);
    globalThis.workbenchPlotly?.promise?.then(({ Plotly }) => Plotly.purge(frame), () => {});
  };
}

export default { render };
