// An element with a class, put at the end of its parent, if there is one; its content is text, never HTML.
function element(tag, name, parent, text) {
  const node = document.createElement(tag);
  node.className = name;
  if (text) node.textContent = text;
  parent?.append(node);
  return node;
}

