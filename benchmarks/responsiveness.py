"""The response times of the panels in a real browser, on the embedded collection, against their aims.

``python benchmarks/responsiveness.py [panels] [charts]``: the rows of these subjects only.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from _browser import lab_and_browser
from _charts import charts
from _table import print_table
from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.lab import RUN_ALL, Lab, start_lab

TIMES = 10
POOLINGS = ("mean", "gem:3", "crow", "max")  # the panel starts with the last
PAUSE = 20  # seconds at the first ranking, in which poolings are described in advance
PANEL = """import time, threading
from pathlib import Path
import workbench
from workbench.panels import Session, query_panel
def stamp(*_):
    with open("stamps", "a") as file:
        file.write(f"{time.time()}\\n")
def settled(change):
    if change["new"].startswith("Cancelled"):
        threading.Thread(target=lambda: session.wait() and stamp()).start()
"""
EMBEDDED = """bench = workbench.open("posters")
session = Session(bench)
session.observe(stamp, "ranking")
query_panel(bench, session)"""
FRESH = """scenes = workbench.open("posters").collection.root / "scenes"
bench = workbench.open(scenes, cache=tempfile.mkdtemp())
session = Session(bench, pipeline="efficientnet_lite0/max/whole")
session.observe(settled, "message")
query_panel(bench, session)"""
# Milliseconds in the page from an action to the first frame in which each of the conditions holds.
WATCH = """({ act, until, seconds }) => new Promise((resolve, reject) => {
  const panel = [...document.querySelectorAll(".wb-panel")].at(-1);
  const grid = panel.querySelector("[aria-label='Ranked images']");
  const before = { grid: grid.textContent, numbers: panel.querySelector(".wb-numbers")?.textContent };
  const condition = (text) => new Function("panel", "grid", "before", `return ${text}`);
  const conditions = Object.entries(until).map(([name, text]) => [name, condition(text)]);
  const times = {};
  const began = performance.now();
  times.began = Date.now() / 1000;
  new Function("panel", "grid", act)(panel, grid);
  const look = () => {
    for (const [name, holds] of conditions)
      if (!(name in times) && holds(panel, grid, before)) times[name] = performance.now() - began;
    if (Object.keys(times).length > conditions.length) resolve(times);
    else if (performance.now() - began > 1000 * seconds) reject(`only ${Object.keys(times)} in time`);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
CHOOSE = """const selects = [...panel.querySelectorAll("select")];
const select = selects.find((element) => element.labels[0]?.textContent === "Pooling");
select.value = %r; select.dispatchEvent(new Event("change", { bubbles: true }));"""
PICK = "panel.querySelectorAll('[aria-label=\"Queries\"] [role=option]')[%d].click();"
CANCEL = (
    """[...panel.querySelectorAll("button")].find((element) => element.textContent === "Cancel").click();"""
)
RANKED = "grid.getAttribute('aria-busy') === 'false' && grid.textContent !== before.grid"
SEEN = "[...grid.querySelectorAll('figure')].slice(0, %d)" + (
    ".every((figure) => figure.querySelector('img')?.naturalWidth)"
)
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
FIRST = f"""() => {{
  const grid = document.querySelector("[aria-label='Ranked images']");
  return grid?.querySelectorAll("figure").length >= 12 && {SEEN % 12};
}}"""
MAP = "/^mAP .*\\d/.test(panel.querySelector('.wb-numbers')?.textContent) && " + (
    "panel.querySelector('.wb-numbers').textContent !== before.numbers"
)
RUNNING = "() => [...document.querySelectorAll('.wb-messages')].at(-1).textContent.match(/\\d+ of \\d+/)"


def quiet(page: Page) -> None:
    """Wait until no job runs."""
    page.wait_for_timeout(300)
    page.locator(".wb-messages button", has_text="Cancel").last.wait_for(state="hidden", timeout=300_000)
    page.wait_for_timeout(300)


def watch(page: Page, act: str, until: dict[str, str]) -> dict[str, float]:
    """Act in the page, and return the milliseconds until each condition holds (see WATCH)."""
    times: dict[str, float] = page.evaluate(WATCH, {"act": act, "until": until, "seconds": 120})
    return times


def stamps(lab: Lab) -> list[float]:
    """The times at which the kernel had a result ready, in seconds since the epoch."""
    path = lab.folder / "stamps"
    return [float(line) for line in path.read_text().split()] if path.exists() else []


def painted(lab: Lab, times: dict[str, float], seen: int) -> float:
    """Milliseconds from the ranking in the kernel to 200 results on screen; ``seen`` stamps are older."""
    return 1000 * (times["began"] - stamps(lab)[seen]) + times["all"]


def row(title: str, aim: int, times: Sequence[float]) -> list[str]:
    median, largest = statistics.median(times), max(times)
    return [title, f"{median:.0f}", f"{largest:.0f}", f"{aim}" + ("" if median <= aim else " (missed)")]


def first_ranking(lab: Lab, page: Page) -> list[list[str]]:
    """From Run All of the first notebook, whose kernel runs, to its first twelve results."""
    times = []
    for number in range(3):
        name = f"first-{number}.ipynb"
        shutil.copy(NOTEBOOKS / "01_explore_a_collection.ipynb", lab.folder / name)
        lab.open(page, name)
        began = time.perf_counter()
        page.evaluate(RUN_ALL)
        page.wait_for_function(FIRST, timeout=400_000)
        times.append(1000 * (time.perf_counter() - began))
        page.evaluate("() => jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    return [row("Run All of the first notebook → first 12 results", 8000, times)]


def changes(lab: Lab, page: Page) -> list[list[str]]:
    lab.run(page, lab.write("embedded.ipynb", PANEL, EMBEDDED))
    page.wait_for_function("document.querySelectorAll('figure').length >= 200", timeout=400_000)
    quiet(page)
    until = {"all": f"{RANKED} && {SEEN % 200}", "first": f"{RANKED} && {SEEN % 12}"}
    click, dimming, ranked, mean, same, other = ([] for _ in range(6))
    for number in range(TIMES):
        figure = f"grid.querySelectorAll('figure')[{number}].click();"
        marked = f"grid.querySelectorAll('figure')[{number}].ariaCurrent === 'true'"
        click.append(watch(page, figure, {"marked": marked})["marked"])
        seen = len(stamps(lab))
        value = POOLINGS[number % len(POOLINGS)]
        dimmed = "grid.getAttribute('aria-busy') === 'true'"
        times = watch(page, CHOOSE % value, {**until, "dimmed": dimmed, "map": MAP})
        dimming.append(times["dimmed"])
        ranked.append(times["first"])
        mean.append(times["map"])
        same.append(painted(lab, times, seen))
        quiet(page)
        seen = len(stamps(lab))
        times = watch(page, PICK % (number * 4 + 5), until)
        other.append(painted(lab, times, seen))
        quiet(page)
    return [
        row("click on a result → marked", 100, click),
        row("changed pooling → ranking dimmed", 100, dimming),
        # Described poolings stay in memory, so the first time of each pooling is listed separately.
        row(
            "changed pooling, at once, for the first time → new ranking painted",
            500,
            ranked[: len(POOLINGS) - 1],
        ),
        row("changed pooling, at once, for the first time → new mAP", 1000, mean[: len(POOLINGS) - 1]),
        row("changed pooling → new ranking painted, again", 500, ranked[len(POOLINGS) - 1 :]),
        row("changed pooling → new mAP, again", 1000, mean[len(POOLINGS) - 1 :]),
        row("ranking ready → 200 results painted, the pooling changed", 300, same),
        row("ranking ready → 200 results painted, the query changed", 300, other),
    ]


def changes_after_a_pause(lab: Lab, page: Page) -> list[list[str]]:
    """Changes of the pooling after a pause, in which pipelines one choice away are described in advance."""
    lab.run(page, lab.write("looked-at.ipynb", PANEL, EMBEDDED))
    page.wait_for_function("document.querySelectorAll('figure').length >= 200", timeout=400_000)
    quiet(page)
    page.wait_for_timeout(1000 * PAUSE)
    ranked, mean = [], []
    for value in POOLINGS[:-1]:
        times = watch(page, CHOOSE % value, {"first": f"{RANKED} && {SEEN % 12}", "map": MAP})
        ranked.append(times["first"])
        mean.append(times["map"])
        quiet(page)
    return [
        row("changed pooling after a pause, for the first time → new ranking painted", 500, ranked),
        row("changed pooling after a pause, for the first time → new mAP", 1000, mean),
    ]


def cancelling(lab: Lab, page: Page) -> list[list[str]]:
    lab.run(page, lab.write("fresh.ipynb", PANEL, FRESH))
    shown, idle = [], []
    for _ in range(TIMES):
        page.wait_for_function(RUNNING, timeout=120_000)
        page.wait_for_timeout(500)
        seen = len(stamps(lab))
        cancelled = "panel.querySelector('.wb-messages').textContent.includes('Cancelled')"
        times = watch(page, CANCEL, {"cancelled": cancelled})
        shown.append(times["cancelled"])
        while len(stamps(lab)) == seen:
            time.sleep(0.01)
        idle.append(1000 * (stamps(lab)[seen] - times["began"]))
        page.get_by_role("button", name="Run", exact=True).last.click()
    return [
        row("Cancel during extraction → message", 500, shown),
        row("Cancel during extraction → worker idle", 500, idle),
    ]


def main(subjects: Sequence[str]) -> None:
    with lab_and_browser(start_lab, "responsiveness-") as (lab, browser):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        rows = []
        if "panels" in subjects:
            rows += first_ranking(lab, page)
            rows += [*changes(lab, page), *changes_after_a_pause(lab, page), *cancelling(lab, page)]
        if "charts" in subjects:
            rows += [row(*measured) for measured in charts(lab, page)]
    print_table(["", "median, ms", "most, ms", "aim, ms"], rows)


if __name__ == "__main__":
    main(sys.argv[1:] or ("panels", "charts"))
