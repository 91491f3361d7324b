// Pictures on the page that can be opened: by a double click, Enter or f, or by the event wb-open.

const DOUBLE = 600; // milliseconds in which a second click belongs to the first

const onPage = (ref) => ref.startsWith("page:"); // has no file
const galleryOf = (node) => node.closest("[data-pictures]");
const entryOf = (node) => ({ ref: node.dataset.picture, node });
// The address of the picture on the page; one that was taken away is no longer valid.
const smallOf = ({ node, ref }) => (node.isConnected && node.dataset.picture === ref && node.querySelector("img")?.getAttribute("src")) || "";

// The pictures of the same list or, outside of lists, those of the same panel that are visible.
function entriesAround(node) {
  const gallery = galleryOf(node);
  const root = gallery ?? node.closest(".wb-region") ?? node.parentElement;
  const nodes = [...root.querySelectorAll("[data-picture]")].filter((one) => one.dataset.picture && galleryOf(one) === gallery);
  const seen = gallery ? nodes : nodes.filter((one) => one === node || one.getClientRects().length);
  return seen.includes(node) ? seen.map(entryOf) : [entryOf(node)];
}

// The picture of an event: not if it belongs to a control inside the picture.
function pictureOf(target) {
  const node = target.closest?.("[data-picture]");
  const control = target.closest?.("a, button, input, select, textarea");
  return !node?.dataset.picture || (control && control !== node && node.contains(control)) ? null : node;
}

// Back to the picture that was opened, or to its place in a list of the panel that was drawn again.
function focusOn({ node, ref }, el) {
  const same = (one) => one.dataset.picture === ref && el.closest(".wb-panel")?.contains(one);
  const again = node.isConnected ? node : [...document.querySelectorAll("[data-picture]")].find(same);
  const target = again?.matches("[tabindex], button") ? again : again?.querySelector("[tabindex='0'], button");
  target?.focus({ preventScroll: true });
}

// Call ``open(entry, entries)`` for pictures inside the panel of ``el``; returns a function that ends it.
function listenForPictures(el, open) {
  const stopped = new AbortController();
  const on = (name, act) => document.addEventListener(name, act, { signal: stopped.signal, capture: name !== "keydown" });
  const inside = (node) => el.closest(".wb-panel")?.contains(node);
  const plain = (event) => !(event.altKey || event.ctrlKey || event.metaKey || event.shiftKey);
  let pressed = null; // the picture of the first of two clicks, which may change the list

  const openNode = (node) => open(entryOf(node), entriesAround(node));
  on("mousedown", (event) => {
    if (event.detail !== 1 || event.button || !plain(event)) return;
    const node = inside(event.target) && pictureOf(event.target);
    pressed = node ? { entry: entryOf(node), entries: entriesAround(node), at: event.timeStamp } : null;
  });
  const openPressed = (event) => {
    if (!pressed || event.timeStamp - pressed.at > DOUBLE || !plain(event)) return;
    const { entry, entries } = pressed;
    pressed = null;
    if (entry.node.isConnected && entry.node.dataset.picture === entry.ref) openNode(entry.node);
    else open(entry, entries);
  };
  on("dblclick", openPressed);
  // plotly suppresses the event dblclick, which would follow this click at once.
  on("click", (event) => event.detail === 2 && setTimeout(() => openPressed(event)));
  on("keydown", (event) => {
    if (event.defaultPrevented || !plain(event) || !["f", "F", "Enter"].includes(event.key) || !inside(event.target)) return;
    const node = pictureOf(event.target);
    if (!node) return;
    event.preventDefault();
    openNode(node);
  });
  on("wb-open", (event) => {
    const node = inside(event.target) && event.target.closest("[data-picture]");
    if (node?.dataset.picture) openNode(node);
  });
  return () => stopped.abort();
}
