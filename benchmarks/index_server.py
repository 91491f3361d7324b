"""The same queries and vectors in FAISS and on a Milvus server: recall, mAP, times and bytes.

The database is the embedded collection with 10^5 synthetic distractors (``--sizes 1e5 1e6`` for more).
Each row is measured in a process of its own, with a server of its own on this machine, which starts empty.
Recall@10 compares with exhaustive search, over 100 queries near the collection's descriptors; mAP is that of
the collection's queries. ``--limit SECONDS`` stops a row, and leaves out what comes after it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from _milvus import milvus_server
from _photos import RESIZE

import workbench
from workbench.config.config import Config
from workbench.config.options import default_cache
from workbench.search import synthetic_distractors
from workbench.search.exact import Exact

INDEXES = "exact", "ivf:{cells}", "ivf:{cells},pq:16", "hnsw:16"
PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:128"
QUERIES, K, NEAREST = 100, 20, 10
COLUMNS = (
    "images",
    "index",
    "engine",
    "recall@10",
    "mAP %",
    "ms a query",
    "ms a query, 100 together",
    "build, s",
    "bytes an image, in memory",
    "on disk",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=float, default=[1e5], help="numbers of distractors")
    parser.add_argument(
        "--indexes", nargs="+", default=list(INDEXES), help="{cells} is the root of the number"
    )
    parser.add_argument("--pipeline", default=PIPELINE)
    parser.add_argument("--limit", type=float, default=float("inf"), help="seconds for all rows")
    parser.add_argument("--row", nargs=3, metavar=("SIZE", "PIPELINE", "ADDRESS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measured(int(arguments.row[0]), *arguments.row[1:])))
        return
    if find_spec("milvus") is None or find_spec("pymilvus") is None:
        print("left out: needs a server and its client: pip install milvus pymilvus")
        return
    until = time.monotonic() + arguments.limit
    print(f"{arguments.pipeline}; {faiss.omp_get_max_threads()} threads\n")
    print("| " + " | ".join(COLUMNS) + " |\n" + "|" + "---|" * len(COLUMNS), flush=True)
    for size in map(int, arguments.sizes):
        for pattern in arguments.indexes:
            index = pattern.format(cells=round(size**0.5))
            for engine in ("FAISS", "Milvus"):
                left = until - time.monotonic()
                cells = row(size, arguments.pipeline, index, engine, left) if left > 0 else ["no time left"]
                print("| " + " | ".join([f"{size:,}", index, engine, *cells]) + " |", flush=True)


def row(size: int, pipeline: str, index: str, engine: str, seconds: float) -> list[str]:
    """The cells of a row, or the reason why there are none."""
    whole = pipeline if index == "exact" else f"{pipeline}/{index}"
    command = [sys.executable, __file__, "--row", str(size), whole]

    def run(address: str) -> dict[str, Any]:
        timeout = None if seconds == float("inf") else seconds
        answer = subprocess.run(
            [*command, address], stdout=subprocess.PIPE, text=True, timeout=timeout, check=True
        )
        return dict(json.loads(answer.stdout.splitlines()[-1]))

    try:
        if engine == "FAISS":
            values = run("")
            memory, disk = f"{values['bytes']:,.0f}", ""
        else:
            with (
                tempfile.TemporaryDirectory(dir=default_cache()) as folder,
                milvus_server(Path(folder)) as server,
            ):
                empty = server.memory[0]
                values = run(server.address)
                now, most = ((used - empty) / values["size"] for used in server.memory)
                memory = f"{now:,.0f} (at most {most:,.0f})"
                disk = f"{server.disk / values['size']:,.0f}"
    except subprocess.TimeoutExpired:
        return [f"stopped after {seconds:.0f} s"]
    except subprocess.CalledProcessError as error:
        return [f"failed: {error.returncode}"]
    return [
        f"{values['recall']:.3f}",
        f"{100 * values['map']:.2f}",
        f"{values['single']:.2f}",
        f"{values['together']:.3f}",
        f"{values['build']:.1f}",
        memory,
        disk,
    ]


def measured(size: int, pipeline: str, address: str) -> dict[str, float]:
    """The values of a row."""
    bench = workbench.open(
        "posters", resize=RESIZE, distractors=f"synthetic:{size}", index_server=address or ""
    )
    searcher = bench.engine.searcher(Config.parse(pipeline))
    index, vectors = searcher.index, searcher.vectors
    own = np.ascontiguousarray(searcher.described.database.numpy())
    queries = np.concatenate(list(synthetic_distractors.draw(own, QUERIES, seed=1)))
    nearest = Exact(torch.from_numpy(vectors))
    wanted = [set(ranking.rows.tolist()) for ranking in nearest.search(queries, NEAREST)]
    times, kept = [], []
    for query in queries:
        started = time.perf_counter()
        (ranking,) = index.search(query[None], K)
        times.append(time.perf_counter() - started)
        kept.append(len(wanted[len(kept)] & set(ranking.rows[:NEAREST].tolist())) / NEAREST)
    together = []
    for _ in range(3):
        started = time.perf_counter()
        index.search(queries, K)
        together.append(time.perf_counter() - started)
    return {
        "size": index.size,
        "recall": float(np.mean(kept)),
        "map": bench.evaluate(pipeline).mean_ap,
        "single": 1e3 * float(np.median(times)),
        "together": 1e3 * min(together) / QUERIES,
        "build": searcher.build_seconds["index"],
        "bytes": index.bytes + index.shared_bytes / index.size,
    }


if __name__ == "__main__":
    main()
