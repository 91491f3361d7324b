// Title and subtitle in lines that fit the width of the chart; plotly would cut them.

const BAR = 216; // pixels of the tool bar, beside the title; the subtitle is below it
const LINE = 1.3; // height of a line, as plotly's
const pen = document.createElement("canvas").getContext("2d");

// Markup with a break wherever the next word does not fit; a longer word is broken, but no tag and no entity.
function wrapped(markup, width, { size, family }) {
  pen.font = `${size}px ${family}`;
  const fits = (part) => pen.measureText(plainText(part)).width <= width;
  const lines = [];
  for (const given of markup.split(/<br\s*\/?>/)) {
    let line = "";
    for (const word of given.match(/\s*(<[^>]*>|[^\s<])+|<|\s+$/g) ?? []) {
      const parts = fits(word.trim()) ? [word] : word.match(/<[^>]*>|&[^;\s]+;|./gsu);
      for (const part of parts) {
        if (line.trim() && !fits(line + part)) {
          lines.push(/^\s/.test(part) ? `${line} ` : line); // the space stays in the text of the page
          line = part.trimStart();
        } else line += part;
      }
    }
    lines.push(line);
  }
  return lines.join("<br>");
}

// Wrap the titles of a layout, and make room for their further lines above the axes; returns the pixels of these.
function fitTitles(layout, template, width) {
  const { font, title, margin } = template.layout;
  const given = layout.title;
  const room = width - 2 * title.pad.l;
  let more = 0;
  const fit = (part, styled, space) => {
    if (!part?.text || space < 80) return;
    const full = { ...font, ...styled.font, ...part.font };
    const before = part.text.split(/<br\s*\/?>/).length;
    part.text = wrapped(part.text, space, full);
    more += (part.text.split("<br>").length - before) * LINE * full.size;
  };
  fit(given, title, room - BAR);
  fit(given?.subtitle, title.subtitle, room);
  if (more) layout.margin = { ...layout.margin, t: (layout.margin?.t ?? margin.t) + more };
  return Math.round(more);
}
