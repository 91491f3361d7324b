"""Extraction on a cluster of this machine against the embedded extraction, and with failures.

    python benchmarks/cluster.py            # images a second of 1, 2 and 4 workers of one thread; 3 minutes
    python benchmarks/cluster.py --kill     # a client, and a scheduler, killed in the middle, and run again
    python benchmarks/cluster.py --network  # as root: three hosts in network namespaces, one cut off for 10 s

Each store is compared to the byte with that of the embedded extraction. Another number of images, of at
least 96, is for machines of other speeds: ``--kill 500``. Steps are told on stderr.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from _table import print_table
from _timing import at_least

import workbench
from workbench.config.config import Config
from workbench.config.options import Options
from workbench.features.map_source import MapSource, Picture

IMAGES, SIZE, ROUNDS = 224, 512, 2
WARM = 64  # images of the run in which workers build their networks; fewer would be extracted here
LIMIT = 175  # seconds of each way to call this file
PIPELINE = "efficientnet_lite0/max/whole"
HERE = Path(__file__).resolve()
BEGUN = time.monotonic()


def tell(step: str) -> None:
    print(f"[{time.monotonic() - BEGUN:6.1f} s] {step}", file=sys.stderr, flush=True)


class Told:
    """A Progress that tells of each new task, and of the images each 5 s."""

    def __init__(self) -> None:
        self._task, self._next = "", 0.0

    def __call__(self, task: str, done: int, total: int) -> None:
        if task != self._task or time.monotonic() > self._next:
            tell(f"  {task}" + (f", {done} of {total}" if total else ""))
            self._task, self._next = task, time.monotonic() + 5


def pictures(count: int) -> list[Picture]:
    collection = workbench.open("posters").collection
    return [Picture(collection.path(image)) for image in collection.images[:count]]


def extract(cache: Path, chosen: list[Picture], scheduler: str = "local") -> float:
    """Seconds of an extraction, without opening the collection or building the network here."""
    options = Options(size=SIZE, device="cpu", runtime="torch", cache=cache, scheduler=scheduler)
    source = MapSource.of(Config.parse(PIPELINE), options)
    source.identify(chosen)
    if scheduler == "local":
        source.network()
    started = time.perf_counter()
    source.extract(chosen, 1, Told())
    return time.perf_counter() - started


def stored(cache: Path) -> dict[str, bytes]:
    """The files of the maps, without the lock."""
    files = (path for path in (cache / "maps").rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


def finished(cache: Path) -> int:
    """The number of batches that are stored."""
    return sum(1 for _ in (cache / "maps").rglob("*.safetensors"))


def wait_for_batches(cache: Path, count: int, client: subprocess.Popen[bytes]) -> None:
    """Wait until a client has that many batches stored."""
    while finished(cache) < count:
        if client.poll() is not None:
            sys.exit(f"the client has ended with status {client.returncode} before it could be disturbed")
        time.sleep(0.05)


@contextlib.contextmanager
def started(root: Path, *commands: Sequence[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes with one thread for each operation, killed with their children at the end of the block."""
    processes: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        with (root / "processes.log").open("ab") as log:
            for command in commands:
                process = subprocess.Popen(command, env=environment, stderr=log, start_new_session=True)
                processes.append(process)
        yield processes
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):  # of the group, which may outlive its first process
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def cluster(root: Path, port: int, workers: int, host: str = "127.0.0.1") -> list[list[str]]:
    """The commands of a scheduler, and of workers."""
    python, own = [sys.executable, "-m"], ["--no-dashboard", "--local-directory", str(root / "scratch")]
    scheduler = ["distributed.cli.dask_scheduler", "--no-dashboard", "--host", host, "--port", str(port)]
    worker = [
        "distributed.cli.dask_worker",
        f"tcp://{host}:{port}",
        "--nthreads",
        "1",
        "--memory-limit",
        "3GB",
    ]
    return [[*python, *scheduler], *[[*python, *worker, *own]] * workers]


def client_command(cache: Path, count: int, address: str) -> list[str]:
    return [sys.executable, str(HERE), "--client", str(cache), str(count), address]


def wait_for_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=90)


def speeds(root: Path, count: int) -> bool:
    """Images a second, by turns with the embedded extraction of one and of two cores."""
    chosen, cores, rows = pictures(count), os.sched_getaffinity(0), []
    tell("embedded")
    extract(root / "expected", chosen)
    expected = stored(root / "expected")
    for workers in (1, 2, 4):
        port = free_port()
        address, used = f"tcp://127.0.0.1:{port}", sorted(cores)[: min(workers, len(cores))]
        seconds: dict[str, list[float]] = {"local": [], address: []}
        os.sched_setaffinity(0, used)  # of this thread, and of what it starts: workers and embedded alike
        try:
            with started(root, *cluster(root, port, workers)):
                tell(f"{workers} workers on {len(used)} cores: starting")
                wait_for_workers(address, workers)
                extract(root / "run", chosen[:WARM], address)
                shutil.rmtree(root / "run" / "maps")
                for _ in range(ROUNDS):
                    for kind in seconds:
                        tell(f"{workers} workers on {len(used)} cores: {kind}")
                        seconds[kind].append(extract(root / "run", chosen, kind))
                        assert stored(root / "run") == expected, "the stores differ"
                        shutil.rmtree(root / "run" / "maps")
        finally:
            os.sched_setaffinity(0, cores)
        here, there = (count / min(times) for times in seconds.values())
        rows.append(
            [str(workers), str(len(used)), f"{here:.1f}", f"{there:.1f}", at_least(there / here, 0.9)]
        )
        tell(" | ".join(rows[-1]))
    print_table(["workers", "cores", "embedded, images/s", "cluster, images/s", "cluster / embedded"], rows)
    return True


