"""What was made of images, on disk: a folder for each maker and size, a safetensors file a batch.

A batch file is written under another name and then renamed, so that it is whole or absent. Its
header names the images it holds by key, so no index is needed and none can go stale.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from workbench.config import WorkbenchError


@dataclass(frozen=True)
class Stored:
    """Where a map lies: a batch file and the position in it."""

    path: Path
    row: int


class Store:
    """Batches of tensors, each of some images that are known by keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: set[str] = set()
        self._where: dict[str, Stored] = {}
        self._unreadable: dict[str, str] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take notice of batches that another process has written, or that were deleted."""
        try:
            names = {entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".safetensors")}
        except (FileNotFoundError, NotADirectoryError):  # the latter is said where it is to be written
            names = set()
        if self._seen - names:
            self._seen, self._where, self._unreadable = set(), {}, {}
        for name in sorted(names - self._seen):
            path = self.folder / name
            try:
                with safe_open(path, framework="pt") as file:
                    header = json.loads((file.metadata() or {})["batch"])
                    if header["keys"] and not self._fits(file, len(header["keys"])):
                        raise SafetensorError("the header does not fit the tensors")
                    stored = {key: Stored(path, row) for row, key in enumerate(header["keys"])}
                    unreadable = dict(header["unreadable"])
            except (SafetensorError, KeyError, TypeError, ValueError, OSError):
                path.unlink(missing_ok=True)  # truncated or foreign: its images are computed anew
                continue
            self._where.update(stored)
            self._unreadable.update(unreadable)
            self._seen.add(name)

    def _fits(self, file: Any, count: int) -> bool:
        """Whether an open file's tensors can be those of ``count`` images."""
        raise NotImplementedError

    def __contains__(self, key: str) -> bool:
        return key in self._where or key in self._unreadable

    def unreadable(self, key: str) -> str | None:
        """Why the image of that key could not be decoded, or None where it could."""
        return None if key in self._where else self._unreadable.get(key)

    def _write(
        self, keys: Sequence[str], tensors: dict[str, torch.Tensor], unreadable: dict[str, str]
    ) -> None:
        """Store a batch atomically. Raises WorkbenchError where the disk is full."""
        batch = json.dumps({"keys": list(keys), "unreadable": unreadable}, sort_keys=True)
        name = blake2b("\n".join([*keys, *sorted(unreadable)]).encode(), digest_size=12).hexdigest()
        temporary = self.folder / f"{name}.{uuid.uuid4().hex[:8]}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # not save_file: killed, it leaves files under names of its own
            temporary.write_bytes(save(tensors, {"batch": batch}))
            os.replace(temporary, self.folder / f"{name}.safetensors")
        except OSError as error:
            temporary.unlink(missing_ok=True)
            if error.errno == errno.ENOSPC:
                free = shutil.disk_usage(self.folder).free / 1e6
                raise WorkbenchError(
                    f"the disk of {str(self.folder)!r} is full ({free:.0f} MB free): free some space, or "
                    "choose another place with --cache; what is stored so far is kept"
                ) from None
            raise WorkbenchError(f"the store {str(self.folder)!r} cannot be written: {error}") from None

    def remove_parts(self) -> None:
        """Delete what a killed process left half-written. Only the holder of the lock may call this."""
        for path in self.folder.glob("*.part"):
            path.unlink(missing_ok=True)

    def _by_file(
        self, keys: Sequence[str], what: str
    ) -> Iterator[tuple[list[int], list[int], dict[str, torch.Tensor]]]:
        """Yield (positions in ``keys``, rows in a file, its tensors, memory-mapped), a file at a time."""
        by_file: dict[Path, list[tuple[int, int]]] = {}
        for position, key in enumerate(keys):
            stored = self._where[key]
            by_file.setdefault(stored.path, []).append((position, stored.row))
        for path, pairs in by_file.items():
            try:
                with safe_open(path, framework="pt") as file:
                    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            except (OSError, SafetensorError):
                path.unlink(missing_ok=True)  # so that the next run takes notice
                raise WorkbenchError(
                    f"stored {what} {str(path)!r} have vanished or are damaged; "
                    "run again to compute them anew"
                ) from None
            yield [position for position, _ in pairs], [row for _, row in pairs], tensors


class MapStore(Store):
    """The maps of one network at one size. Maps are float16, kept as [B, H, W, C] (channels last)."""

    def _fits(self, file: Any, count: int) -> bool:
        shape = file.get_slice("maps").get_shape()
        return len(shape) == 4 and shape[0] == count

    def write(self, keys: Sequence[str], maps: torch.Tensor | None, unreadable: dict[str, str]) -> None:
        """Store a batch of maps [B, H, W, C] atomically. Raises WorkbenchError where the disk is full."""
        tensors = {} if maps is None else {"maps": maps.to(torch.float16).contiguous()}
        self._write(keys, tensors, unreadable)

    def batches(self, keys: Sequence[str]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield (positions in ``keys``, their maps [B, H, W, C] in float16), a file at a time.

        The maps are memory-mapped: only what is used is read, and nothing stays.
        """
        for positions, rows, tensors in self._by_file(keys, "maps"):
            maps = tensors["maps"]
            yield positions, maps if rows == list(range(len(maps))) else maps[rows]
