"""A video on screen: played from its file, or frame by frame from the kernel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets as T

from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.jobs import JobRunner
from workbench.panels.widgets.dimmed import Dimmed, dimmed_module

_STATIC = Path(__file__).parents[1] / "static"
_RATE = 10.0  # frames a second from the kernel, at most
_AHEAD = 3  # frames that the page has not shown yet, after which the next waits
_LARGEST = 960  # pixels of the longest side that a page may ask for
Frame = Callable[[str, float, int], bytes]


class Player(Dimmed, anywidget.AnyWidget):
    """A video with buttons, a slider and keys: arrows step over moments, Shift and arrows over shots.

    ``frame(video, seconds, side)`` returns a JPEG; it is called in a worker where the browser cannot play or
    reach the file. A player with a ``leader``, another video, is moved along with it by the segments that
    ``follows`` lists: [from, to, start, end], the seconds of the other video and of this one.
    """

    _esm = dimmed_module("element", "floats", "clock", "player_parts", "player_steps", "player")
    _css = _STATIC / "player.css"
    version = T.Int(0).tag(sync=True)  # of the video
    video = T.Unicode().tag(sync=True)  # its name; empty: no player
    address = T.Unicode().tag(sync=True)
    seconds = T.Float(0.0).tag(sync=True)  # its length
    times = T.Bytes().tag(sync=True)  # float32 seconds of its moments
    shots: T.List[Any] = T.List().tag(sync=True)  # [start, end] in seconds
    at = T.Dict().tag(sync=True)  # ``video`` and the ``seconds`` to go to
    picture = T.Unicode().tag(sync=True)  # the moment that opens large
    leader = T.Unicode().tag(sync=True)
    follows: T.List[Any] = T.List().tag(sync=True)

    def __init__(self, frame: Frame, **traits: Any) -> None:
        super().__init__(**traits)
        self._frame = frame
        self.runner = JobRunner(fail=lambda sentence: self.send({"error": sentence, "video": self.video}))
        self._unseen = threading.Semaphore(_AHEAD)
        self.on_msg(self._receive)

    def load(
        self, video: str, address: str, seconds: float, times: Sequence[float] | np.ndarray, at: float = 0.0
    ) -> None:
        """Show another video, at a time; an empty name shows none."""
        with self.hold_sync():
            self.video, self.address, self.seconds = video, address, seconds
            self.times = np.asarray(times, np.float32).tobytes()
            self.shots, self.at = [], {"video": video, "seconds": at}
            self.version += 1

    def go(self, seconds: float) -> None:
        """Move to a time of the video."""
        self.at = {"video": self.video, "seconds": seconds}

    def on_seek(self, handler: Callable[[str, float], None]) -> None:
        """Call ``handler`` with the video and the time at which a user stopped."""

        def heard(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            if "seek" in content:
                handler(str(content["video"]), float(content["seek"]))

        self.on_msg(heard)

    def close(self) -> None:
        self.runner.cancel()
        super().close()

    def _receive(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if "shown" in content:
            self._unseen.release()
        if "stop" in content:
            self.runner.cancel()
        if "frame" in content or "play" in content:
            video, side = str(content["video"]), min(int(content["side"]), _LARGEST)
            play = "play" in content
            at = float(content["play"] if play else content["frame"])
            work = self._stream if play else self._send_frame
            self.runner.submit(lambda progress: work(video, at, side, progress))

    def _send_frame(self, video: str, at: float, side: int, progress: Progress) -> None:
        try:
            jpeg = self._frame(video, at, side)
        except WorkbenchError as error:
            self.send({"error": f"No picture at {at:.2f} s: {error}", "video": video})
            return
        self.send({"frame": at, "video": video}, buffers=[jpeg])

    def _stream(self, video: str, at: float, side: int, progress: Progress) -> None:
        """Send frames at the pace of the clock, or as fast as they are decoded and shown."""
        began = time.monotonic()
        self._unseen = threading.Semaphore(_AHEAD)
        seconds = at
        while True:
            while not self._unseen.acquire(timeout=0.1):
                progress("Playing", 0, 0)
            progress("Playing", 0, 0)
            try:
                jpeg = self._frame(video, seconds, side)
            except WorkbenchError as error:
                self.send({"error": f"No picture at {seconds:.2f} s: {error}", "video": video})
                return
            due = began + seconds - at
            while (rest := due - time.monotonic()) > 0:
                progress("Playing", 0, 0)
                time.sleep(min(rest, 0.1))
            last = seconds >= self.seconds - 1.0 / _RATE
            self.send({"frame": seconds, "video": video, "stream": True, "last": last}, buffers=[jpeg])
            if last:
                return
            # The next frame is the one that is due, so that the video is never slower than its clock.
            seconds = min(max(seconds + 1.0 / _RATE, at + time.monotonic() - began), self.seconds)
