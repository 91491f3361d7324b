"""A Milvus server on this machine, started, killed and started again by tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from filelock import FileLock

TOKEN = "root:Milvus"  # of every new server
# What a server looks at every few seconds is looked at more often, so that tests wait less.
_SETTINGS = {
    "common.session.ttl": 3,
    "dataCoord.segment.assignmentExpiration": 200,
    "indexNode.scheduler.buildParallel": 4,
    "proxy.timeTickInterval": 50,
    "queryCoord.checkHandoffInterval": 100,
    "queryCoord.checkInterval": 100,
    "queryCoord.distPullInterval": 100,
    "queryNode.stats.publishInterval": 100,
}
# Unpacks the programs of a server, and writes its settings into a folder, without starting it.
_PREPARE = """
import json, sys
import milvus
config = milvus.MilvusServerConfig(data_dir=sys.argv[1])
for name, value in json.loads(sys.argv[2]).items():
    config.set(name, value)
config.resolve()
milvus._initialize_data_files(sys.argv[3])
"""
_ETCD = 2379  # the port of its own database, which cannot be chosen: one server a machine


class MilvusServer:
    """A server that asks for a token. Its data are in ``folder`` and outlive it; its programs, which take 4 s
    to unpack, are in the folder ``programs``."""

    def __init__(self, folder: Path, programs: Path) -> None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", _ETCD)) == 0:
                pytest.skip(f"another Milvus server runs on this machine: port {_ETCD} is taken")
        self.folder, self.programs, self.port, self._health = folder, programs, free_port(), free_port()
        self.address = f"milvus:http://{TOKEN}@127.0.0.1:{self.port}"
        settings = {**_SETTINGS, "proxy_port": self.port, "authorization_enabled": True}
        command = [sys.executable, "-c", _PREPARE, str(folder), json.dumps(settings), str(programs)]
        programs.mkdir(parents=True, exist_ok=True)
        with FileLock(programs / "lock"):
            subprocess.run(command, check=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        programs = self.programs / "bin"
        with (self.folder / "logs" / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [str(programs / "milvus"), "run", "standalone"],
                cwd=self.folder,
                env={
                    **os.environ,
                    "DEPLOY_MODE": "STANDALONE",
                    "METRICS_PORT": str(self._health),
                    "MILVUS_RUN_DIR": str(self.folder / "run"),
                    "LD_LIBRARY_PATH": str(programs),
                },
                stdout=output,
                stderr=output,
            )
        while self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._health}/healthz") as answer:
                    if b"OK" in answer.read():
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"the server did not start: see {self.folder / 'logs'}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
