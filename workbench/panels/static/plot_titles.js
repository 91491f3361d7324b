// Title and subtitle in lines that fit the width of the chart; plotly would cut them.

const BAR = 216; // pixels of the tool bar, beside the title; the subtitle is below it
const LINE = 1.3; // height of a line, as plotly's
const UNDER = 22; // pixels of the tool bar, above the title of a narrow chart
const NARROW = 560; // pixels of a chart whose title does not fit beside the tool bar
const RAISED = 0.7; // of the size of its font by which plotly moves a title of several lines up
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
    if (!part?.text) return;
    const full = { ...font, ...styled.font, ...part.font };
    const before = part.text.split(/<br\s*\/?>/).length;
    part.text = wrapped(part.text, space, full);
    more += (part.text.split("<br>").length - before) * LINE * full.size;
  };
  const under = given?.text && width < NARROW ? UNDER : 0;
  fit(given, title, under ? room : room - BAR);
  fit(given?.subtitle, title.subtitle, room);
  more += under;
  const raised = given?.text?.includes("<br>") ? RAISED * (given.font?.size ?? title.font.size) : 0;
  if (under + raised) given.pad = { ...title.pad, t: title.pad.t + under + raised };
  if (more) layout.margin = { ...layout.margin, t: (layout.margin?.t ?? margin.t) + more };
  return Math.round(more);
}
