"""The training panel in JupyterLab: continue, cancel and use a training, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import button, region, select, tab

pytestmark = pytest.mark.browser
PIPELINE = "efficientnet_lite0/max/rmac:2"
OPTIONS = ", size=96, device='cpu', precision='float32'"
STOPPED = "kernel.train_until_epoch(bench, 'mine', 2)"
WAIT = 120_000


def test_stopped_training_continues_and_rankings_are_compared(
    notebook: Notebook, folder: Path, tmp_path: Path
) -> None:
    page = notebook.page
    panel = notebook.show(
        folder, tmp_path, "training_panel", options=OPTIONS, before=STOPPED, pipeline=PIPELINE
    )
    part = region(panel, "Training")
    count = page.evaluate(CELLS)
    # By keyboard: choose the stopped training and continue it to its end.
    training = part.get_by_role("grid", name="Trained so far").get_by_role("row", name=re.compile("^mine"))
    expect(training).to_contain_text("2 of 3, stopped", timeout=WAIT)
    training.focus()
    page.keyboard.press("Enter")
    expect(part).to_contain_text("mine was stopped after epoch 2")
    button(part, "Continue").focus()
    page.keyboard.press("Enter")
    expect(training).to_contain_text("3, kept", timeout=WAIT)
    epochs = part.get_by_role("grid", name="Epochs", exact=True).get_by_role("row")
    expect(epochs).to_have_count(5)
    curves = part.locator(".wb-course .wb-plot")
    expect(curves.locator(".trace.scatter")).to_have_count(2)
    expect(curves).to_contain_text(re.compile(r"n = 3 of 3 epochs .* epoch \d is kept"))
    # By mouse: a query, and a result of its ranking after the training.
    queries = part.get_by_role("grid", name="AP of each query before and after")
    naughty = queries.get_by_role("row", name=re.compile("img src"))
    naughty.click(timeout=WAIT)
    expect(naughty).to_have_attribute("aria-selected", "true")
    result = part.get_by_role("listbox", name=re.compile("^after: AP")).get_by_role("option").nth(2)
    result.click()
    image = result.locator(".wb-name").inner_text()
    expect(part).to_contain_text(f"The parts of {image} that match the query", timeout=WAIT)
    expect(result).to_have_attribute("aria-selected", "true")
    assert page.locator("img[src='x']").count() == 0
    expect(region(panel, "Messages").get_by_role("button", name="Cancel")).to_be_hidden(timeout=WAIT)
    assert page.evaluate(CELLS) == count  # no key edited the notebook
    assert serious(page, ".wb-training") == []


def test_invalid_name_is_rejected_and_a_stopped_training_is_used(
    notebook: Notebook, folder: Path, tmp_path: Path
) -> None:
    page = notebook.page
    panel = notebook.show(folder, tmp_path, "show", options=OPTIONS, before=STOPPED, pipeline=PIPELINE)
    tab(panel, "Training").click()
    part, messages = region(panel, "Training"), region(panel, "Messages")
    name = part.get_by_label("Training name", exact=True)
    train = button(part, "Train")
    expect(messages.get_by_role("button", name="Cancel")).to_be_hidden(timeout=WAIT)
    notebook.fill(name, "<img src=x onerror=alert(1)>")
    train.click()
    expect(messages).to_contain_text("write it with small letters")
    assert page.locator("img[src='x']").count() == 0
    notebook.fill(name, "other")
    train.click()
    expect(train).to_be_disabled()
    messages.get_by_role("button", name="Cancel").click()
    expect(messages).to_contain_text("Cancelled.")
    expect(train).to_be_enabled(timeout=WAIT)
    # A stopped training is a backbone already: its best epoch so far.
    part.get_by_role("row", name=re.compile("^mine")).click()
    part.get_by_role("button", name="Use in the pipeline").click()
    backbone = select(panel, "Backbone")
    expect(backbone.locator("option:checked")).to_have_text("mine (fine-tuned)", timeout=WAIT)
    expect(part.get_by_role("listbox", name=re.compile("^after: AP"))).to_be_visible(timeout=WAIT)
