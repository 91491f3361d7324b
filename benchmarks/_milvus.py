"""A Milvus server of its own for each measurement, started from the package ``milvus``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PORT = 19530
_SERVE = """
import sys, time
from milvus import default_server
default_server.set_base_dir(sys.argv[1])
default_server.listen_port = int(sys.argv[2])
default_server.start()
print(default_server.server_proc.pid, flush=True)
time.sleep(1e9)
"""


class Server(NamedTuple):
    """The address of a server, its process, and the folder of its data."""

    address: str
    process: int
    folder: Path

    @property
    def memory(self) -> tuple[int, int]:
        """Bytes of memory: now, and at most so far."""
        status = Path(f"/proc/{self.process}/status").read_text()
        now, most = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "VmHWM"))  # type: ignore[index]
        return 1024 * now, 1024 * most

    @property
    def disk(self) -> int:
        """Bytes of its data: vectors, indexes and its log of changes."""
        return sum(
            file.stat().st_blocks * 512 for file in (self.folder / "data").rglob("*") if file.is_file()
        )


@contextmanager
def milvus_server(folder: Path) -> Iterator[Server]:
    """Start a server with its data in a folder; it is killed at the end."""
    starter = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(folder), str(PORT)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert starter.stdout is not None
        line = starter.stdout.readline()
        if not line:
            raise SystemExit("no Milvus server starts here: pip install milvus; one server a machine")
        yield Server(f"milvus:http://127.0.0.1:{PORT}", int(line), folder)
    finally:
        os.killpg(starter.pid, signal.SIGKILL)
        starter.wait()
