"""Retrieval Workbench: deep image retrieval to see, explain and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.config import Config, WorkbenchError

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.pipeline import Workbench

__version__ = "0.1.0"
__all__ = ["Config", "WorkbenchError", "__version__", "open"]


def open(name: str | Path, labels: str = "none", **options: Any) -> Workbench:  # noqa: A001
    """Open a collection: ``posters``, a benchmark's name, a folder of images or a labels.csv.

    ``labels="folders"`` takes subfolders as labels. ``options``: size (longest side, pixels), device,
    precision, cache, weights (folders), seed. Raises WorkbenchError where it cannot be opened.
    """
    from workbench.pipeline import open_workbench

    return open_workbench(name, labels, **options)
