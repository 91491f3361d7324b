"""Opening of a workbench: collection, options and cache folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

from workbench.collections.catalog import open_collection
from workbench.collections.distractors import check, with_distractors
from workbench.config import WorkbenchError
from workbench.features.maps import Options
from workbench.pipeline import Workbench
from workbench.progress import Progress, silent


def default_cache() -> Path:
    """The cache folder: WORKBENCH_CACHE, else ``data/`` of a checkout, else the user's cache folder."""
    if os.environ.get("WORKBENCH_CACHE"):
        return Path(os.environ["WORKBENCH_CACHE"]).expanduser()
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    return Path(platformdirs.user_cache_dir("retrieval-workbench"))


def open_workbench(
    name: str | Path, labels: str = "none", progress: Progress = silent, **options: Any
) -> Workbench:
    """Open a collection by name, folder or CSV file. ``options`` are the fields of Options.

    Raises WorkbenchError if an option is not known or the collection cannot be opened.
    """
    unknown = set(options) - set(Options.__dataclass_fields__)
    if unknown:
        raise WorkbenchError(
            f"option {sorted(unknown)[0]!r} is not known; valid: {', '.join(Options.__dataclass_fields__)}"
        )
    cache = Path(options.get("cache") or default_cache()).expanduser()
    weights = options.get("weights")
    distractors = str(options.get("distractors") or "")
    check(distractors)
    resolved = replace(
        Options(**options),
        cache=cache,
        weights=Path(weights).expanduser() if weights else None,
        distractors=distractors,
    )
    collection = open_collection(name, labels, cache, progress)
    return Workbench(with_distractors(collection, distractors, progress), resolved)
