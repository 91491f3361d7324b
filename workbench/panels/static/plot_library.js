// plotly.js, once for all charts of a page. A view asks its kernel for it, all others wait; as long as there is no
// answer another view asks, since the view that asked may be gone. A kernel answers a page once.

const PAUSES = [2000, 30000]; // milliseconds after which another view asks: at first, and at most
const WAITING = "Waiting for the kernel, which computes.";
const LOST = "The kernel of this chart does not answer: restart it, and run the cell again.";

function sharedLibrary() {
  if (!globalThis.workbenchPlotly) {
    const page = { id: crypto.getRandomValues(new Uint32Array(2)).join("-"), kernels: new Map(), queue: Promise.resolve() };
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
// ``tell(sentence, hoping)`` is called while the kernel does not answer: it may compute, which may take minutes
// (``hoping``), or it may be gone. The promise may be resolved after either.
function joinLibrary(model, el, tell) {
  const page = sharedLibrary();
  const key = model.widget_manager ?? page; // each notebook has a kernel, and a manager of its widgets
  if (!page.kernels.has(key)) page.kernels.set(key, { views: new Set(), timer: 0, pause: PAUSES[0] });
  const kernel = page.kernels.get(key);
  const view = { model, tell, attempts: 0, dead: false };
  const receive = (content, buffers) => {
    if (!content.templates || page.loaded) return;
    try {
      page.loaded = { Plotly: evaluated(buffers[0]), templates: content.templates };
    } catch (error) {
      return tell(`plotly.js could not be started: ${error.message}`, false);
    }
    for (const { timer } of page.kernels.values()) clearTimeout(timer);
    page.kernels.clear();
    page.resolve(page.loaded);
  };
  // The connection of the model was lost or restored; ipywidgets marks its view after this event.
  const connected = () => setTimeout(() => {
    view.dead = Boolean(el.closest(".jupyter-widgets-disconnected"));
    if (page.loaded) return;
    if (view.dead) tell(LOST, false);
    if (!view.dead || kernel.asker === view) ask(page, kernel);
  });
  model.on("msg:custom", receive);
  model.on("comm_live_update", connected);
  kernel.views.add(view);
  if (!page.loaded && !kernel.timer) ask(page, kernel);
  else if (!page.loaded && kernel.waiting) tell(WAITING, true);
  page.promise.then(() => model.off("msg:custom", receive));
  const leave = () => {
    kernel.views.delete(view); // an answer that is on its way is still heard
    model.off("comm_live_update", connected);
    if (!page.loaded && kernel.asker === view) ask(page, kernel);
  };
  return { loaded: page.promise, leave };
}

// Let the view that has asked least often ask, and again after a pause.
function ask(page, kernel) {
  clearTimeout(kernel.timer);
  Object.assign(kernel, { timer: 0, asker: null });
  if (page.loaded) return;
  const able = [...kernel.views].filter((view) => !view.dead);
  const view = able.sort((a, b) => a.attempts - b.attempts)[0];
  if (!view) return Object.assign(kernel, { waiting: false, pause: PAUSES[0] });
  kernel.asker = view;
  view.attempts += 1;
  kernel.timer = setTimeout(() => {
    kernel.waiting = true;
    for (const { dead, tell } of kernel.views) if (!dead) tell(WAITING, true);
    ask(page, kernel);
  }, kernel.pause);
  kernel.pause = Math.min(2 * kernel.pause, PAUSES[1]);
  try {
    view.model.send({ need: "script", page: page.id });
  } catch {
    view.dead = true;
    view.tell(LOST, false);
    ask(page, kernel);
  }
}

// Run work of several charts in turn, so that the page stays usable while many are drawn.
function inTurn(work) {
  const page = sharedLibrary();
  const done = page.queue.then(work);
  page.queue = done.catch(() => {}).then(() => new Promise((resolve) => setTimeout(resolve)));
  return done;
}
