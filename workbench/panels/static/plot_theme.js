// The theme of the page: JupyterLab and Voila name it, elsewhere the ground behind the chart tells it.

// The opaque colour behind an element; white if there is none.
function groundOf(element) {
  for (let node = element; node instanceof Element; node = node.parentElement ?? node.getRootNode().host) {
    const colour = getComputedStyle(node).backgroundColor;
    if (colour && colour !== "transparent" && !/^rgba\(.*, 0\)$|\/ 0\)$/.test(colour)) return colour;
  }
  return "#ffffff";
}

function isDark(element) {
  const light = document.body.dataset.jpThemeLight;
  if (light) return light === "false";
  const [red, green, blue] = (groundOf(element).match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return groundOf(element).startsWith("rgb") && 0.299 * red + 0.587 * green + 0.114 * blue < 110;
}

// The template of the theme, in the font of the page.
function themedTemplate(templates, element) {
  const template = structuredClone(templates[isDark(element) ? "dark" : "light"]);
  const font = getComputedStyle(element).getPropertyValue("--jp-ui-font-family").trim();
  if (font) template.layout.font.family = font;
  return template;
}

// Call ``change`` whenever the theme changes; returns a function that ends this.
function watchTheme(element, change) {
  let before = isDark(element);
  const look = () => {
    const now = isDark(element);
    if (now !== before) change();
    before = now;
  };
  const observer = new MutationObserver(look);
  const attributes = { attributes: true, attributeFilter: ["data-jp-theme-light", "class", "style", "data-theme"] };
  for (const node of [document.documentElement, document.body]) observer.observe(node, attributes);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", look);
  return () => {
    observer.disconnect();
    scheme.removeEventListener("change", look);
  };
}
