"""Search by sketch: edge operators, backbones, pipelines, the distortion of the drawing; and colour layout.

No public set of sketches is at hand, so the queries are no drawings by hand. They are the contours that
another operator (borders of regions: Felzenszwalb and Huttenlocher, IJCV 2004) makes of *other photographs*
of the same thing, distorted as hands draw (``sketch.distortion``): strokes left out, broken, displaced, the
whole turned, zoomed and moved. A person leaves out more, and what matters less. Other pipelines are named as
arguments.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from _photos import DATASETS, photos
from _table import print_table
from PIL import Image
from skimage.segmentation import felzenszwalb, find_boundaries

import workbench
from workbench.bench.bench import Bench
from workbench.collections import images
from workbench.collections.collection import Query
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.queries import query_vector
from workbench.engine.sketch_search import colour_scores, sketch_notes, sketch_scores
from workbench.evaluation import protocols
from workbench.sketch.contours import LONGEST
from workbench.sketch.distortion import distort

SIZE = 320
STRENGTHS = (0.0, 0.5, 1.0)
PIPELINES = (
    "efficientnet_lite0/max/rmac:3",
    "efficientnet_lite0/gem:3/whole",
    "efficientnet_lite0/max/rmac:3/pcaw:128",
    "mobilenet_v2/max/rmac:3",
    "alexnet/max/rmac:3",
)
Drawings = dict[float, list[Image.Image]]  # of all queries, by the strength of the distortion


@dataclass(frozen=True)
class Set:
    """A collection under each edge operator, its ``queries``, and their photographs of LONGEST pixels."""

    title: str
    benches: dict[str, Bench]
    queries: list[Query]
    photos: list[Image.Image]


def sets() -> Iterator[Set]:
    """The posters, and where there are photographs, scenes and groceries."""
    names: dict[str, tuple[str, dict[str, str], int]] = {"posters": ("posters", {}, 1)}
    if DATASETS.is_dir():
        names = {"scenes": (str(DATASETS / "scenes"), {"labels": "folders"}, 4), **names}
        names["grocery"] = (str(_grocery()), {}, 1)
    for title, (name, options, step) in names.items():
        benches = {
            operator: workbench.open(name, size=SIZE, contours=operator, **options)
            for operator in ("hed", "canny")
        }
        collection = benches["hed"].collection
        queries = list(collection.queries[::step])
        pictures = []
        for query in queries:
            picture = images.load(collection.path(query.image), query.box)
            picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC)
            pictures.append(picture)
        yield Set(title, benches, queries, pictures)


def _grocery() -> Path:
    """Six test photos of each grocery: one is the query, and five the database."""
    rng = np.random.default_rng(0)
    rows = []
    labelled = sorted(photos("test"), key=lambda row: (row[1], str(row[0])))
    for _, group in groupby(labelled, key=lambda row: row[1]):
        members = list(group)
        chosen = [members[n] for n in rng.permutation(len(members))[:6]]
        rows += [(*photo, "database" if n else "query") for n, photo in enumerate(chosen)]
    path = Path(tempfile.gettempdir()) / "grocery_sketches.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return path


def contour_drawing(photo: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Distorted borders of the regions of a photograph, black on white."""
    regions = felzenszwalb(np.asarray(photo), scale=150, sigma=0.8, min_size=150)
    lines = distort(find_boundaries(regions, mode="inner"), strength, rng)
    return Image.fromarray(np.where(lines, 0, 255).astype(np.uint8))


def painting(photo: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Regions of a photograph in one of 216 colours each, moved, and a part of them left blank."""
    pixels = np.asarray(photo)
    regions = felzenszwalb(pixels, scale=400, sigma=0.8, min_size=pixels.shape[0] * pixels.shape[1] // 50)
    painted = np.zeros((*regions.shape, 4), np.uint8)
    for number in range(regions.max() + 1):
        if rng.random() >= 0.5 * strength:
            where = regions == number
            colour = np.round(pixels[where].mean(0) / 51) * 51
            painted[where] = (*colour.astype(int), 255)
    x, y = np.round(rng.normal(0, 0.05, 2) * strength * LONGEST).astype(int)
    moved = np.zeros_like(painted)
    height, width = regions.shape
    moved[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = painted[
        max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)
    ]
    return Image.fromarray(moved)


def mean_ap(part: Set, bench: Bench, scores: np.ndarray) -> float:
    """The mAP of scores [Q, N], 0…1, by the collection's protocol."""
    collection = bench.collection
    assert collection.protocol is not None
    row_of = {image: row for row, image in enumerate(collection.images)}
    truth = []
    for query in part.queries:
        grades = {row_of[image]: grade for image, grade in collection.relevance[query.id].items()}
        truth.append({**grades, **({"self": row_of[query.image]} if query.image in row_of else {})})
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, 1)
    return float(protocols.evaluate(list(order), truth, collection.protocol, list(ranked)).mean_ap)


