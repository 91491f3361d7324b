"""The time of ``import workbench`` and of a command on a described collection, against importing torch."""

from __future__ import annotations

import subprocess
import sys

from _table import print_table
from _timing import fastest

SEARCH = ["-m", "workbench", "search", "posters", "p04", "--pipeline", "efficientnet_lite0/max/rmac:3"]


def seconds(*arguments: str) -> float:
    """Seconds of a fresh Python process with these arguments."""
    command = [sys.executable, *arguments]
    return fastest(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), 5)


def main() -> None:
    empty = seconds("-c", "pass")
    ours, torch = (seconds("-c", f"import {name}") - empty for name in ("workbench", "torch"))
    searched = seconds(*SEARCH) - empty  # the fastest of five: the maps are stored by then
    columns = ["import workbench, s", "import torch, s", "workbench search posters, s", "search - torch, s"]
    print_table(columns, [[f"{ours:.3f}", f"{torch:.2f}", f"{searched:.2f}", f"{searched - torch:.2f}"]])


if __name__ == "__main__":
    main()
