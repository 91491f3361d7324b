"""Options of a workbench, and the default cache folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from workbench.config.errors import WorkbenchError
from workbench.config.index_server import IndexServer

LARGEST_SIZE = 16_384  # pixels of a side; the largest photographs have about as many
LARGEST_SEED = 2_000_000_000  # FAISS holds seeds in 32 bits, and adds a number to some
RESIZES = ("exact", "cells")
RUNTIMES = ("auto", "torch", "openvino")
CONTOURS = ("hed", "canny")
SHOTS = ("content", "transnetv2")
MOST_PER_SHOT = 1000
_LIMIT = re.compile(r"lru:(\d{1,6}(?:\.\d+)?)(MB|GB|TB)")
_ADDRESS = re.compile(r"(tcp|tls|ucx|ws|wss)://[^\s/]+:\d{1,5}/?")
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True)
class Options:
    """Options of extraction and storage. ``size``: longest side in pixels.

    ``resize``: ``exact`` keeps the aspect ratio of images; ``cells`` rounds their sides to whole cells of
    the network. Transformers, which take whole patches only, always use cells.
    ``runtime``: what runs networks on a CPU; ``auto`` chooses OpenVINO where it is installed, agrees with
    PyTorch and is faster, for 1,000 images or more.
    ``contours``: the operator that detects the contours of images for queries by sketch.
    ``distractors`` are negatives that are added to the collection's database. ``fps``: frames of videos that
    become images, a second; ``per_shot``: frames of each shot instead, unless it is zero. ``shots``: the
    method that detects shots. ``index_server``: the address of a Milvus server that searches in place of this
    process (see ``IndexServer``).
    ``maps``: which feature maps stay on disk: ``all``; ``none``, so that what needs maps and not only
    descriptors runs the network again; or those used last up to a limit, as ``lru:20GB``.
    ``scheduler``: what extracts many images: ``local``, the threads of this process, or the address of a Dask
    scheduler, as ``tcp://HOST:8786``, whose workers see the same files.
    """

    size: int = 512
    resize: str = "exact"
    device: str = "auto"
    precision: str = "auto"
    runtime: str = "auto"
    cache: Path = Path("data")
    weights: Path | None = None
    seed: int = 0
    distractors: str = ""  # a folder, or synthetic:COUNT
    contours: str = "hed"
    fps: float = 1.0
    per_shot: int = 0
    shots: str = "content"
    maps: str = "all"
    index_server: str = field(default="", repr=False)  # may hold a password
    scheduler: str = "local"

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
        for name, valid in (
            ("resize", RESIZES),
            ("runtime", RUNTIMES),
            ("contours", CONTOURS),
            ("shots", SHOTS),
        ):
            if getattr(self, name) not in valid:
                raise WorkbenchError(
                    f"{name} {getattr(self, name)!r} is not known; valid: {', '.join(valid)}"
                )
        if self.index_server:
            IndexServer.parse(self.index_server)
        if self.maps not in ("all", "none") and (not isinstance(self.maps, str) or self.map_bytes is None):
            raise WorkbenchError(
                f"maps {self.maps!r} is not known; valid: all, none, or a limit such as lru:20GB"
            )
        if self.scheduler != "local" and not (
            isinstance(self.scheduler, str) and _ADDRESS.fullmatch(self.scheduler)
        ):
            raise WorkbenchError(
                f"scheduler {self.scheduler!r} is not known; valid: local, or the address of a Dask "
                "scheduler, as tcp://HOST:8786"
            )
        if self.scheduler != "local" and self.maps == "none":
            raise WorkbenchError(
                f"scheduler {self.scheduler!r}: its workers write maps to the cache folder, so maps "
                "cannot be none; choose all, or a limit such as lru:20GB"
            )
        if (
            isinstance(self.fps, bool)
            or not isinstance(self.fps, int | float)
            or not 0.001 <= self.fps <= 1000
        ):
            raise WorkbenchError(f"fps {self.fps!r} is not a number of frames a second from 0.001 to 1,000")

    @property
    def map_bytes(self) -> int | None:
        """The limit of stored maps in bytes, if ``maps`` names one."""
        limit = _LIMIT.fullmatch(self.maps)
        return None if limit is None else int(float(limit[1]) * _UNITS[limit[2]])


def default_cache() -> Path:
    """The cache folder: WORKBENCH_CACHE, else ``data/`` of a checkout, else the user's cache folder."""
    if os.environ.get("WORKBENCH_CACHE"):
        return Path(os.path.expanduser(os.environ["WORKBENCH_CACHE"]))
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    return Path(platformdirs.user_cache_dir("retrieval-workbench"))
