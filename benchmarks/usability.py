"""Ten tasks of a lecturer and of a researcher, done in JupyterLab as a new user would.

``python benchmarks/usability.py [CHECKOUT [TASK …]]`` prints clicks, scrolls and seconds; of another checkout
of this project, to compare two versions. A click is one press of a button, a choice in a select, a key or a
written field; a scroll is one move to something that is not in the window. See docs/usability.md.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from _browser import lab_and_browser
from _table import print_table
from playwright.sync_api import Locator, Page, expect

CHECKOUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
sys.path.insert(0, str(CHECKOUT))
from tests.browser.lab import RUN_ALL, Lab, start_lab  # noqa: E402 (of the checkout)

WAIT = 90_000  # milliseconds for what is computed
PATIENCE = 3000  # milliseconds before a user presses a button that may not be needed
WINDOW = {"width": 1280, "height": 800}
SHOW = 'import workbench as wb\nbench = wb.open("posters")\nbench.show()'
IN_WINDOW = """node => {
  const { top, bottom, height } = node.getBoundingClientRect();
  const middle = (top + bottom) / 2;
  const page = document.querySelector(".jp-WindowedPanel-outer").getBoundingClientRect();
  if (middle < page.top || middle > page.bottom || !height) return false;
  for (let box = node.parentElement; box; box = box.parentElement) {
    if (!/auto|scroll|hidden/.test(getComputedStyle(box).overflowY)) continue;
    const edge = box.getBoundingClientRect();
    if (!edge.height) continue;
    if (middle < edge.top || middle > edge.bottom) return false;
  }
  return true;
}"""


class Impossible(Exception):
    """This version has no way to do the task on the screen."""


class Cost(NamedTuple):
    """What a task took."""

    clicks: int
    scrolls: int
    seconds: float


class Hand:
    """A user at the panel: what is used or read is first brought into the window, and counted."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page, self.lab = page, lab
        self.clicks = self.scrolls = 0

    @property
    def panel(self) -> Locator:
        return self.page.locator(".wb-panel").last

    def region(self, name: str) -> Locator:
        return self.panel.get_by_role("region", name=name, exact=True)

    def see(self, part: Locator) -> Locator:
        """Wait for a part and bring it into the window."""
        expect(part).to_be_visible(timeout=WAIT)
        if not part.evaluate(IN_WINDOW):
            self.scrolls += 1
            part.evaluate("node => node.scrollIntoView({ block: 'center' })")
        return part

    def press(self, part: Locator, name: str) -> None:
        button = self.see(part.get_by_role("button", name=name, exact=True).first)
        expect(button).to_be_enabled(timeout=WAIT)
        self.clicks += 1
        button.click()

    def click(self, part: Locator, double: bool = False) -> None:
        self.see(part)
        self.clicks += 1
        part.dblclick() if double else part.click()

    def choose(self, name: str, value: str, part: Locator | None = None) -> None:
        self.clicks += 1
        self.see((part or self.panel).get_by_role("combobox", name=name, exact=True)).select_option(value)

    def write(self, part: Locator, text: str) -> None:
        self.clicks += 1
        self.see(part).fill(text)
        part.press("Enter")

    def open(self, name: str) -> Locator:
        """Open a panel by its tab, or unfold it."""
        tab = self.panel.get_by_role("tab", name=re.compile(f"^{name}"))
        if tab.count():
            if tab.get_attribute("aria-selected") != "true":
                self.click(tab)
        elif not self.region(name).count():
            self.press(self.panel, name)
        return self.see(self.region(name))

    def results(self) -> Locator:
        return self.region("Results").locator("figure")

    def ranked(self) -> None:
        """Wait until the ranking is that of the query and the pipeline."""
        grid = self.region("Results").get_by_role("group", name="Ranked images")
        expect(grid).to_have_attribute("aria-busy", "false", timeout=WAIT)
        self.see(self.results().first)

    def evaluated(self) -> None:
        numbers = self.region("Results").locator(".wb-numbers")
        expect(numbers).to_have_text(re.compile(r"^mAP .*\d"), timeout=WAIT)
        self.ranked()


