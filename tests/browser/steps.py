"""Steps that the browser tests share: create photos, and locate parts of a panel by their labels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

NAUGHTY = "<img src=x onerror=alert(1)>.jpg"
BOTH_MODES = pytest.mark.parametrize(
    "notebook", [True, False], ids=["subshells", "no subshells"], indirect=True
)


def photos(folder: Path, labels: int, each: int, side: int) -> Path:
    """Create a folder of noise images, one subfolder for each label; one file name is HTML."""
    noise = np.random.default_rng(7)
    for label in range(labels):
        (folder / f"kind {label}").mkdir(parents=True)
        ground = noise.integers(0, 255, (label + 3, label + 4, 3))
        for number in range(each):
            pixels = np.clip(ground + noise.normal(0, 60, ground.shape), 0, 255).astype(np.uint8)
            name = NAUGHTY if number == 0 == label else f"{number}.jpg"
            Image.fromarray(pixels).resize((side, side * 3 // 4)).save(folder / f"kind {label}" / name)
    return folder


def select(panel: Locator, name: str) -> Locator:
    return panel.get_by_role("combobox", name=name, exact=True)


def region(panel: Locator, name: str) -> Locator:
    return panel.get_by_role("region", name=name, exact=True)


def button(part: Locator, name: str) -> Locator:
    return part.get_by_role("button", name=name, exact=True)


def tab(panel: Locator, name: str) -> Locator:
    return panel.get_by_role("tab", name=re.compile(f"^{re.escape(name)}( \\d+)?$"))


def ranked(panel: Locator, before: str = "", seconds: float = 60) -> tuple[str, str]:
    """Wait for an up-to-date ranking that differs from ``before``; return the texts of mAP and ranking."""
    results = region(panel, "Results")
    grid = results.get_by_role("group", name="Ranked images")
    expect(grid).not_to_have_text(before, timeout=1000 * seconds)
    expect(grid).to_have_attribute("aria-busy", "false", timeout=1000 * seconds)
    expect(results.locator(".wb-numbers")).to_have_text(re.compile(r"^mAP .*\d"), timeout=1000 * seconds)
    # The share of heat on targets comes after the mAP, where a collection knows outlines.
    expect(button(region(panel, "Messages"), "Cancel")).to_be_hidden(timeout=1000 * seconds)
    return results.locator(".wb-numbers").inner_text(), grid.text_content() or ""


DOUBLE_CLICK = 400  # milliseconds: plotly takes two clicks within 300 as a double click, also on two bars


def click_bar(bar: Locator) -> None:
    """Click on a bar of a plotly chart; plotly takes the pointer by a layer above the bars."""
    bar.hover(force=True)
    bar.page.wait_for_timeout(DOUBLE_CLICK)
    bar.click(force=True)
