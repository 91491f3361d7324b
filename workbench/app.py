"""The workbench as a page without code: its panels, served by Voila on this machine only."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from workbench.config import WorkbenchError

HOST = "127.0.0.1"
FIRST_PORT = 8866  # Voila's own
_TEMPLATE = Path(__file__).parent / "app_template"


def notebook(collection: str, labels: str, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The notebook that is served: one cell that opens the collection, from ``folder``, and shows all."""
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    code = [
        "import os",
        "import workbench",
        f"os.chdir({str(folder)!r})",
        f"bench = workbench.open({collection!r}, labels={labels!r}, **{plain!r})",
        "bench.show()",
    ]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "title": "Retrieval Workbench",
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        },
        "cells": [
            {
                "cell_type": "code",
                "id": "workbench",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": "\n".join(code),
            }
        ],
    }


def free_port(wanted: int | None) -> int:
    """The port that is wanted, or else the first free one from FIRST_PORT. Raises WorkbenchError."""
    for port in [wanted] if wanted is not None else range(FIRST_PORT, FIRST_PORT + 50):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((HOST, port))
                return port
            except (OSError, OverflowError):
                continue
    raise WorkbenchError(
        f"port {wanted or FIRST_PORT} cannot be used on {HOST}; choose a free one with --port, "
        "from 1024 to 65535"
    )


def serve(
    collection: str,
    labels: str,
    options: dict[str, Any],
    port: int | None = None,
    browser: bool = True,
    theme: str = "light",
) -> None:
    """Serve the panels on ``collection`` until Ctrl+C; the page is at the address that is printed.

    Each visit, and each reload, has a kernel of its own.
    """
    if theme not in ("light", "dark"):
        raise WorkbenchError(f"--theme {theme!r} is not known; valid: light, dark")
    place = free_port(port)
    from voila.app import Voila

    with tempfile.TemporaryDirectory(prefix="workbench-app-") as made:
        home = Path(made)
        shutil.copytree(_TEMPLATE, home / "voila" / "templates" / "workbench")
        page = home / "workbench.ipynb"
        page.write_text(json.dumps(notebook(collection, labels, Path.cwd(), options)), encoding="utf-8")
        # Voila looks for templates where Jupyter keeps its data.
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [made, os.environ.get("JUPYTER_PATH")]))
        print(f"The workbench is at http://{HOST}:{place}/ (Ctrl+C stops it)", flush=True)
        # Visitors who leave while something is sent to them are no fault; what is one, the page says.
        logging.disable(logging.ERROR)
        Voila.launch_instance(
            [
                str(page),
                f"--Voila.ip={HOST}",
                f"--Voila.port={place}",
                "--Voila.port_retries=0",
                f"--Voila.open_browser={browser}",
                "--VoilaConfiguration.template=workbench",
                f"--VoilaConfiguration.theme={theme}",
                "--Voila.log_level=CRITICAL",
                # A page that is left ends its kernel by a request without the mark against forgery; what
                # can be requested so needs the kernel's name, which nobody else knows.
                "--Voila.tornado_settings=disable_check_xsrf=True",
                "--MappingKernelManager.cull_idle_timeout=600",  # where the browser was killed
                "--KernelManager.shutdown_wait_time=1.0",  # nothing in a kernel is lost by stopping it
            ]
        )
