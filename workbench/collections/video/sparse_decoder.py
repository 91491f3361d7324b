"""Decode single frames of a video, and of the frames between them only those that they depend on.

The packets of a file say when their frames are shown, and which frames can be decoded without others, before
anything is decoded. So decoding begins at the last key frame before a wanted frame, and frames that no other
frame refers to are skipped. FFmpeg does that if the packets are given to it one by one, which OpenCV cannot.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from workbench.collections.video.stopping import check_stop
from workbench.common.lazy import lazy_module

av = lazy_module("av")

_FORMAT = "yuv420p"  # of the pixels, which FFmpeg of OpenCV converts in the same way
_AHEAD = 10.0  # seconds of packets that are read rather than sought
_CONSUMED = 64  # packets: no codec reorders more
_MOST_WAITING = 10_000  # packets, of a video that has hardly any key frames
_LAST = 0.2  # seconds for which the last frame is shown at most


class SparseDecoder:
    """The frames of one open video at times that are not close to each other.

    ``frame_at`` returns None wherever the packets leave a doubt; those frames have to be decoded in order.
    """

    def __init__(self, path: Path) -> None:
        self._container: Any = None
        self._waiting: deque[Any] = deque()  # packets in the order of decoding
        self._consumed: deque[int] = deque(maxlen=_CONSUMED)  # times of those that were decoded or skipped
        self._running = False  # whether the decoder may go on with the waiting packets
        self._ended = False
        try:
            self._container = av.open(str(path))
            self._stream = self._container.streams.video[0]
            self._stream.thread_type = "SLICE"  # threads of frames delay what is decoded
            self._codec = self._stream.codec_context
            if self._codec.pix_fmt != _FORMAT or not self._stream.time_base:
                self.close()
        except (av.error.FFmpegError, OSError, ValueError, IndexError):
            self.close()

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = None
        self._waiting.clear()

    def frame_at(self, seconds: float) -> tuple[float, np.ndarray] | None:
        """The last frame that begins by a time: its own time, and BGR uint8 [h, w, 3] as stored.

        None if it cannot be told from the packets, and after an error in the file.
        """
        if self._container is None:
            return None
        try:
            start = self._stream.start_time or 0
            wanted = start + int(seconds / self._stream.time_base)
            shown = self._locate(wanted)
            if shown is not None and self._ended and wanted - shown > _LAST / self._stream.time_base:
                shown = None
            frame = None if shown is None else self._decode(shown)
        except (av.error.FFmpegError, OSError, ValueError, _Unclear):
            self.close()
            return None
        if shown is None or frame is None or frame.is_corrupt:
            self._running = False
            return None
        return float((shown - start) * self._stream.time_base), frame.to_ndarray(format="bgr24")

    def _locate(self, wanted: int) -> int | None:
        """The time of the frame to show, in the stream's unit; its packet then waits, with those it needs."""
        if not self._near(wanted) or not self._read_until(wanted) or not self._startable(wanted):
            back = 0.0
            while True:
                if not self._seek(wanted - int(back / self._stream.time_base), first=back > 300):
                    return None
                if self._read_until(wanted) and self._startable(wanted):
                    break
                if back > 300:
                    return None
                back = max(1.0, 4 * back)
        shown = self._shown(wanted)
        assert shown is not None
        position = next(i for i, packet in enumerate(self._waiting) if packet.pts == shown)
        starts = [i for i in range(position + 1) if self._starts(self._waiting[i], shown)]
        if starts and (starts[-1] or not self._running):
            for _ in range(starts[-1]):
                self._consumed.append(self._waiting.popleft().pts)
            self._codec.flush_buffers()
            self._running = True
        return shown

    def _near(self, wanted: int) -> bool:
        if not self._waiting:
            return False
        return bool(wanted - self._waiting[-1].dts < _AHEAD / self._stream.time_base)

    def _seek(self, wanted: int, first: bool) -> bool:
        """Continue at a key frame before a time, or with the first packet."""
        check_stop()
        self._container.seek(
            self._stream.start_time or 0 if first else wanted, stream=self._stream, backward=True
        )
        self._waiting.clear()
        self._consumed.clear()
        self._running = self._ended = False
        return self._read()

    def _read(self) -> bool:
        """Let the next packet wait; False at the end."""
        check_stop()
        if self._ended:
            return False
        packet = next(self._container.demux(self._stream), None)
        if packet is None or packet.size == 0:
            self._ended = True
            return False
        unclear = packet.pts is None or packet.dts is None or packet.is_discard or packet.is_corrupt
        if unclear or len(self._waiting) >= _MOST_WAITING:
            raise _Unclear
        self._waiting.append(packet)
        return True

    def _read_until(self, wanted: int) -> bool:
        """Read up to a packet behind which all frames are shown later. False if none is shown by then."""
        while not self._waiting or self._waiting[-1].dts <= wanted:
            if not self._read():
                break
        return self._shown(wanted) is not None

    def _shown(self, wanted: int) -> int | None:
        """The time of the frame to show if its packet waits, else None."""
        shown = max((packet.pts for packet in self._waiting if packet.pts <= wanted), default=None)
        if shown is None or any(shown < time <= wanted for time in self._consumed):
            return None
        return int(shown)

    def _startable(self, wanted: int) -> bool:
        """Whether the frame to show can be decoded from the waiting packets."""
        shown = self._shown(wanted)
        if self._running or shown is None:
            return shown is not None
        for packet in self._waiting:
            if self._starts(packet, shown):
                return True
            if packet.pts == shown:
                break
        return False

    @staticmethod
    def _starts(packet: Any, shown: int) -> bool:
        return bool(packet.is_keyframe and packet.pts <= shown)

    def _decode(self, shown: int) -> Any:
        """Decode packets until the frame of a time comes out; None if it does not."""
        while True:
            check_stop()
            if not self._waiting and not self._read():
                self._running = False  # the decoder is drained, and has to start again
                return next((frame for frame in self._codec.decode(None) if frame.pts == shown), None)
            packet = self._waiting.popleft()
            self._consumed.append(packet.pts)
            self._codec.skip_frame = "DEFAULT" if packet.pts == shown else "NONREF"
            for frame in self._codec.decode(packet):
                if frame.pts == shown:
                    return frame
                if frame.pts is None or frame.pts > shown:
                    return None


class _Unclear(Exception):
    """The packets do not say when their frames are shown."""
