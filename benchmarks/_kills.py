"""Evaluations that are killed at random moments: what they leave, and what the next one makes of it."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

PIPELINES = ("timm:test_resnet@random/max/rmac:2/pcaw:8", "sift/bow:16/whole")
_KINDS = ("maps", "local", "words")
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
    """The complete files of the stores, by path."""
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for kind in _KINDS
        for path in (cache / kind).rglob("*.safetensors")
    }


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
    history = cache / "runs" / "runs.sqlite"
    if history.exists():
        with contextlib.closing(sqlite3.connect(history)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                failures.append("the history is damaged")
    if complete:
        failures += [f"{name} is missing" for name in expected.keys() - stored.keys()]
        failures += [f"{path.name} is left over" for path in cache.rglob("*.part")]
    return failures
