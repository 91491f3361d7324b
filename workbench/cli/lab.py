"""Start JupyterLab on the notebooks, from a checkout or from an installed wheel."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

from workbench.common.packages import installed
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

FIRST = "01_explore_a_collection.ipynb"


def prepare(arguments: list[str], progress: Progress = silent, folder: Path | None = None) -> list[str]:
    """Prepare notebooks and collection; returns the command that starts JupyterLab with ``arguments``.

    The notebooks of a checkout are opened in place; those of a wheel are copied to ``notebooks/`` in the
    current folder if they are missing there. The embedded collection is rendered and described.
    """
    if not installed("jupyterlab"):
        raise WorkbenchError("JupyterLab is not installed; run pip install jupyterlab")
    notebooks = provide_notebooks(folder or Path.cwd())
    from workbench.config.config import DEFAULT_PIPELINE
    from workbench.workbench import open_workbench

    open_workbench("posters", progress=progress).evaluate(DEFAULT_PIPELINE, progress=progress)
    command = [sys.executable, "-m", "jupyterlab", str(notebooks / FIRST)]
    # Without requests to the network; the root user of a container may start it.
    command.append("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in arguments:
        command.append("--allow-root")
    return [*command, *arguments]


def provide_notebooks(folder: Path) -> Path:
    """The folder of notebooks: that of the checkout, or ``folder/notebooks`` with copies from the wheel."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "notebooks"
    if (checkout / FIRST).is_file() and (package.parent / "pyproject.toml").is_file():
        return checkout
    target = folder / "notebooks"
    try:
        target.mkdir(exist_ok=True)
        for notebook in sorted((package / "notebooks").glob("*.ipynb")):
            if not (target / notebook.name).exists():  # keep notebooks that the user has changed
                _copy(notebook, target / notebook.name)
    except OSError as error:
        raise WorkbenchError(
            f"the notebooks cannot be written to {str(target)!r}: {error.strerror or error}"
        ) from None
    if not (target / FIRST).is_file():
        raise WorkbenchError(
            f"{FIRST} is neither in this installation nor in {str(target)!r}; install the package again"
        )
    return target


def _copy(notebook: Path, target: Path) -> None:
    """Copy a notebook for this Python: JupyterLab marks one of another version as changed on opening."""
    content = json.loads(notebook.read_text("utf-8"))
    content["metadata"]["language_info"]["version"] = platform.python_version()
    target.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
