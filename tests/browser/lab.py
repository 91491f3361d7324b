"""A real JupyterLab on loopback, with its own settings, data and workspace."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page

ROOT = Path(__file__).parents[2]
CACHE = os.environ.get("WORKBENCH_CACHE", str(ROOT / "data"))
READY = "() => window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.isReady"
KERNEL = "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
RUN_ALL = "() => void jupyterapp.commands.execute('notebook:run-all-cells')"


@dataclass
class Lab:
    """A running JupyterLab: its address and the folder it serves."""

    url: str
    folder: Path

    def write(self, name: str, *cells: str) -> str:
        """Save a notebook with these code cells; return its name."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, self.folder / name)
        return name

    def open(self, page: Page, notebook: str) -> None:
        """Open a notebook in a workspace without other tabs, and wait for its kernel."""
        page.goto(f"{self.url}/lab/tree/{notebook}?reset")
        page.wait_for_function(READY, timeout=60_000)
        page.evaluate(f"async () => {{ await ({KERNEL})().info; }}")

    def run(self, page: Page, notebook: str) -> Locator:
        """Open a notebook, run all of its cells and return the panel that they show."""
        self.open(page, notebook)
        page.evaluate(RUN_ALL)
        return shown_panel(page)


def shown_panel(page: Page, seconds: float = 400) -> Locator:
    """The last panel of the open notebook, scrolled to; the default leaves time to make the posters."""
    panel = page.locator(".wb-panel").last
    panel.wait_for(state="attached", timeout=1000 * seconds)
    panel.evaluate("node => node.scrollIntoView()")
    return panel


Running = tuple[Lab, "subprocess.Popen[bytes]"]


def start_lab(folder: Path, dark: bool = False) -> Running:
    """Start JupyterLab on ``folder`` with its own settings, and wait until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = folder / ".jupyter"
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    choices: dict[str, dict[str, object]] = {
        "notification": {"fetchNews": "false", "checkForUpdates": False},
        "themes": {"theme": "JupyterLab Dark" if dark else "JupyterLab Light", "adaptive-theme": False},
    }
    for name, values in choices.items():
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    # The debugger reports an error on the console when a kernel restarts before it has answered.
    page_config = home / "config" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text(json.dumps({"disabledExtensions": {"@jupyterlab/debugger-extension": True}}))
    environment = {
        **os.environ,
        **{f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")},
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "WORKBENCH_CACHE": CACHE,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "IdentityProvider.token": "",  # only for tests, on loopback
        "ServerApp.root_dir": folder,
        "LabApp.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with (folder / "lab.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    lab = Lab(f"http://127.0.0.1:{port}", folder)
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{lab.url}/api/status", timeout=5).close()
            return lab, server
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.2)
    server.kill()
    raise RuntimeError((folder / "lab.log").read_text())
