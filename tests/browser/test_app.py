"""``workbench app``: the panels as a page of Voila, visited and reloaded, and stopped by Ctrl+C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import ROOT
from workbench.app import HOST, free_port

pytestmark = pytest.mark.browser
# Variables of the theme that our styles name and this page does not know.
UNKNOWN = """() => {
  const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).map((rule) => rule.cssText);
  const ours = rules.filter((text) => text.includes("wb-"));
  const used = new Set(ours.flatMap((text) => text.match(/--jp-[a-z0-9-]+/g) ?? []));
  const style = getComputedStyle(document.body);
  return { used: used.size, unknown: [...used].filter((name) => !style.getPropertyValue(name)) };
}"""


Started = Callable[..., tuple[str, "subprocess.Popen[str]"]]


@pytest.fixture
def start(folder: Path, cache: Path) -> Iterator[Started]:
    """Starts the app on a small folder: its address, and its process."""
    servers = []

    def started(*options: str, **environment: str) -> tuple[str, subprocess.Popen[str]]:
        port = free_port(None)
        arguments = [folder.name, "--labels", "folders", "--cache", str(cache), "--port", str(port)]
        server = subprocess.Popen(
            [sys.executable, "-m", "workbench.cli", "app", *arguments, *options],
            cwd=folder.parent,  # a folder named relatively is found
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        servers.append(server)
        assert server.stdout is not None
        address = server.stdout.readline().split(" is at ")[1].split()[0]
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}voila/static/nothing", timeout=5)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.2)
        return address, server

    yield started
    for server in servers:
        server.kill()
        server.wait()


def test_the_page_shows_the_panels_after_a_reload_too_and_ctrl_c_ends_it(start: Started, page: Page) -> None:
    address, server = start("--no-browser")
    assert address.startswith(f"http://{HOST}:")
    page.goto(address, timeout=120_000)
    for _ in range(2):
        panel = page.locator(".wb-panel").last
        expect(panel).to_be_visible(timeout=120_000)
        expect(panel.locator(".wb-numbers").first).to_contain_text("mAP", timeout=120_000)
        expect(page).to_have_title("Retrieval Workbench")
        looks = page.evaluate(UNKNOWN)
        assert looks["used"] > 5
        assert looks["unknown"] == []
        page.reload(timeout=120_000)  # a kernel of its own
    page.goto("about:blank")
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0


def test_the_page_that_opens_the_browser_asks_no_other_host(start: Started, tmp_path: Path) -> None:
    seen, browser = tmp_path / "seen.html", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\ncp "${{1#file://}}" "{seen}.part" && mv "{seen}.part" "{seen}"\n')
    browser.chmod(0o755)
    address, server = start(BROWSER=f"{browser} %s")
    for _ in range(100):
        if seen.exists():
            break
        time.sleep(0.1)
    addresses = re.findall(r"\w+://[^/\"']+", seen.read_text())
    assert addresses
    assert set(addresses) == {address.rstrip("/")}
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
