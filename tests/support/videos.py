"""Small videos whose frames are known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np

SIDE = 64


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float = 25.0) -> Path:
    """Write RGB frames uint8 [h, w, 3] as MPEG-4."""
    writer = None
    for frame in frames:
        if writer is None:
            size = frame.shape[1], frame.shape[0]
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    assert writer is not None
    writer.release()
    return path


def write_sound(path: Path) -> None:
    """Write a tenth of a second of silence, without pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        silence.rate = 8000
        container.mux([*stream.encode(silence), *stream.encode()])


def numbered(count: int, side: int = SIDE) -> Iterable[np.ndarray]:
    """Frames that carry their number in eight black or white columns, the lowest bit on the left."""
    for number in range(count):
        bits = np.array([255 * (number >> bit & 1) for bit in range(8)], np.uint8)
        yield np.repeat(np.repeat(bits[None, :, None], side // 8, 1), side, 0).repeat(3, 2)


def number_of(picture: object) -> int:
    """The number that a frame carries."""
    pixels = np.asarray(picture)[:, :, 0]
    columns = pixels[:, pixels.shape[1] // 16 :: pixels.shape[1] // 8].mean(0)
    return sum(int(column > 127) << bit for bit, column in enumerate(columns))
