"""Fixtures for several test files, one thread for each process, and the order of the tests."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.support.pictures import folder_of, noise_of

if TYPE_CHECKING:
    from workbench.bench.bench import Bench
    from workbench.panels import Session

# One thread for each worker and each process that it starts, so that the workers share two cores. The
# libraries read these as they are loaded: set them before any import of torch, faiss, numpy or numba.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

ROOT = Path(__file__).parents[1]
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NO_BROWSER = "no browser: install chromium (or run: python -m playwright install chromium)"

# Speed is measured by the benchmarks; a test does not fail on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A process that is started in the background ignores SIGINT, and so would the programs under test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The optional folder ``shared`` beside the checkout, with photographs and trained weights."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs real data: no folder {folder.name!r} beside the checkout")
    return folder


@pytest.fixture(scope="session")
def posters_cache() -> Path:
    """The cache that all tests and runs share, so that posters and feature maps are computed once."""
    folder = Path(os.environ.get("WORKBENCH_CACHE") or ROOT / "data")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def bench24(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench of 24 photos of 4 kinds. No test changes its files; its caches grow during the run."""
    from tests.support.benches import opened

    folder = folder_of(tmp_path_factory.mktemp("photos24"), 24, kinds=4)
    return opened(folder, tmp_path_factory.mktemp("cache24"))


@pytest.fixture(scope="session")
def bench48(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench of 48 photos of 6 kinds. No test changes its files; its caches grow during the run."""
    from tests.support.benches import opened

    folder = folder_of(tmp_path_factory.mktemp("photos48"), 48, kinds=6)
    return opened(folder, tmp_path_factory.mktemp("cache48"))


@pytest.fixture(scope="session")
def posters(posters_cache: Path) -> Bench:
    """A bench of the embedded collection."""
    import workbench

    return workbench.open("posters", cache=posters_cache)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a module's tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Noise images, one folder for each kind; the module's ``NOISE`` is (kinds, images of each kind)."""
    return noise_of(tmp_path_factory.mktemp("photos"), *request.module.NOISE)


@pytest.fixture(scope="module")
def bench(folder: Path, cache: Path) -> Bench:
    """A bench of the module's ``folder`` and ``cache``."""
    import workbench

    return workbench.open(folder, labels="folders", cache=cache)


@pytest.fixture
def session(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session of the module's ``bench`` with its ``PIPELINE``; no job may run after the test."""
    from workbench.panels import Session

    session = Session(bench, pipeline=request.module.PIPELINE)
    yield session
    assert session.wait(120)


def system_browser() -> str | None:
    return next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)


def has_browser() -> bool:
    if system_browser():
        return True
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, without which the tests run in one process
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under ``--dist=loadscope``, let one worker run the tests of a scope (see ``_scope``)."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by scope, those that take longest first, and skip browser tests without a browser."""
    scopes: dict[str, list[pytest.Item]] = {}
    for item in items:
        scopes.setdefault(_scope(item.nodeid), []).append(item)
    items[:] = [item for scope in sorted(scopes.values(), key=_rank) for item in scope]
    browser_tests = [item for item in items if item.get_closest_marker("browser")]
    if browser_tests and not has_browser():
        for item in browser_tests:
            item.add_marker(pytest.mark.skip(reason=NO_BROWSER))


def _scope(nodeid: str) -> str:
    """The file of a test; one scope for all browser tests that share a JupyterLab."""
    path = nodeid.partition("::")[0]
    shared = path.startswith("tests/browser/") and not path.endswith("/test_app.py")
    return "tests/browser" if shared else path


def _rank(items: list[pytest.Item]) -> tuple[int, int]:
    """Return the sort key of a scope: browser tests, notebooks, then files by their slow tests."""
    if any(item.get_closest_marker("browser") for item in items):
        return 0, 0
    if items[0].path.suffix == ".ipynb":
        return 1, 0
    return 2, -sum(item.get_closest_marker("slow") is not None for item in items)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(NO_BROWSER in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.section("BROWSER TESTS WERE SKIPPED", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"{count} tests did not run; {NO_BROWSER}", red=True)
