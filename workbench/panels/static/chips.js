// A labelled row of toggle buttons; the chosen options keep their order.

function render({ model, el }) {
  const label = document.createElement("span");
  const row = document.createElement("div");
  label.textContent = model.get("label");
  label.className = "wb-chips-label";
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", model.get("label"));
  el.classList.add("wb-chips");
  el.append(label, row);

  const mark = () => {
    const chosen = model.get("chosen");
    for (const chip of row.children) chip.setAttribute("aria-pressed", String(chosen.includes(chip.value)));
  };

  const draw = () => {
    row.replaceChildren(
      ...model.get("options").map((value) => {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.value = value;
        chip.textContent = value || "none";
        chip.addEventListener("click", () => {
          const now = new Set(model.get("chosen"));
          now.delete(value) || now.add(value);
          model.set("chosen", model.get("options").filter((one) => now.has(one)));
          model.save_changes();
        });
        return chip;
      }),
    );
    mark();
  };

  model.on("change:options", draw);
  model.on("change:chosen", mark);
  draw();
  return () => {
    model.off("change:options", draw);
    model.off("change:chosen", mark);
  };
}

export default { render };
