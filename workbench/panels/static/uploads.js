// A button that opens an image file, and pasting of images in its region.

const PART = 4 << 20; // bytes per message; the server closes the connection at 10 MB

function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "jupyter-button widget-button wb-upload";
  button.textContent = model.get("label");
  button.title = "Search with an image file; or paste an image here";
  const input = document.createElement("input");
  input.type = "file";
  input.accept = "image/*";
  input.hidden = true;
  input.setAttribute("aria-label", model.get("label"));
  el.append(button, input);

  const send = async (blob, name) => {
    const data = await blob.arrayBuffer();
    const file = crypto.getRandomValues(new Uint32Array(2)).join("-");
    for (let start = 0; start === 0 || start < data.byteLength; start += PART) {
      model.send({ file, name, size: data.byteLength, start }, undefined, [data.slice(start, start + PART)]);
    }
  };

  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files.length) send(input.files[0], input.files[0].name);
    input.value = ""; // so that the same file can be chosen again
  });

  const paste = (event) => {
    const item = [...(event.clipboardData?.items ?? [])].find((one) => one.type.startsWith("image/"));
    const file = item?.getAsFile();
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    send(file, file.name || "pasted.png");
  };
  // The region can be found only when this is in the page.
  let region = null;
  const placed = new ResizeObserver(() => {
    region = el.closest(".wb-region");
    if (!region) return;
    region.addEventListener("paste", paste);
    placed.disconnect();
  });
  placed.observe(el);

  return () => {
    placed.disconnect();
    region?.removeEventListener("paste", paste);
  };
}

export default { render };
