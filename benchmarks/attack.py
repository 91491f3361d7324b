"""Attack the workbench: kills, damaged stores, and mutated images, tables, sessions, indexes and weights.

``--short`` does a hundredth of it. Parts are chosen by name and continue where an earlier call stopped; the
table of all parts done so far, which docs/reliability.md shows, is printed at the end. An input passes if it
is read or refused with a sentence (WorkbenchError) within ten seconds of the processor: anything else, such
as another exception or the end of the process, is a failure.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests.support draws the pictures

import numpy as np
from _kills import kill_evaluations, kill_writes
from _mutations import mutated, table
from _readers import (
    Read,
    damage_stores,
    load_weights,
    open_tables,
    read_images,
    read_indexes,
    restore_sessions,
)
from _table import print_table

from workbench.config.errors import WorkbenchError

SECONDS = 10  # of the processor, for one input
_ANSWER_SECONDS = 180  # on a busy machine
_CHUNK = 500  # inputs of one process


# Each part: what is done, how many times, and what must hold.
PARTS: dict[str, tuple[str, int, str, Callable[[Path], tuple[list[bytes], Read]] | None]] = {
    "kills": (
        "`evaluate` killed at a random moment",
        200,
        "resumed to the same bytes and mAP",
        None,
    ),
    "writes": (
        "descriptors and the table of headers, killed while they are written",
        200,
        "those of one whole write",
        None,
    ),
    "stores": ("stored maps with mutated bytes", 500, "noticed, extracted again, same scores", damage_stores),
    "images": ("mutated images of all formats", 10_000, "read, or refused in a sentence", read_images),
    "tables": ("hostile tables of labels", 1_000, "opened, or refused in a sentence", open_tables),
    "sessions": ("mutated session files", 1_000, "restored, or refused in a sentence", restore_sessions),
    "indexes": ("mutated saved indexes", 1_000, "refused in a sentence", read_indexes),
    "weights": (
        "mutated weights of four kinds",
        1_000,
        "read, or refused in a sentence",
        load_weights,
    ),
}


def hostile_input(part: str, contents: list[bytes], number: int) -> bytes:
    """The input of that number, the same in every run: a mutation of one of ``contents``, or a table."""
    rng = np.random.default_rng([number, sum(part.encode())])
    return table(rng) if part == "tables" else mutated(contents[number % len(contents)], rng)


def fault(read: Read, content: bytes) -> str:
    """What goes wrong when an input is read; nothing if it is read, or refused with a sentence."""
    try:
        read(content)
    except WorkbenchError as error:
        return "an error of several lines" if "\n" in str(error) else ""
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _attack(part: str, start: int, count: int, news: Any) -> None:
    """Read the inputs ``start`` … of a part, and send the number of each and what went wrong with it."""
    with tempfile.TemporaryDirectory(prefix="workbench-attack-") as folder:
        prepare = PARTS[part][3]
        assert prepare is not None
        contents, read = prepare(Path(folder))
        for number in range(start, start + count):
            content = hostile_input(part, contents, number)
            news.send((number, None))
            began, failure = time.process_time(), fault(read, content)
            if (seconds := time.process_time() - began) > SECONDS and number > start:  # the first one imports
                failure = failure or f"{seconds:.0f} seconds"
            news.send((number, failure))


def attack(part: str, start: int, count: int) -> tuple[int, list[str]]:
    """Attack in a process of its own. Returns the number of inputs done, and the failures."""
    if kill := {"kills": kill_evaluations, "writes": kill_writes}.get(part):
        with tempfile.TemporaryDirectory(prefix="workbench-attack-") as folder:
            return count, kill(Path(folder), start, count)
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_attack, args=(part, start, count, sender))
    process.start()
    sender.close()
    done, failures, current = 0, [], start
    try:
        while receiver.poll(_ANSWER_SECONDS):
            current, failure = receiver.recv()
            done += failure is not None
            failures += [f"{part} {current}: {failure}"] if failure else []
        failures.append(f"{part} {current}: no answer in {_ANSWER_SECONDS} seconds")
        process.kill()
    except EOFError:
        pass
    process.join()
    if process.exitcode and done < count:
        failures.append(f"{part} {current}: the process ended with status {process.exitcode}")
        done += 1  # go on after it
    return done, failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"parts to do: {', '.join(PARTS)}; default: all")
    parser.add_argument("--short", action="store_true", help="a hundredth of the inputs")
    state_file = Path(tempfile.gettempdir()) / "workbench-attack.json"
    parser.add_argument("--state", type=Path, default=state_file, help="the file of what was done so far")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"{unknown.pop()!r} is not a part; valid: {', '.join(PARTS)}")
    state: dict[str, Any] = json.loads(options.state.read_text()) if options.state.exists() else {}
    for part in options.parts or PARTS:
        wanted = PARTS[part][1] // (100 if options.short else 1)
        about = state.setdefault(part, {"done": 0, "failures": [], "seconds": 0.0})
        while about["done"] < wanted:
            began = time.monotonic()
            size = min(20 if part in ("kills", "writes") else _CHUNK, wanted - about["done"])
            done, failures = attack(part, about["done"], size)
            about["done"] += done
            about["failures"] += failures
            about["seconds"] += time.monotonic() - began
            options.state.write_text(json.dumps(state, indent=1))
            print(
                f"{part}: {about['done']:,} of {wanted:,}", *failures, sep="\n  ", file=sys.stderr, flush=True
            )
    rows = [
        [what, f"{state[part]['done']:,}", holds, str(len(state[part]["failures"]))]
        for part, (what, _, holds, _) in PARTS.items()
        if part in state
    ]
    print_table(["what was done", "times", "what must hold", "failures"], rows)
    raise SystemExit(any(about["failures"] for about in state.values()))


if __name__ == "__main__":
    main()
