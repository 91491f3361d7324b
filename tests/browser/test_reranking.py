"""The panel of re-rankers in JupyterLab: measured by a click, one of them looked at, an example opened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.axe import serious
from tests.browser.notebook import Notebook
from tests.browser.steps import NAUGHTY, region
from tests.support.things import folder_of_things

pytestmark = pytest.mark.browser
WAIT = 60_000


def test_rerankers_are_measured_and_an_example_is_opened(
    notebook: Notebook, tmp_path: Path, cache: Path
) -> None:
    folder = folder_of_things(tmp_path / "things", views=2)
    (folder / "astronaut" / "2.png").rename(folder / "astronaut" / NAUGHTY)
    page = notebook.page
    state = {"pipeline": "sift/bow:128/whole", "query": "astronaut/0.png"}
    part = region(
        notebook.show(folder, cache, "reranking_panel", options=", size=256", **state), "Re-rankers"
    )
    part.get_by_role("textbox", name="Methods").fill("aqe:2 sv:4 sv-affine-single:4")
    part.get_by_role("button", name="Measure").click()
    methods = part.get_by_role("grid", name="Re-rankers")
    expect(methods.get_by_text("sv-affine-single:4")).to_be_visible(timeout=WAIT)
    methods.get_by_text("sv:4", exact=True).click()
    summary = re.compile(r"by the homography of sift: \d+ inliers of \d+ matches")
    expect(part).to_contain_text(summary, timeout=WAIT)
    examples = part.get_by_role("grid", name="Example pairs")
    examples.get_by_text(re.compile("^planar$")).last.click()
    expect(part.locator(".wb-keypair")).to_have_attribute("aria-busy", "false", timeout=WAIT)
    expect(part).to_contain_text(re.compile(r"AP [\d.]+ before, [\d.]+ after"), timeout=WAIT)
    assert serious(page, ".wb-re-rankers") == []
