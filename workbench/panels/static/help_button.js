function render({ model, el }) {
  el.classList.add("wb-help-place");
  el.append(helpButton(model.get("cards")));
}

export default { render };
