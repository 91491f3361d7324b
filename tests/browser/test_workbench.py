"""The whole workbench on one page, and what goes wrong around it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import serious
from tests.browser.lab import KERNEL, Lab
from tests.browser.steps import ERRORS, opening, photos, region, select, shown

pytestmark = pytest.mark.browser
LANDMARKS = (
    "Configuration",
    "Query",
    "Results",
    "Explanation",
    "Attention",
    "Comparison",
    "Embedding map",
    "History",
    "Messages",
)
SHOW = """from workbench.panels.session import session_of
session_of(bench).pipeline = "efficientnet_lite0/max/rmac:2"
bench.show()"""


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_every_panel_is_a_landmark_that_can_be_folded_and_that_axe_passes(
    labs: Callable[[bool], Lab], subshells: bool, page: Page, folder: Path, cache: Path
) -> None:
    lab = labs(subshells)
    panel = lab.run(page, lab.write("whole.ipynb", opening(folder, cache), SHOW))
    shown(panel)
    for name in LANDMARKS:
        expect(region(panel, name)).to_have_count(1)
    attention = region(panel, "Attention")
    fold = panel.get_by_role("button", name="Attention", exact=True)
    fold.click()
    expect(attention).to_have_count(0)
    fold.focus()
    page.keyboard.press("Space")
    expect(attention).to_be_attached()
    for folded in ("Local matches", "Index trade-off", "Training"):
        expect(region(panel, folded)).to_have_count(0)
        panel.get_by_role("button", name=folded, exact=True).click()
        expect(region(panel, folded)).to_have_count(1)
    assert page.evaluate(ERRORS) == []
    assert serious(page, ".wb-panel") == []


def test_a_kernel_that_was_started_anew_is_said_and_the_cells_bring_all_back(
    lab: Lab, page: Page, folder: Path, cache: Path
) -> None:
    panel = lab.run(page, lab.write("restart.ipynb", opening(folder, cache), SHOW))
    shown(panel)
    page.evaluate(f"async () => {{ await ({KERNEL})().restart(); }}")
    expect(region(panel, "Messages").get_by_text("run the notebook's cells again")).to_be_visible()
    page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
    expect(page.get_by_text("run the notebook's cells again")).to_have_count(0, timeout=60_000)
    _, before = shown(panel)
    select(panel, "Pooling").select_option("mean")
    shown(panel, before)


def test_a_page_that_is_loaded_again_finds_its_panels(
    lab: Lab, page: Page, folder: Path, cache: Path
) -> None:
    name = lab.write("reload.ipynb", opening(folder, cache), SHOW)
    panel = lab.run(page, name)
    shown(panel)
    select(panel, "Pooling").select_option("mean")
    _, before = shown(panel)
    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    page.goto(f"{lab.url}/lab/tree/{name}")
    panel.wait_for(state="attached", timeout=60_000)
    panel.evaluate("node => node.scrollIntoView()")
    expect(select(panel, "Pooling")).to_have_value("mean")
    shown(panel)
    select(panel, "Pooling").select_option("gem:3")
    shown(panel, before)


def test_what_is_missing_is_said_and_the_rest_goes_on(lab: Lab, page: Page, tmp_path: Path) -> None:
    mine = photos(tmp_path / "mine", labels=3, each=4, side=96)
    panel = lab.run(page, lab.write("missing.ipynb", opening(mine, tmp_path / "cache"), SHOW))
    _, before = shown(panel)
    messages = region(panel, "Messages")

    # Weights that are not on this machine, and no network to get them from.
    string = panel.get_by_label("Pipeline", exact=True)
    string.fill(f"file:{tmp_path}/resnet18-lost.pth/max/whole")
    page.keyboard.press("Enter")
    expect(messages.get_by_text(re.compile("resnet18-lost.pth"))).to_be_visible(timeout=60_000)
    string.fill("efficientnet_lite0/mean/rmac:2")
    page.keyboard.press("Enter")
    _, before = shown(panel, before)
    expect(messages.get_by_text(re.compile("resnet18-lost.pth"))).to_have_count(0)

    # An image that is deleted under our hands.
    (mine / "kind 1" / "1.jpg").unlink()
    select(panel, "Query").select_option(label="kind 1/2.jpg")
    _, before = shown(panel, before)
    expect(region(panel, "Results").get_by_text("kind 1/1.jpg")).to_have_count(0)
    assert page.evaluate(ERRORS) == []
