// "More like this" and "Less like this": two buttons for the whole grid, shown in the figure with the
// pointer or the focus.

const JUDGED = { 1: "+", "-1": "−" };

function thumbsOf(model, root, judge) {
  const thumbs = document.createElement("div");
  thumbs.className = "wb-thumbs";
  let over = null;

  const place = () => {
    const focused = root.contains(document.activeElement) && document.activeElement.closest(".wb-figure");
    const cell = over?.isConnected ? over : focused;
    if (!model.get("judging") || !cell) thumbs.remove();
    else if (thumbs.parentNode !== cell) cell.append(thumbs);
  };

  for (const [sign, label] of [[1, "More like this"], [-1, "Less like this"]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.sign = JUDGED[sign]; // drawn by the style sheet, so that the text of a figure is only its caption
    button.title = label;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      judge(button.closest(".wb-figure"), sign);
    });
    thumbs.append(button);
  }
  root.addEventListener("pointerover", (event) => {
    over = event.target.closest(".wb-figure");
    place();
  });
  root.addEventListener("pointerleave", () => {
    over = null;
    place();
  });
  root.addEventListener("focusin", place);
  root.addEventListener("focusout", () => requestAnimationFrame(place));
  return place;
}
