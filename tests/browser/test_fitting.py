"""Every select of every panel is as wide as its longest option, and nothing is wider than its panel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.notebook import Notebook
from tests.browser.steps import ranked, region, tab
from tests.browser.test_workbench import BELOW, BESIDE

pytestmark = pytest.mark.browser
PIPELINE = "efficientnet_lite0/max/rmac:2"
# The selects whose longest option does not fit; those that list names of files or pipelines are exempt.
CLIPPED = """(names) => [...document.querySelectorAll('.wb-panel select')].flatMap((s) => {
  if (!s.offsetParent) return [];
  const style = getComputedStyle(s), pen = document.createElement('canvas').getContext('2d');
  pen.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const room = s.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const needed = Math.max(...[...s.options].map((option) => pen.measureText(option.text).width));
  const label = s.closest('.widget-dropdown')?.querySelector('label')?.textContent ?? '';
  return names.includes(label) || needed <= room + 1 ? [] : [`${label}: ${needed} in ${room}`];
})"""
NAMES = [
    "Explained query",
    "Explained image",
    "Query",
    "Compare with",
    "A",
    "B",
    "Favourite",
    "Image",
    "Result",
]  # of files, pipelines, queries
# Parts that reach over the right border of their tab, and are not in a part that scrolls.
OUTSIDE = """(page) => {
  const edge = page.getBoundingClientRect().right + 1;
  const clips = (n) => ['auto', 'scroll', 'hidden'].includes(getComputedStyle(n).overflowX);
  const scrolls = (n) => n !== page && (clips(n) || scrolls(n.parentElement));
  return [...page.querySelectorAll('select, button, input, .wb-line, img')]
    .filter((n) => n.offsetParent && n.getBoundingClientRect().right > edge && !scrolls(n))
    .map((n) => n.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("width", [1280, 1920])
def test_selects_show_their_longest_option(notebook: Notebook, folder: Path, cache: Path, width: int) -> None:
    page = notebook.page
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("jupyterapp.shell.collapseLeft()")
    panel = notebook.show(folder, cache, "show", pipeline=PIPELINE)
    ranked(panel)
    panel.get_by_role("button", name="More").first.click()
    for name in (*BESIDE, *BELOW):
        tab(panel, name).click()
        part = region(panel, name)
        part.wait_for()
        assert page.evaluate(CLIPPED, NAMES) == [], name
        assert part.locator("xpath=ancestor::*[contains(@class, 'wb-page')]").evaluate(OUTSIDE) == [], name
