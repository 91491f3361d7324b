"""Fixtures: the browser, a JupyterLab, and the notebook that stays open for all tests."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.browser.lab import Lab, start_lab
from tests.browser.notebook import Notebook
from tests.browser.steps import photos
from tests.browser.watch import Watch

# Much of what is expected waits for a kernel that shares two cores with other tests.
expect.set_options(timeout=30_000)

_failed = pytest.StashKey[bool]()  # of an item
_broken = pytest.StashKey[bool]()  # of the run: whether the notebook must be opened again


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    """Use an installed browser, or Playwright's bundled one if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    more = {"executable_path": path} if path else {}
    return {**browser_type_launch_args, **more, "args": ["--no-sandbox", "--disable-dev-shm-usage"]}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict) -> dict:
    return {**browser_context_args, "viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab for all tests."""
    lab, server = start_lab(tmp_path_factory.mktemp("lab"))
    yield lab
    server.terminate()
    server.wait(30)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.fixture(scope="session")
def opened(
    lab: Lab, browser: Browser, browser_context_args: dict[str, Any]
) -> Iterator[Callable[[bool], Notebook]]:
    """Return a function that returns the open notebook; with ``True``, it opens a new one first."""
    notebooks: list[Notebook] = []

    def close() -> None:
        while notebooks:
            with contextlib.suppress(Error):  # the page may have crashed
                notebooks.pop().close()

    def open_notebook(reopen: bool) -> Notebook:
        if reopen:
            close()
        if not notebooks:
            notebooks.append(Notebook(lab, browser, browser_context_args))
        return notebooks[0]

    yield open_notebook
    close()


@pytest.fixture
def notebook(request: pytest.FixtureRequest, opened: Callable[[bool], Notebook]) -> Iterator[Notebook]:
    """The open notebook, with subshells unless the parameter is False.

    After the test, page and cells must have recorded no fault: no console error, no request to another
    host, no dialog, no error as output, no picture kept in memory.
    """
    stash = request.config.stash
    notebook = opened(stash.get(_broken, False))
    stash[_broken] = True  # until the test and ``clear`` have passed
    subshells = getattr(request, "param", None)  # None: any thread is accepted
    notebook.use_subshells(subshells is not False)
    yield notebook
    on_subshell = notebook.clear()
    assert subshells is None or on_subshell == subshells
    stash[_broken] = request.node.stash.get(_failed, False)


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """A separate page, which must have recorded no fault after the test."""
    watch = Watch.on(page)
    yield page
    watch.check()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 photos of four kinds; no test changes them."""
    return photos(tmp_path_factory.mktemp("photos") / "of <b>mine", labels=4, each=6, side=96)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of all tests that do not need an empty one."""
    return tmp_path_factory.mktemp("cache")
