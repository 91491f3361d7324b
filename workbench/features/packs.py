"""Packs: the batch files of a store, joined to large files, and one index of the keys of their images.

A pack is a sequence of blocks, which are whole batch files: each has its own header and checksum. The
index can be made from the headers of all blocks, which happens where it is missing, damaged, of another
version or of other packs.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from workbench.common import checksums
from workbench.common.files import replacing
from workbench.common.text import parse_json

INDEX = "packs.index"
VERSION = 1
ENDING = ".pack"
_ALIGNED = 64  # bytes: every block starts at a multiple
_NAME_BYTES = 12
_TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "U8": np.uint8,
}
_DAMAGE = (SafetensorError, KeyError, TypeError, ValueError, RecursionError)


class Block(NamedTuple):
    """A batch file; or, with a length, a block of a pack."""

    path: Path
    offset: int = 0
    length: int | None = None


class Header(NamedTuple):
    """What the header of a block says: the keys of its rows, {key: why it is unreadable}, and the name."""

    block: Block
    keys: list[str]
    unreadable: dict[str, str]
    name: str


@dataclass(frozen=True)
class PackIndex:
    """The places of keys in packs. ``digests`` [N, 2] of the keys are sorted by their first numbers."""

    packs: list[tuple[str, int]] = field(default_factory=list)  # name, bytes
    digests: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.uint64))
    places: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int32))  # number of block, row
    blocks: np.ndarray = field(
        default_factory=lambda: np.empty((0, 3), np.int64)
    )  # number of pack, offset, length
    names: np.ndarray = field(default_factory=lambda: np.empty((0, _NAME_BYTES), np.uint8))  # of the blocks
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


def packs_of(folder: Path, names: Sequence[str]) -> list[tuple[str, int]]:
    """The packs of a folder in their order, with their bytes; ``names`` are those of its files."""
    packs = []
    for name in sorted(name for name in names if name.endswith(ENDING)):
        with contextlib.suppress(OSError):
            packs.append((name, (folder / name).stat().st_size))
    return packs


def open_index(folder: Path, packs: list[tuple[str, int]]) -> PackIndex:
    """The index of the packs of a folder: read, or made from the headers of those that it lacks."""
    if not packs:
        return PackIndex()
    stored = _read(folder / INDEX)
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


def _read(path: Path) -> PackIndex | None:
    """A stored index; None if it is missing, damaged or of another version."""
    try:
        if not checksums.intact(path):
            return None
        with safe_open(path, framework="np") as file:
            about = parse_json((file.metadata() or {})["index"])
            if about["version"] != VERSION:
                return None
            arrays = {name: file.get_tensor(name) for name in ("digests", "places", "blocks", "names")}
    except (OSError, *_DAMAGE):
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


def batch_name(keys: Sequence[str], unreadable: Mapping[str, str]) -> str:
    """The name of the file of a batch, without its ending."""
    return blake2b("\n".join([*keys, *sorted(unreadable)]).encode(), digest_size=_NAME_BYTES).hexdigest()


def headers(path: Path) -> Iterator[Header]:
    """The headers of the blocks of a pack. Damaged ones are left out."""
    with (
        contextlib.suppress(OSError, ValueError),  # ValueError: it is empty
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        offset = 0
        while offset < len(content):
            try:
                header, start = _parsed(content, offset)
                length = start + max((array["data_offsets"][1] for array in header.values()), default=0)
                batch = parse_json(header_text(content, offset)["batch"])
                keys, unreadable = list(map(str, batch["keys"])), dict(batch["unreadable"])
                if length < start or offset + length > len(content):
                    raise ValueError("the block is incomplete")
                block = Block(path, offset, length)
                if unreadable and not checksums.intact(path, offset, length):  # nothing reads its tensors
                    raise ValueError("the checksum is wrong")
            except (AttributeError, *_DAMAGE):
                following = content.find(checksums.PREFIX, offset + 8 + 1)
                if following < 8:
                    return
                offset = following - 8
                continue
            yield Header(block, keys, unreadable, batch_name(keys, unreadable))
            offset += length + -length % _ALIGNED


def header_text(content: Any, offset: int) -> dict[str, Any]:
    """The metadata of a block."""
    length = int.from_bytes(content[offset : offset + 8], "little")
    return dict(parse_json(content[offset + 8 : offset + 8 + length].decode())["__metadata__"])


def _parsed(content: Any, offset: int) -> tuple[dict[str, Any], int]:
    """The arrays that the header of a block names, and where its data start in the block."""
    length = int.from_bytes(content[offset : offset + 8], "little")
    if not 2 <= length <= len(content) - offset - 8:
        raise ValueError("no header")
    header = parse_json(content[offset + 8 : offset + 8 + length].decode())
    return {name: array for name, array in header.items() if name != "__metadata__"}, 8 + length


def tensors(block: Block) -> dict[str, torch.Tensor]:
    """The memory-mapped tensors of a block of a pack. Raises OSError, SafetensorError."""
    assert block.length is not None
    skipped = block.offset % mmap.ALLOCATIONGRANULARITY
    try:
        with block.path.open("rb") as file:
            content = mmap.mmap(
                file.fileno(),
                block.length + skipped,
                access=mmap.ACCESS_COPY,  # torch takes no array that cannot be written
                offset=block.offset - skipped,
            )
        header, start = _parsed(content, skipped)
        return {
            name: torch.from_numpy(
                np.frombuffer(
                    content,
                    _TYPES[array["dtype"]],
                    int(np.prod(array["shape"], dtype=np.int64)),
                    skipped + start + array["data_offsets"][0],
                ).reshape(array["shape"])
            )
            for name, array in header.items()
        }
    except _DAMAGE as error:
        raise SafetensorError(str(error)) from None


def join(folder: Path, files: Sequence[Path], packs: Sequence[tuple[str, int]], most: int) -> Iterator[int]:
    """Join batch files to packs of about ``most`` bytes, in their order, and delete them. Yields counts.

    A damaged file is left out. Only the holder of the lock may call this. Raises OSError.
    """
    number = 1 + max((int(name.partition("-")[0]) for name, _ in packs), default=0)
    waiting = list(files)
    while waiting:
        group, size = list[Path](), 0
        while waiting and (not group or size + waiting[0].stat().st_size <= most):
            group.append(waiting.pop(0))
            size += group[-1].stat().st_size
        joined = blake2b("".join(path.stem for path in group).encode(), digest_size=4).hexdigest()
        packed = []
        with (
            replacing(folder / f"{number:06d}-{joined}{ENDING}", unique=False) as part,
            part.open("wb") as file,
        ):
            for path in group:
                content = path.read_bytes()
                if not content.startswith(checksums.PREFIX, 8):  # of an earlier version
                    content = b"".join(checksums.sealed(content))
                elif not checksums.intact_bytes(content):
                    continue  # its reader reports it
                file.write(content)
                file.write(bytes(-len(content) % _ALIGNED))
                packed.append(path)
            file.flush()
            os.fsync(file.fileno())  # before the batch files are deleted
        for path in packed:
            path.unlink(missing_ok=True)
        yield len(group)
        number += 1
