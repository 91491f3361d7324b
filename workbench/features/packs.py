"""Packs: the batch files of a store, joined to large files.

A pack is a sequence of blocks, which are whole batch files: each has its own header and checksum. Where the
keys of their images are is in one index (``pack_index``).
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from workbench.common import checksums
from workbench.common.files import replacing
from workbench.common.text import parse_json

ENDING = ".pack"
_ALIGNED = 64  # bytes: every block starts at a multiple
NAME_BYTES = 12
_TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "U8": np.uint8,
}
DAMAGE = (SafetensorError, KeyError, TypeError, ValueError, RecursionError)


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


def packs_of(folder: Path, names: Sequence[str]) -> list[tuple[str, int]]:
    """The packs of a folder in their order, with their bytes; ``names`` are those of its files."""
    packs = []
    for name in sorted(name for name in names if name.endswith(ENDING)):
        with contextlib.suppress(OSError):
            packs.append((name, (folder / name).stat().st_size))
    return packs


def batch_name(keys: Sequence[str], unreadable: Mapping[str, str]) -> str:
    """The name of the file of a batch, without its ending."""
    return blake2b("\n".join([*keys, *sorted(unreadable)]).encode(), digest_size=NAME_BYTES).hexdigest()


def batch_header(path: Path, fits: Callable[[Any, int], bool]) -> Header:
    """The header of a batch file. Raises OSError, or an error of ``DAMAGE`` if it is damaged or foreign.

    ``fits``: whether the tensors of the open file have the shape of that many images.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        batch = parse_json(metadata["batch"])
        keys, unreadable = list(map(str, batch["keys"])), dict(batch["unreadable"])
        if not metadata.keys() <= {"batch", "checksum"}:
            raise SafetensorError("a name of the header is damaged")
        if keys and not fits(file, len(keys)):
            raise SafetensorError("the header does not fit the tensors")
        return Header(Block(path), keys, unreadable, path.stem)


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
            except (AttributeError, *DAMAGE):
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
    """The memory-mapped tensors of a batch file, or of a block of a pack. Raises OSError, SafetensorError."""
    if block.length is None:
        with safe_open(block.path, framework="pt") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
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
    except DAMAGE as error:
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
