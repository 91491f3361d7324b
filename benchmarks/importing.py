"""The time of ``import workbench`` in a fresh process, against importing torch."""

from __future__ import annotations

import subprocess
import sys

from _table import print_table
from _timing import fastest


def seconds(code: str) -> float:
    """Seconds of a fresh Python process that runs the code."""
    return fastest(lambda: subprocess.run([sys.executable, "-c", code], check=True), 5)


def main() -> None:
    empty = seconds("pass")
    ours, torch = (seconds(f"import {name}") - empty for name in ("workbench", "torch"))
    print_table(["import workbench, s", "import torch, s"], [[f"{ours:.3f}", f"{torch:.2f}"]])


if __name__ == "__main__":
    main()
