"""Time and memory of indexes of 10^4 to 10^7 vectors of 128 numbers, and an estimate for 10^9 and all videos.

The vectors are drawn around the descriptors of the embedded collection into one memory-mapped temporary file.
Each row of the table is measured in a process of its own, so that its memory is not hidden by another's.
``python benchmarks/scale.py --most 7`` goes up to 10^7 (5 GB of disk); without it up to 10^6.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from _table import print_table
from _vectors import poster_vectors

from workbench.config.options import default_cache
from workbench.config.steps import parse_index
from workbench.search import faiss_index, synthetic_distractors

INDEXES = ("exact", "ivf:{cells}", "ivf:{cells},pq:16", "ivf:{cells},sh:128", "pq:16", "sh:128", "hnsw:16")
LARGEST = {"hnsw:16": 6}  # built by one thread, so that the graph is reproducible: hours for 10^7
QUERIES, NEAREST, FOUND = 100, 10, 100
FILLING = ("filling the index", "linking", "encoding")  # build steps that read every vector
MACHINE = 256e9  # bytes of memory
VIDEOS, SECONDS, RATE = 5e9, 300, 30  # the mean length is assumed; the rest is an example from the lecture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--most", type=int, default=6, choices=range(4, 8), help="10^MOST vectors (6)")
    parser.add_argument(
        "--least", type=int, default=4, choices=range(4, 8), help="from 10^LEAST vectors on (4)"
    )
    least, most = (getattr(parser.parse_args(), name) for name in ("least", "most"))
    posters = poster_vectors()
    rows, largest = [], {}
    default_cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=default_cache()) as file, tempfile.TemporaryDirectory() as folder:
        for chunk in synthetic_distractors.draw(posters, 10**most, seed=0):
            file.write(chunk.data)
        file.flush()
        queries = np.concatenate(list(synthetic_distractors.draw(posters, QUERIES, seed=1)))
        np.save(Path(folder) / "queries.npy", queries)
        vectors = np.memmap(file, np.float32, "r", shape=(10**most, posters.shape[1]))
        for power in range(least, most + 1):
            np.save(Path(folder) / "nearest.npy", nearest(queries, vectors[: 10**power]))
            for pattern in INDEXES:
                if power > LARGEST.get(pattern, power):
                    continue
                index = pattern.format(cells=round(10 ** (power / 2)))
                command = [
                    sys.executable,
                    __file__,
                    "--row",
                    index,
                    str(10**power),
                    str(file.fileno()),
                    folder,
                ]
                done = subprocess.run(command, pass_fds=[file.fileno()], stdout=subprocess.PIPE, check=True)
                measured = json.loads(done.stdout)
                rows.append([f"10^{power}", f"`{index}`", *line(measured)])
                largest[pattern] = measured
                print(*rows[-1], file=sys.stderr, flush=True)
    print_table(
        [
            "vectors",
            "index",
            "train, s",
            "add, s",
            "bytes a vector",
            "memory, GB",
            "resident, GB",
            "ms a query",
            "recall@1 %",
            f"{NEAREST} nearest in {FOUND} %",
        ],
        rows,
    )
    print_estimates(largest)


def line(measured: dict[str, float]) -> list[str]:
    return [
        f"{measured['train']:.1f}",
        f"{measured['add']:.1f}",
        f"{measured['bytes']:.0f}",
        f"{measured['memory'] / 1e9:.2f}",
        f"{measured['resident'] / 1e9:.2f}",
        f"{1000 * measured['search']:.2f}",
        f"{100 * measured['first']:.0f}",
        f"{100 * measured['within']:.0f}",
    ]


def nearest(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The nearest rows of each query by exact search, best first, [Q, 10], from a file read in chunks."""
    rows, scores = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
    for start in range(0, len(vectors), 2**16):
        products = queries @ vectors[start : start + 2**16].T
        best = np.argpartition(-products, min(NEAREST, products.shape[1] - 1), axis=1)[:, :NEAREST]
        rows = np.concatenate([rows, best + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(products, best, axis=1)], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :NEAREST]
        rows, scores = (np.take_along_axis(values, order, axis=1) for values in (rows, scores))
    return rows


def row(index: str, count: int, handle: int, folder: Path) -> dict[str, float]:
    """Build and search one index in this process, and return its measures."""
    queries, truth = np.load(folder / "queries.npy"), np.load(folder / "nearest.npy")
    vectors = np.memmap(os.fdopen(handle, "r+b"), np.float32, "r+", shape=(count, queries.shape[1]))
    steps = parse_index(index)
    seconds: dict[str, float] = defaultdict(float)
    step, step_started = "", time.perf_counter()

    def progress(name: str, done: int, total: int) -> None:
        nonlocal step, step_started
        now = time.perf_counter()
        seconds[step] += now - step_started
        step, step_started = name, now

    memory = Memory()
    built = faiss_index.build(steps, vectors, 0, progress)
    progress("", 0, 0)
    built.search(queries[:1], FOUND)  # work at first use is not timed
    started = time.perf_counter()
    rankings = built.search(queries, FOUND)
    search_seconds = (time.perf_counter() - started) / len(queries)
    add = sum(value for name, value in seconds.items() if name in FILLING)
    return {
        "train": sum(seconds.values()) - add,
        "add": add,
        "bytes": built.bytes,
        "memory": memory.peak(),
        "resident": status("VmHWM"),  # ru_maxrss would include the parent's
        "search": search_seconds,
        "first": float(
            np.mean([ranking.rows[0] == t[0] for ranking, t in zip(rankings, truth, strict=True)])
        ),
        "within": float(
            np.mean([np.isin(t, ranking.rows).mean() for ranking, t in zip(rankings, truth, strict=True)])
        ),
    }


def status(name: str) -> float:
    """Bytes of a memory counter of this process in Linux."""
    return 1024.0 * int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0])


class Memory:
    """The peak of this process's own memory, including libraries, without pages of mapped files."""

    def __init__(self) -> None:
        self._peak, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self._peak = max(self._peak, status("RssAnon"))

    def peak(self) -> float:
        self._stop.set()
        self._thread.join()
        return self._peak


def print_estimates(measured: dict[str, dict[str, float]]) -> None:
    """Print bytes and machines for 10^9 vectors, and for a vector of every frame of five billion videos."""
    frames = VIDEOS * SECONDS * RATE
    print(f"{VIDEOS:.0e} videos of {SECONDS} s (assumed) at {RATE} frames a second: {frames:.2g} frames\n")
    rows = []
    for pattern, measures in measured.items():
        billion, all_frames = measures["bytes"] * 1e9, measures["bytes"] * frames
        rows.append(
            [
                f"`{pattern.format(cells='N')}`",
                f"{measures['bytes']:.0f}",
                f"{billion / 1e9:,.0f}",
                f"{int(-(-billion // MACHINE)):,}",
                f"{all_frames / 1e15:,.2f}",
                f"{int(-(-all_frames // MACHINE)):,}",
            ]
        )
    columns = ["index", "bytes a vector", "10^9: GB", "machines of 256 GB", "all frames: PB", "machines"]
    print_table(columns, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--row"]:
        index, size, number, folder = sys.argv[2:]
        print(json.dumps(row(index, int(size), int(number), Path(folder))))
    else:
        main()
