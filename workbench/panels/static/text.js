// Lines of text, each with a kind; a line with a fraction is a progress bar. Labels its region.

function render({ model, el }) {
  el.classList.add("wb-text");
  const live = model.get("live");
  if (live) el.setAttribute("role", "status");

  const show = () => {
    const lines = model.get("lines");
    while (el.children.length > lines.length) el.lastElementChild.remove();
    lines.forEach((line, i) => {
      const tag = line.kind === "progress" ? "PROGRESS" : line.kind === "heading" ? "H3" : "DIV";
      let node = el.children[i];
      if (node?.tagName !== tag) {
        const fresh = document.createElement(tag);
        node ? node.replaceWith(fresh) : el.append(fresh);
        node = fresh;
      }
      node.className = `wb-line wb-${line.kind}`;
      if (tag !== "PROGRESS") {
        const key = JSON.stringify([line.text, line.help]);
        if (node.dataset.shown === key) return;
        node.dataset.shown = key;
        node.textContent = line.text;
        if (line.help) node.append(helpButton(line.help));
      } else {
        node.setAttribute("aria-label", line.text);
        line.fraction === null ? node.removeAttribute("value") : (node.value = line.fraction);
      }
    });
  };

  // The region is the box around this text; it can be found only when both are in the page.
  const name = model.get("region");
  const placed = new ResizeObserver(() => {
    const box = el.closest(".wb-region");
    if (!box) return;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", name);
    // Keys pressed here must not edit the notebook: JupyterLab looks for this attribute on the focused element.
    box.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = "true"));
    placed.disconnect();
  });
  if (name) placed.observe(el);

  // Without a kernel nothing here responds, and only the page can show that.
  const lost = () =>
    setTimeout(() => {
      if (!el.closest(".jupyter-widgets-disconnected")) return;
      const node = document.createElement("div");
      node.className = "wb-line wb-error";
      node.textContent = "The kernel has stopped or was restarted: run the notebook's cells again to go on.";
      el.replaceChildren(node);
    });
  if (live) model.on("comm_live_update", lost);

  model.on("change:lines", show);
  show();
  if (live) model.send({ shown: true });
  return () => {
    placed.disconnect();
    model.off("comm_live_update", lost);
    model.off("change:lines", show);
  };
}

export default { render: dimmed(render) };
