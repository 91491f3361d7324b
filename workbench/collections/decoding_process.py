"""``python -m workbench.collections.decoding_process REQUEST``: the other side of ``decoding_worker``."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from workbench.collections import images
from workbench.collections.decoding import decode
from workbench.collections.image_limits import MOST_BYTES
from workbench.config.errors import TemporarilyUnreadable, WorkbenchError

_PROGRAM_BYTES = 2**31  # of address space for Python and its libraries


def main(request: str) -> None:
    """Decode what the JSON ``request`` names: [path, box, at_least, seconds of the processor]."""
    path, box, at_least, seconds = json.loads(request)
    _limit(seconds)
    try:
        with images.reasons():
            decoded = decode(Path(path), box and tuple(box), at_least and tuple(at_least), here=True)
    except WorkbenchError as error:
        temporary = isinstance(error, TemporarilyUnreadable)
        print(json.dumps({"reason": str(error), "temporary": temporary}))
        return
    answer = {"size": decoded.image.size, "full": decoded.full, "note": decoded.note}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.write(decoded.image.tobytes())


def _limit(seconds: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows, or a lower limit is set already
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_PROGRAM_BYTES + MOST_BYTES, _PROGRAM_BYTES + MOST_BYTES))


if __name__ == "__main__":
    main(sys.argv[1])
