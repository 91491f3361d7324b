"""Retrieval Workbench: inspect, explain and compare deep image retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.config.config import Config
from workbench.config.errors import VERSION as __version__
from workbench.config.errors import WorkbenchError
from workbench.query.query import Query

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from workbench.workbench import Workbench

__all__ = ["Config", "Query", "WorkbenchError", "__version__", "open"]


def open(name: str | Path | pd.DataFrame, labels: str = "none", **options: Any) -> Workbench:
    """Open a collection: ``posters``, ``reels``, a benchmark's name, a folder of images or a table of labels.

    The table is a CSV file or a DataFrame with the columns ``path`` and ``label``. With
    ``labels="folders"`` subfolders are labels. ``options``: size (longest side, pixels), device, precision,
    runtime (what runs networks on a CPU: auto, torch or openvino),
    cache and weights (folders), seed, distractors (a folder of negatives to add, or ``synthetic:COUNT``),
    fps (frames of videos that become images, a second), per_shot (frames of each shot instead) and shots
    (how shots are detected: content or transnetv2).
    Raises WorkbenchError if the collection cannot be opened.
    """
    from workbench.common.lazy import torch_exempt

    try:
        with torch_exempt():
            from workbench.workbench import open_workbench
    except (ImportError, RuntimeError) as error:
        from workbench.config.errors import torch_mismatch

        raise WorkbenchError(torch_mismatch(error)) from error
    return open_workbench(name, labels, **options)
