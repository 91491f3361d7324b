"""The panels of large collections: what each sends to the browser, its seconds and memory, at a query too.

Pictures are drawn as in ``growth.py``, 200 of them queries, and described by a small network with random
weights. Each panel is opened without a browser, as a cell would show it; then, with all panels open, another
query is chosen, a result is clicked, a region becomes the query, and two pipelines are compared. ``call`` is
how long the kernel answers nothing else, ``all`` ends with the last work of the panels.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comm
from _table import print_table
from comm.base_comm import BaseComm
from growth import draw_pictures

import workbench
from workbench.panels import layout
from workbench.panels.session import Session

PIPELINE = "timm:test_resnet@random/mean/whole"
OTHER = PIPELINE.replace("mean", "max")
SIZE, PATIENCE = 64, 1800
sent = 0  # bytes since the last row


class Counted(BaseComm):
    """A connection to a browser that only counts what is sent."""

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        global sent
        sent += len(json.dumps(data, default=str)) + sum(memoryview(part).nbytes for part in buffers or ())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--collection", default="", help="another collection, in place of drawn pictures")
    parser.add_argument("--cache", type=Path, help="its cache")
    arguments = parser.parse_args()
    comm.create_comm = lambda *values, **keys: Counted(*values, **keys)
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.collection:
            draw_pictures(Path(folder), arguments.pictures)
        cache = arguments.cache or Path(folder) / "cache"
        name = arguments.collection or Path(folder) / "some.csv"
        print_table(["what", "call, s", "all, s", "CPU, s", "KB sent", "memory, MB"], measure(name, cache))


def measure(name: Any, cache: Path) -> list[list[str]]:
    rows: list[list[str]] = []
    session: Session | None = None

    def row(what: str, work: Callable[[], object]) -> None:
        global sent
        sent, started, processor = 0, time.perf_counter(), time.process_time()
        work()
        called = time.perf_counter() - started
        if session is not None and not session.wait(PATIENCE):
            raise RuntimeError(f"{what} took more than {PATIENCE} seconds")
        seconds, processor = time.perf_counter() - started, time.process_time() - processor
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        numbers = f"{called:.2f}", f"{seconds:.2f}", f"{processor:.2f}", f"{sent / 1e3:,.0f}"
        rows.append([what, *numbers, f"{resident / 1e6:,.0f}"])
        print(*rows[-1], session.message if session is not None else "", file=sys.stderr, flush=True)

    opened: list[Any] = []
    row("open the collection", lambda: opened.append(workbench.open(name, size=SIZE, cache=cache)))
    bench = opened[0]
    session = Session(bench, pipeline=PIPELINE)
    row("describe, rank and evaluate", session.refresh)
    for panel in layout.PANELS:
        if panel not in ("show", "video_panel"):
            row(panel, lambda panel=panel: getattr(layout, panel)(bench, session))
    queries = session.queries.names
    row("another query", lambda: session.choose(queries[7]))
    row("another query", lambda: session.choose(queries[8]))
    row("click a result", lambda: setattr(session, "image", session.ranking["image_id"].iloc[3]))
    row("a region as the query", lambda: setattr(session, "box", (8.0, 8.0, 60.0, 60.0)))
    row("compare two pipelines", lambda: session.compare(PIPELINE, OTHER))
    return rows


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # what the session does while it is idle need not end
