"""Options of a workbench, how each is checked, and the default cache folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    """Options of extraction, storage and search. Raises WorkbenchError if a value is not valid."""

    # Images and networks
    size: int = 512  # longest side in pixels
    resize: str = "exact"  # the aspect ratio; cells: sides of whole cells, which transformers always have
    device: str = "auto"
    precision: str = "auto"
    runtime: str = "auto"  # of networks on a CPU; auto: OpenVINO for 1,000 images or more if it is faster
    seed: int = 0
    contours: str = "hed"  # the operator that detects the contours of images for queries by sketch
    # Storage
    cache: Path = Path("data")
    weights: Path | None = None
    maps: str = "all"  # feature maps on disk; none: networks run again; lru:20GB: those used last
    # The collection
    distractors: str = ""  # negatives added to the database: a folder, or synthetic:COUNT
    fps: float = 1.0  # frames of videos that become images, a second
    per_shot: int = 0  # frames of each shot instead, unless it is zero
    shots: str = "content"  # the method that detects shots
    # Other processes
    index_server: str = field(default="", repr=False)  # a Milvus server that searches; may hold a password
    scheduler: str = "local"  # what extracts many images: this process, or a Dask scheduler, tcp://HOST:8786

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            check(name, getattr(self, name))
        if self.scheduler != "local" and self.maps == "none":
            raise WorkbenchError(
                f"scheduler {self.scheduler!r}: its workers write maps to the cache folder, so maps "
                "cannot be none; choose all, or a limit such as lru:20GB"
            )

    @property
    def map_bytes(self) -> int | None:
        """The limit of stored maps in bytes, if ``maps`` names one."""
        limit = _LIMIT.fullmatch(self.maps)
        return None if limit is None else int(float(limit[1]) * _UNITS[limit[2]])


Check = Callable[[str, Any], None]  # of an option's name and value; raises WorkbenchError


def _whole_number(least: int, most: int) -> Check:
    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise WorkbenchError(f"{name} {value!r} is not a whole number from {least} to {most:,}")

    return check


def _word(valid: tuple[str, ...]) -> Check:
    def check(name: str, value: Any) -> None:
        if value not in valid:
            raise WorkbenchError(f"{name} {value!r} is not known; valid: {', '.join(valid)}")

    return check


def _frames_a_second(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.001 <= value <= 1000:
        raise WorkbenchError(f"{name} {value!r} is not a number of frames a second from 0.001 to 1,000")


def _kept_maps(name: str, value: Any) -> None:
    if value not in ("all", "none") and not (isinstance(value, str) and _LIMIT.fullmatch(value)):
        raise WorkbenchError(f"{name} {value!r} is not known; valid: all, none, or a limit such as lru:20GB")


def _index_server(name: str, value: Any) -> None:
    if value:
        IndexServer.parse(value)


def _scheduler(name: str, value: Any) -> None:
    if value != "local" and not (isinstance(value, str) and _ADDRESS.fullmatch(value)):
        raise WorkbenchError(
            f"{name} {value!r} is not known; valid: local, or the address of a Dask scheduler, as "
            "tcp://HOST:8786"
        )


_CHECKS: Mapping[str, Check] = {
    "size": _whole_number(1, LARGEST_SIZE),
    "seed": _whole_number(0, LARGEST_SEED),
    "per_shot": _whole_number(0, MOST_PER_SHOT),
    "resize": _word(RESIZES),
    "runtime": _word(RUNTIMES),
    "contours": _word(CONTOURS),
    "shots": _word(SHOTS),
    "index_server": _index_server,
    "maps": _kept_maps,
    "scheduler": _scheduler,
    "fps": _frames_a_second,
}


def default_cache() -> Path:
    """The cache folder: WORKBENCH_CACHE, else ``data/`` of a checkout, else the user's cache folder."""
    if os.environ.get("WORKBENCH_CACHE"):
        return Path(os.path.expanduser(os.environ["WORKBENCH_CACHE"]))
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    return Path(platformdirs.user_cache_dir("retrieval-workbench"))