def drawn(part: Set, draw: Callable[[Image.Image, float, np.random.Generator], Image.Image]) -> Drawings:
    """Drawings of all queries, by the strength of the distortion."""
    return {
        strength: [
            draw(photo, strength, np.random.default_rng([3, number, int(100 * strength)]))
            for number, photo in enumerate(part.photos)
        ]
        for strength in STRENGTHS
    }


def measured(
    part: Set, bench: Bench, drawings: Drawings, score: Callable[[Image.Image], np.ndarray]
) -> list[str]:
    """The mAP in percent by the strength of the distortion."""

    def scores(drawing: Image.Image) -> np.ndarray:
        try:
            return score(drawing)
        except WorkbenchError:  # nothing is left of the drawing
            return np.zeros(len(bench.collection.images), np.float32)

    return [
        f"{100 * mean_ap(part, bench, np.stack([scores(drawing) for drawing in sheets])):.1f}"
        for sheets in drawings.values()
    ]


def main(pipelines: tuple[str, ...] = PIPELINES) -> None:
    rows = []
    for part in sets():
        print(part.title, "…", file=sys.stderr, flush=True)
        sketches = drawn(part, contour_drawing)
        for operator, bench in part.benches.items():
            notes = sketch_notes(bench.engine)
            if notes:
                print(f"{operator} is left out: {notes[0]}", file=sys.stderr)
                continue
            for pipeline in pipelines:
                config = bench.engine.config(pipeline)

                def score(drawing: Image.Image, bench: Bench = bench, config: Config = config) -> np.ndarray:
                    return sketch_scores(bench.engine, config, drawing)

                numbers = measured(part, bench, sketches, score)
                rows.append([part.title, operator, f"`{config}`", *numbers])
                print(*rows[-1], file=sys.stderr, flush=True)
        bench = part.benches["canny"]

        def colours(drawing: Image.Image, bench: Bench = bench) -> np.ndarray:
            return colour_scores(bench.engine, drawing)

        numbers = measured(part, bench, drawn(part, painting), colours)
        rows.append([part.title, "", "colour layout", *numbers])
        config = bench.engine.config(pipelines[0])
        described = bench.engine.describe(config)
        vectors = np.concatenate([query_vector(described, photo).numpy() for photo in part.photos])
        photo = mean_ap(part, bench, vectors @ described.database.numpy().T)
        rows.append([part.title, "", f"the photo itself, `{config}`", f"{100 * photo:.1f}", "", ""])
        chance = np.random.default_rng(0).random((20, len(part.queries), len(described.collection.images)))
        random = np.mean([mean_ap(part, bench, scores) for scores in chance])
        rows.append([part.title, "", "random order", f"{100 * random:.1f}", "", ""])
    print_table(
        ["collection", "contours", "compared by", *(f"mAP %, distortion {s:g}" for s in STRENGTHS)], rows
    )
    speed()


def speed() -> None:
    """Print the milliseconds from a drawing to the scores of all posters, warm."""
    bench = workbench.open("posters", size=SIZE, contours="canny")
    photo = images.load(bench.collection.path(bench.collection.images[0]))
    drawing = contour_drawing(photo, 0.5, np.random.default_rng(0))
    rows = []
    for pipeline in PIPELINES:
        config = bench.engine.config(pipeline)
        score = partial(sketch_scores, bench.engine, config, drawing)
        score()
        rows.append([f"`{config}`", _milliseconds(score)])
    score = partial(colour_scores, bench.engine, drawing)
    score()
    rows.append(["colour layout", _milliseconds(score)])
    print_table(["compared by", "ms, median of 20"], rows)


def _milliseconds(work: Callable[[], object]) -> str:
    times = []
    for _ in range(20):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return f"{1000 * np.median(times):.0f}"


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or PIPELINES)
