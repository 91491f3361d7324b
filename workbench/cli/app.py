"""The panels as a page without code, served by Voila on this machine only."""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from workbench.config.errors import WorkbenchError

HOST = "127.0.0.1"
FIRST_PORT = 8866  # Voila's default
_TEMPLATE = Path(__file__).parent / "app_template"


def notebook(collection: str, labels: str, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The notebook to serve: one cell that opens the collection in ``folder`` and shows the panels."""
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
            "collection": collection,
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
    """The port ``wanted``, or else the first free one from FIRST_PORT. Raises WorkbenchError if none is."""
    for port in [wanted] if wanted is not None else range(FIRST_PORT, FIRST_PORT + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
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
    """Serve the panels on ``collection`` until Ctrl+C, at the address that is printed.

    The address contains a token, without which nothing is served; requests to another host name are refused.
    Each visit and each reload starts its own kernel, up to a limit. Raises WorkbenchError if no port is free.
    """
    if theme not in ("light", "dark"):
        raise WorkbenchError(f"--theme {theme!r} is not known; valid: light, dark")
    address_port = free_port(port)
    from workbench.cli.app_server import PageKernels, Server

    with tempfile.TemporaryDirectory(prefix="workbench-app-") as data:  # readable by its owner only
        home = Path(data)
        shutil.copytree(_TEMPLATE, home / "voila" / "templates" / "workbench")
        page = home / "workbench.ipynb"
        page.write_text(json.dumps(notebook(collection, labels, Path.cwd(), options)), encoding="utf-8")
        # Voila searches for templates in the data folders of Jupyter.
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [data, os.environ.get("JUPYTER_PATH")]))
        token = secrets.token_hex(24)
        print(
            f"The workbench is at http://{HOST}:{address_port}/?token={token} (Ctrl+C stops it)", flush=True
        )
        # A visitor who leaves during a transfer is not an error; real errors are shown on the page.
        logging.disable(logging.ERROR)
        Server.launch_instance(
            [
                str(page),
                f"--Voila.ip={HOST}",
                f"--Voila.port={address_port}",
                f"--Voila.token={token}",
                "--Voila.port_retries=0",
                f"--Voila.open_browser={browser}",
                "--VoilaConfiguration.template=workbench",
                f"--VoilaConfiguration.theme={theme}",
                f"--VoilaConfiguration.multi_kernel_manager_class={PageKernels.__module__}.PageKernels",
                "--Voila.log_level=CRITICAL",
                "--MappingKernelManager.cull_idle_timeout=600",  # after a browser was killed
                "--KernelManager.shutdown_wait_time=1.0",  # a kernel has no state to lose
            ]
        )
