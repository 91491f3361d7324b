// A box drawn on a picture, and the choice: more like this region, or less. For pictures of results.

const LEAST_SIDE = 0.02; // of a side of the picture, of a box that was drawn and not clicked

// ``frame`` is the element around the picture; ``ready()`` tells whether a box may be drawn now;
// ``choose(sign, box)`` gets 1 or -1 and x0, y0, x1, y1 in fractions of the picture.
function regionMenu(frame, ready, choose) {
  const put = (tag, name, parent, text = "") => {
    const node = document.createElement(tag);
    node.className = name;
    node.textContent = text;
    parent.append(node);
    return node;
  };
  const box = put("div", "wb-drawn", frame);
  const menu = put("div", "wb-drawn-menu", frame);
  menu.setAttribute("role", "group");
  menu.setAttribute("aria-label", "The region of the picture");
  let shares = null;
  let held = null;

  const show = (next, open) => {
    shares = next;
    box.hidden = !shares;
    menu.hidden = !shares || !open;
    if (!shares) return;
    const [x0, y0, x1, y1] = shares;
    Object.assign(box.style, { left: `${100 * x0}%`, top: `${100 * y0}%`, width: `${100 * (x1 - x0)}%`, height: `${100 * (y1 - y0)}%` });
    // Below the box where there is room, and not beyond the right edge.
    const { width, height } = frame.getBoundingClientRect();
    const below = y1 * height + 30 < height;
    Object.assign(menu.style, { left: `${Math.max(0, Math.min(x0 * width, width - 132))}px`, top: `${below ? y1 * height + 2 : Math.max(0, y0 * height - 28)}px` });
  };
  const close = () => show(null);
  for (const [sign, text, label] of [[1, "+ more", "More like this region"], [-1, "− less", "Less like this region"], [0, "×", "No region"]]) {
    const button = put("button", "", menu, text);
    Object.assign(button, { type: "button", title: label });
    button.setAttribute("aria-label", label);
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      const chosen = shares;
      close();
      if (sign && chosen) choose(sign, chosen);
    });
  }
  const place = (event) => {
    const { left, top, width, height } = frame.getBoundingClientRect();
    const within = (share) => Math.min(Math.max(share, 0), 1);
    return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  };
  const around = ([x0, y0], [x1, y1]) => [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
  const large = ([x0, y0, x1, y1]) => x1 - x0 >= LEAST_SIDE && y1 - y0 >= LEAST_SIDE;

  frame.addEventListener("pointerdown", (event) => {
    if (event.button || held || menu.contains(event.target) || !ready()) return;
    event.stopPropagation(); // what moves the picture would take the pointer
    held = { id: event.pointerId, from: place(event), moved: false };
  });
  frame.addEventListener("pointermove", (event) => {
    if (held?.id !== event.pointerId) return;
    const next = around(held.from, place(event));
    if (!held.moved && !large(next)) return;
    if (!held.moved) frame.setPointerCapture(held.id); // a click still reaches what is below
    held.moved = true;
    show(next, false);
  });
  frame.addEventListener("pointerup", (event) => {
    if (held?.id !== event.pointerId) return;
    const { moved } = held;
    held = null;
    if (!moved) return;
    show(large(shares) ? shares : null, true);
    menu.querySelector("button").focus({ preventScroll: true });
    const swallow = (click) => click.stopPropagation(); // the click at the end of a drag picks nothing
    frame.addEventListener("click", swallow, true);
    setTimeout(() => frame.removeEventListener("click", swallow, true), 50);
  });
  frame.addEventListener("pointercancel", () => {
    held = null;
    close();
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      close();
    } else if (event.key !== "Enter" && event.key !== " ") return;
    event.stopPropagation();
  });
  close();
  return { show: (next) => show(next, true), close };
}
