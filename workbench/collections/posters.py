"""The embedded collection: sixty posters in cluttered scenes, made on first use and the same everywhere."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from PIL import Image

from workbench.collections.collection import PROTOCOLS, Collection, Query
from workbench.collections.poster_art import MEMBERS, SEED, SERIES, poster
from workbench.collections.poster_photos import read_photos
from workbench.collections.poster_scenes import (
    FRAMES,
    Photos,
    Pixels,
    backdrop,
    clutter,
    cover,
    lay,
    photograph,
    random_pose,
)
from workbench.collections.poster_views import View
from workbench.config import WorkbenchError
from workbench.progress import Progress, silent

VERSION = 2  # of the pictures: a folder of another version is made anew
POSTERS = len(SERIES) * MEMBERS
NOTE = "semi-synthetic: real photographs printed on posters and rendered into scenes"
_TRUTH = "ground_truth.json"
# How each poster is meant to be seen in the database; what was in fact seen is measured.
_VIEWS = ("plain", "plain", "plain", "far", "tilted", "covered", "cut", "hidden")
_WITHOUT = 150  # scenes without a poster
_COMPANY = 0.12  # how often a second poster, of another series, hangs in a scene


@dataclass(frozen=True)
class Task:
    """One photograph to make: which poster (None for none), how it is seen, and the seed of all the rest."""

    image: str
    number: int | None
    view: str
    seed: tuple[int, ...]


def open_posters(root: Path, progress: Progress = silent) -> Collection:
    """Open the collection in the folder ``root``, making it first where it is missing, damaged or old.

    Raises WorkbenchError where the folder cannot be written or holds something else.
    """
    truth = _read(root)
    if truth is None:
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(root.with_name(f".{root.name}.lock")):
                truth = _read(root)  # another process may have made it meanwhile
                if truth is None:
                    _make_anew(root, progress)
                    truth = _read(root)
        except OSError as error:
            raise WorkbenchError(
                f"the posters cannot be made in {str(root)!r} ({error.strerror or error}); "
                "make room there or choose another folder with --cache"
            ) from None
    assert truth is not None  # just made
    relevance: dict[str, dict[str, str]] = {id: {} for id in truth["queries"]}
    quadrilaterals = {}
    for view in truth["views"]:
        quadrilaterals[view["query"], view["image"]] = tuple((x, y) for x, y in view["corners"])
        if view["image"] != truth["queries"][view["query"]]["image"]:
            relevance[view["query"]][view["image"]] = view["grade"]
    return Collection(
        name="posters",
        root=root,
        images=tuple(truth["images"]),
        queries=tuple(Query(id, q["image"], tuple(q["box"])) for id, q in truth["queries"].items()),
        relevance=relevance,
        protocol=PROTOCOLS["revisited"],
        quadrilaterals=quadrilaterals,
        notes=(NOTE,),
    )


def make(folder: Path, progress: Progress = silent) -> None:
    """Render the collection into an empty ``folder``: ``scenes/``, ``queries/`` and, last, its ground truth.

    The bytes are the same with the same versions of the libraries, whatever the number of processors.
    """
    photos = read_photos()
    tasks = plan()
    for name in ("scenes", "queries"):
        (folder / name).mkdir(parents=True)
    seen: dict[str, list[View]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        posters = list(pool.map(lambda n: np.asarray(poster(photos, n).convert("RGBA")), range(POSTERS)))

        def work(task: Task) -> tuple[str, list[View]]:
            data, views = render(task, posters, photos)
            (folder / task.image).write_bytes(data)
            return task.image, views

        waiting = [pool.submit(work, task) for task in tasks]
        try:
            for done, future in enumerate(as_completed(waiting), 1):
                image, seen[image] = future.result()
                progress("making the posters", done, len(tasks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    text = json.dumps(_truth(tasks, seen), indent=1)
    (folder / _TRUTH).write_text(text + "\n", encoding="utf-8")


def plan() -> list[Task]:
    """Every photograph of the collection; the names in the database say nothing of what they show."""
    wanted: list[tuple[int | None, str]] = [(n, view) for n in range(POSTERS) for view in _VIEWS]
    wanted += [(None, "none")] * _WITHOUT
    places = np.random.default_rng([SEED, 3]).permutation(len(wanted))
    scenes = [
        Task(f"scenes/{place:03d}.jpg", number, view, (SEED, 4, i))
        for i, (place, (number, view)) in enumerate(zip(places, wanted, strict=True))
    ]
    scenes.sort(key=lambda task: task.image)
    return scenes + [Task(f"queries/p{n:02d}.jpg", n, "query", (SEED, 5, n)) for n in range(POSTERS)]


def render(task: Task, posters: Sequence[Pixels], photos: Photos) -> tuple[bytes, list[View]]:
    """One photograph as JPEG, and the truth about the posters in it."""
    rng = np.random.default_rng(task.seed)
    frame = FRAMES[rng.integers(len(FRAMES))]
    scene = backdrop(photos, frame, rng)
    for _ in range(rng.integers(1, 6)):
        lay(scene, clutter(photos, rng), random_pose("anything", rng))
    if task.number is not None:
        if task.view != "query" and rng.random() < _COMPANY:
            others = [n for n in range(POSTERS) if n // MEMBERS != task.number // MEMBERS]
            other = int(rng.choice(others))
            lay(scene, posters[other], random_pose("far", rng), other)
        pose = random_pose(task.view, rng)
        lay(scene, posters[task.number], pose, task.number)
        hidden = {"covered": (0.2, 0.38), "hidden": (0.78, 0.92)}.get(task.view)
        if hidden:
            cover(scene, float(rng.uniform(*hidden)), photos, rng)
    if task.view != "query":
        for _ in range(rng.integers(0, 3)):  # small things in the foreground
            lay(scene, clutter(photos, rng), random_pose("small", rng))
    image = photograph(scene.pixels, rng, {"query": 0, "plain": 0.25}.get(task.view, 0.4))
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=int(rng.integers(55, 90)))
    return data.getvalue(), scene.views()


def _truth(tasks: Sequence[Task], seen: Mapping[str, list[View]]) -> dict[str, Any]:
    """The ground truth as plain data; boxes and corners are pixels of the upright image."""
    queries: dict[str, Any] = {}
    views = []
    for task in tasks:
        for view in seen[task.image]:
            corners = [[round(float(value), 2) for value in corner] for corner in view.corners]
            query = f"p{view.number:02d}"
            views.append(
                {
                    "query": query,
                    "image": task.image,
                    "grade": view.grade,
                    "visible": round(view.visible, 4),
                    "tilt": round(view.tilt, 2),
                    "size": round(view.size, 4),
                    "corners": corners,
                }
            )
            if task.view == "query":
                xs, ys = zip(*corners, strict=True)
                queries[query] = {"image": task.image, "box": [min(xs), min(ys), max(xs), max(ys)]}
    images = [task.image for task in tasks if task.view != "query"]
    return {"version": VERSION, "note": NOTE, "images": images, "queries": queries, "views": views}


def _read(root: Path) -> dict[str, Any] | None:
    """The ground truth in ``root``, or None where it is missing, of another version or lacks a picture."""
    try:
        truth: dict[str, Any] = json.loads((root / _TRUTH).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(truth, dict) or truth.get("version") != VERSION:
        return None
    names = [*truth["images"], *(query["image"] for query in truth["queries"].values())]
    return truth if all((root / name).is_file() for name in names) else None


def _make_anew(root: Path, progress: Progress) -> None:
    """Make the collection beside ``root`` and move it there at once, so that no half of it is ever seen."""
    foreign = {p.name for p in root.iterdir()} - {"scenes", "queries", _TRUTH} if root.exists() else set()
    if foreign:
        raise WorkbenchError(
            f"{str(root)!r} holds other files ({min(foreign)!r}), so no posters are made there; "
            "move them or choose another folder with --cache"
        )
    making = root.with_name(f".{root.name}.making")
    shutil.rmtree(making, ignore_errors=True)  # left behind by a process that was killed
    try:
        make(making, progress)
        if root.exists():
            shutil.rmtree(root)
        os.replace(making, root)
    finally:
        shutil.rmtree(making, ignore_errors=True)