def kills(root: Path, count: int) -> bool:
    """A client and a scheduler are killed in the middle; the next run goes on to the same bytes."""
    chosen, rows = pictures(count), []
    extract(root / "expected", chosen)
    expected = stored(root / "expected")
    for what in ("client", "scheduler"):
        cache, port = root / what, free_port()
        address = f"tcp://127.0.0.1:{port}"
        tell(f"{what}: a run of two workers")
        with contextlib.ExitStack() as stack:
            scheduler, *_ = stack.enter_context(started(root, *cluster(root, port, 2)))
            wait_for_workers(address, 2)
            (client,) = stack.enter_context(started(root, client_command(cache, count, address)))
            wait_for_batches(cache, count // 32, client)
            before = finished(cache)
            (client if what == "client" else scheduler).kill()
            status = client.wait(timeout=60)
            tell(f"{what}: killed; the client has ended with status {status}")
            if what == "scheduler":
                stack.close()
                stack.enter_context(started(root, *cluster(root, port, 2)))
                wait_for_workers(address, 2)
            extract(cache, chosen, address)
        same = stored(cache) == expected
        rows.append([what, f"{before} of {-(-count // 8)}", "yes" if same else "NO"])
        tell(" | ".join(rows[-1]))
    print_table(["killed", "batches stored then", "same store after the next run"], rows)
    return all(row[-1] == "yes" for row in rows)


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


@contextlib.contextmanager
def hosts() -> Iterator[list[str]]:
    """Three network namespaces, whose ends of veth pairs, 10.77.0.1 to 10.77.0.3, are on a bridge."""
    names = [f"wbhost{number}" for number in range(3)]

    def remove() -> None:
        links = [f"link del wbveth{number}" for number in range(len(names))]
        for command in (*links, "link del wbbridge", *[f"netns del {name}" for name in names]):
            subprocess.run(["ip", *command.split()], check=False, stderr=subprocess.DEVNULL)

    remove()  # of a run that was killed
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
        yield names
    finally:
        remove()


def network(root: Path, count: int) -> bool:
    """Three hosts: a worker killed, one cut off for 10 s, one added late."""
    if os.geteuid() or shutil.which("ip") is None:
        print("network namespaces need root and the command ip: skipped")
        return True
    chosen, cache = pictures(count), root / "network"
    extract(root / "expected", chosen)
    expected = stored(root / "expected")
    with hosts() as names, contextlib.ExitStack() as stack:
        within = [["ip", "netns", "exec", name] for name in names]
        scheduler, worker = cluster(root, 8786, 1, "10.77.0.1")
        commands = [[*within[0], *scheduler], [*within[1], *worker], [*within[2], *worker]]
        _, first, _ = stack.enter_context(started(root, *commands))
        tell("two workers on two hosts: starting")
        wait_for_workers("tcp://10.77.0.1:8786", 2)
        command = client_command(cache, count, "tcp://10.77.0.1:8786")
        (client,) = stack.enter_context(started(root, command))
        wait_for_batches(cache, count // 64, client)
        os.killpg(first.pid, signal.SIGKILL)
        ip("link set wbveth2 down")
        tell(f"{finished(cache)} batches are stored; one worker is killed, the other cut off for 10 s")
        time.sleep(10)
        ip("link set wbveth2 up")
        tell("the network is back, and a worker is added")
        stack.enter_context(started(root, commands[1]))
        status = client.wait()
    same = stored(cache) == expected
    print_table(["hosts", "status of the run", "same store"], [["3", str(status), "yes" if same else "NO"]])
    return same and status == 0


def end(number: int, frame: object) -> NoReturn:
    """End at the time limit or a signal, so that what the blocks of ``with`` have started is removed."""
    sys.exit(
        f"the limit of {LIMIT} s is reached" if number == signal.SIGALRM else f"ended by signal {number}"
    )


def main() -> None:
    if sys.argv[1:2] == ["--client"]:
        cache, count, address = sys.argv[2:]
        extract(Path(cache), pictures(int(count)), address)
        return
    signal.signal(signal.SIGALRM, end)
    signal.signal(signal.SIGTERM, end)
    signal.alarm(LIMIT)
    ways = {"--kill": kills, "--network": network}
    way = ways.get(sys.argv[1], speeds) if sys.argv[1:] else speeds
    number = sys.argv[-1] if sys.argv[-1].isdigit() else str(IMAGES)
    with tempfile.TemporaryDirectory(prefix="cluster-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        try:
            same = way(root, int(number))
        except BaseException:
            if (root / "processes.log").is_file():
                log = (root / "processes.log").read_text(errors="replace").splitlines()
                print("the last lines of the processes:", *log[-8:], sep="\n  ", file=sys.stderr)
            raise
    if not same:
        sys.exit("a store differs from that of the embedded extraction")


if __name__ == "__main__":
    main()
