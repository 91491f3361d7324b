"""Accessibility violations in a part of a page, reported by axe."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def serious(page: Page, selector: str) -> list[str]:
    """Return the serious and critical violations inside ``selector``: rule, element and explanation.

    Waits until no animation runs, as contrast is measured on the final colours.
    """
    page.wait_for_function(
        "(selector) => document.querySelector(selector).getAnimations({ subtree: true })"
        ".every((animation) => animation.playState !== 'running')",
        arg=selector,
    )
    results = Axe().run(page, context=selector, options={"resultTypes": ["violations"]})
    return [
        f"{finding['id']}: {node['html']} {node.get('failureSummary', '')}"
        for finding in results.response["violations"]
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]
