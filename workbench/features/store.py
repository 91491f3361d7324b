"""A store of tensors computed from images: a folder per network and size, a safetensors file per batch.

Batch files are written atomically; their headers list the keys of the images. After an extraction many are
joined to large files (``packs``). The checksum of a batch is verified at the first read in a process and when
its file has changed; a damaged batch is removed, and its images are computed again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from workbench.common import checksums
from workbench.common.files import Stamp, replacing, stamp
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.features import pack_index, packs
from workbench.features.pack_index import PackIndex
from workbench.features.packs import Block

LEAST_FILES = 64  # fewer batch files are not joined
PACK_BYTES = 2**28  # of a pack


class Location(NamedTuple):
    """The location of an image's tensors: a batch file, or a block of a pack, and the row in it."""

    block: Block
    row: int


class DamagedFiles(WorkbenchError):
    """Stored files are missing or damaged; ``positions`` are those of their images in the keys."""

    def __init__(self, message: str, positions: list[int]) -> None:
        super().__init__(message)
        self.positions = positions


class Store:
    """Batches of tensors of images, which are named by keys. ``damaged``: the batches that were removed.

    With ``write_only`` the files of the folder, of which there may be very many, are not read.
    """

    def __init__(self, folder: Path, write_only: bool = False) -> None:
        self.folder, self._write_only = folder, write_only
        self.damaged: set[Block] = set()
        self._verified: dict[Block, Stamp] = {}
        self._seen: set[str] = set()
        self._locations: dict[str, Location] = {}  # in batch files
        self._unreadable: dict[str, str] = {}
        self._packed = PackIndex()
        self.refresh()

    def refresh(self) -> None:
        """Read the headers of new batch files and the index of new packs, and forget deleted ones."""
        if self._write_only:
            return
        try:
            entries = [entry.name for entry in os.scandir(self.folder)]
        except (FileNotFoundError, NotADirectoryError):  # the latter is reported when it is written
            entries = []
        names = {name for name in entries if name.endswith(".safetensors")}
        present = packs.packs_of(self.folder, entries)
        if self._seen - names or present != self._packed.packs:
            self._seen, self._locations = set(), {}
            self._packed = pack_index.open_index(self.folder, present)
            self._unreadable = dict(self._packed.unreadable)
        for name in sorted(names - self._seen):
            block = Block(self.folder / name)
            try:
                header = packs.batch_header(block.path, self._fits)
                if header.unreadable:
                    self._verify(block)  # nothing reads its tensors
            except OSError:  # deleted meanwhile, or not readable now
                continue
            except packs.DAMAGE:
                self._remove(block)  # truncated or foreign: its images are computed again
                continue
            self._locations.update((key, Location(block, row)) for row, key in enumerate(header.keys))
            self._unreadable.update(header.unreadable)
            self._seen.add(name)

    def _fits(self, file: Any, count: int) -> bool:
        """Whether the tensors of an open file have the shape of ``count`` images."""
        raise NotImplementedError

    def __contains__(self, key: str) -> bool:
        return bool(self._locate([key])) or key in self._unreadable

    def missing(self, keys: Sequence[str]) -> set[str]:
        """Those of some keys that are not stored."""
        absent = {key for key in keys if key not in self._locations and key not in self._unreadable}
        if not absent or not self._packed.packs:
            return absent
        if self.damaged:
            return absent - self._locate(list(absent)).keys()
        rest = list(absent)
        return {rest[at] for at in np.flatnonzero(self._packed.find(rest)[:, 0] < 0)}

    def unreadable(self, key: str) -> str | None:
        """The reason the image of a key could not be decoded; None if it could."""
        return self.reasons([key]).get(key)

    def reasons(self, keys: Sequence[str]) -> dict[str, str]:
        """{key: reason} of those images that could not be decoded."""
        reasons = {key: self._unreadable[key] for key in keys if key in self._unreadable}
        for key in self._locate(list(reasons)):
            del reasons[key]
        return reasons

    def _locate(self, keys: Sequence[str]) -> dict[str, Location]:
        """The locations of those keys that have one. A batch file comes before a pack: it repairs it."""
        located = {key: place for key in keys if (place := self._locations.get(key)) is not None}
        rest = [key for key in keys if key not in located] if len(located) < len(keys) else []
        if rest and self._packed.packs:
            blocks: dict[int, Block] = {}
            for key, (number, row) in zip(rest, self._packed.find(rest).tolist(), strict=True):
                if number >= 0:
                    block = blocks.get(number)
                    if block is None:
                        block = blocks[number] = self._packed.block(self.folder, number)
                    if block not in self.damaged:
                        located[key] = Location(block, row)
        return located

    def _write(
        self, keys: Sequence[str], tensors: dict[str, torch.Tensor], unreadable: dict[str, str]
    ) -> None:
        """Store a batch atomically. Raises WorkbenchError if the disk is full or not writable."""
        batch = json.dumps({"keys": list(keys), "unreadable": unreadable}, sort_keys=True)
        name = packs.batch_name(keys, unreadable)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # not save_file: a killed one leaves files under other names
            with replacing(self.folder / f"{name}.safetensors") as part, part.open("wb") as file:
                file.writelines(checksums.sealed(save(tensors, {"batch": batch})))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                free = f"{shutil.disk_usage(self.folder).free / 1e6:.0f} MB free"
                raise WorkbenchError(
                    f"the disk of {str(self.folder)!r} is full ({free}): free some space, or choose another "
                    "folder with --cache; the batches stored so far are kept"
                ) from None
            raise WorkbenchError(f"the store {str(self.folder)!r} cannot be written: {error}") from None

    def remove_parts(self) -> None:
        """Delete incomplete files of killed processes. Only the holder of the lock may call this."""
        for path in self.folder.glob("*.part"):
            path.unlink(missing_ok=True)

    def pack(
        self,
        progress: Progress = silent,
        order: Sequence[str] = (),
        least: int = LEAST_FILES,
        most: int = PACK_BYTES,
    ) -> None:
        """Join at least ``least`` batch files to packs of ``most`` bytes; for the holder of the lock only.

        Files with images of ``order`` come in that order, others after them by name. What cannot be joined,
        as on a full disk, remains as it is.
        """
        self.refresh()
        if len(self._seen) < least:
            return
        packed = self._packed.named(self.folder)
        first = {place.block.path.name: None for key in order if (place := self._locations.get(key))}
        files = []
        for name in (*first, *sorted(self._seen - first.keys())):
            path, block = self.folder / name, packed.get(name.partition(".")[0])
            with contextlib.suppress(OSError):
                if block is not None and block not in self.damaged and checksums.intact(*block):
                    path.unlink(missing_ok=True)  # of a process that was killed between joining and deleting
                else:
                    files.append(path)
        done = 0
        with contextlib.suppress(OSError):
            for count in packs.join(self.folder, files, self._packed.packs, most):
                done += count
                progress("joining stored files", done, len(files))
        self.refresh()

    def _by_file(
        self, keys: Sequence[str], kind: str
    ) -> Iterator[tuple[list[int], list[int], dict[str, torch.Tensor]]]:
        """Yield (positions in ``keys``, rows in a file, memory-mapped tensors of the file) for each file."""
        by_block: dict[Block, list[tuple[int, int]]] = {}
        lost: dict[Path, list[int]] = {}
        located = self._locate(keys)
        for position, key in enumerate(keys):
            location = located.get(key)
            if location is None:  # a file was removed since the keys were made
                lost.setdefault(self.folder, []).append(position)
            else:
                by_block.setdefault(location.block, []).append((position, location.row))
        for block, pairs in by_block.items():
            positions = [position for position, _ in pairs]
            try:
                self._verify(block)
                tensors = packs.tensors(block)
            except FileNotFoundError:  # also raised by safetensors where too many files are open
                lost.setdefault(block.path, []).extend(positions)
                continue
            except SafetensorError:
                lost.setdefault(block.path, []).extend(positions)
                self._remove(block)
                continue
            except OSError as error:
                raise WorkbenchError(
                    f"stored {kind} {str(block.path)!r} cannot be read ({error.strerror or error}); try again"
                ) from None
            yield positions, [row for _, row in pairs], tensors
        if lost:
            self.refresh()
            what = f"stored {kind} {str(next(iter(lost)))!r} are missing or damaged"
            raise DamagedFiles(f"{what}; run again to compute them", sum(lost.values(), list[int]()))

    def _verify(self, block: Block) -> None:
        """Verify the checksum of a batch, once until its file changes. Raises SafetensorError or OSError."""
        changed = stamp(block.path.stat())
        if self._verified.get(block) != changed:
            if not checksums.intact(*block):
                raise SafetensorError("the checksum is wrong")
            self._verified[block] = changed

    def _remove(self, block: Block) -> None:
        """Delete a damaged batch file; a block of a pack is only not read any more."""
        self.damaged.add(block)
        if block.length is None:
            with contextlib.suppress(OSError):  # a store that cannot be written
                block.path.unlink()


def repair_notes(damaged: int, kind: str) -> list[str]:
    """The note on stored files that were damaged; none if there are none."""
    were = "1 stored file was" if damaged == 1 else f"{damaged} stored files were"
    return [f"{were} damaged and removed; the {kind} were computed again"] * (damaged > 0)
