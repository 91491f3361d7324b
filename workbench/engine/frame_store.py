"""The descriptors of frames of videos that are not rows of a database, kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from workbench.collections.video.header import video_header
from workbench.common.files import replacing
from workbench.common.geometry import Box
from workbench.engine.description import DescribedCollection
from workbench.engine.video_query import VideoQuery

VERSION = 1  # increased when the same frames are given other descriptors
_ROWS = 256  # of the database, by which its descriptors are known

Described = tuple[np.ndarray, np.ndarray]  # numbers of the frames [n], descriptors [n, D]


def frame_key(described: DescribedCollection, query: VideoQuery, box: Box | None, mirrored: bool) -> str:
    """A name for the frames of a video, and for how they are described.

    Descriptors of the database stand for the network, the sizes and all that was trained: as long as they
    are the same to the byte, so are those of other frames.
    """
    vectors = described.database
    rows = np.unique(np.linspace(0, len(vectors) - 1, _ROWS).astype(int))
    digest = hashlib.blake2b(digest_size=16)
    facts = (VERSION, video_header(query.path).fingerprint, box, mirrored, str(described.config))
    for part in (repr(facts).encode(), query.times.tobytes(), vectors[rows].cpu().numpy().tobytes()):
        digest.update(part)
    return digest.hexdigest()


def stored_frames(cache: Path, key: str, compute: Callable[[], Described]) -> Described:
    """The numbers and the descriptors of frames: stored, or else computed and then stored."""
    path = cache / "frames" / f"{key}.safetensors"
    with contextlib.suppress(OSError, SafetensorError, KeyError):
        arrays = load_file(path)
        numbers, vectors = arrays["numbers"], arrays["vectors"]
        if len(numbers) == len(vectors) and np.isfinite(vectors).all():
            return numbers, vectors
    numbers, vectors = compute()
    with contextlib.suppress(OSError):  # without a writable cache they are computed again
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            save_file(
                {"numbers": np.ascontiguousarray(numbers), "vectors": np.ascontiguousarray(vectors)}, part
            )
    return numbers, vectors
