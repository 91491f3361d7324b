// A bar that is dragged, or moved by arrow keys. Its box gets the size at once, the kernel when it is released.

const STEP = 16; // pixels of an arrow key

function render({ model, el }) {
  const [vertical, measured, least] = ["vertical", "measured", "least"].map((name) => model.get(name));
  el.classList.add("wb-splitter", vertical ? "wb-splitter-columns" : "wb-splitter-rows");
  el.setAttribute("role", "separator");
  el.setAttribute("aria-orientation", vertical ? "vertical" : "horizontal");
  el.setAttribute("aria-label", model.get("label"));
  el.setAttribute("aria-valuemin", least);
  el.title = `${model.get("label")}: drag, or press arrow keys; a double click resets it`;
  el.dataset.lmSuppressShortcuts = "true";
  el.tabIndex = 0;

  const box = () => el.parentElement;
  const part = () => (measured === "before" ? el.previousElementSibling : el.nextElementSibling);
  const length = (node) => (node ? node.getBoundingClientRect()[vertical ? "width" : "height"] : 0);
  const most = () => Math.max(least, Math.round((vertical ? length(box()) : window.innerHeight) - 2 * least));
  const fitted = (size) => Math.max(least, Math.min(Math.round(size), most()));

  const show = (size) => {
    if (!box()) return;
    if (size) box().style.setProperty(model.get("variable"), `${size}px`);
    else box().style.removeProperty(model.get("variable"));
    el.setAttribute("aria-valuemax", most());
    el.setAttribute("aria-valuenow", Math.round(size || length(part())));
  };
  const keep = (size) => {
    show(size);
    model.set("size", size);
    model.save_changes();
  };

  el.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    el.focus();
    el.setPointerCapture(event.pointerId);
    const start = vertical ? event.clientX : event.clientY;
    const before = length(part());
    let size = 0;
    const move = (moved) => {
      const way = (vertical ? moved.clientX : moved.clientY) - start;
      size = fitted(before + (measured === "before" ? way : -way));
      show(size);
    };
    const end = () => {
      el.removeEventListener("pointermove", move);
      el.removeEventListener("pointerup", end);
      el.removeEventListener("pointercancel", end);
      if (size) keep(size);
    };
    el.addEventListener("pointermove", move);
    el.addEventListener("pointerup", end);
    el.addEventListener("pointercancel", end);
  });
  el.addEventListener("dblclick", () => keep(0));
  el.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const sign = measured === "before" ? 1 : -1;
    const [less, more] = vertical ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
    const steps = { [less]: -STEP * sign, [more]: STEP * sign };
    if (event.key !== "Home" && !(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    keep(event.key === "Home" ? 0 : fitted(length(part()) + steps[event.key]));
  });

  const follow = () => show(model.get("size"));
  const placed = new ResizeObserver(follow);
  placed.observe(el);
  model.on("change:size", follow);
  return () => {
    placed.disconnect();
    model.off("change:size", follow);
  };
}

export default { render };
