"""Options of a workbench, and the default cache folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from workbench.config.errors import WorkbenchError

LARGEST_SIZE = 16_384  # pixels of a side; the largest photographs have about as many
LARGEST_SEED = 2_000_000_000  # FAISS holds seeds in 32 bits, and adds a number to some
RESIZES = ("exact", "cells")


@dataclass(frozen=True)
class Options:
    """Options of extraction and storage. ``size``: longest side in pixels.

    ``resize``: ``exact`` keeps the aspect ratio of images; ``cells`` rounds their sides to whole cells of
    the network. Transformers, which take whole patches only, always use cells.
    ``distractors`` are negatives that are added to the collection's database. ``fps``: frames of videos that
    become images, a second.
    """

    size: int = 512
    resize: str = "exact"
    device: str = "auto"
    precision: str = "auto"
    cache: Path = Path("data")
    weights: Path | None = None
    seed: int = 0
    distractors: str = ""  # a folder, or synthetic:COUNT
    fps: float = 1.0

    def __post_init__(self) -> None:
        """Raise WorkbenchError if ``size``, ``seed`` or ``fps`` is out of range, or ``resize`` unknown."""
        for name, least, most in (("size", 1, LARGEST_SIZE), ("seed", 0, LARGEST_SEED)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise WorkbenchError(f"{name} {value!r} is not a whole number from {least} to {most:,}")
        if (
            isinstance(self.fps, bool)
            or not isinstance(self.fps, int | float)
            or not 0.001 <= self.fps <= 1000
        ):
            raise WorkbenchError(f"fps {self.fps!r} is not a number of frames a second from 0.001 to 1,000")
        if self.resize not in RESIZES:
            raise WorkbenchError(f"resize {self.resize!r} is not known; valid: {', '.join(RESIZES)}")


def default_cache() -> Path:
    """The cache folder: WORKBENCH_CACHE, else ``data/`` of a checkout, else the user's cache folder."""
    if os.environ.get("WORKBENCH_CACHE"):
        return Path(os.path.expanduser(os.environ["WORKBENCH_CACHE"]))
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    return Path(platformdirs.user_cache_dir("retrieval-workbench"))
