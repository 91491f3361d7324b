"""Decoding in a process of its own, with limits on its time and memory, for files that may be slow.

The process prints one line of JSON, and then the RGB bytes of the image.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from PIL import Image

from workbench.common.geometry import Box
from workbench.config.errors import TemporarilyUnreadable, WorkbenchError

CPU_SECONDS = 15  # of the processor, so that a busy machine refuses no image that an idle one reads
WALL_SECONDS = 120
_MODULE = "workbench.collections.decoding_process"


def decode_in_worker(
    path: Path, box: Box | None, at_least: tuple[int, int] | None, seconds: int = CPU_SECONDS
) -> tuple[Image.Image, tuple[int, int], str]:
    """The image, full size and note of ``decoding.decode``. Raises WorkbenchError where a limit is passed."""
    corners = None if box is None else [float(edge) for edge in box]
    sides = None if at_least is None else [int(side) for side in at_least]
    request = json.dumps([os.path.abspath(path), corners, sides, seconds])
    modules = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": modules}
    with subprocess.Popen(
        [sys.executable, "-m", _MODULE, request],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        try:
            output, _ = process.communicate(timeout=WALL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise TemporarilyUnreadable(
                f"decoding it takes more than {WALL_SECONDS} seconds on this machine now; save it again as "
                "an ordinary JPEG or PNG"
            ) from None
        except BaseException:
            process.kill()
            raise
    line, _, pixels = output.partition(b"\n")
    answer: dict = {}
    with contextlib.suppress(ValueError):
        answer = json.loads(line)
    if "size" in answer:
        image = Image.frombuffer("RGB", tuple(answer["size"]), pixels, "raw", "RGB", 0, 1)
        return image, (answer["full"][0], answer["full"][1]), answer["note"]
    if process.returncode == -getattr(signal, "SIGXCPU", 24):
        raise WorkbenchError(
            f"decoding it takes more than {seconds} seconds of the processor, far more than its "
            "pixels explain; save it again as an ordinary JPEG or PNG"
        )
    reason = answer.get("reason", "the decoder ended unexpectedly; the file may be damaged")
    raise (TemporarilyUnreadable if answer.get("temporary") else WorkbenchError)(reason)
