"""The arrays of a plain HDF5 file, such as the weights that Keras saves: no compression, no chunks.

Only what such files use is read: superblock 0, groups as symbol tables, object headers 1, contiguous arrays
of little-endian floats (HDF5 File Format Specification 3.0, The HDF Group). h5py, 5 MB, reads all others.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DATASPACE, _DATATYPE, _LAYOUT, _CONTINUATION, _SYMBOL_TABLE = 0x01, 0x03, 0x08, 0x10, 0x11
_FLOAT = 1  # class of a datatype
_CONTIGUOUS = 1  # class of a layout
_DEEPEST = 16  # groups within groups


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by the path of their groups, as ``block1/layers/conv2d/vars/0``.

    Raises OSError, and ValueError if the file is damaged or uses other parts of the format.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:8] != _SIGNATURE or data[8] != 0 or data[13:15] != b"\x08\x08":
            raise ValueError("it is no HDF5 file of the first version of the format")
        try:
            (header,) = struct.unpack_from("<Q", data, 24 + 4 * 8 + 8)  # of the root's symbol table entry
            return dict(_arrays(data, header, "", 0))
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise ValueError(f"the file is damaged ({error})") from None


def _arrays(data: mmap.mmap, header: int, name: str, depth: int) -> Iterator[tuple[str, np.ndarray]]:
    if depth > _DEEPEST:
        raise ValueError("its groups are nested too deep")
    messages = dict(_messages(data, header))
    if _SYMBOL_TABLE in messages:
        tree, heap = struct.unpack_from("<QQ", data, messages[_SYMBOL_TABLE])
        if data[heap : heap + 4] != b"HEAP":
            raise ValueError("a group has no names")
        (names,) = struct.unpack_from("<Q", data, heap + 24)
        for offset, child in _entries(data, tree, 0):
            end = data.find(b"\0", names + offset)
            part = data[names + offset : end].decode()
            yield from _arrays(data, child, f"{name}/{part}" if name else part, depth + 1)
    elif _LAYOUT in messages:
        yield name, _array(data, messages)


def _messages(data: mmap.mmap, header: int) -> Iterator[tuple[int, int]]:
    """The (kind, address) of the messages of an object."""
    version, _, count, _, size = struct.unpack_from("<BBHII", data, header)
    if version != 1:
        raise ValueError("an object has a header of another version")
    blocks = [(header + 16, size)]
    for start, length in blocks:  # grows with each continuation
        place, end = start, start + length
        while place + 8 <= end and count > 0:
            kind, size = struct.unpack_from("<HH", data, place)
            if kind == _CONTINUATION:
                blocks.append(struct.unpack_from("<QQ", data, place + 8))
            else:
                yield kind, place + 8
            place, count = place + 8 + size, count - 1


def _entries(data: mmap.mmap, node: int, depth: int) -> Iterator[tuple[int, int]]:
    """The (offset of the name, object header) of each member below a node of a group's B-tree."""
    if depth > _DEEPEST:
        raise ValueError("a group has a tree that is too deep")
    if data[node : node + 4] == b"SNOD":
        (count,) = struct.unpack_from("<H", data, node + 6)
        for number in range(count):
            yield struct.unpack_from("<QQ", data, node + 8 + 40 * number)
    elif data[node : node + 4] == b"TREE":
        (count,) = struct.unpack_from("<H", data, node + 6)
        for number in range(count):
            (child,) = struct.unpack_from("<Q", data, node + 24 + 8 + 16 * number)
            yield from _entries(data, child, depth + 1)
    else:
        raise ValueError("a group has no tree")


def _array(data: mmap.mmap, messages: dict[int, int]) -> np.ndarray:
    version, rank = struct.unpack_from("<BB", data, messages[_DATASPACE])
    shape = struct.unpack_from(f"<{rank}Q", data, messages[_DATASPACE] + (8 if version == 1 else 4))
    kind, order, _, _, itemsize = struct.unpack_from("<BBBBI", data, messages[_DATATYPE])
    version, layout, address, size = struct.unpack_from("<BBQQ", data, messages[_LAYOUT])
    if kind & 15 != _FLOAT or order & 1 or itemsize not in (2, 4, 8):
        raise ValueError("an array has another type than little-endian floats")
    if version != 3 or layout != _CONTIGUOUS:
        raise ValueError("an array is compressed or stored in chunks")
    if size != prod(shape) * itemsize or address + size > len(data):
        raise ValueError("the file is truncated")
    return np.frombuffer(data[address : address + size], f"<f{itemsize}").reshape(shape)
