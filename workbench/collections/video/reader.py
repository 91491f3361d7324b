"""Decode the frames of a video file: all in the order of their times, or single ones."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from workbench.collections.image_limits import check_size
from workbench.collections.video.not_a_video import NO_PICTURES, why_not_opened
from workbench.collections.video.sparse_decoder import SparseDecoder
from workbench.collections.video.stopping import check_stop
from workbench.common.files import Stamp, stamp
from workbench.common.lazy import lazy_module
from workbench.config.errors import TemporarilyUnreadable, WorkbenchError

av = lazy_module("av")

TOLERANCE = 0.005  # seconds: names have hundredths
_FORWARD = 3.0  # seconds that are decoded rather than sought
_SPARSE = 0.45  # seconds between wanted frames, from which those between them are skipped where possible
# FFmpeg prints what is wrong with damaged files, which is raised here as an error.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
if "OPENCV_LOG_LEVEL" not in os.environ:  # nor OpenCV that a file is no video
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
_LAST = 0.1  # seconds for which the last frame is shown beyond its period
_SKIPPED = 0.5  # seconds to go on after a frame that does not decode
_KEPT = 3  # open files of a thread

Frame = tuple[float, np.ndarray]  # seconds, pixels


class Reader:
    """The frames of one open video. ``width`` and ``height`` are those of the upright frames, with square
    pixels; ``seconds`` is the length that the file declares, zero if it declares none.

    Not for several threads. Raises WorkbenchError with the reason if the file is no video.
    """

    def __init__(self, path: Path) -> None:
        try:
            status = path.stat()
        except FileNotFoundError:
            raise WorkbenchError("the file is missing") from None
        except (OSError, ValueError) as error:
            raise WorkbenchError(
                f"the file cannot be opened: {getattr(error, 'strerror', None) or error}"
            ) from None
        if not status.st_size:
            raise WorkbenchError("the file is empty")
        self.stamp: Stamp = stamp(status)
        self._path = path
        self._sparse: SparseDecoder | None = None
        self._last_wanted = -math.inf
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise WorkbenchError(why_not_opened(path))
        self.fps = self._get(cv2.CAP_PROP_FPS)
        width, height = (
            int(self._get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        if not (width > 0 and height > 0):
            raise WorkbenchError(NO_PICTURES)
        check_size(width, height)
        # Pixels that are not square are stretched along the width, as players do.
        across, down = self._get(cv2.CAP_PROP_SAR_NUM) or 1.0, self._get(cv2.CAP_PROP_SAR_DEN) or 1.0
        self._turn = round(self._get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        aspect = down / across if self._turn % 180 == 90 else across / down
        self._stored = width, height
        self.width, self.height = (max(1, round(width * aspect)), height)
        frames = self._get(cv2.CAP_PROP_FRAME_COUNT)
        self.seconds = frames / self.fps if frames > 0 and self.fps > 0 else 0.0
        # Pixels are converted only of frames that may be given out, because that takes as long as decoding.
        self._current: tuple[float, np.ndarray | None] | None = None  # the frame that was passed last
        self._next: float | None = None  # the time of the one after it, decoded last; None at the end
        self._regular = self.fps > 0  # whether frames follow each other by their declared period

    def _get(self, name: int) -> float:
        value = float(self._capture.get(name))
        return value if math.isfinite(value) else 0.0

    def frame_at(self, seconds: float) -> tuple[float, Image.Image]:
        """The frame that is shown at a time, and its own time: the last one that begins by then.

        Raises WorkbenchError if no frame decodes there.
        """
        wanted = seconds + TOLERANCE
        apart = abs(wanted - self._last_wanted) >= _SPARSE
        self._last_wanted = wanted
        frame = self._sparse_frame(wanted) if apart else None
        if frame is None and self._is_near(wanted):
            frame = self._shown(wanted)
        if frame is None:  # also where decoding forwards ends at damage
            self._seek_before(wanted)
            frame = self._shown(wanted)
        if frame is None and self._current is not None and self._current[1] is None:
            self._seek_before(wanted)  # now it is known that frames have no fixed period
            frame = self._shown(wanted)
        if frame is None:
            raise WorkbenchError(f"no frame decodes at {seconds:.2f} s")
        return frame[0], self._picture(frame[1])

    def frames(self, end: float = 0.0) -> Iterator[Frame]:
        """All frames from the beginning: seconds, and BGR uint8 [h, w, 3] as stored.

        Where frames before ``end``, in seconds, do not decode, those after them follow.
        """
        last, start = -1.0, 0.0
        while start <= end:
            self._seek(start)
            while self._next is not None:
                time, pixels = self._next, self._pixels()
                if pixels is not None and time > last:
                    yield time, pixels
                    last = start = time
                self._current, self._next = (time, pixels), self._grab()
            start += _SKIPPED

    def close(self) -> None:
        self._capture.release()
        if self._sparse is not None:
            self._sparse.close()

    def _sparse_frame(self, wanted: float) -> Frame | None:
        """The frame at a time without those between; None where only decoding in order is certain."""
        if self._turn:
            return None
        if self._sparse is None:
            self._sparse = SparseDecoder(self._path)
        return self._sparse.frame_at(wanted)

    @property
    def _period(self) -> float:
        return 1.0 / self.fps if self.fps > 0 else 0.0

    def _is_near(self, wanted: float) -> bool:
        """Whether decoding forwards leads to a time soon."""
        if self._current is None or wanted < self._current[0]:
            return False
        last = self._current[0] if self._next is None else self._next
        return wanted <= last + _FORWARD

    def _seek_before(self, wanted: float) -> None:
        """Continue at a frame before a time: FFmpeg may seek too far where frames have no fixed period."""
        back = self._period
        while True:
            self._seek(max(0.0, wanted - back))
            if back >= wanted or (self._next is not None and self._next <= wanted):
                return
            back = max(1.0, 4 * back)

    def _shown(self, wanted: float) -> Frame | None:
        """Decode up to the last frame that begins by a time; None if there is none."""
        while self._next is not None and self._next <= wanted:
            last = not self._regular or self._next + self._period + _LAST > wanted
            self._current = self._next, self._pixels() if last else None
            self._next = self._grab()
        if self._current is None:  # the first frame of a video that begins late
            near = self._next is not None and self._next - wanted < max(self._period, 0.5)
            time, pixels = self._next or 0.0, self._pixels() if near else None
        else:
            time, pixels = self._current
            self._regular = self._regular and pixels is not None  # else the next frame came late
        if pixels is None or (self._next is None and wanted - time > _LAST + self._period):
            return None
        return time, pixels

    def _seek(self, seconds: float) -> None:
        self._current = None
        self._capture.set(cv2.CAP_PROP_POS_MSEC, 1000.0 * seconds)
        self._next = self._grab()

    def _grab(self) -> float | None:
        """Decode the next frame, and return its time; None at the end."""
        check_stop()
        return self._get(cv2.CAP_PROP_POS_MSEC) / 1000.0 if self._capture.grab() else None

    def _pixels(self) -> np.ndarray | None:
        """The pixels of the frame that was decoded last."""
        done, frame = self._capture.retrieve()
        return frame if done else None

    def _picture(self, frame: np.ndarray) -> Image.Image:
        picture = Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        if picture.size != (self.width, self.height):
            picture = picture.resize((self.width, self.height), Image.Resampling.BICUBIC)
        return picture


class _Open(threading.local):
    """The readers of a thread, the last used one last."""

    def __init__(self) -> None:
        self.readers: dict[Path, Reader] = {}


_open = _Open()


def reader_of(path: Path) -> Reader:
    """This thread's open reader of a video; it is opened again when the file has changed."""
    try:
        now = stamp(path.stat())
    except FileNotFoundError:
        _forget(path)
        raise TemporarilyUnreadable("the file is missing") from None
    except (OSError, ValueError) as error:
        raise WorkbenchError(
            f"the file cannot be opened: {getattr(error, 'strerror', None) or error}"
        ) from None
    reader = _open.readers.pop(path, None)
    if reader is not None and reader.stamp != now:
        reader.close()
        reader = None
    _open.readers[path] = reader = reader or Reader(path)
    while len(_open.readers) > _KEPT:
        _forget(next(iter(_open.readers)))
    return reader


def _forget(path: Path) -> None:
    reader = _open.readers.pop(path, None)
    if reader is not None:
        reader.close()
