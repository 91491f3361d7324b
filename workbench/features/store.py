"""A store of tensors computed from images: a folder per network and size, a safetensors file per batch.

Batch files are written atomically. The header of a file lists the keys of its images, so there is no
index file that could become outdated. A file holds its checksum, which is verified at the first read in a
process and again when the file has changed; a damaged file is removed, and its images are computed again.
"""

from __future__ import annotations

import contextlib
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

from workbench.common import checksums
from workbench.common.files import Stamp, replacing, stamp
from workbench.common.text import parse_json
from workbench.config.errors import WorkbenchError


@dataclass(frozen=True)
class Location:
    """The location of an image's tensors: a batch file and the row in it."""

    path: Path
    row: int


class DamagedFiles(WorkbenchError):
    """Stored files are missing or damaged; ``positions`` are those of their images in the keys."""

    def __init__(self, message: str, positions: list[int]) -> None:
        super().__init__(message)
        self.positions = positions


class Store:
    """Batches of tensors of images, which are named by keys. ``damaged``: the files that were removed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: set[Path] = set()
        self._verified: dict[Path, Stamp] = {}
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
                    metadata = file.metadata() or {}
                    header = parse_json(metadata["batch"])
                    if not metadata.keys() <= {"batch", "checksum"}:
                        raise SafetensorError("a name of the header is damaged")
                    if header["keys"] and not self._fits(file, len(header["keys"])):
                        raise SafetensorError("the header does not fit the tensors")
                    locations = {key: Location(path, row) for row, key in enumerate(header["keys"])}
                    unreadable = dict(header["unreadable"])
                    if unreadable:
                        self._verify(path)  # nothing reads its tensors
            except OSError:  # deleted meanwhile, or not readable now
                continue
            except (SafetensorError, KeyError, TypeError, ValueError, RecursionError):
                self._remove(path)  # truncated or foreign: its images are computed again
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
            # not save_file: a killed one leaves files under other names
            with replacing(self.folder / f"{name}.safetensors") as part, part.open("wb") as file:
                file.writelines(checksums.sealed(save(tensors, {"batch": batch})))
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
        lost: dict[Path, list[int]] = {}
        for position, key in enumerate(keys):
            location = self._locations.get(key)
            if location is None:  # a file was removed since the keys were made
                lost.setdefault(self.folder, []).append(position)
            else:
                by_file.setdefault(location.path, []).append((position, location.row))
        for path, pairs in by_file.items():
            positions = [position for position, _ in pairs]
            try:
                self._verify(path)
                with safe_open(path, framework="pt") as file:
                    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            except FileNotFoundError:  # also raised by safetensors where too many files are open
                lost[path] = positions
                continue
            except SafetensorError:
                lost[path] = positions
                self._remove(path)
                continue
            except OSError as error:
                raise WorkbenchError(
                    f"stored {kind} {str(path)!r} cannot be read ({error.strerror or error}); try again"
                ) from None
            yield positions, [row for _, row in pairs], tensors
        if lost:
            self.refresh()
            raise DamagedFiles(
                f"stored {kind} {str(next(iter(lost)))!r} are missing or damaged; run again to compute them",
                [position for positions in lost.values() for position in positions],
            )

    def _verify(self, path: Path) -> None:
        """Verify the checksum of a file, once until it changes. Raises SafetensorError or OSError."""
        changed = stamp(path.stat())
        if self._verified.get(path) != changed:
            if not checksums.intact(path):
                raise SafetensorError("the checksum is wrong")
            self._verified[path] = changed

    def _remove(self, path: Path) -> None:
        self.damaged.add(path)
        with contextlib.suppress(OSError):  # a store that cannot be written
            path.unlink()


def repair_notes(damaged: int, kind: str) -> list[str]:
    """The note on stored files that were damaged; none if there are none."""
    if not damaged:
        return []
    were = "1 stored file was" if damaged == 1 else f"{damaged} stored files were"
    return [f"{were} damaged and removed; the {kind} were computed again"]


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
