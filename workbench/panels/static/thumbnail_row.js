// Pictures as buttons that remove themselves; one tab stop with arrow keys.

const DOUBLE = 250; // milliseconds in which a second click opens the picture in place of removing it

function render({ model, el }) {
  el.classList.add("wb-tokens");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", model.get("label"));
  let urls = [];
  let tab = 0;
  let removing = 0;

  const reach = (index, focus) => {
    const buttons = [...el.children];
    if (!buttons.length) return;
    tab = Math.max(0, Math.min(index, buttons.length - 1));
    buttons.forEach((button, i) => (button.tabIndex = i === tab ? 0 : -1));
    if (focus) buttons[tab].focus();
  };

  const draw = () => {
    const focused = el.contains(document.activeElement);
    const old = urls;
    urls = [];
    el.replaceChildren(
      ...model.get("tokens").map((token, i) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "wb-token";
        button.dataset.lmSuppressShortcuts = "true";
        button.dataset.picture = token.id;
        if (token.kind) button.dataset.kind = token.kind;
        const said = [token.kind, token.name].filter(Boolean).join(": ");
        button.setAttribute("aria-label", `Remove ${said}`);
        button.title = `${said}\nClick to remove · double-click, Enter or f: large`;
        if (token.picture?.byteLength) {
          const image = document.createElement("img");
          image.src = URL.createObjectURL(new Blob([token.picture], { type: "image/jpeg" }));
          image.alt = "";
          image.draggable = false;
          urls.push(image.src);
          button.append(image);
        }
        for (const [kind, text] of [["sign", token.sign], ["cross", "×"]]) {
          const mark = document.createElement("span");
          mark.className = `wb-token-${kind}`;
          mark.textContent = text ?? "";
          if (text) button.append(mark);
        }
        button.addEventListener("click", ({ detail }) => {
          tab = i;
          clearTimeout(removing);
          button.toggleAttribute("data-removing", detail < 2);
          const remove = () => model.send({ remove: token.id });
          if (detail < 2) removing = setTimeout(remove, detail ? DOUBLE : 0); // 0: by a key
        });
        return button;
      }),
    );
    old.forEach((url) => URL.revokeObjectURL(url));
    el.hidden = !el.children.length;
    el.dataset.pictures = el.children.length;
    reach(tab, focused);
  };

  const key = (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (event.key === "Delete") event.target.click();
    else if (event.key === "Enter") event.target.dispatchEvent(new CustomEvent("wb-open", { bubbles: true }));
    else if (step) reach(tab + step, true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  el.addEventListener("keydown", key);
  model.on("change:tokens", draw);
  draw();
  return () => {
    clearTimeout(removing);
    el.removeEventListener("keydown", key);
    model.off("change:tokens", draw);
    urls.forEach((url) => URL.revokeObjectURL(url));
  };
}

export default { render };
