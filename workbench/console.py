"""What the command line prints: tables, JSON, and a progress bar on standard error."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator
from typing import Any

from workbench.progress import Progress, silent


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on standard error where that is a terminal, so that standard output stays clean."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield progress


def print_json(value: Any) -> None:
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    """The same in what JSON knows: not-a-number becomes null, numpy's numbers plain ones."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for position, name in enumerate(columns):
        numbers = bool(rows) and all(
            row[position].removeprefix("-").replace(".", "", 1).isdigit() or not row[position] for row in rows
        )
        table.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # Into a file or a pipe nothing is cut to a width.
    console = Console() if sys.stdout.isatty() else Console(width=400)
    console.print(Text(title), style="bold")
    console.print(table)


def percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f}"


def measure(name: str, value: float) -> str:
    return f"{value:.2f}" if name == "N-S" else percent(value)


def count(value: int | None) -> str:
    return "" if value is None else str(value)
