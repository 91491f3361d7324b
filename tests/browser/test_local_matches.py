"""The panel of local matches in JupyterLab: keypoints, matches, patches and words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import serious
from tests.browser.notebook import CELLS, Notebook
from tests.browser.steps import NAUGHTY, region, select
from tests.support.things import folder_of_things

pytestmark = pytest.mark.browser
STATE = {"pipeline": "sift/bow:128/whole", "query": "astronaut/0.png", "image": "astronaut/1.png"}
WAIT = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = folder_of_things(tmp_path_factory.mktemp("things"), views=2)
    (folder / "astronaut" / "2.png").rename(folder / "astronaut" / NAUGHTY)
    return folder


@pytest.fixture
def part(notebook: Notebook, folder: Path, cache: Path) -> Locator:
    panel = notebook.show(folder, cache, "local_panel", options=", size=256", **STATE)
    return region(panel, "Local matches")


def keypoints(part: Locator, role: str) -> Locator:
    """Wait for the pictures, and return the one of the query or of the result."""
    expect(part.locator(".wb-keypair")).to_have_attribute("aria-busy", "false", timeout=WAIT)
    return part.get_by_role("application", name=re.compile(f"^Keypoints of the {role}"))


def test_keypoints_patches_and_words_are_linked(part: Locator, notebook: Notebook) -> None:
    page = notebook.page
    query, result = keypoints(part, "query"), keypoints(part, "result")
    expect(part).to_contain_text(re.compile(r"\d+ inliers of \d+ matches"), timeout=WAIT)
    cells = page.evaluate(CELLS)

    # By keyboard: move between keypoints, hold one with Enter and release it with Escape.
    query.focus()
    page.keyboard.press("Home")
    read = part.locator(".wb-keyread")
    expect(read).to_have_text(re.compile(r"^query keypoint 1 of [\d,]+ · [\d.]+ px wide · "))
    page.keyboard.press("ArrowRight")
    expect(read).not_to_have_text(re.compile(r"^query keypoint 1 of"))
    page.keyboard.press("Enter")
    patches = part.get_by_role("table", name="The patch and its match")
    expect(patches.get_by_role("img", name="patch of the query")).to_be_visible(timeout=WAIT)
    strip = part.get_by_role("listbox", name="Nearest patches")
    nearest = strip.get_by_role("option")
    expect(nearest).to_have_count(12, timeout=WAIT)
    page.keyboard.press("Escape")
    for key in "abdd":
        page.keyboard.press(key)
    assert page.evaluate(CELLS) == cells
    slider = part.get_by_role("slider", name="Keypoints drawn")
    slider.focus()
    page.keyboard.press("Home")
    expect(part.locator(".wb-keydrawn")).to_have_text("0")
    page.keyboard.press("End")
    other_matches = part.get_by_role("button", name="Other matches")
    other_matches.press("Enter")
    expect(other_matches).to_have_attribute("aria-pressed", "true")

    # By mouse: a click holds a keypoint; a click on a similar patch opens its image.
    result.hover()
    expect(read).to_have_text(re.compile(r"^result keypoint \d+ of "))
    result.click()
    expect(patches.get_by_role("img", name="patch of the result")).to_be_visible(timeout=WAIT)
    expect(strip).to_have_attribute("aria-busy", "false", timeout=WAIT)
    patches.get_by_role("img", name="patch of the result").dblclick()  # opens its image
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text(
        part.locator(".wb-keyside figcaption").last.inner_text()
    )
    page.keyboard.press("Escape")
    name = notebook.click(nearest.nth(1)).partition(", distance")[0]
    expect(part.locator(".wb-keyside figcaption").last).to_have_text(name, timeout=WAIT)
    expect(read).to_have_text(re.compile(r"^result keypoint \d+ of "), timeout=WAIT)

    # A row of the ranking opens its image, file names are text, and a word is marked in both pictures.
    effect = part.get_by_role("grid", name="Ranking before and after verification")
    effect.get_by_role("row", name=re.compile(re.escape(NAUGHTY))).click(timeout=WAIT)
    expect(part.locator(".wb-keyside figcaption").last).to_have_text(f"astronaut/{NAUGHTY}", timeout=WAIT)
    assert page.locator("img[src='x']").count() == 0
    word = part.get_by_role("grid", name="Words that both share").locator("tbody tr[tabindex='0']")
    word.focus()
    page.keyboard.press("Enter")
    expect(word).to_have_attribute("aria-selected", "true")
    assert serious(page, ".wb-local-matches") == []


def test_training_batches_are_drawn_and_an_image_without_keypoints_opens(
    part: Locator, notebook: Notebook
) -> None:
    page = notebook.page
    keypoints(part, "query")
    draw = part.get_by_role("button", name="Draw a batch")
    draw.focus()
    page.keyboard.press("Enter")
    table = part.get_by_role("table", name=re.compile("^Anchors, positives"))
    expect(table.get_by_role("img")).to_have_count(32, timeout=WAIT)
    expect(table.get_by_role("img", name=re.compile("taken$"))).to_have_count(8)
    table.locator("[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("f")  # a patch has no file: the lightbox shows what the page has
    dialog = page.get_by_role("dialog")
    expect(
        dialog.get_by_role("img", name=table.get_by_role("img").nth(1).get_attribute("alt"))
    ).to_be_visible()
    expect(dialog).to_contain_text("32 × 32 px")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("3 of 32")
    page.keyboard.press("Escape")
    first = part.get_by_text(re.compile(r"^Batch 1: mean loss \d\.\d\d$"))
    expect(first).to_be_visible()
    select(part, "Network").select_option("untrained")
    expect(first).to_be_visible()
    part.get_by_role("button", name="Next batch").click()
    expect(part.get_by_text(re.compile(r"^Batch 2: mean loss"))).to_be_visible(timeout=WAIT)
    effect = part.get_by_role("grid", name="Ranking before and after verification")
    effect.get_by_role("row", name=re.compile("one colour")).click(timeout=WAIT)
    expect(part).to_contain_text("Not verified: no keypoints in the image.", timeout=WAIT)
    keypoints(part, "result").focus()
    page.keyboard.press("ArrowRight")
    expect(part.locator(".wb-keyread")).to_have_text("")
    assert serious(page, ".wb-local-matches") == []
