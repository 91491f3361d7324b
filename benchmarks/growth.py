"""Time, memory and bytes of each step as a collection grows: 10^3, 10^4 and 10^5 images; ``--most 6``: 10^6.

The pictures are drawn, ten of a label. The maps of the first 10,000 are those of the network; maps of further
pictures are drawn from these, with noise. Each collection is opened in three processes: described at first;
described again, searched, shown, and evaluated by 200 queries; and, up to 10^5, evaluated with all pictures
as queries. ``peak`` is the most memory of a process in a step. A factor is that of the next smaller
collection; N log N is 13.3, 12.5 and 12. It needs 2.5 GB of disk, 13 with 10^6 pictures, in ``--folder``.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import print_table
from PIL import Image

import workbench
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.engine.description_cache import DescriptionCache
from workbench.features import extraction

PIPELINE = "efficientnet_lite0/max/whole/pcaw:128"
SIZE, OF_LABEL, QUERIES, REAL, SEARCHES = 64, 10, 200, 10_000, 20
ALL_QUERIES = 5  # evaluated with all pictures as queries up to 10^5
STEPS = ("open", "describe", "reopen", "describe again", "search", "show", "evaluate 200", "evaluate all")
PROCESSES = {"first": STEPS[:2], "again": STEPS[2:7], "all": STEPS[7:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--least", type=int, default=3, help="from 10^LEAST pictures on (3)")
    parser.add_argument("--most", type=int, default=5, help="up to 10^MOST pictures (5)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="for what is made")
    arguments = parser.parse_args()
    rows: list[list[str]] = []
    before: dict[str, float] = {}
    for power in range(arguments.least, arguments.most + 1):
        folder = Path(tempfile.mkdtemp(prefix="growth-", dir=arguments.folder))
        try:
            draw_pictures(folder, 10**power)
            measured = {}
            for process, steps in PROCESSES.items():
                if process != "all" or power <= ALL_QUERIES:
                    command = [sys.executable, __file__, "--process", process, str(folder)]
                    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                    measured |= dict(zip(steps, json.loads(done.stdout), strict=True))
            stored = sum(file.stat().st_size for file in (folder / "cache").rglob("*") if file.is_file())
        finally:
            shutil.rmtree(folder)
        for step, (seconds, peak) in measured.items():
            factor = f"{seconds / before[step]:.1f}" if step in before else ""
            rows.append([f"10^{power}", step, f"{seconds:.3f}", factor, f"{peak / 1e9:.2f}"])
            print(*rows[-1], file=sys.stderr, flush=True)
        rows.append([f"10^{power}", "bytes on disk", f"{stored / 1e6:,.0f} MB", "", ""])
        before = {step: seconds for step, (seconds, _) in measured.items()}
    print_table(["pictures", "step", "s", "factor", "peak, GB"], rows)


def draw_pictures(folder: Path, count: int) -> None:
    """Draw pictures: random fields of colour for each label, and noise; and write the two tables of them."""
    rng = np.random.default_rng(0)
    table = []
    for number in range(count):
        if number % OF_LABEL == 0:
            fields = rng.integers(0, 256, (8, 8, 3))
        path = folder / "pictures" / f"{number // 1000:04}" / f"{number:07}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        noisy = np.clip(fields + rng.normal(0, 40, fields.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).resize((96, 96), Image.Resampling.BICUBIC).save(path, quality=80)
        table.append((str(path), f"label {number // OF_LABEL}"))
    with (folder / "all.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *table])
    step = max(1, count // QUERIES)
    splits = ("both" if n % step == 0 and n // step < QUERIES else "database" for n in range(count))
    with (folder / "some.csv").open("w", newline="") as file:
        rows = [(*row, split) for row, split in zip(table, splits, strict=True)]
        csv.writer(file).writerows([("path", "label", "split"), *rows])


def first(folder: Path) -> list[tuple[float, float]]:
    """Open and describe a collection at first."""
    recycle_maps()
    opened = measure(lambda: collection(folder, "some"))
    bench = collection(folder, "some")
    return [opened, measure(lambda: describe(bench))]


def again(folder: Path) -> list[tuple[float, float]]:
    """Open it again, search, show it, and evaluate 200 queries."""
    opened = measure(lambda: collection(folder, "some"))
    bench = collection(folder, "some")
    described = measure(lambda: describe(bench))
    queries = [query.id for query in bench.collection.queries[:SEARCHES]]
    bench.search(queries[0], pipeline=PIPELINE, k=20)
    searches = [
        measure(lambda query=query: bench.search(query, pipeline=PIPELINE, k=20)) for query in queries
    ]
    search = statistics.median(seconds for seconds, _ in searches), max(peak for _, peak in searches)
    shown = measure(bench.show)
    return [opened, described, search, shown, measure(lambda: bench.evaluate(PIPELINE))]


def every(folder: Path) -> list[tuple[float, float]]:
    """Evaluate with all pictures as queries."""
    bench = collection(folder, "all")
    describe(bench)
    return [measure(lambda: bench.evaluate(PIPELINE))]


def collection(folder: Path, table: str) -> Any:
    return workbench.open(folder / f"{table}.csv", size=SIZE, cache=folder / "cache")


def describe(bench: Any) -> None:
    DescriptionCache(bench.collection, bench.options).describe(Config.parse(PIPELINE), silent)


def recycle_maps() -> None:
    """Run the network for the first pictures only; give the others one of their maps each, with noise."""
    run, real, lock, rng = extraction.run, list[torch.Tensor](), threading.Lock(), np.random.default_rng(0)

    def recycled(network: Any, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        if sum(map(len, real)) < REAL:
            maps = run(network, pictures)
            real.append(maps)
            return maps
        with lock:
            chosen = rng.integers(0, len(real), len(pictures))
        maps = torch.stack([real[batch][0] for batch in chosen])
        return maps * (1 + 0.1 * torch.randn(maps.shape))

    extraction.run = recycled


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """The seconds of some work, and the most resident memory meanwhile, in bytes (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    return seconds, 1024.0 * int(peak)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--process"]:
        print(json.dumps({"first": first, "again": again, "all": every}[sys.argv[2]](Path(sys.argv[3]))))
    else:
        main()
