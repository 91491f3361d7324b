"""Time, memory and bytes of each step as a collection grows: 10^3, 10^4 and 10^5 images; ``--most 6``: 10^6.

The pictures are drawn, ten of a label. The maps of the first 10,000 are those of the network; maps of
further pictures are drawn from these, with noise, and those of 10^6 pictures are not stored. Each collection
is opened in three processes: described at first; described again, searched, evaluated by 200 queries, and
shown; and, up to 10^5, evaluated with all pictures as queries. ``show`` is the call, ``show, complete`` also
what the panels then compute, ``another query`` what they compute after that for a query.

``CPU`` are seconds of processor time, which other work on the machine changes least; ``exponent`` is the p of
N^p from the next smaller collection by them. N log N is 1.12 from 10^3, 1.10 from 10^4 and 1.08 from 10^5.
``evaluate all`` grows as N^2: each of the N pictures is a query (leave one out), whose score with each of
the N pictures is computed. ``peak`` is the most memory of a process in a step. It needs 3 GB of disk, 9 with
10^6 pictures.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from _table import print_table
from PIL import Image

import workbench
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.engine.description_cache import DescriptionCache
from workbench.features import map_extraction
from workbench.panels import layout
from workbench.panels.session import Session

Result = TypeVar("Result")
PIPELINE = "efficientnet_lite0/max/whole/pcaw:128"
SIZE, OF_LABEL, QUERIES, REAL, SEARCHES = 64, 10, 200, 10_000, 20
ALL_QUERIES, STORED = 5, 5  # up to 10^5 all pictures are queries, and maps are stored
PROCESSES = {
    "first": ("open", "describe"),
    "again": (
        "open again",
        "describe again",
        "search",
        "evaluate 200",
        "show",
        "show, complete",
        "another query",
    ),
    "all": ("evaluate all",),
}
PATIENCE = 1800  # seconds for the work of the panels


class Cost(NamedTuple):
    """What a step took: seconds, seconds of processor time, and the most resident memory, in bytes."""

    seconds: float
    processor: float
    peak: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--least", type=int, default=3, help="from 10^LEAST pictures on (3)")
    parser.add_argument("--most", type=int, default=5, help="up to 10^MOST pictures (5)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="for what is made")
    arguments = parser.parse_args()
    rows: list[list[str]] = []
    before: dict[str, Cost] = {}
    for power in range(arguments.least, arguments.most + 1):
        folder = Path(tempfile.mkdtemp(prefix="growth-", dir=arguments.folder))
        measured: dict[str, Cost] = {}
        try:
            draw_pictures(folder, 10**power)
            for process, steps in PROCESSES.items():
                if process != "all" or power <= ALL_QUERIES:
                    maps = "all" if power <= STORED else "none"
                    command = [sys.executable, __file__, "--process", process, str(folder), maps]
                    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                    measured |= dict(zip(steps, (Cost(*c) for c in json.loads(done.stdout)), strict=True))
            stored = sum(file.stat().st_size for file in (folder / "cache").rglob("*") if file.is_file())
        finally:
            shutil.rmtree(folder)
        for step, cost in measured.items():
            exponent = f"{math.log10(cost.processor / before[step].processor):.2f}" if step in before else ""
            numbers = f"{cost.seconds:.3f}", f"{cost.processor:.3f}", exponent, f"{cost.peak / 1e9:.2f}"
            rows.append([f"10^{power}", step, *numbers])
            print(*rows[-1], file=sys.stderr, flush=True)
        rows.append([f"10^{power}", "bytes on disk", f"{stored / 1e6:,.0f} MB", "", "", ""])
        before = measured
    print_table(["pictures", "step", "s", "CPU, s", "exponent", "peak, GB"], rows)


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


def first(folder: Path, maps: str) -> list[Cost]:
    """Open and describe a collection at first."""
    opened, bench = measure(lambda: collection(folder, "some", maps))
    return [opened, measure(lambda: describe(bench))[0]]


def again(folder: Path, maps: str) -> list[Cost]:
    """Open it again, search, evaluate 200 queries, show it, and choose another query."""
    opened, bench = measure(lambda: collection(folder, "some", maps))
    described, _ = measure(lambda: describe(bench))
    queries = [query.id for query in bench.collection.queries[: SEARCHES + 1]]
    bench.search(queries[0], pipeline=PIPELINE, k=20)
    searches = [measure(partial(bench.search, query, pipeline=PIPELINE, k=20))[0] for query in queries[1:]]
    search = Cost(*(statistics.median(numbers) for numbers in zip(*searches, strict=True)))
    evaluated, _ = measure(lambda: bench.evaluate(PIPELINE))
    session = Session(bench, pipeline=PIPELINE)
    complete, shown = measure(lambda: (measure(lambda: layout.show(bench, session))[0], finish(session))[0])
    chosen, _ = measure(lambda: (session.choose(queries[-1]), finish(session)))
    return [opened, described, search, evaluated, shown, complete, chosen]


def every(folder: Path, maps: str) -> list[Cost]:
    """Evaluate with all pictures as queries."""
    bench = collection(folder, "all", maps)
    describe(bench)
    return [measure(lambda: bench.evaluate(PIPELINE))[0]]


def collection(folder: Path, table: str, maps: str) -> Any:
    return workbench.open(folder / f"{table}.csv", size=SIZE, cache=folder / "cache", maps=maps)


def describe(bench: Any) -> None:
    DescriptionCache(bench.collection, bench.options).describe(Config.parse(PIPELINE), silent)


def finish(session: Session) -> None:
    """Wait for the work of all panels."""
    if not session.wait(PATIENCE) or session.failed:
        raise RuntimeError(session.message or f"the panels took more than {PATIENCE} seconds")


def recycle_maps() -> None:
    """Run the network for the first pictures only; give the others one of their maps each, with noise."""
    run, real, lock, rng = (
        map_extraction.run,
        list[torch.Tensor](),
        threading.Lock(),
        np.random.default_rng(0),
    )

    def recycled(network: Any, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        if len(real) < REAL:
            maps = run(network, pictures)
            real.extend(maps)
            return maps
        with lock:
            chosen = rng.integers(0, len(real), len(pictures))
        maps = torch.stack([real[number] for number in chosen])
        return maps * (1 + 0.1 * torch.randn(maps.shape))

    map_extraction.run = recycled


def measure(work: Callable[[], Result]) -> tuple[Cost, Result]:
    """What some work takes (Linux), and its result."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    started, processor = time.perf_counter(), processor_time()
    result = work()
    seconds, processor = time.perf_counter() - started, processor_time() - processor
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    return Cost(seconds, processor, 1024.0 * int(peak)), result


def processor_time() -> float:
    """Seconds of processor time of all threads, and of the processes that have ended."""
    return time.process_time() + sum(os.times()[2:4])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--process"]:
        recycle_maps()
        steps = {"first": first, "again": again, "all": every}[sys.argv[2]]
        print(json.dumps(steps(Path(sys.argv[3]), sys.argv[4])), flush=True)
        os._exit(0)  # what the session does while it is idle need not end
    main()
