"""The processor time of imports, a first cell and a command, above that of importing torch."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from _table import print_table

ROUNDS = 5
PIPELINE = "efficientnet_lite0/max/rmac:3"
OPENED = "import workbench; bench = workbench.open('posters'); repr(bench.collection)"
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "import workbench": ["-c", "import workbench"],
    "workbench search --help": ["-m", "workbench", "search", "--help"],
    "workbench search posters": ["-m", "workbench", "search", "posters", "p04", "--pipeline", PIPELINE],
    "open posters": ["-c", OPENED],
    "open and search posters": ["-c", f"{OPENED}; bench.search('p04', pipeline='{PIPELINE}')"],
}


def seconds(arguments: list[str]) -> float:
    """Seconds of a processor that a fresh Python process with these arguments takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    for arguments in COMMANDS.values():  # which stores what later ones read
        seconds(arguments)
    rounds = [{name: seconds(arguments) for name, arguments in COMMANDS.items()} for _ in range(ROUNDS)]
    rows = []
    for name in COMMANDS:
        taken = statistics.median(times[name] for times in rounds)
        above = statistics.median(times[name] - times["import torch"] for times in rounds)
        rows.append([name, f"{taken:.2f}", f"{above:.2f}" if above > 0 else ""])
    print_table(["process", "processor, s", "above import torch, s"], rows)


if __name__ == "__main__":
    main()
