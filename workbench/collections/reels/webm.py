"""Write frames as WebM with VP8, which browsers play."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.config.errors import WorkbenchError

av = lazy_module("av")

# Of libvpx. Its mode for real time would adapt to the clock.
_QUALITY = {"deadline": "good", "cpu-used": "5", "crf": "8"}
_BITS = 4_000_000  # a second, at most
_GROUP = 20  # frames from one key frame to the next


def write_webm(path: Path, frames: Iterable[np.ndarray], fps: int, size: tuple[int, int]) -> None:
    """Write RGB frames uint8 [h, w, 3] of ``size`` (width, height); equal frames give equal files.

    Raises WorkbenchError if PyAV lacks the encoder, and OSError if the file cannot be written.
    """
    # Exact to the bit: without random identifiers, versions and dates.
    with av.open(str(path), "w", format="webm", options={"fflags": "+bitexact"}) as container:
        try:
            stream = container.add_stream("libvpx", rate=fps)
        except av.codec.codec.UnknownCodecError:
            raise WorkbenchError(
                "the installed PyAV cannot encode VP8, so the reels cannot be made; install av from the "
                "registry again"
            ) from None
        stream.width, stream.height = size
        stream.pix_fmt, stream.gop_size, stream.bit_rate = "yuv420p", _GROUP, _BITS
        stream.thread_count = 1
        stream.options = _QUALITY
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
