"""``workbench app``: the panels as a Voila page, page reload, and termination by Ctrl+C."""

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
from workbench.cli.app import HOST, free_port

pytestmark = pytest.mark.browser
# Theme variables that the styles of the panels use and the page does not define.
UNDEFINED = """() => {
  const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).map((rule) => rule.cssText);
  const styles = rules.filter((text) => text.includes("wb-"));
  const used = new Set(styles.flatMap((text) => text.match(/--jp-[a-z0-9-]+/g) ?? []));
  const style = getComputedStyle(document.body);
  return { used: used.size, undefined: [...used].filter((name) => !style.getPropertyValue(name)) };
}"""


Start = Callable[..., tuple[str, "subprocess.Popen[str]"]]


@pytest.fixture
def start(folder: Path, cache: Path) -> Iterator[Start]:
    """Return a function that starts the app on a small folder and returns its address and process."""
    servers = []

    def start_app(*options: str, **environment: str) -> tuple[str, subprocess.Popen[str]]:
        port = free_port(None)
        arguments = [folder.name, "--labels", "folders", "--cache", str(cache), "--port", str(port)]
        server = subprocess.Popen(
            [sys.executable, "-m", "workbench", "app", *arguments, *options],
            cwd=folder.parent,  # the folder is a relative path
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        servers.append(server)
        assert server.stdout is not None
        address = server.stdout.readline().split(" is at ")[1].split()[0]
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address.partition('?')[0]}voila/static/nothing", timeout=5)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.2)
        return address, server

    yield start_app
    for server in servers:
        server.kill()
        server.wait()


def kernels(server: subprocess.Popen[str]) -> int:
    """The number of kernels of the app, one second after the last change of page."""
    time.sleep(1)
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return sum(b"ipykernel" in Path(f"/proc/{child}/cmdline").read_bytes() for child in children)


def test_page_shows_the_panels_after_a_reload_and_ctrl_c_ends_the_app(
    start: Start, page: Page, folder: Path
) -> None:
    address, server = start("--no-browser")
    assert address.startswith(f"http://{HOST}:") and "/?token=" in address
    page.goto(address, timeout=120_000)
    for visit in range(2):
        if visit:
            page.reload(timeout=120_000)  # ends the kernel and starts another one
        panel = page.locator(".wb-panel").last
        expect(panel).to_be_visible(timeout=120_000)
        expect(panel.locator(".wb-numbers").first).to_contain_text("mAP", timeout=120_000)
        expect(page).to_have_title("Retrieval Workbench")
        expect(page.get_by_role("banner")).to_have_text(f"Retrieval Workbench · {folder.name}")
        # The workbench fills the window, and nothing needs the page to scroll.
        assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
        expect(page.get_by_role("tab", name="Comparison")).to_be_in_viewport()
        variables = page.evaluate(UNDEFINED)
        assert variables["used"] > 5
        assert variables["undefined"] == []
        assert kernels(server) == 1
    page.goto("about:blank")
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0


def test_page_that_opens_the_browser_names_no_other_host(start: Start, tmp_path: Path) -> None:
    opened, browser = tmp_path / "opened.html", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\ncp "${{1#file://}}" "{opened}.part" && mv "{opened}.part" "{opened}"\n')
    browser.chmod(0o755)
    address, server = start(BROWSER=f"{browser} %s")
    for _ in range(100):
        if opened.exists():
            break
        time.sleep(0.1)
    addresses = re.findall(r"\w+://[^/\"']+", opened.read_text())
    assert addresses
    assert set(addresses) == {address.partition("/?")[0]} and address in opened.read_text()
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
