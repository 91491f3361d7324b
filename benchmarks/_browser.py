"""A JupyterLab with a browser, for the benchmarks of the screen."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright


@contextmanager
def lab_and_browser(start_lab: Callable[[Path], Any], prefix: str) -> Iterator[tuple[Any, Browser]]:
    """A Lab in a temporary folder, by the measured checkout's ``start_lab``, and an installed browser."""
    lab, server = start_lab(Path(tempfile.mkdtemp(prefix=prefix)))
    try:
        with sync_playwright() as playwright:
            installed = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
            browser = playwright.chromium.launch(
                executable_path=next(installed, None), args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            yield lab, browser
            browser.close()
    finally:
        server.terminate()
