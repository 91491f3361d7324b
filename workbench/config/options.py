"""Options of a workbench, and the default cache folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True)
class Options:
    """Options of extraction and storage. ``size``: longest side in pixels.

    ``distractors`` are negatives that are added to the collection's database.
    """

    size: int = 512
    device: str = "auto"
    precision: str = "auto"
    cache: Path = Path("data")
    weights: Path | None = None
    seed: int = 0
    distractors: str = ""  # a folder, or synthetic:COUNT


def default_cache() -> Path:
    """The cache folder: WORKBENCH_CACHE, else ``data/`` of a checkout, else the user's cache folder."""
    if os.environ.get("WORKBENCH_CACHE"):
        return Path(os.environ["WORKBENCH_CACHE"]).expanduser()
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    return Path(platformdirs.user_cache_dir("retrieval-workbench"))
