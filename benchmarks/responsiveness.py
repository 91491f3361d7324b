"""How soon the panels answer, in a real browser on the embedded collection, against what is aimed at."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from _table import print_table
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.lab import Lab, start_lab

TIMES = 10
POOLINGS = ("mean", "gem:3", "crow", "max")  # the last is what the panel begins with
PAUSE = 20  # seconds that somebody looks at the first ranking, while poolings are described ahead
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
FRESH = """import tempfile
scenes = workbench.open("posters").collection.root / "scenes"
bench = workbench.open(scenes, cache=tempfile.mkdtemp())
session = Session(bench, pipeline="efficientnet_lite0/max/whole")
session.observe(settled, "message")
query_panel(bench, session)"""
# Milliseconds of the page's clock from an act to the frame in which each of the conditions first holds.
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
const select = selects.find((one) => one.labels[0]?.textContent === "Pooling");
select.value = %r; select.dispatchEvent(new Event("change", { bubbles: true }));"""
PICK = "panel.querySelectorAll('[aria-label=\"Queries\"] [role=option]')[%d].click();"
CANCEL = """[...panel.querySelectorAll("button")].find((one) => one.textContent === "Cancel").click();"""
RANKED = "grid.getAttribute('aria-busy') === 'false' && grid.textContent !== before.grid"
SEEN = (
    "[...grid.querySelectorAll('figure')].slice(0, %d).every((one) => one.querySelector('img')?.naturalWidth)"
)
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
    times: dict[str, float] = page.evaluate(WATCH, {"act": act, "until": until, "seconds": 120})
    return times


def stamps(lab: Lab) -> list[float]:
    """When the kernel had something ready, in seconds of the clock that all processes share."""
    path = lab.folder / "stamps"
    return [float(line) for line in path.read_text().split()] if path.exists() else []


def painted(lab: Lab, times: dict[str, float], known: int) -> float:
    """Milliseconds from the ranking being ready in the kernel to 200 results on screen."""
    return 1000 * (times["began"] - stamps(lab)[known]) + times["all"]


def row(what: str, aim: int, times: Sequence[float]) -> list[str]:
    median, most = statistics.median(times), max(times)
    return [what, f"{median:.0f}", f"{most:.0f}", f"{aim}" + ("" if median <= aim else " (missed)")]


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
        known = len(stamps(lab))
        value = POOLINGS[number % len(POOLINGS)]
        dimmed = "grid.getAttribute('aria-busy') === 'true'"
        times = watch(page, CHOOSE % value, {**until, "dimmed": dimmed, "map": MAP})
        dimming.append(times["dimmed"])
        ranked.append(times["first"])
        mean.append(times["map"])
        same.append(painted(lab, times, known))
        quiet(page)
        known = len(stamps(lab))
        times = watch(page, PICK % (number * 4 + 5), until)
        other.append(painted(lab, times, known))
        quiet(page)
    return [
        row("click on a result → marked", 100, click),
        row("changed pooling → ranking dimmed", 100, dimming),
        # What was described before is still at hand, so the first time of each pooling counts by itself.
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
    """What is one choice away is described while nobody waits."""
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
        known = len(stamps(lab))
        said = "panel.querySelector('.wb-messages').textContent.includes('Cancelled')"
        times = watch(page, CANCEL, {"said": said})
        shown.append(times["said"])
        while len(stamps(lab)) == known:
            time.sleep(0.01)
        idle.append(1000 * (stamps(lab)[known] - times["began"]))
        page.get_by_role("button", name="Run", exact=True).last.click()
    return [
        row("Cancel during extraction → said so", 500, shown),
        row("Cancel during extraction → worker idle", 500, idle),
    ]


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="responsiveness-"))
    lab, server = start_lab(folder)
    try:
        with sync_playwright() as playwright:
            installed = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
            browser = playwright.chromium.launch(
                executable_path=next(installed, None), args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            rows = [*changes(lab, page), *changes_after_a_pause(lab, page), *cancelling(lab, page)]
            browser.close()
    finally:
        server.terminate()
    print_table(["", "median, ms", "most, ms", "aim, ms"], rows)


if __name__ == "__main__":
    main()
