// A link to a page whose contents come from the kernel: a real link, once they have come.

function render({ model, el }) {
  el.classList.add("wb-page-link");
  const link = document.createElement("a");
  const state = document.createElement("span");
  link.target = "_blank";
  link.rel = "noopener";
  link.dataset.lmSuppressShortcuts = "true";
  state.setAttribute("role", "status");
  el.append(link, state);
  let address = "";

  const forget = () => {
    if (address) URL.revokeObjectURL(address);
    address = "";
    link.removeAttribute("href");
    link.hidden = true;
  };
  const ask = () => {
    forget();
    el.hidden = !model.get("name");
    if (el.hidden) return;
    state.textContent = "Preparing…";
    model.send({ open: model.get("version") });
  };
  const receive = (content, buffers) => {
    if (content.error) {
      forget();
      state.textContent = content.error;
    } else if (content.version === model.get("version")) {
      forget();
      address = URL.createObjectURL(new Blob(buffers, { type: "text/html;charset=utf-8" }));
      link.href = address;
      link.textContent = `Open ${model.get("name")} in a new tab`;
      link.hidden = false;
      state.textContent = "";
    }
  };
  model.on("change:version", ask);
  model.on("msg:custom", receive);
  ask();
  return () => {
    forget();
    model.off("change:version", ask);
    model.off("msg:custom", receive);
  };
}

export default { render };
