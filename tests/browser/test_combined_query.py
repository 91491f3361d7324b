"""Words, a drawing and pictures in one query: typed, drawn, weighed, switched off and undone in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import Notebook
from tests.browser.steps import button, ranked, region

pytestmark = pytest.mark.browser
PIPELINE = "efficientnet_lite0/max/rmac:2"


def stroke(notebook: Notebook, paper: Locator) -> None:
    """Draw a line by mouse."""
    paper.hover()  # waits until the canvas has its place
    box = paper.bounding_box()
    assert box
    mouse = notebook.page.mouse
    mouse.move(box["x"] + 20, box["y"] + 20)
    mouse.down()
    mouse.move(box["x"] + 90, box["y"] + 80, steps=5)
    mouse.up()


def test_words_and_a_drawing_are_weighed_switched_off_and_undone(
    notebook: Notebook, folder: Path, cache: Path
) -> None:
    page = notebook.page
    panel = notebook.show(folder, cache, "query_panel", pipeline=PIPELINE)
    query = region(panel, "Query")
    line = query.get_by_role("textbox", name="Whole query")
    _, before = ranked(panel)
    picture = line.input_value()

    words = query.get_by_role("textbox", name="Words")
    words.fill("<img src=x onerror=alert(1)>")
    words.press("Enter")
    expect(line).to_have_value('text:"<img src=x onerror=alert(1)>"')
    _, before = ranked(panel, before)
    chips = query.get_by_role("group", name=re.compile("^Part "))
    expect(chips).to_have_count(1)

    button(query, "Add to query").click()
    button(query, "Sketch").click()
    query.get_by_role("radio", name="colour layout").check(force=True)
    paper = query.get_by_role("application", name=re.compile("^Drawing"))
    stroke(notebook, paper)
    expect(paper).to_have_accessible_name(re.compile("1 stroke"))
    expect(chips).to_have_count(2)
    _, before = ranked(panel, before)
    expect(region(panel, "Results").locator(".wb-parts-bars").first).to_be_visible()
    drawn = line.input_value()

    # By keyboard: the pen is put down, moved and lifted.
    paper.focus()
    for key in ("Space", "ArrowRight", "ArrowRight", "ArrowDown", "Space"):
        page.keyboard.press(key)
    expect(paper).to_have_accessible_name(re.compile("2 strokes"))
    expect(line).not_to_have_value(drawn)
    second = line.input_value()
    notebook.settle()

    weight = query.get_by_role("slider", name="Weight of drawing")
    weight.press("ArrowLeft")
    expect(line).to_have_value(re.compile(r" \+ 0\.9 colours:"))
    turn = chips.nth(1).get_by_role("switch")
    turn.click()
    expect(line).to_have_value(re.compile(r" \+ 0 colours:"))
    expect(turn).to_have_attribute("aria-checked", "false")
    assert serious(page, ".wb-query") == []

    undo = button(query, "Undo")
    for expected in (re.compile(r" \+ 0\.9 colours:"), second, drawn):
        undo.click()
        expect(line).to_have_value(expected)
    expect(paper).to_have_accessible_name(re.compile(": 1 stroke"))
    for _ in range(2):
        undo.click()
    expect(line).to_have_value(picture)
    expect(undo).to_be_disabled()
    expect(chips).to_have_count(0)

    line.fill(f"{picture} + tex:x")
    line.press("Enter")
    expect(query.get_by_role("alert").filter(has_text="'tex' is no part")).to_be_visible()
    expect(query.locator("mark")).to_have_text("t")
    ranked(panel)
