"""Retrieval Workbench: deep image retrieval to see, explain and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.config import VERSION as __version__
from workbench.config import Config, WorkbenchError

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.pipeline import Workbench

__all__ = ["Config", "WorkbenchError", "__version__", "open"]


def open(name: str | Path, labels: str = "none", **options: Any) -> Workbench:
    """Open a collection: ``posters``, a benchmark's name, a folder of images or a labels.csv.

    ``labels="folders"`` takes subfolders as labels. ``options``: size (longest side, pixels), device,
    precision, cache, weights (folders), seed, distractors (a folder
    of negatives to add, or ``synthetic:COUNT``). Raises WorkbenchError where it cannot be opened.
    """
    try:
        from workbench.opening import open_workbench
    except (ImportError, RuntimeError) as error:
        from workbench.doctor import mismatch

        raise WorkbenchError(mismatch(error)) from error
    return open_workbench(name, labels, **options)
