"""What several tests need: the optional folder of real data, the cache, and a browser."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from workbench.panels import Session
    from workbench.pipeline import Workbench

ROOT = Path(__file__).parents[1]
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NO_BROWSER = "no browser: install chromium (or run: python -m playwright install chromium)"
_without_browser = pytest.StashKey[int]()

# Speed is measured by benchmarks: a busy machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background, where Ctrl+C is ignored:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # programs under test inherit that


@pytest.fixture(scope="session")
def shared() -> Path:
    """The optional folder ``shared`` beside the checkout: real photographs and trained weights."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs real data: no folder {folder.name!r} beside the checkout")
    return folder


@pytest.fixture(scope="session")
def posters_cache() -> Path:
    """The cache of all tests: the posters and their feature maps are made once and used again."""
    folder = Path(os.environ.get("WORKBENCH_CACHE") or ROOT / "data")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a module's tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def session(bench: Workbench, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session of the module's ``bench``, at its ``PIPELINE``; nothing may run on after the test."""
    from workbench.panels import Session

    one = Session(bench, pipeline=request.module.PIPELINE)
    yield one
    assert one.wait(120)


def system_browser() -> str | None:
    return next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)


def has_browser() -> bool:
    if system_browser():
        return True
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # For ``-n 2 --dist loadgroup``: browser tests share a JupyterLab, other tests their module's fixtures.
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            browser = item.get_closest_marker("browser") and "notebook" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("browser" if browser else item.nodeid.split("::")[0]))
    needing = [item for item in items if item.get_closest_marker("browser")]
    if needing and not has_browser():
        config.stash[_without_browser] = len(needing)
        for item in needing:
            item.add_marker(pytest.mark.skip(reason=NO_BROWSER))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    count = config.stash.get(_without_browser, 0)
    if count:
        terminalreporter.section("BROWSER TESTS WERE SKIPPED", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"{count} tests did not run; {NO_BROWSER}", red=True)
