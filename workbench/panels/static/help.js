// The button "?" and its card: what a word means, its formula and its source.

function helpButton(cards) {
  const button = document.createElement("button");
  // The words are the description, not the name: a button of the same name may stand beside it.
  const words = cards.map(({ word }) => word).join("; ");
  button.className = "wb-help";
  button.title = words;
  button.setAttribute("aria-label", "What is this?");
  return cardButton(button, cards);
}

// Makes a button open the cards: each has a word, a text, a formula and a source, of which some may be missing.
function cardButton(button, cards) {
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  button.dataset.lmSuppressShortcuts = "true";
  let card = null;

  const close = () => card?.remove();
  const open = () => {
    card = document.createElement("div");
    card.className = "wb-help-card";
    card.setAttribute("role", "note");
    card.tabIndex = -1;
    card.addEventListener("click", (event) => event.stopPropagation());
    card.popover = "auto"; // closed by Escape and by a click elsewhere
    for (const { word, text, formula, source } of cards) {
      for (const [tag, content] of [["strong", word], ["p", text], ["code", formula], ["small", source]]) {
        if (!content) continue;
        const part = document.createElement(tag);
        part.textContent = content;
        card.append(part);
      }
    }
    card.addEventListener("toggle", (event) => {
      if (event.newState !== "closed") return;
      button.setAttribute("aria-expanded", "false");
      card?.remove();
      card = null;
    });
    button.after(card);
    card.showPopover();
    const { left, bottom, top } = button.getBoundingClientRect();
    const { width, height } = card.getBoundingClientRect();
    card.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    card.style.top = `${bottom + 4 + height <= innerHeight ? bottom + 4 : Math.max(8, top - height - 4)}px`;
    button.setAttribute("aria-expanded", "true");
  };
  // A pointer that goes down on the button closes the card before the click.
  let before = false;
  button.addEventListener("pointerdown", () => { before = Boolean(card); });
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    if (card || before) close();
    else open();
    before = false;
  });
  return button;
}