def compare_poolings(hand: Hand) -> None:
    """Compare three poolings, and say which is better."""
    for pooling in ("max", "mean", "gem:3"):
        if hand.panel.get_by_role("combobox", name="Pooling", exact=True).input_value() != pooling:
            hand.choose("Pooling", pooling)
        hand.press(hand.panel, "Add to comparison")
    part = hand.open("Comparison")
    rows = part.get_by_role("grid", name="Pipelines compared").locator("tbody tr")
    expect(rows.filter(has_text=re.compile(r"\d\.\d"))).to_have_count(3, timeout=WAIT)
    hand.see(rows.filter(has_text="★"))
    hand.see(part.get_by_text(re.compile("95 % interval")).first)


def why_a_query_fails(hand: Hand) -> None:
    """Find out why a query fails: the first wrong result of a hard query, and what its score consists of."""
    hand.evaluated()
    hand.press(hand.region("Query"), "Hard query")
    hand.ranked()
    hand.choose("Show", "errors only")
    wrong = hand.results().first
    name = wrong.locator(".wb-name").inner_text()
    hand.click(wrong)
    explained = hand.open("Explanation")
    expect(explained).to_contain_text(name, timeout=WAIT)
    hand.see(explained.get_by_text(re.compile(r"^Score")).first)


def why_before(hand: Hand) -> None:
    """Say why a wrong result is ranked before a right one."""
    hand.evaluated()
    hand.choose("Show", "errors only")
    hand.click(hand.results().first)
    hand.press(hand.open("Explanation"), "Why this one before that one?")
    hand.see(hand.region("Explanation").get_by_text(re.compile("A − B")).first)


def large(hand: Hand) -> None:
    """Look at the third result large, and at its heat."""
    hand.ranked()
    hand.click(hand.results().nth(2), double=True)
    dialog = hand.page.get_by_role("dialog")
    if not dialog.count():
        raise Impossible
    hand.see(dialog.get_by_role("img").first)
    hand.press(dialog, "Heat")


def attention(hand: Hand) -> None:
    """See where the network responds in the first result, by the norm of all channels."""
    hand.ranked()
    hand.click(hand.results().first)
    part = hand.open("Attention")
    hand.choose("Heat", "norm of all channels", part)
    hand.see(part.locator("canvas").first)


def group_on_the_map(hand: Hand) -> None:
    """Select a group of similar images on the map, and see them among the results."""
    hand.ranked()
    part = hand.open("Embedding map")
    chart = part.get_by_role("application").first
    hand.evaluated()
    hand.page.wait_for_timeout(PATIENCE)
    if not chart.is_visible():
        hand.press(part, "Make map")
    expect(chart).to_have_attribute("aria-busy", "false", timeout=WAIT)
    hand.see(chart)
    box = chart.locator(".nsewdrag").first.bounding_box()
    assert box
    hand.clicks += 1
    for number, (x, y) in enumerate(((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.3))):
        hand.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if not number:
            hand.page.mouse.down()
    hand.page.mouse.up()
    show = hand.region("Results").get_by_role("combobox", name="Show", exact=True)
    expect(show).to_have_value("selection", timeout=WAIT)
    hand.see(hand.results().first)


def index(hand: Hand) -> None:
    """See what an index with codes of 16 bytes loses against exact search."""
    hand.ranked()
    part = hand.open("Index trade-off")
    row = part.get_by_role("grid", name="Indexes measured").get_by_role("row", name=re.compile("^pq:16"))
    hand.evaluated()
    hand.page.wait_for_timeout(PATIENCE)
    if not row.filter(has_text=re.compile(r"\d\.\d")).count():
        hand.press(part, "Measure")
    expect(row).to_contain_text(re.compile(r"\d\.\d"), timeout=WAIT)
    hand.see(row)


