// A line of text that is sent at Enter. What is being typed is not replaced; an error points at its character.

const CONTEXT = 18; // characters of the line that are shown before the wrong character, and after it

function render({ model, el }) {
  const root = element("div", `wb-ask${model.get("code") ? " wb-ask-code" : ""}`, el);
  const label = element("label", "", root, model.get("label"));
  const input = element("input", "", label);
  const fault = element("div", "wb-ask-fault", root);
  const id = `wb-ask-${Math.random().toString(36).slice(2)}`;
  Object.assign(input, { type: "text", placeholder: model.get("placeholder"), title: model.get("hint"), spellcheck: false, autocomplete: "off", dir: "auto" });
  root.dataset.lmSuppressShortcuts = "true";
  fault.id = id;
  fault.setAttribute("role", "alert");
  let edited = false;

  const show = () => {
    if (edited && document.activeElement === input) return;
    edited = false;
    input.value = model.get("value");
    if (document.activeElement !== input) input.scrollLeft = 0;
  };
  const complain = () => {
    const { sentence, line, position } = model.get("error");
    fault.replaceChildren(sentence ?? "");
    fault.hidden = !sentence;
    sentence ? input.setAttribute("aria-describedby", id) : input.removeAttribute("aria-describedby");
    input.setAttribute("aria-invalid", String(Boolean(sentence)));
    if (!sentence || position === undefined) return;
    const letters = [...line].slice(position, position + 1).join("") || " ";
    const place = element("code", "wb-ask-place", fault);
    const from = Math.max(0, position - CONTEXT);
    place.append(`${from ? "…" : ""}${line.slice(from, position)}`);
    element("mark", "", place, letters);
    const rest = line.slice(position + letters.length);
    place.append(`${rest.slice(0, CONTEXT)}${rest.length > CONTEXT ? "…" : ""}`);
    if (document.activeElement === input && input.value === line) input.setSelectionRange(position, position + letters.length);
  };

  input.addEventListener("input", () => (edited = true));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) {
      edited = false;
      model.send({ enter: input.value });
    } else if (event.key === "Escape" && edited) {
      edited = false;
      show();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  model.on("change:value", show);
  model.on("change:error", complain);
  show();
  complain();
  return () => {
    model.off("change:value", show);
    model.off("change:error", complain);
  };
}

export default { render };
