"""Starting JupyterLab on the notebooks, from a checkout or from an installed wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from workbench.config import WorkbenchError
from workbench.progress import Progress, silent

FIRST = "01_explore_a_collection.ipynb"


def start(arguments: list[str], progress: Progress = silent, folder: Path | None = None) -> list[str]:
    """Make everything ready and return the command that starts JupyterLab with ``arguments``.

    The notebooks of a checkout are opened where they are; from a wheel those that are missing are
    copied to ``notebooks/`` in the current folder. The embedded collection is made and described.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise WorkbenchError("JupyterLab is not installed: pip install jupyterlab")
    notebooks = bring_notebooks(folder or Path.cwd())
    from workbench.opening import open_workbench
    from workbench.pipeline import DEFAULT_PIPELINE

    open_workbench("posters", progress=progress).evaluate(DEFAULT_PIPELINE, progress)
    command = [sys.executable, "-m", "jupyterlab", str(notebooks / FIRST)]
    # Nothing is asked of the network, and a container's root may start it.
    command.append("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in arguments:
        command.append("--allow-root")
    return [*command, *arguments]


def bring_notebooks(folder: Path) -> Path:
    """The folder of notebooks: the checkout's, or ``folder/notebooks`` filled from the wheel."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / "notebooks"
    if (checkout / FIRST).is_file() and (package.parent / "pyproject.toml").is_file():
        return checkout
    here = folder / "notebooks"
    try:
        here.mkdir(exist_ok=True)
        for notebook in sorted((package / "notebooks").glob("*.ipynb")):
            if not (here / notebook.name).exists():  # what somebody has changed stays
                shutil.copyfile(notebook, here / notebook.name)
    except OSError as error:
        raise WorkbenchError(
            f"the notebooks cannot be written to {str(here)!r}: {error.strerror or error}"
        ) from None
    if not (here / FIRST).is_file():
        raise WorkbenchError(
            f"{FIRST} is neither in this installation nor in {str(here)!r}; install the package again"
        )
    return here
