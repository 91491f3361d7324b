"""Evaluations that are killed at random moments: what they leave, and what the next one makes of it."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import multiprocessing
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np

PIPELINES = ("timm:test_resnet@random/max/rmac:2/pcaw:8", "sift/bow:16/whole")
_KINDS = ("maps", "local", "words", "descriptors")
WRITTEN, ROWS = "efficientnet_lite0/max/whole", 4000
_context = multiprocessing.get_context("forkserver")


def _evaluate(photos: Path, cache: Path, out: Path) -> None:
    """Run ``workbench evaluate``, and write what it prints."""
    from workbench.cli.main import main

    options = ["--labels", "folders", "--cache", str(cache), "--size", "128", "--device", "cpu", "--json"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main(["evaluate", str(photos), *PIPELINES, *options])
    out.with_name("part").write_text(printed.getvalue())
    out.with_name("part").rename(out)


def _start(photos: Path, cache: Path, out: Path) -> Any:
    _context.set_forkserver_preload(["timm", "torchvision", "workbench.workbench", "workbench.cli.main"])
    process = _context.Process(target=_evaluate, args=(photos, cache, out))
    process.start()
    return process


def _stored(cache: Path) -> dict[str, bytes]:
    """The complete files of the stores, by path; of descriptors the numbers, as the file names its time."""
    files = {kind: sorted((cache / kind).rglob("*.safetensors")) for kind in _KINDS}
    stored = {str(path.relative_to(cache)): path.read_bytes() for kind in _KINDS for path in files[kind]}
    numbers = {str(path.relative_to(cache)): _arrays(path) for path in files["descriptors"]}
    return {**stored, **numbers}


def _arrays(path: Path) -> bytes:
    """The arrays of a file with their names; raises an error if it is damaged."""
    from safetensors.numpy import load_file

    from workbench.common import checksums

    assert checksums.intact(path), f"{path.name} is damaged"
    return b"".join(name.encode() + array.tobytes() for name, array in sorted(load_file(path).items()))


def _numbers(out: Path) -> list[tuple[str, float, dict[str, float]]]:
    return [(e["pipeline"], e["mean_ap"], e["metrics"]) for e in json.loads(out.read_text())]


def kill_evaluations(folder: Path, seed: int, count: int, pictures: int = 60) -> list[str]:
    """Kill ``count`` evaluations. Returns what differed from an undisturbed one, which must be nothing."""
    import os

    from tests.support.pictures import folder_of
    from tests.support.videos import numbered, write_video

    os.environ["OMP_NUM_THREADS"] = "1"
    photos, cache, out = folder / "photos", folder / "cache", folder / "result.json"
    if not photos.exists():
        folder_of(photos, pictures, kinds=4)
        write_video(photos / "kind0" / "clip.mp4", numbered(8 * pictures), fps=8)  # a moment a second
    _start(photos, folder / "undisturbed", out).join()
    started = time.monotonic()  # the first one also starts the server of the processes
    shutil.rmtree(folder / "undisturbed")
    _start(photos, folder / "undisturbed", out).join()
    duration = time.monotonic() - started
    expected, numbers = _stored(folder / "undisturbed"), _numbers(out)
    out.unlink()
    failures: list[str] = []
    rng, kills = random.Random(seed), 0
    while kills < count:
        process = _start(photos, cache, out)
        process.join(rng.uniform(0, 1.1 * duration))
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            kills += 1
            failures += _compared(cache, expected, complete=False)
        else:
            failures += _compared(cache, expected, complete=True)
            if _numbers(out) != numbers:
                failures.append("the resumed evaluation has other numbers")
            out.unlink()
            shutil.rmtree(cache)
    _start(photos, cache, out).join()
    failures += _compared(cache, expected, complete=True)
    if _numbers(out) != numbers:
        failures.append("the last evaluation has other numbers")
    shutil.rmtree(cache)
    return failures


def _compared(cache: Path, expected: dict[str, bytes], complete: bool) -> list[str]:
    """What is wrong with the stores and the history that a killed or a ``complete`` evaluation left."""
    failures, stored = [], _stored(cache)
    failures += [f"{name} differs" for name, content in stored.items() if expected.get(name) != content]
    for database in (cache / "runs" / "runs.sqlite", cache / "contents.sqlite"):
        if database.exists() and not _is_intact(database):
            failures.append(f"{database.name} is damaged")
    if complete:
        failures += [f"{name} is missing" for name in expected.keys() - stored.keys()]
        failures += [f"{path.name} is left over" for path in cache.rglob("*.part")]
    return failures


def _is_intact(database: Path) -> bool:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def _write(cache: Path, started: Any) -> None:
    """Write descriptors and headers again and again: all values of a write are its number."""
    import torch

    from workbench.collections import contents, images
    from workbench.config.config import Config
    from workbench.descriptors.description import Descriptors
    from workbench.engine import stored_descriptions

    stored, config = contents.of(cache), Config.parse(WRITTEN)
    started.set()
    for number in itertools.count(1):
        vectors = torch.full((ROWS, 64), float(number))
        described = Descriptors(vectors, (), (), None, None, 0)
        stored_descriptions.write(cache / "descriptors" / "written.safetensors", described, config)
        header = images.Header(number, number, str(number), stamp=(number, 1, 1, 1))
        names = [f"/pictures/{row}.jpg" for row in range(ROWS)]
        images.remember(dict.fromkeys(names, header))
        stored.save(dict.fromkeys(names, header))


def kill_writes(folder: Path, seed: int, count: int) -> list[str]:
    """Kill processes ``count`` times while they write descriptors and the table of headers.

    Returns what was wrong with what they left: each must be that of one whole write.
    """
    from safetensors.numpy import load_file

    from workbench.common import checksums

    _context.set_forkserver_preload(
        ["workbench.engine.stored_descriptions", "workbench.collections.contents"]
    )
    failures: list[str] = []
    rng, written = random.Random(seed), folder / "descriptors" / "written.safetensors"
    for _ in range(count):
        started = _context.Event()
        process = _context.Process(target=_write, args=(folder, started))
        process.start()
        started.wait(60)
        process.join(rng.uniform(0.05, 0.3))
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            failures.append(f"writing ended with status {process.exitcode}")
        if written.exists() and not checksums.intact(written):
            failures.append("descriptors are damaged")
        elif written.exists() and len(np.unique(load_file(written)["vectors"])) != 1:
            failures.append("descriptors are of two writes")
        if not _is_intact(folder / "contents.sqlite"):
            failures.append("the table of headers is damaged")
        rows = _headers(folder / "contents.sqlite")
        if set(rows.values()) not in (set(), {ROWS}):
            failures.append(f"the table of headers is of several writes: {rows}")
    return failures


def _headers(database: Path) -> dict[int, int]:
    """The number of stored headers of each width; none before the first write ended."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        if not connection.execute("SELECT * FROM sqlite_master WHERE name = 'headers'").fetchone():
            return {}
        return dict(connection.execute("SELECT width, count(*) FROM headers GROUP BY width"))
