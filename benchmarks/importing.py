"""``import workbench`` in a fresh process, against importing torch."""

from __future__ import annotations

import subprocess
import sys

from _table import best, print_table


def start(code: str) -> float:
    return best(lambda: subprocess.run([sys.executable, "-c", code], check=True), 5)


def main() -> None:
    nothing = start("pass")
    ours, torch = (start(f"import {name}") - nothing for name in ("workbench", "torch"))
    print_table(["import workbench, s", "import torch, s"], [[f"{ours:.3f}", f"{torch:.2f}"]])


if __name__ == "__main__":
    main()
