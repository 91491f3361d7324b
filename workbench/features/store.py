"""A store of tensors computed from images: a folder per network and size, a safetensors file per batch.

Batch files are written atomically. The header of a file lists the keys of its images, so there is no
index file that could become outdated.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from workbench.common.files import replacing
from workbench.common.text import parse_json
from workbench.config.errors import WorkbenchError


@dataclass(frozen=True)
class Location:
    """The location of an image's tensors: a batch file and the row in it."""

    path: Path
    row: int


class Store:
    """Batches of tensors of images, which are identified by keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: set[str] = set()
        self._locations: dict[str, Location] = {}
        self._unreadable: dict[str, str] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the headers of new batch files, and forget deleted ones."""
        try:
            names = {entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".safetensors")}
        except (FileNotFoundError, NotADirectoryError):  # the latter is reported when it is written
            names = set()
        if self._seen - names:
            self._seen, self._locations, self._unreadable = set(), {}, {}
        for name in sorted(names - self._seen):
            path = self.folder / name
            try:
                with safe_open(path, framework="pt") as file:
                    header = parse_json((file.metadata() or {})["batch"])
                    if header["keys"] and not self._fits(file, len(header["keys"])):
                        raise SafetensorError("the header does not fit the tensors")
                    locations = {key: Location(path, row) for row, key in enumerate(header["keys"])}
                    unreadable = dict(header["unreadable"])
            except (SafetensorError, KeyError, TypeError, ValueError, OSError, RecursionError):
                path.unlink(missing_ok=True)  # truncated or foreign: its images are computed again
                continue
            self._locations.update(locations)
            self._unreadable.update(unreadable)
            self._seen.add(name)

    def _fits(self, file: Any, count: int) -> bool:
        """Whether the tensors of an open file have the shape of ``count`` images."""
        raise NotImplementedError

    def __contains__(self, key: str) -> bool:
        return key in self._locations or key in self._unreadable

    def unreadable(self, key: str) -> str | None:
        """The reason the image of a key could not be decoded; None if it could."""
        return None if key in self._locations else self._unreadable.get(key)

    def _write(
        self, keys: Sequence[str], tensors: dict[str, torch.Tensor], unreadable: dict[str, str]
    ) -> None:
        """Store a batch atomically. Raises WorkbenchError if the disk is full or not writable."""
        batch = json.dumps({"keys": list(keys), "unreadable": unreadable}, sort_keys=True)
        name = blake2b("\n".join([*keys, *sorted(unreadable)]).encode(), digest_size=12).hexdigest()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(self.folder / f"{name}.safetensors") as part:
                # not save_file: a killed one leaves files under other names
                part.write_bytes(save(tensors, {"batch": batch}))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                free = shutil.disk_usage(self.folder).free / 1e6
                raise WorkbenchError(
                    f"the disk of {str(self.folder)!r} is full ({free:.0f} MB free): free some space, or "
                    "choose another folder with --cache; the batches stored so far are kept"
                ) from None
            raise WorkbenchError(f"the store {str(self.folder)!r} cannot be written: {error}") from None

    def remove_parts(self) -> None:
        """Delete incomplete files of killed processes. Only the holder of the lock may call this."""
        for path in self.folder.glob("*.part"):
            path.unlink(missing_ok=True)

    def _by_file(
        self, keys: Sequence[str], kind: str
    ) -> Iterator[tuple[list[int], list[int], dict[str, torch.Tensor]]]:
        """Yield (positions in ``keys``, rows in a file, memory-mapped tensors of the file) for each file."""
        by_file: dict[Path, list[tuple[int, int]]] = {}
        for position, key in enumerate(keys):
            location = self._locations[key]
            by_file.setdefault(location.path, []).append((position, location.row))
        for path, pairs in by_file.items():
            try:
                with safe_open(path, framework="pt") as file:
                    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            except (OSError, SafetensorError):
                path.unlink(missing_ok=True)  # so that the next run computes them again
                raise WorkbenchError(
                    f"stored {kind} {str(path)!r} are missing or damaged; run again to compute them"
                ) from None
            yield [position for position, _ in pairs], [row for _, row in pairs], tensors


class MapStore(Store):
    """The maps of one network at one size, stored as float16 [B, H, W, C] (channels last)."""

    def _fits(self, file: Any, count: int) -> bool:
        shape = file.get_slice("maps").get_shape()
        return len(shape) == 4 and shape[0] == count

    def write(self, keys: Sequence[str], maps: torch.Tensor | None, unreadable: dict[str, str]) -> None:
        """Store a batch of maps [B, H, W, C] atomically. Raises WorkbenchError if the disk is full."""
        tensors = {} if maps is None else {"maps": maps.to(torch.float16).contiguous()}
        self._write(keys, tensors, unreadable)

    def batches(self, keys: Sequence[str]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield (positions in ``keys``, maps [B, H, W, C] in float16) for each file.

        The maps are memory-mapped, so that only the parts that are used are read.
        """
        for positions, rows, tensors in self._by_file(keys, "maps"):
            maps = tensors["maps"]
            yield positions, maps if rows == list(range(len(maps))) else maps[rows]
