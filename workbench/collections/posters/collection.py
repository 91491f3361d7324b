"""The embedded collection: 60 posters in cluttered scenes, rendered on first use, always the same."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workbench.collections.collection import Collection, Query
from workbench.collections.posters.art import MEMBERS, SEED, SERIES, poster
from workbench.collections.posters.camera import camera_effects
from workbench.collections.posters.photos import read_photos
from workbench.collections.posters.scenes import (
    FRAMES,
    Photos,
    Pixels,
    backdrop,
    clutter,
    cover,
    paste,
    random_pose,
)
from workbench.collections.posters.views import View
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.rendered_folder import rendered_folder
from workbench.common.progress import Progress, silent
from workbench.common.text import parse_json

VERSION = 2  # of the images; a folder of another version is rendered again
POSTERS = len(SERIES) * MEMBERS
NOTE = "semi-synthetic: real photographs printed on posters and rendered into scenes"
_FACTS = ("visible", "size", "tilt")  # of a view, that a collection keeps
_TRUTH = "ground_truth.json"
# The intended views of each poster in the database; the grade follows from the visibility measured.
_VIEWS = ("plain", "plain", "plain", "far", "tilted", "covered", "cut", "hidden")
_WITHOUT = 150  # scenes without a poster
_COMPANY = 0.12  # probability of a second poster, of another series, in a scene


@dataclass(frozen=True)
class Task:
    """One image to render: the number of its poster (or None), the kind of view, and the random seed."""

    image: str
    number: int | None
    view: str
    seed: tuple[int, ...]


def open_posters(root: Path, progress: Progress = silent) -> Collection:
    """Open the collection in the folder ``root``; render it first if it is missing, damaged or old.

    Raises WorkbenchError if the folder cannot be written or contains other files.
    """
    truth = rendered_folder(root, _read, make, ("scenes", "queries", _TRUTH), progress)
    relevance: dict[str, dict[str, str]] = {query: {} for query in truth["queries"]}
    quadrilaterals, facts = {}, {}
    for view in truth["views"]:
        quadrilaterals[view["query"], view["image"]] = tuple((x, y) for x, y in view["corners"])
        facts[view["query"], view["image"]] = {name: float(view[name]) for name in _FACTS}
        if view["image"] != truth["queries"][view["query"]]["image"]:
            relevance[view["query"]][view["image"]] = view["grade"]
    return Collection(
        name="posters",
        root=root,
        images=tuple(truth["images"]),
        queries=tuple(
            Query(name, query["image"], tuple(query["box"])) for name, query in truth["queries"].items()
        ),
        relevance=relevance,
        protocol=PROTOCOLS["revisited"],
        quadrilaterals=quadrilaterals,
        target_facts=facts,
        notes=(NOTE,),
    )


def make(folder: Path, progress: Progress = silent) -> None:
    """Render the collection into an empty ``folder``: ``scenes/``, ``queries/`` and, last, the ground truth.

    With the same versions of the libraries the bytes are the same, for any number of processors.
    """
    photos = read_photos()
    tasks = plan()
    for name in ("scenes", "queries"):
        (folder / name).mkdir(parents=True)
    views: dict[str, list[View]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        posters = list(
            pool.map(lambda number: np.asarray(poster(photos, number).convert("RGBA")), range(POSTERS))
        )

        def work(task: Task) -> tuple[str, list[View]]:
            data, visible = render(task, posters, photos)
            (folder / task.image).write_bytes(data)
            return task.image, visible

        waiting = [pool.submit(work, task) for task in tasks]
        try:
            for done, future in enumerate(as_completed(waiting), 1):
                image, views[image] = future.result()
                progress("rendering the posters", done, len(tasks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    text = json.dumps(_ground_truth(tasks, views), indent=1)
    (folder / _TRUTH).write_text(text + "\n", encoding="utf-8")


def plan() -> list[Task]:
    """All images of the collection; the names in the database do not depend on the content."""
    views: list[tuple[int | None, str]] = [(number, view) for number in range(POSTERS) for view in _VIEWS]
    views += [(None, "none")] * _WITHOUT
    positions = np.random.default_rng([SEED, 3]).permutation(len(views))
    scenes = [
        Task(f"scenes/{position:03d}.jpg", number, view, (SEED, 4, i))
        for i, (position, (number, view)) in enumerate(zip(positions, views, strict=True))
    ]
    scenes.sort(key=lambda task: task.image)
    return scenes + [Task(f"queries/p{n:02d}.jpg", n, "query", (SEED, 5, n)) for n in range(POSTERS)]


def render(task: Task, posters: Sequence[Pixels], photos: Photos) -> tuple[bytes, list[View]]:
    """Render one image: its JPEG, and the ground truth of the posters in it."""
    rng = np.random.default_rng(task.seed)
    frame = FRAMES[rng.integers(len(FRAMES))]
    scene = backdrop(photos, frame, rng)
    for _ in range(rng.integers(1, 6)):
        paste(scene, clutter(photos, rng), random_pose("anything", rng))
    if task.number is not None:
        if task.view != "query" and rng.random() < _COMPANY:
            series = task.number // MEMBERS
            other = int(rng.choice([number for number in range(POSTERS) if number // MEMBERS != series]))
            paste(scene, posters[other], random_pose("far", rng), other)
        pose = random_pose(task.view, rng)
        paste(scene, posters[task.number], pose, task.number)
        hidden = {"covered": (0.2, 0.38), "hidden": (0.78, 0.92)}.get(task.view)
        if hidden:
            cover(scene, float(rng.uniform(*hidden)), photos, rng)
    if task.view != "query":
        for _ in range(rng.integers(0, 3)):  # small objects in the foreground
            paste(scene, clutter(photos, rng), random_pose("small", rng))
    image = camera_effects(scene.pixels, rng, {"query": 0, "plain": 0.25}.get(task.view, 0.4))
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=int(rng.integers(55, 90)))
    return data.getvalue(), scene.views()


def _ground_truth(tasks: Sequence[Task], views_of: Mapping[str, list[View]]) -> dict[str, Any]:
    """The ground truth as plain data; boxes and corners are pixels of the upright image."""
    queries: dict[str, Any] = {}
    views = []
    for task in tasks:
        for view in views_of[task.image]:
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
    """The ground truth in ``root``; None if it is missing, of another version, or lacks an image."""
    try:
        truth: dict[str, Any] = parse_json((root / _TRUTH).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(truth, dict) or truth.get("version") != VERSION:
        return None
    names = [*truth["images"], *(query["image"] for query in truth["queries"].values())]
    return truth if all((root / name).is_file() for name in names) else None
