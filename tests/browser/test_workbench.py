"""The whole workbench on one page: landmarks, a restarted kernel, a reloaded page, missing files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.axe import serious
from tests.browser.lab import RUN_ALL, shown_panel
from tests.browser.notebook import Notebook
from tests.browser.steps import button, photos, ranked, region, select

pytestmark = pytest.mark.browser
PIPELINE = "efficientnet_lite0/max/rmac:2"
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


def test_panels_are_foldable_landmarks_without_axe_violations(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "show", pipeline=PIPELINE)
    ranked(panel)
    for name in LANDMARKS:
        expect(region(panel, name)).to_have_count(1)
    attention = region(panel, "Attention")
    fold = button(panel, "Attention")
    fold.click()
    expect(attention).to_have_count(0)
    fold.focus()
    page.keyboard.press("Space")
    expect(attention).to_be_attached()
    for folded in ("Local matches", "Index trade-off", "Training"):
        expect(region(panel, folded)).to_have_count(0)
        button(panel, folded).click()
        expect(region(panel, folded)).to_have_count(1)
    assert serious(page, ".wb-panel") == []


def test_reloaded_page_shows_its_panels_and_a_restarted_kernel_is_reported(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    # Cells as a user writes them: a separate bench, opened and shown by the public names.
    panel = notebook.run(
        f"import workbench\nbench = workbench.open({str(folder)!r}, labels='folders', cache={str(cache)!r})",
        "bench.show()",
    )
    string = panel.get_by_label("Pipeline", exact=True)
    string.fill(PIPELINE)
    page.keyboard.press("Enter")
    _, before = ranked(panel)
    select(panel, "Pooling").select_option("mean")
    _, before = ranked(panel, before)

    notebook.reload()
    shown_panel(page, seconds=60)
    expect(select(panel, "Pooling")).to_have_value("mean")
    ranked(panel)
    select(panel, "Pooling").select_option("gem:3")
    ranked(panel, before)

    notebook.restart()
    hint = region(panel, "Messages").get_by_text("run the notebook's cells again")
    expect(hint).to_be_visible()
    page.evaluate(RUN_ALL)
    expect(page.get_by_text("run the notebook's cells again")).to_have_count(0, timeout=60_000)
    _, before = ranked(panel)
    notebook.evaluate("kernel.follow(bench)")
    select(panel, "Pooling").select_option("mean")
    ranked(panel, before)


def test_missing_weights_and_deleted_image_are_reported_and_other_panels_work(
    notebook: Notebook, tmp_path: Path
) -> None:
    page = notebook.page
    photo_folder = photos(tmp_path / "mine", labels=3, each=4, side=96)
    panel = notebook.show(photo_folder, tmp_path / "cache", "show", pipeline=PIPELINE)
    _, before = ranked(panel)
    messages = region(panel, "Messages")

    # Weights that are not on this machine, without a network to download them.
    string = panel.get_by_label("Pipeline", exact=True)
    string.fill(f"file:{tmp_path}/resnet18-lost.pth/max/whole")
    page.keyboard.press("Enter")
    expect(messages.get_by_text(re.compile("resnet18-lost.pth"))).to_be_visible(timeout=60_000)
    string.fill("efficientnet_lite0/mean/rmac:2")
    page.keyboard.press("Enter")
    _, before = ranked(panel, before)
    expect(messages.get_by_text(re.compile("resnet18-lost.pth"))).to_have_count(0)

    # An image that is deleted while the panel is open.
    (photo_folder / "kind 1" / "1.jpg").unlink()
    select(panel, "Query").select_option(label="kind 1/2.jpg")
    _, before = ranked(panel, before)
    expect(region(panel, "Results").get_by_text("kind 1/1.jpg")).to_have_count(0)