def figure_for_a_paper(hand: Hand) -> None:
    """Save the differences between two pipelines, query by query, as an SVG."""
    hand.evaluated()
    hand.press(hand.panel, "Add to comparison")
    hand.choose("Pooling", "mean")
    hand.press(hand.panel, "Add to comparison")
    part = hand.open("Comparison")
    chart = part.get_by_role("application", name=re.compile("^AP of each query under A and B"))
    expect(chart).to_have_attribute("aria-busy", "false", timeout=WAIT)
    hand.see(chart)
    with hand.page.expect_download() as saved:
        hand.click(chart.locator("[data-title='Download as SVG']"))
    assert saved.value.suggested_filename.endswith(".svg")


def report(hand: Hand) -> None:
    """Save a report on the current pipeline, and open it."""
    hand.evaluated()
    part = hand.open("History")
    hand.press(part, "Save report")
    expect(hand.panel.get_by_text(re.compile("is saved in")).first).to_be_visible(timeout=WAIT)
    link = hand.panel.get_by_role("link", name=re.compile("report"))
    if not link.count():
        raise Impossible
    with hand.page.expect_popup() as popup:
        hand.click(link.first)
    expect(popup.value.get_by_role("heading").first).to_be_visible(timeout=WAIT)


def own_photos(hand: Hand) -> None:
    """Open a folder of one's own photos, and see what is most similar to a photo in it."""
    hand.ranked()
    hand.click(hand.region("Query").get_by_role("listbox", name="Queries").get_by_role("option").nth(3))
    hand.ranked()


TASKS: tuple[Callable[[Hand], None], ...] = (
    compare_poolings,
    why_a_query_fails,
    why_before,
    large,
    attention,
    group_on_the_map,
    index,
    figure_for_a_paper,
    report,
    own_photos,
)


def photos(folder: Path) -> str:
    """A folder of photographs for the last task; returns the cell that opens it."""
    from workbench.collections.catalog import open_collection
    from workbench.config.options import default_cache

    scenes = open_collection("posters", "none", default_cache()).root / "scenes"
    (folder / "photos").mkdir()
    for path in sorted(scenes.glob("*.jpg"))[:60]:
        shutil.copy(path, folder / "photos")
    return SHOW.replace('"posters"', '"photos"')


def do(task: Callable[[Hand], None], page: Page, lab: Lab, cell: str) -> Cost | None:
    """Do a task in a notebook of its own; None if this version cannot do it."""
    lab.open(page, lab.write(f"{task.__name__}.ipynb", cell))
    page.evaluate("() => { if (!jupyterapp.shell.leftCollapsed) jupyterapp.shell.collapseLeft(); }")
    hand = Hand(page, lab)
    began = time.perf_counter()
    page.evaluate(RUN_ALL)
    hand.clicks += 1
    hand.panel.wait_for(state="attached", timeout=WAIT)
    hand.panel.evaluate("node => node.scrollIntoView()")
    try:
        task(hand)
    except Impossible:
        return None
    return Cost(hand.clicks, hand.scrolls, time.perf_counter() - began)


def main() -> None:
    rows = []
    with lab_and_browser(start_lab, "usability-") as (lab, browser):
        for task in [task for task in TASKS if task.__name__ in (sys.argv[2:] or task.__name__)]:
            page = browser.new_page(viewport=WINDOW)
            cell = photos(lab.folder) if task is own_photos else SHOW
            cost = do(task, page, lab, cell)
            page.evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
            page.close()
            title = (task.__doc__ or "").rstrip(".")
            numbers = [f"{cost.clicks}", f"{cost.scrolls}", f"{cost.seconds:.0f}"] if cost else ["–"] * 3
            rows.append([title, *numbers])
            print(rows[-1], file=sys.stderr, flush=True)
    print_table(["task", "clicks", "scrolls", "seconds"], rows)


if __name__ == "__main__":
    main()
