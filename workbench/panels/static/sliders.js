// Labelled sliders over lists of values. A change is sent when the handle is released, or as it moves (``live``).

function render({ model, el }) {
  el.classList.add("wb-numbers-column");

  const make = (number) => {
    const line = document.createElement("label");
    const name = document.createElement("span");
    const range = document.createElement("input");
    const value = document.createElement("output");
    range.type = "range";
    range.min = 0;
    range.step = 1;
    range.addEventListener("input", () => say(line, model.get("sliders")[number].values, range.value));
    const heard = model.get("live") ? "input" : "change";
    range.addEventListener(heard, () => {
      const { label, values } = model.get("sliders")[number]; // the sliders may change before the kernel reads this
      model.send({ slider: number, at: Number(range.value), label, value: values[range.value] });
    });
    line.append(name, range, value);
    return line;
  };

  const say = (line, values, at) => {
    const [, range, value] = line.children;
    value.textContent = values[at];
    range.setAttribute("aria-valuetext", values[at]);
  };

  const show = () => {
    const sliders = model.get("sliders");
    while (el.children.length > sliders.length) el.lastElementChild.remove();
    sliders.forEach(({ label, name, values, at }, i) => {
      if (!el.children[i]) el.append(make(i));
      const line = el.children[i];
      const [caption, range] = line.children;
      caption.textContent = name;
      range.setAttribute("aria-label", label);
      range.max = values.length - 1;
      range.value = at;
      say(line, values, at);
    });
  };

  model.on("change:sliders", show);
  show();
  return () => model.off("change:sliders", show);
}

export default { render };
