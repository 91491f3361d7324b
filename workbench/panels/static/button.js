// A button that sends the edited fields with its click: their own messages may reach the kernel after it.

function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  el.append(button);
  let fields = [];
  const edited = []; // numbers of the fields that were changed here and not by the kernel since, the last one last
  let forget = () => {};
  const find = async () => {
    const ids = model.get("fields").map((reference) => reference.replace("IPY_MODEL_", ""));
    fields = await Promise.all(ids.map((id) => model.widget_manager.get_model(id)));
    forget();
    const watches = fields.map((field, number) => () => {
      const before = edited.indexOf(number);
      if (before >= 0) edited.splice(before, 1);
      if (!field._state_lock) edited.push(number); // the kernel's own changes lock the state
    });
    fields.forEach((field, number) => field.on("change:value change:index", watches[number]));
    forget = () => fields.forEach((field, number) => field.off("change:value change:index", watches[number]));
  };

  const show = () => {
    const style = model.get("button_style");
    button.className = `lm-Widget jupyter-widgets jupyter-button widget-button${style ? ` mod-${style}` : ""}`;
    button.textContent = model.get("description");
    button.title = model.get("tooltip");
    button.disabled = model.get("disabled");
  };

  // A list has an index, any other field a value.
  const content = (field) => field.get("index") ?? field.get("value");
  button.addEventListener("click", () => model.send({ click: edited.map((number) => [number, content(fields[number])]) }));
  const changes = ["description", "tooltip", "disabled", "button_style"].map((name) => `change:${name}`);
  changes.forEach((change) => model.on(change, show));
  model.on("change:fields", find);
  find();
  show();
  return () => {
    changes.forEach((change) => model.off(change, show));
    model.off("change:fields", find);
    forget();
  };
}

export default { render };
