"""Write frames as WebM with VP8, which browsers play, by OpenCV's FFmpeg."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from workbench.config.errors import WorkbenchError

# Matroska is what FFmpeg of OpenCV writes without a complaint. WebM is the same with another type in its
# header (EBML, RFC 8794, section 11.2.4); a void element fills the bytes left over. The random numbers of
# segment and track (RFC 9559, section 5.1) become constants, and the checksums over them void elements.
_CLUSTER = b"\x1f\x43\xb6\x75"  # the first frames
_EDITS = (
    (re.compile(rb"\x42\x82\x88matroska"), b"\x42\x82\x84webm\xec\x82\0\0"),
    (re.compile(rb"\x73\xa4\x90.{16}", re.DOTALL), b"\x73\xa4\x90" + bytes(range(1, 17))),
    (re.compile(rb"([\x63\x73]\xc5\x88).{8}", re.DOTALL), rb"\1" + bytes(range(1, 9))),
    (re.compile(rb"\xbf\x84.{4}", re.DOTALL), b"\xec\x84\0\0\0\0"),
)


def write_webm(path: Path, frames: Iterable[np.ndarray], fps: float, size: tuple[int, int]) -> None:
    """Write RGB frames uint8 [h, w, 3] of ``size`` (width, height); equal frames give equal files.

    Raises WorkbenchError if OpenCV lacks the encoder, and OSError if the file cannot be written.
    """
    draft = path.with_suffix(".mkv")
    writer = cv2.VideoWriter(str(draft), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP80"), fps, size)
    try:
        if not writer.isOpened():
            raise WorkbenchError(
                "the installed OpenCV cannot encode VP8, so the reels cannot be made; install "
                "opencv-python-headless from the registry again"
            )
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()
    head, cluster, rest = draft.read_bytes().partition(_CLUSTER)
    for pattern, replacement in _EDITS:
        head = pattern.sub(replacement, head)
    path.write_bytes(head + cluster + rest)
    draft.unlink()
