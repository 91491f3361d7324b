"""The embedded videos: clips with posters and copies of them, rendered on first use, always the same."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np

from workbench.collections.collection import Collection, Query
from workbench.collections.posters.art import poster
from workbench.collections.posters.collection import Task
from workbench.collections.posters.collection import render as render_picture
from workbench.collections.posters.photos import read_photos
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.reels.camera import FRAME
from workbench.collections.reels.frames import ClipFrames, Frame, Studio
from workbench.collections.reels.plan import FPS, QUERIES, SEED, ClipPlan, CopyPlan, clips, copies, negatives
from workbench.collections.reels.transformations import copy_frames
from workbench.collections.reels.truth import moment_truth, query_id, stored_clip, stored_copy, video_truth
from workbench.collections.reels.webm import write_webm
from workbench.collections.rendered_folder import rendered_folder
from workbench.collections.video.listing import list_moments
from workbench.collections.video.sampling import DEFAULT, Sampling
from workbench.common.progress import Cancelled, Progress, silent
from workbench.common.text import parse_json

VERSION = 2  # of the videos; a folder of another version is rendered again
NOTE = "semi-synthetic: videos of real photographs, printed on posters and rendered into scenes"
_TRUTH = "ground_truth.json"
_FOLDERS = ("clips", "copies", "queries")
_POLL = 0.1  # seconds between two reports of progress


def open_reels(root: Path, progress: Progress = silent, sampling: Sampling = DEFAULT) -> Collection:
    """Open the collection in the folder ``root``, with moments of its clips by ``sampling``; render it first
    if it is missing, damaged or old.

    Raises WorkbenchError if the folder cannot be written or contains other files.
    """
    stored = rendered_folder(root, _read, make, (*_FOLDERS, _TRUTH), progress)
    listing = list_moments(root, list(stored["clips"]), sampling, progress)
    truth = moment_truth(stored, listing.moments)
    return Collection(
        name="reels",
        root=root,
        images=listing.moments,
        queries=tuple(
            Query(name, query["image"], tuple(query["box"])) for name, query in stored["queries"].items()
        ),
        relevance=truth.relevance,
        protocol=PROTOCOLS["revisited"],
        problems=listing.unread,
        quadrilaterals={**truth.quadrilaterals, **_query_corners(stored)},
        target_facts=truth.facts,
        notes=(NOTE, *listing.notes),
        video_truth=video_truth(stored),
    )


def make(folder: Path, progress: Progress = silent) -> None:
    """Render the collection into a new ``folder``: ``clips/``, ``copies/``, ``queries/`` and, last, the
    ground truth.

    With the same versions of the libraries the bytes are the same, for any number of processors.
    """
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True)
    photos = read_photos()
    plans = clips()
    copied, without = copies(plans), negatives()
    total = sum(clip.frames for clip in (*plans, *without)) + sum(copy.frames for copy in copied)
    written: list[str] = []  # one entry for each frame; appending is atomic
    stopped = threading.Event()

    def counted(frames: Iterator[Frame], name: str) -> Iterator[Frame]:
        for frame in frames:
            if stopped.is_set():
                raise Cancelled
            written.append(name)
            yield frame

    def clip_task(clip: ClipPlan) -> dict[str, Any]:
        rendered = ClipFrames(clip, studio)
        write_webm(folder / clip.name, counted(rendered.frames(), clip.name), FPS, FRAME)
        return stored_clip(clip, rendered.views())

    def copy_task(copy: CopyPlan) -> dict[str, Any]:
        write_webm(folder / copy.name, counted(copy_frames(copy, studio), copy.name), FPS, FRAME)
        return stored_copy(copy)

    def negative_task(clip: ClipPlan) -> dict[str, Any]:
        write_webm(folder / clip.name, counted(ClipFrames(clip, studio).frames(), clip.name), FPS, FRAME)
        return {"frames": clip.frames}

    def query_task(number: int) -> dict[str, Any]:
        return _query(folder, number, studio)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        drawn = pool.map(lambda number: np.asarray(poster(photos, number).convert("RGBA")), QUERIES)
        studio = Studio(photos, dict(zip(QUERIES, drawn, strict=True)))
        tasks: dict[str, dict[str, Future[dict[str, Any]]]] = {
            "clips": {},
            "copies": {},
            "negatives": {},
            "queries": {},
        }

        def submit(kind: str, name: str, task: Callable[[Any], dict[str, Any]], plan: object) -> None:
            tasks[kind][name] = pool.submit(task, plan)

        # The longest first, so that the last ones end at about the same time.
        for clip in sorted(plans, key=lambda clip: -clip.frames):
            submit("clips", clip.name, clip_task, clip)
        for copy in sorted(copied, key=lambda copy: -copy.frames):
            submit("copies", copy.name, copy_task, copy)
        for clip in without:
            submit("negatives", clip.name, negative_task, clip)
        for number in QUERIES:
            submit("queries", query_id(number), query_task, number)
        waiting = {future for group in tasks.values() for future in group.values()}
        try:
            while waiting:
                done, waiting = wait(waiting, _POLL)
                for future in done:
                    future.result()
                progress("rendering the reels", len(written), total)
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    results = {kind: {name: group[name].result() for name in sorted(group)} for kind, group in tasks.items()}
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    text = json.dumps({"version": VERSION, "note": NOTE, **results, "sizes": sizes})
    (folder / _TRUTH).write_text(text + "\n", encoding="utf-8")


def _query(folder: Path, number: int, studio: Studio) -> dict[str, Any]:
    """Write the photo of a poster that is a query, in a scene that no clip shows."""
    name = f"queries/{query_id(number)}.jpg"
    posters = [studio.posters.get(i, np.zeros((1, 1, 4), np.uint8)) for i in range(max(QUERIES) + 1)]
    data, views = render_picture(Task(name, number, "query", (SEED, 5, number)), posters, studio.photos)
    (folder / name).write_bytes(data)
    (view,) = (view for view in views if view.number == number)
    corners = [[round(float(value), 2) for value in corner] for corner in view.corners]
    xs, ys = zip(*corners, strict=True)
    return {"image": name, "box": [min(xs), min(ys), max(xs), max(ys)], "corners": corners}


def _query_corners(stored: dict[str, Any]) -> dict[tuple[str, str], tuple[tuple[float, float], ...]]:
    return {
        (name, query["image"]): tuple((x, y) for x, y in query["corners"])
        for name, query in stored["queries"].items()
    }


def _read(root: Path) -> dict[str, Any] | None:
    """The ground truth in ``root``; None if it is missing, of another version, or a file is not complete."""
    try:
        truth: dict[str, Any] = parse_json((root / _TRUTH).read_text(encoding="utf-8"))
        if not isinstance(truth, dict) or truth.get("version") != VERSION:
            return None
        complete = all((root / name).stat().st_size == size for name, size in truth["sizes"].items())
    except (OSError, ValueError):
        return None
    return truth if complete else None
