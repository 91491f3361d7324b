"""Checksums of stored tensors: a safetensors file holds a checksum of all its bytes, verified as it is read.

XXH3 (Collet, 2019) detects accidental damage at the speed of memory; it is no defence against forgery.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from workbench.config.errors import WorkbenchError

_DIGITS = 32  # of a checksum in hexadecimal
_BLANK = b"0" * _DIGITS  # in place of the checksum while it is computed
PREFIX = b'{"__metadata__":{"checksum":"'
_START = 8 + len(PREFIX)  # of the checksum in the file, after the length of the header
_CHUNK = 2**20


def sealed(plain: bytes) -> Sequence[bytes | memoryview]:
    """The parts of a safetensors file with the content of ``plain`` and a checksum in its metadata.

    The metadata are sorted: equal content gives equal bytes.
    """
    length = int.from_bytes(plain[:8], "little")
    header = json.loads(plain[8 : 8 + length])
    metadata = dict(sorted(header.pop("__metadata__", {}).items()))
    header = {"__metadata__": {"checksum": _BLANK.decode(), **metadata}, **header}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    start, data = len(text).to_bytes(8, "little") + text, memoryview(plain)[8 + length :]
    digest = xxhash.xxh3_128(start)
    digest.update(data)
    return start[:_START] + digest.hexdigest().encode() + start[_START + _DIGITS :], data


def sealed_arrays(
    arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> Iterator[bytes | memoryview]:
    """The parts of a safetensors file of float32 arrays with a checksum, without a copy of the arrays."""
    header: dict[str, Any] = {"__metadata__": {"checksum": _BLANK.decode(), **metadata}}
    parts, end = [], 0
    for name, array in arrays.items():
        parts.append(np.ascontiguousarray(array, np.float32).data.cast("B"))
        header[name] = {
            "dtype": "F32",
            "shape": list(array.shape),
            "data_offsets": [end, end := end + parts[-1].nbytes],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    start = len(text).to_bytes(8, "little") + text
    digest = xxhash.xxh3_128(start)
    for part in parts:
        digest.update(part)
    yield start[:_START] + digest.hexdigest().encode() + start[_START + _DIGITS :]
    yield from parts


def intact(path: Path, offset: int = 0, length: int | None = None) -> bool:
    """Whether a file, or a block of it, is as it was written. Raises OSError.

    True also for files without a checksum, but not for such blocks.
    """
    with path.open("rb") as file:
        file.seek(offset)
        left = os.fstat(file.fileno()).st_size - offset if length is None else length
        start = file.read(min(_START + _DIGITS, left))
        if start[8:_START] != PREFIX:
            return length is None
        digest, left = xxhash.xxh3_128(start[:_START] + _BLANK), left - len(start)
        while left and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return not left and digest.hexdigest().encode() == start[_START:]


def intact_bytes(content: bytes) -> bool:
    """Whether the content of a file with a checksum is as it was written."""
    digest = xxhash.xxh3_128(content[:_START] + _BLANK)
    digest.update(memoryview(content)[_START + _DIGITS :])
    return digest.hexdigest().encode() == content[_START : _START + _DIGITS]


def require_intact(path: Path, remedy: str) -> None:
    """Raise WorkbenchError with the remedy if a file is damaged; a missing one is left to its reader."""
    try:
        if intact(path):
            return
    except OSError:
        return
    raise WorkbenchError(f"{str(path)!r} is damaged: its checksum is wrong; {remedy}")
