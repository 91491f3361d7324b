"""The memory of a kernel after Run All of notebooks, by default 01 and 05, beside that of ``import torch``.

The kernel has run all cells, and then waits for the work that its panels do while nobody asks. Private memory
is what only this process has, resident memory also what it shares with others, such as the pages of libraries
and of mapped files, and PSS these divided by the number of processes. ``--quick`` runs the notebooks with the
small parameters of the tests. In a browser, panels ask for pictures too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from _table import print_table
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
AIMS = {"01": 1.0, "05": 1.5}  # GB of resident memory above that of ``import torch``
QUIET = 1.0  # seconds with less than a tenth of a processor, after which a kernel is idle
LONGEST = 120.0  # seconds that a kernel has for this
FIELDS = {"Rss": 0, "Pss": 1, "Private_Clean": 2, "Private_Dirty": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", default=[*AIMS], help="such as 01")
    parser.add_argument("--quick", action="store_true", help="with the small parameters of the tests")
    arguments = parser.parse_args()
    if arguments.quick:
        os.environ["WORKBENCH_QUICK"] = "1"
    torch = memory_of_torch()
    rows = [["import torch", *map(gigabytes, torch), "", ""]]
    for number in arguments.numbers:
        (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
        memory, most = memory_after(path)
        above, aim = memory[0] - torch[0], AIMS.get(number)
        missed = f" (above the {aim:g} aimed at)" if aim is not None and above > aim else ""
        rows.append([path.name, *map(gigabytes, memory), gigabytes(most), gigabytes(above) + missed])
    columns = [
        "process",
        "resident, GB",
        "PSS, GB",
        "private, GB",
        "most resident, GB",
        "resident above torch, GB",
    ]
    print_table(columns, rows)


def gigabytes(number: float) -> str:
    return f"{number:.2f}"


def memory(pid: int) -> list[float]:
    """Resident, proportional and private memory of a process in GB."""
    numbers = [0.0, 0.0, 0.0]
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]:
        name, kilobytes = line.split()[:2]
        if (place := FIELDS.get(name.rstrip(":"))) is not None:
            numbers[place] += int(kilobytes) * 1024 / 1e9
    return numbers


def memory_of_torch() -> Sequence[float]:
    """The memory of a Python process that has imported torch."""
    code = "import sys, torch; print(flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return memory(process.pid)


def memory_after(path: Path) -> tuple[list[float], float]:
    """The memory of a kernel after all cells of a notebook, and the most that was resident, in GB."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=1800, kernel_name="python3")
    manager: Any = client.create_kernel_manager()
    with client.setup_kernel(cwd=str(path.parent)):
        for place, cell in enumerate(notebook.cells):
            client.execute_cell(cell, place)
        pid = manager.provisioner.pid
        wait_until_idle(pid)
        most = next(
            int(line.split()[1]) * 1024 / 1e9
            for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
            if line.startswith("VmHWM")
        )
        return memory(pid), most


def wait_until_idle(pid: int) -> None:
    before, end = seconds_of(pid), time.monotonic() + LONGEST
    while time.monotonic() < end:
        time.sleep(QUIET)
        now = seconds_of(pid)
        if now - before < QUIET / 10:
            return
        before = now


def seconds_of(pid: int) -> float:
    """The processor time of a process in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
