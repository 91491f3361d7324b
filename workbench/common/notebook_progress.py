"""A progress bar in a notebook, for cells that work longer than a second."""

from __future__ import annotations

import html
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

AFTER, EVERY = 1.0, 0.2  # seconds until a bar appears, and between its updates


@dataclass
class _Bar:
    """The bar of the cell that runs: its task, since when, and whether it is on the page."""

    cell: int
    began: float = field(default_factory=time.monotonic)
    task: str = ""
    task_began: float = 0.0
    drawn: float = 0.0
    identifier: str = field(default_factory=lambda: uuid.uuid4().hex)


_bar: _Bar | None = None


def notebook_progress(task: str, done: int, total: int) -> None:
    """A progress callback that shows a bar below the running cell, until the cell ends.

    It does nothing in a script, in a terminal, and in other threads than the one that runs cells.
    """
    global _bar
    shell = _notebook_shell()
    if shell is None or threading.current_thread() is not threading.main_thread():
        return
    now = time.monotonic()
    if _bar is None or _bar.cell != shell.execution_count:
        _bar = _Bar(shell.execution_count)
        shell.events.register("post_run_cell", _end)
    if task != _bar.task:
        _bar.task, _bar.task_began = task, now
    if now - _bar.began < AFTER or now - _bar.drawn < EVERY:
        return
    size = {"n": done, "total": total or None, "elapsed": now - _bar.task_began}
    meter = tqdm.format_meter(**size, prefix=task, unit="", bar_format=_FORMAT if total else _COUNT)
    value = f' value="{min(done / total, 1.0):.4f}"' if total else ""
    label = html.escape(meter)
    bar = f'<progress{value} style="width: 20em; vertical-align: middle"></progress>'
    page = f'<div style="font-variant-numeric: tabular-nums">{bar} {label}</div>'
    _publish(shell, _bar, {"text/html": page, "text/plain": meter})
    _bar.drawn = now


_FORMAT = "{desc}: {n_fmt} of {total_fmt} · {elapsed} · {remaining} left"
_COUNT = "{desc} · {elapsed}"


def _notebook_shell() -> Any:
    """The IPython shell of a notebook's kernel; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "kernel") else None


def _publish(shell: Any, bar: _Bar, data: dict[str, str]) -> None:
    shell.display_pub.publish(
        data=data, metadata={}, transient={"display_id": bar.identifier}, update=bar.drawn > 0
    )


def _end(_result: object = None) -> None:
    """Take the bar away as the cell ends."""
    global _bar
    shell = _notebook_shell()
    shell.events.unregister("post_run_cell", _end)
    if _bar is not None and _bar.drawn:
        _publish(shell, _bar, {"text/html": "", "text/plain": ""})
    _bar = None
