"""The index of packs: where the keys of their images are.

It can be made from the headers of all blocks, which happens where it is missing, damaged, of another version
or of other packs.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import xxhash
from safetensors import safe_open
from safetensors.torch import save

from workbench.common import checksums
from workbench.common.files import replacing
from workbench.common.text import parse_json
from workbench.features.packs import DAMAGE, NAME_BYTES, Block, headers

INDEX = "packs.index"
VERSION = 1


@dataclass(frozen=True)
class PackIndex:
    """The places of keys in packs. ``digests`` [N, 2] of the keys are sorted by their first numbers."""

    packs: list[tuple[str, int]] = field(default_factory=list)  # name, bytes
    digests: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.uint64))
    places: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int32))  # number of block, row
    blocks: np.ndarray = field(
        default_factory=lambda: np.empty((0, 3), np.int64)
    )  # number of pack, offset, length
    names: np.ndarray = field(default_factory=lambda: np.empty((0, NAME_BYTES), np.uint8))  # of the blocks
    unreadable: dict[str, str] = field(default_factory=dict)

    def find(self, keys: Sequence[str]) -> np.ndarray:
        """The number of the block and the row [n, 2] of each key, -1 where it is in no pack."""
        found = np.full((len(keys), 2), -1, np.int64)
        if len(self.digests) and len(keys):
            wanted = _digests(keys)
            at = np.searchsorted(self.digests[:, 0], wanted[:, 0]).clip(max=len(self.digests) - 1)
            same = (self.digests[at] == wanted).all(1)
            found[same] = self.places[at[same]]
        return found

    def block(self, folder: Path, number: int) -> Block:
        pack, offset, length = self.blocks[number].tolist()
        return Block(folder / self.packs[pack][0], offset, length)

    def named(self, folder: Path) -> dict[str, Block]:
        """The blocks by the names of their batch files, the newest of a name."""
        return {name.tobytes().hex(): self.block(folder, number) for number, name in enumerate(self.names)}


def open_index(folder: Path, packs: list[tuple[str, int]]) -> PackIndex:
    """The index of the packs of a folder: read, or made from the headers of those that it lacks."""
    if not packs:
        return PackIndex()
    stored = _stored(folder / INDEX)
    if stored is not None and stored.packs == packs:
        return stored
    index = _indexed(folder, packs, stored)
    write_index(folder, index)
    return index


def write_index(folder: Path, index: PackIndex) -> None:
    """Store an index atomically; without it, it is made again at the next opening."""
    about = json.dumps({"version": VERSION, "packs": index.packs, "unreadable": index.unreadable})
    arrays = {
        "digests": index.digests.view(np.int64),
        "places": index.places,
        "blocks": index.blocks,
        "names": index.names,
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    with contextlib.suppress(OSError), replacing(folder / INDEX) as part, part.open("wb") as file:
        file.writelines(checksums.sealed(save(tensors, {"index": about})))


def _stored(path: Path) -> PackIndex | None:
    """A stored index; None if it is missing, damaged or of another version."""
    try:
        if not checksums.intact(path):
            return None
        with safe_open(path, framework="np") as file:
            about = parse_json((file.metadata() or {})["index"])
            if about["version"] != VERSION:
                return None
            arrays = {name: file.get_tensor(name) for name in ("digests", "places", "blocks", "names")}
    except (OSError, *DAMAGE):
        return None
    arrays["digests"] = arrays["digests"].view(np.uint64)
    return PackIndex(
        [(name, size) for name, size in about["packs"]], unreadable=about["unreadable"], **arrays
    )


def _indexed(folder: Path, packs: list[tuple[str, int]], before: PackIndex | None) -> PackIndex:
    """The index of packs from their headers; what ``before`` knows is taken from there."""
    digests, places, blocks, names = [], [], [], []
    unreadable: dict[str, str] = {}
    if before is not None and packs[: len(before.packs)] == before.packs:
        digests, places = [before.digests], [before.places.astype(np.int32)]
        blocks, names = [before.blocks], [before.names]
        unreadable, known = dict(before.unreadable), len(before.packs)
    else:
        known = 0
    count = sum(map(len, blocks))
    for number, (name, _) in enumerate(packs[known:], known):
        for header in headers(folder / name):
            rows = np.arange(len(header.keys), dtype=np.int32)
            digests.append(_digests(header.keys))
            places.append(np.stack([np.full_like(rows, count), rows], 1))
            blocks.append(np.array([[number, header.block.offset, header.block.length]], np.int64))
            names.append(np.frombuffer(bytes.fromhex(header.name), np.uint8)[None])
            unreadable.update(header.unreadable)
            count += 1
    if not blocks:
        return PackIndex(packs)
    # The newest block of a key is the last: reversed and sorted stably it is the first of its equals.
    keys, at = np.concatenate(digests)[::-1], np.concatenate(places)[::-1]
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    keys, at = keys[order], at[order]
    first = np.ones(len(keys), bool)
    first[1:] = (keys[1:] != keys[:-1]).any(1)
    return PackIndex(packs, keys[first], at[first], np.concatenate(blocks), np.concatenate(names), unreadable)


def _digests(keys: Sequence[str]) -> np.ndarray:
    """A digest of 128 bits of each key, [n, 2]."""
    joined = b"".join(xxhash.xxh3_128_digest(key.encode()) for key in keys)
    return np.frombuffer(joined, np.uint64).reshape(-1, 2)
