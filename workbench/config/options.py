"""Options of a workbench, and the default cache folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from workbench.config.errors import WorkbenchError
from workbench.config.index_server import IndexServer

LARGEST_SIZE = 16_384  # pixels of a side; the largest photographs have about as many
LARGEST_SEED = 2_000_000_000  # FAISS holds seeds in 32 bits, and adds a number to some
RESIZES = ("exact", "cells")
CONTOURS = ("hed", "canny")
SHOTS = ("content", "transnetv2")
MOST_PER_SHOT = 1000


@dataclass(frozen=True)
class Options:
    """Options of extraction and storage. ``size``: longest side in pixels.

    ``resize``: ``exact`` keeps the aspect ratio of images; ``cells`` rounds their sides to whole cells of
    the network. Transformers, which take whole patches only, always use cells.
    ``contours``: the operator that detects the contours of images for queries by sketch.
    ``distractors`` are negatives that are added to the collection's database. ``fps``: frames of videos that
    become images, a second; ``per_shot``: frames of each shot instead, unless it is zero. ``shots``: the
    method that detects shots. ``index_server``: the address of a Milvus server that searches in place of this
    process (see ``IndexServer``).
    """

    size: int = 512
    resize: str = "exact"
    device: str = "auto"
    precision: str = "auto"
    cache: Path = Path("data")
    weights: Path | None = None
    seed: int = 0
    distractors: str = ""  # a folder, or synthetic:COUNT
    contours: str = "hed"
    fps: float = 1.0
    per_shot: int = 0
    shots: str = "content"
    index_server: str = field(default="", repr=False)  # may hold a password

    def __post_init__(self) -> None:
        """Raise WorkbenchError if a number is out of its range, or a word is not one of those known."""
        for name, least, most in (
            ("size", 1, LARGEST_SIZE),
            ("seed", 0, LARGEST_SEED),
            ("per_shot", 0, MOST_PER_SHOT),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise WorkbenchError(f"{name} {value!r} is not a whole number from {least} to {most:,}")
        for name, valid in (("resize", RESIZES), ("contours", CONTOURS), ("shots", SHOTS)):
            if getattr(self, name) not in valid:
                raise WorkbenchError(
                    f"{name} {getattr(self, name)!r} is not known; valid: {', '.join(valid)}"
                )
        if self.index_server:
            IndexServer.parse(self.index_server)
        if (
            isinstance(self.fps, bool)
            or not isinstance(self.fps, int | float)
            or not 0.001 <= self.fps <= 1000
        ):
            raise WorkbenchError(f"fps {self.fps!r} is not a number of frames a second from 0.001 to 1,000")


def default_cache() -> Path:
    """The cache folder: WORKBENCH_CACHE, else ``data/`` of a checkout, else the user's cache folder."""
    if os.environ.get("WORKBENCH_CACHE"):
        return Path(os.path.expanduser(os.environ["WORKBENCH_CACHE"]))
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    return Path(platformdirs.user_cache_dir("retrieval-workbench"))
