// Steps of a sum, one per line: name, a bar from the sum before to the sum after, value.

function render({ model, el }) {
  const list = document.createElement("ul");
  list.className = "wb-waterfall";
  el.append(list);

  const draw = () => {
    list.setAttribute("aria-label", model.get("label"));
    const steps = model.get("steps");
    let sum = 0;
    const spans = steps.map(({ value, whole }) => {
      const from = whole ? 0 : sum;
      sum = whole ? value : sum + value;
      return [from, sum];
    });
    const low = Math.min(0, ...spans.flat());
    const high = Math.max(0, ...spans.flat());
    const share = (value) => (100 * (value - low)) / (high - low || 1);
    list.replaceChildren(
      ...steps.map(({ name, value, text, whole }, i) => {
        const item = document.createElement("li");
        const [label, track, bar, number] = ["span", "span", "span", "span"].map((tag) => document.createElement(tag));
        const [from, to] = spans[i].map(share);
        label.className = "wb-step-name";
        label.textContent = label.title = name;
        track.className = "wb-step-track";
        track.style.setProperty("--zero", `${share(0)}%`);
        track.style.setProperty("--sum", `${to}%`);
        bar.className = `wb-step-bar wb-${whole ? "whole" : value < 0 ? "takes" : "adds"}`;
        bar.style.left = `${Math.min(from, to)}%`;
        bar.style.width = `${Math.abs(to - from)}%`;
        track.append(bar);
        number.className = "wb-step-value";
        number.textContent = text;
        item.classList.toggle("wb-whole", whole);
        item.append(label, track, number);
        return item;
      }),
    );
    mark();
  };

  const mark = () => {
    list.classList.toggle("wb-stale", model.get("stale"));
    [...list.children].forEach((item, i) => item.classList.toggle("wb-marked", i === model.get("marked")));
    list.hidden = !list.children.length;
  };

  const changes = { "change:steps": draw, "change:label": draw, "change:marked": mark, "change:stale": mark };
  for (const [name, act] of Object.entries(changes)) model.on(name, act);
  draw();
  return () => {
    for (const [name, act] of Object.entries(changes)) model.off(name, act);
  };
}

export default { render };
