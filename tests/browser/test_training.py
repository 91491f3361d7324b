"""The training panel in real JupyterLab: stopped, gone on with and used, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import serious
from tests.browser.lab import Lab
from tests.browser.steps import CELLS, ERRORS, opening, region, select

pytestmark = pytest.mark.browser
WAITS = """from tests.finetuning import SETTINGS, NETWORK
from workbench.learning.finetuning.train import finetune
from workbench.progress import Cancelled

def stop(epoch):
    if epoch.number == 2:
        raise Cancelled

try:
    finetune(bench.collection, bench.options, "mine", NETWORK, SETTINGS, report=stop)
except Cancelled:
    pass"""
ALONE = """from workbench.panels import Session
from workbench.panels.layout import training_panel
session = Session(bench, pipeline="efficientnet_lite0/max/rmac:2")
training_panel(bench, session)"""
SMALL = ", size=96, device='cpu', precision='float32'"
WAIT = 120_000


@pytest.mark.parametrize("subshells", [True, False], ids=["subshells", "no subshells"])
def test_what_was_stopped_is_gone_on_with_seen_before_and_after_and_used(
    labs: Callable[[bool], Lab], subshells: bool, page: Page, folder: Path, tmp_path: Path
) -> None:
    lab = labs(subshells)
    cells = opening(folder, tmp_path, more=SMALL), WAITS, ALONE
    panel = lab.run(page, lab.write("training.ipynb", *cells))
    part = region(panel, "Training")
    count = page.evaluate(CELLS)
    # By keyboard: picked, and gone on with to its end.
    mine = part.get_by_role("grid", name="Trained so far").get_by_role("row", name=re.compile("^mine"))
    expect(mine).to_contain_text("2 of 3, stopped", timeout=WAIT)
    mine.focus()
    page.keyboard.press("Enter")
    again = part.get_by_role("button", name="Continue", exact=True)
    expect(part).to_contain_text("mine was stopped after epoch 2")
    again.focus()
    page.keyboard.press("Enter")
    expect(mine).to_contain_text("3, kept", timeout=WAIT)
    epochs = part.get_by_role("grid", name="Epochs", exact=True).get_by_role("row")
    expect(epochs).to_have_count(5)
    part.get_by_role("img", name="Held-out mAP of each epoch").focus()
    page.keyboard.press("End")
    expect(part.get_by_text(re.compile(r"^epoch 3"))).to_be_visible()
    # By mouse: a query, and a result of the ranking after.
    queries = part.get_by_role("grid", name="AP of each query before and after")
    naughty = queries.get_by_role("row", name=re.compile("img src"))
    naughty.click(timeout=WAIT)
    expect(naughty).to_have_attribute("aria-selected", "true")
    result = part.get_by_role("listbox", name=re.compile("^after: AP")).get_by_role("option").nth(2)
    result.click()
    image = result.locator(".wb-name").inner_text()
    expect(part).to_contain_text(f"What of {image} matches the query", timeout=WAIT)
    expect(result).to_have_attribute("aria-selected", "true")
    assert page.locator("img[src='x']").count() == 0
    expect(region(panel, "Messages").get_by_role("button", name="Cancel")).to_be_hidden(timeout=WAIT)
    assert page.evaluate(CELLS) == count  # no key has edited the notebook
    assert page.evaluate(ERRORS) == []
    assert serious(page, ".wb-training") == []


def test_it_is_cancelled_refused_and_put_into_the_pipeline(
    lab: Lab, page: Page, folder: Path, tmp_path: Path
) -> None:
    cells = opening(folder, tmp_path, more=SMALL), WAITS, ALONE.replace("training_panel", "show")
    panel = lab.run(page, lab.write("training_all.ipynb", *cells))
    panel.get_by_role("button", name="Training", exact=True).click()
    part, messages = region(panel, "Training"), region(panel, "Messages")
    name = part.get_by_label("Training name", exact=True)
    train = part.get_by_role("button", name="Train", exact=True)
    expect(messages.get_by_role("button", name="Cancel")).to_be_hidden(timeout=WAIT)
    name.fill("<img src=x onerror=alert(1)>")
    name.press("Tab")
    train.click()
    expect(messages).to_contain_text("write it with small letters")
    assert page.locator("img[src='x']").count() == 0
    name.fill("other")
    name.press("Tab")
    train.click()
    expect(train).to_be_disabled()
    messages.get_by_role("button", name="Cancel").click()
    expect(messages).to_contain_text("Cancelled.")
    expect(train).to_be_enabled(timeout=WAIT)
    # What waits half-way is a backbone already: the best epoch so far.
    part.get_by_role("row", name=re.compile("^mine")).click()
    part.get_by_role("button", name="Use in the pipeline").click()
    backbone = select(panel, "Backbone")
    expect(backbone.locator("option:checked")).to_have_text("mine (fine-tuned)", timeout=WAIT)
    expect(part.get_by_role("listbox", name=re.compile("^after: AP"))).to_be_visible(timeout=WAIT)
    assert page.evaluate(ERRORS) == []
