"""Read and write index files with a version, the steps, the fingerprint of the vectors and a checksum."""

from __future__ import annotations

import json
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from workbench.common.files import replacing
from workbench.common.lazy import lazy_module
from workbench.config.errors import WorkbenchError
from workbench.config.steps import parse_index
from workbench.search.binary_index import CodeIndex
from workbench.search.faiss_index import FaissIndex
from workbench.search.ranking import Index
from workbench.search.saved_index import Forged, dimensions_of, restore

faiss = lazy_module("faiss")

_MAGIC = b"RWINDEX\x01"  # the last byte is the version of the format
_SUM = 32  # bytes of the SHA-256 of everything after it


def fingerprint(vectors: np.ndarray, *about: Any) -> str:
    """Return 32 hexadecimal digits that identify vectors [N, D] and all other inputs of an index."""
    digest = blake2b(json.dumps([*vectors.shape, *map(str, about)]).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(vectors, np.float32).data)
    return digest.hexdigest()


def write(path: Path, index: Index, of: str) -> None:
    """Write an index of the vectors with the fingerprint ``of``; the file is complete or absent.

    Raises WorkbenchError for exact search, which has nothing to save, and OSError if writing fails.
    """
    fields: dict[str, Any] = {"steps": index.name, "vectors": of, "faiss": faiss.__version__}
    if isinstance(index, FaissIndex):
        fields |= {"bytes": index.bytes, "shared_bytes": index.shared_bytes}
        payload = faiss.serialize_index(index.index).tobytes()
    elif isinstance(index, CodeIndex):
        payload = save({name: np.ascontiguousarray(array) for name, array in index.state().items()})
    else:
        raise WorkbenchError(f"the index {index.name!r} is the vectors themselves: there is nothing to save")
    header = json.dumps(fields).encode()
    body = len(header).to_bytes(8, "little") + header
    digest = sha256(body)
    digest.update(payload)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("wb") as file:
        file.writelines((_MAGIC, digest.digest(), body, payload))


def read(path: Path, of: str | None = None, shape: tuple[int, int] | None = None) -> Index:
    """Read the index that ``write`` stored; its vectors must have the fingerprint ``of`` and this shape.

    Raises WorkbenchError if the file is missing, truncated, damaged, of another version or of other vectors,
    or is not an index. The content is parsed only after its checksum has been verified, and then checked.
    """
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise WorkbenchError(f"index {str(path)!r} cannot be read ({error.strerror})") from None
    start = len(_MAGIC) + _SUM
    if content[: len(_MAGIC) - 1] != _MAGIC[:-1] or len(content) < start + 8:
        raise WorkbenchError(f"{str(path)!r} is not a saved index; build it again")
    if content[: len(_MAGIC)] != _MAGIC:
        version = content[len(_MAGIC) - 1]
        raise WorkbenchError(f"index {str(path)!r} has format {version}, not {_MAGIC[-1]}; build it again")
    body = content[start:]
    if sha256(body).digest() != content[len(_MAGIC) : start]:
        raise WorkbenchError(
            f"index {str(path)!r} is truncated or damaged: its checksum is wrong; build it again"
        )
    length = int.from_bytes(body[:8], "little")
    try:
        fields, payload = json.loads(bytes(body[8 : 8 + length])), bytes(body[8 + length :])
        of_others = of is not None and fields["vectors"] != of
        index = None if of_others else restore(parse_index(fields["steps"]), payload, fields)
    except Exception as error:  # a file with a right checksum may still be forged; libraries raise many kinds
        raise WorkbenchError(
            f"index {str(path)!r} is damaged or forged ({_reason(error)}); build it again"
        ) from None
    if index is None or (shape is not None and (index.size, dimensions_of(index)) != tuple(shape)):
        raise WorkbenchError(f"index {str(path)!r} is of other vectors; build it again")
    return index


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Forged) else type(error).__name__
