"""What a screen reader's user would stumble over, as axe finds it."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def serious(page: Page, selector: str) -> list[str]:
    """The serious and critical findings inside what ``selector`` finds: rule, element and what is wrong.

    Colours in motion are judged when they have come to rest.
    """
    page.wait_for_function(
        "(selector) => document.querySelector(selector).getAnimations({ subtree: true })"
        ".every((one) => one.playState !== 'running')",
        arg=selector,
    )
    results = Axe().run(page, context=selector, options={"resultTypes": ["violations"]})
    return [
        f"{finding['id']}: {node['html']} {node.get('failureSummary', '')}"
        for finding in results.response["violations"]
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]
