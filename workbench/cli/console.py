"""Output of the command line: tables and JSON, and a progress bar on standard error."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from workbench.common.progress import Progress, silent
from workbench.config.printable import printable


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on standard error if it is a terminal; standard output has only results."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def progress(task: str, done: int, total: int) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total or None)
            bars.update(tasks[task], completed=done, total=total or None)

        yield progress


def print_json(value: Any) -> None:
    """Print a value as JSON; NaN and infinity become null, control characters are escaped."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    unsafe = {character for character in set(text) if character != "\n" and printable(character) != character}
    for character in unsafe:  # inside strings, where an escape stands for the same character
        text = text.replace(character, json.dumps(character)[1:-1])
    print(text)


def _plain(value: Any) -> Any:
    """Convert to types of JSON: NaN and infinity become null, NumPy scalars plain numbers."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_line(text: str, file: TextIO | None = None) -> None:
    """Print a line, with control characters of names escaped; to standard output by default."""
    print(printable(text), file=file)


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; columns of numbers are right-aligned."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for position, name in enumerate(columns):
        numbers = bool(rows) and all(
            row[position].removeprefix("-").replace(".", "", 1).isdigit() or row[position] in ("", "–")
            for row in rows
        )
        table.add_column(Text(printable(name)), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    # In a file or a pipe, lines are not wrapped to the width of a terminal.
    console = Console() if sys.stdout.isatty() else Console(width=400)
    console.print(Text(printable(title)), style="bold")
    console.print(table)


def print_notes(warnings: Iterable[str], errors: bool = False) -> None:
    """Print each warning once, as a line; ``errors``: on stderr, beside JSON."""
    for warning in dict.fromkeys(warnings):
        print_line(f"note: {warning}", file=sys.stderr if errors else sys.stdout)


def count(value: int | None) -> str:
    """A count; empty for None."""
    return "" if value is None else str(value)
