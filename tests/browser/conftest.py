"""A browser watched for errors and outside requests, and the JupyterLab it visits."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Error, Page, Request

from tests.browser.lab import Lab, Running, start_lab
from tests.browser.steps import photos


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    """A browser that is installed, else Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    more = {"executable_path": path} if path else {}
    return {**browser_type_launch_args, **more, "args": ["--no-sandbox", "--disable-dev-shm-usage"]}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict) -> dict:
    return {**browser_context_args, "viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bool], Lab]]:
    """JupyterLab with per-comm subshells (its default) and without, each started once."""
    running: dict[bool, Running] = {}

    def lab(subshells: bool) -> Lab:
        if subshells not in running:
            running[subshells] = start_lab(tmp_path_factory.mktemp("lab"), subshells)
        return running[subshells][0]

    yield lab
    for _, server in running.values():
        server.terminate()
        server.wait(30)


@pytest.fixture
def lab(labs: Callable[[bool], Lab]) -> Lab:
    """JupyterLab as it comes."""
    return labs(True)


@dataclass
class Watch:
    """What must not happen on a page."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname != "127.0.0.1":
            self.outside.append(request.url)


@pytest.fixture(autouse=True)
def watch(page: Page) -> Iterator[Watch]:
    """Fail the test on a console error, an uncaught error, or a request that leaves loopback."""
    watched = Watch()
    page.on("console", watched.console)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("request", watched.request)
    yield watched
    seen = Watch([*watched.errors], [*watched.outside])
    with contextlib.suppress(Error):  # kernels that nobody needs would fill the memory
        page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")
    assert seen.outside == []
    assert seen.errors == []


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("photos") / "of mine", labels=4, each=6, side=96)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")
