"""Every kind of figure, drawn and hovered in a browser, shows hostile names as text."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.figures.samples import SAMPLES
from workbench.panels.widgets.plot import plotly_script

pytestmark = pytest.mark.browser
# Draw a figure and hover points of each trace; returns the elements that names must not make, and all texts.
DRAW = """async (json) => {
  const { data, layout } = JSON.parse(json);
  const frame = document.body.appendChild(document.createElement('div'));
  await Plotly.newPlot(frame, data, { ...layout, width: 900, height: 600 }, { displayModeBar: false });
  const made = new Set();
  let text = '';
  const look = () => {
    for (const element of frame.querySelectorAll('a, img, script, iframe, foreignObject, .MathJax'))
      made.add(element.outerHTML);
    for (const span of frame.querySelectorAll('tspan'))
      if (span.textContent === 'bold') made.add(span.outerHTML);
    text += frame.textContent;
  };
  look();
  for (let number = 0; number < data.length; number++)
    for (const point of [0, 1, 2]) {
      try { Plotly.Fx.hover(frame, [{ curveNumber: number, pointNumber: point }]); } catch { continue; }
      look();
    }
  Plotly.purge(frame);
  frame.remove();
  return { made: [...made], text };
}"""


def test_names_make_no_element(page: Page) -> None:
    page.set_content("<body></body>")
    page.add_script_tag(content=plotly_script().decode())
    for subject, sample in sorted(SAMPLES.items()):
        shown = page.evaluate(DRAW, sample().to_json())
        assert shown["made"] == [], subject
        assert any(name in shown["text"] for name in ("<img src=x", "<b>bold</b>")), subject
