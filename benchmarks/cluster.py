"""Extraction on a cluster of this machine against the embedded extraction, and with failures.

    python benchmarks/cluster.py            # images a second of 1, 2 and 4 workers of one thread
    python benchmarks/cluster.py --kill     # a client, and a scheduler, killed in the middle, and run again
    python benchmarks/cluster.py --network  # as root: three hosts in network namespaces, one cut off for 10 s

Each store is compared to the byte with that of the embedded extraction.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from _table import print_table
from _timing import at_least

import workbench
from workbench.config.config import Config
from workbench.config.options import Options, default_cache
from workbench.features.map_source import MapSource, Picture

IMAGES, SIZE, ROUNDS = 400, 512, 2
PIPELINE = "efficientnet_lite0/max/whole"
HERE = Path(__file__)


def pictures() -> list[Picture]:
    collection = workbench.open("posters").collection
    return [Picture(collection.path(image)) for image in collection.images[:IMAGES]]


def options(cache: Path, scheduler: str = "local") -> Options:
    return Options(size=SIZE, device="cpu", runtime="torch", cache=cache, scheduler=scheduler)


def extract(cache: Path, scheduler: str = "local", chosen: list[Picture] | None = None) -> float:
    """Seconds of an extraction, without opening the collection or building the network here."""
    source, chosen = MapSource.of(Config.parse(PIPELINE), options(cache, scheduler)), chosen or pictures()
    source.identify(chosen)
    if scheduler == "local":
        source.network()
    started = time.perf_counter()
    source.extract(chosen)
    return time.perf_counter() - started


def stored(cache: Path) -> dict[str, bytes]:
    """The files of the maps, without the lock."""
    files = (path for path in (cache / "maps").rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


@contextlib.contextmanager
def started(*commands: list[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes with one thread for each operation, ended with the block."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
        for command in commands
    ]
    try:
        yield processes
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def scheduler_command(port: int, host: str = "127.0.0.1") -> list[str]:
    arguments = ["--no-dashboard", "--host", host, "--port", str(port)]
    return [sys.executable, "-m", "distributed.cli.dask_scheduler", *arguments]


def worker_command(port: int, host: str = "127.0.0.1") -> list[str]:
    arguments = ["--no-dashboard", "--nthreads", "1", "--memory-limit", "3GB"]
    return [sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://{host}:{port}", *arguments]


def speeds(root: Path) -> None:
    """Images a second, by turns with the embedded extraction of one and of two cores."""
    chosen, rows, cores = pictures(), [], os.sched_getaffinity(0)
    extract(root / "embedded", chosen=chosen)
    expected = stored(root / "embedded")
    for count in (1, 2, 4):
        port = 8790 + count
        used = sorted(cores)[: min(count, len(cores))]
        seconds: dict[str, list[float]] = {"embedded": [], "cluster": []}
        os.sched_setaffinity(0, used)  # for the workers and the embedded extraction alike
        with started(scheduler_command(port), *[worker_command(port)] * count):
            for turn in range(ROUNDS + 1):  # at the first, workers build their networks
                for kind, address in (("embedded", "local"), ("cluster", f"tcp://127.0.0.1:{port}")):
                    cache = root / f"{kind}-{count}-{turn}"
                    shutil.copytree(default_cache() / "runtimes", cache / "runtimes", dirs_exist_ok=True)
                    spent = extract(cache, address, chosen)
                    assert stored(cache) == expected, "the stores differ"
                    shutil.rmtree(cache)
                    if turn:
                        seconds[kind].append(spent)
        os.sched_setaffinity(0, cores)
        here, there = (IMAGES / min(seconds[kind]) for kind in ("embedded", "cluster"))
        rows.append([str(count), str(len(used)), f"{here:.1f}", f"{there:.1f}", at_least(there / here, 0.9)])
    print_table(["workers", "cores", "embedded, images/s", "cluster, images/s", "cluster / embedded"], rows)


def kills(root: Path) -> None:
    """A client and a scheduler are killed in the middle; the next run goes on to the same bytes."""
    extract(root / "embedded")
    expected, rows = stored(root / "embedded"), []
    for what in ("client", "scheduler"):
        cache, port = root / what, 8795
        client = [sys.executable, str(HERE), "--client", str(cache), f"tcp://127.0.0.1:{port}"]
        with (
            started(scheduler_command(port), *[worker_command(port)] * 2) as (scheduler, *_),
            started(client) as (process,),
        ):
            while (before := len(stored(cache))) < IMAGES // 32:
                time.sleep(0.1)
            (process if what == "client" else scheduler).kill()
            process.wait(timeout=120)
        with started(scheduler_command(port), *[worker_command(port)] * 2):
            extract(cache, f"tcp://127.0.0.1:{port}")
        rows.append(
            [what, f"{before} of {len(expected)} files", "yes" if stored(cache) == expected else "NO"]
        )
    print_table(["killed", "stored then", "same store after the next run"], rows)


def network(root: Path) -> None:
    """Three hosts with veth pairs on a bridge: a worker killed, one cut off for 10 s, one added late."""
    if os.geteuid():
        print("network namespaces need root: skipped")
        return
    extract(root / "embedded")
    expected, names = stored(root / "embedded"), [f"wbhost{number}" for number in range(3)]

    def ip(command: str, check: bool = True) -> None:
        subprocess.run(["ip", *command.split()], check=check, stderr=None if check else subprocess.DEVNULL)

    def within(name: str, command: list[str]) -> list[str]:
        return ["ip", "netns", "exec", name, *command]

    try:
        ip("link add wbbridge type bridge")
        ip("addr add 10.77.0.254/24 dev wbbridge")
        ip("link set wbbridge up")
        for number, name in enumerate(names):
            ip(f"netns add {name}")
            ip(f"link add wbveth{number} type veth peer name eth0 netns {name}")
            ip(f"link set wbveth{number} master wbbridge up")
            ip(f"-n {name} addr add 10.77.0.{number + 1}/24 dev eth0")
            ip(f"-n {name} link set eth0 up")
            ip(f"-n {name} link set lo up")
        address, cache = "10.77.0.1", root / "network"
        worker = worker_command(8786, address)
        client = [sys.executable, str(HERE), "--client", str(cache), f"tcp://{address}:8786"]
        commands = [within(names[0], scheduler_command(8786, address))]
        commands += [within(name, worker) for name in names[1:]]
        with started(*commands) as (_, first, _second), started(client) as (process,):
            while len(stored(cache)) < IMAGES // 64:
                time.sleep(0.1)
            os.killpg(first.pid, signal.SIGKILL)
            ip("link set wbveth2 down")
            time.sleep(10)
            ip("link set wbveth2 up")
            with started(within(names[1], worker)):
                status = process.wait(timeout=300)
        same = "yes" if stored(cache) == expected else "NO"
        print_table(["hosts", "status of the run", "same store"], [["3", str(status), same]])
    finally:
        for name in names:
            ip(f"netns del {name}", check=False)
        ip("link del wbbridge", check=False)


def main() -> None:
    if sys.argv[1:2] == ["--client"]:
        extract(Path(sys.argv[2]), sys.argv[3])
        return
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-")))
        {"--kill": kills, "--network": network}.get("".join(sys.argv[1:2]), speeds)(root)


if __name__ == "__main__":
    main()
