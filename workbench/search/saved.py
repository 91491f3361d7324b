"""Indexes in files that know what they are of: version, steps, fingerprint of the vectors, checksum."""

from __future__ import annotations

import json
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from safetensors.numpy import load, save

from workbench.config import WorkbenchError, parse_index
from workbench.search.codes import CodeIndex
from workbench.search.found import Index
from workbench.search.indexes import FaissIndex
from workbench.writing import replacing

_MAGIC = b"RWINDEX\x01"  # the last byte is the version of the format
_SUM = 32  # bytes of the SHA-256 of all that follows it


def fingerprint(vectors: np.ndarray, *about: Any) -> str:
    """What vectors [N, D], and whatever else decides an index, are known by: 32 hexadecimal digits."""
    digest = blake2b(json.dumps([*vectors.shape, *map(str, about)]).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(vectors, np.float32).data)
    return digest.hexdigest()


def write(path: Path, index: Index, of: str) -> None:
    """Keep an index of the vectors with the fingerprint ``of``; the file is whole or absent.

    Raises WorkbenchError for exact search, which has nothing to keep, and OSError where it cannot be written.
    """
    about: dict[str, Any] = {"steps": index.name, "vectors": of, "faiss": faiss.__version__}
    if isinstance(index, FaissIndex):
        about |= {"bytes": index.bytes, "shared_bytes": index.shared_bytes}
        payload = faiss.serialize_index(index.index).tobytes()
    elif isinstance(index, CodeIndex):
        payload = save({name: np.ascontiguousarray(array) for name, array in index.state().items()})
    else:
        raise WorkbenchError(f"the index {index.name!r} is the vectors themselves: there is nothing to save")
    header = json.dumps(about).encode()
    body = len(header).to_bytes(8, "little") + header
    digest = sha256(body)
    digest.update(payload)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("wb") as file:
        file.writelines((_MAGIC, digest.digest(), body, payload))


def read(path: Path, of: str | None = None) -> Index:
    """The index that ``write`` kept; ``of``: the fingerprint of the vectors it must be of.

    Raises WorkbenchError where the file is missing, truncated, damaged, of another version, of other
    vectors, or something else altogether. Nothing in it is looked at before its checksum is right.
    """
    try:
        whole = memoryview(path.read_bytes())
    except OSError as error:
        raise WorkbenchError(f"index {str(path)!r} cannot be read ({error.strerror})") from None
    start = len(_MAGIC) + _SUM
    if whole[: len(_MAGIC) - 1] != _MAGIC[:-1] or len(whole) < start + 8:
        raise WorkbenchError(f"{str(path)!r} is no saved index; build it again")
    if whole[: len(_MAGIC)] != _MAGIC:
        version = whole[len(_MAGIC) - 1]
        raise WorkbenchError(f"index {str(path)!r} is of format {version}, not {_MAGIC[-1]}; build it again")
    body = whole[start:]
    if sha256(body).digest() != whole[len(_MAGIC) : start]:
        raise WorkbenchError(
            f"index {str(path)!r} is truncated or damaged: its checksum is wrong; build it again"
        )
    length = int.from_bytes(body[:8], "little")
    about, payload = json.loads(bytes(body[8 : 8 + length])), body[8 + length :]
    if of is not None and about["vectors"] != of:
        raise WorkbenchError(f"index {str(path)!r} is of other vectors; build it again")
    steps = parse_index(about["steps"])
    if "bytes" not in about:
        return CodeIndex.from_state(steps, load(bytes(payload)))
    index = faiss.deserialize_index(np.frombuffer(payload, np.uint8))
    probes = int(steps[0].args[1]) if len(steps[0].args) > 1 else 0
    return FaissIndex(steps, index, about["bytes"], about["shared_bytes"], probes)
