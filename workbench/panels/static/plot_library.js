// plotly.js, once for all charts of a page. A view asks the kernel for it, all others wait; as long as there is
// no answer another view asks, since the view that asked may be gone, or its kernel. The kernel answers a page once.

const RETRY = 2000; // milliseconds after which another view asks
const ATTEMPTS = 4; // of a view
const LOST = "The kernel of this chart does not answer: restart it, and run the cell again.";

function sharedLibrary() {
  if (!globalThis.workbenchPlotly) {
    const page = { id: crypto.getRandomValues(new Uint32Array(2)).join("-"), views: new Set(), queue: Promise.resolve() };
    page.promise = new Promise((resolve) => { page.resolve = resolve; });
    globalThis.workbenchPlotly = page;
  }
  return globalThis.workbenchPlotly;
}

// As a CommonJS module, so that RequireJS (Voila) does not take it.
function evaluated(buffer) {
  const module = { exports: {} };
  const bytes = new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
  new Function("module", "exports", "define", "require", new TextDecoder().decode(bytes))(module, module.exports);
  return module.exports;
}

// Wait for plotly.js on behalf of a view: {loaded: a promise of {Plotly, templates}, leave}.
// ``lost`` is called with a sentence if there is no answer in time; the promise may be resolved later.
function joinLibrary(model, lost) {
  const page = sharedLibrary();
  const view = { model, lost, attempts: 0, dead: false };
  const receive = (content, buffers) => {
    if (!content.templates || page.loaded) return;
    try {
      page.loaded = { Plotly: evaluated(buffers[0]), templates: content.templates };
    } catch (error) {
      return lost(`plotly.js could not be started: ${error.message}`);
    }
    clearTimeout(page.timer);
    page.resolve(page.loaded);
  };
  const died = () => {
    view.dead = true;
    if (!page.loaded) lost(LOST);
    if (page.asker === view) ask(page);
  };
  model.on("msg:custom", receive);
  model.on("comm_live_update", died);
  page.views.add(view);
  if (!page.loaded && !page.timer) ask(page);
  page.promise.then(() => model.off("msg:custom", receive));
  const leave = () => {
    page.views.delete(view); // an answer that is on its way is still heard
    model.off("comm_live_update", died);
    if (!page.loaded && page.asker === view) ask(page);
  };
  return { loaded: page.promise, leave };
}

// Let the view that has asked least often ask, and again after a while.
function ask(page) {
  clearTimeout(page.timer);
  page.timer = 0;
  page.asker = null;
  if (page.loaded) return;
  for (const view of page.views) if (view.attempts >= ATTEMPTS) view.lost(LOST);
  const able = [...page.views].filter((view) => !view.dead && view.attempts < ATTEMPTS);
  const view = able.sort((a, b) => a.attempts - b.attempts)[0];
  if (!view) return;
  page.asker = view;
  view.attempts += 1;
  page.timer = setTimeout(() => ask(page), RETRY);
  try {
    view.model.send({ need: "script", page: page.id });
  } catch {
    view.dead = true;
    view.lost(LOST);
    ask(page);
  }
}

// Run work of several charts in turn, so that the page stays usable while many are drawn.
function inTurn(work) {
  const page = sharedLibrary();
  const done = page.queue.then(work);
  page.queue = done.catch(() => {}).then(() => new Promise((resolve) => setTimeout(resolve)));
  return done;
}
