"""The strength of whitening on collections of all sizes: the loss or gain of mAP from no whitening.

Whitening is fitted to the collection itself, as it is for a folder of one's own photos. Collections are
``posters``, ``scenes`` and ``grocery`` whole, and subsets of them: of some queries' images with as many other
images, or of some classes with some photos of each. Each cell is the mean difference in points of mAP over
the collections of a column, and the smallest difference in brackets.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from _photos import DATASETS, grocery
from _table import print_table

import workbench
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.engine.default_pipeline import FEW_IMAGES, WEAK_STRENGTH
from workbench.engine.evaluate import evaluate

POOLINGS = ("max/rmac:3", "mean/whole")
STEPS = ("pca:256", *(f"pcaw:256:{strength:g}" for strength in (0.25, 0.5, 0.75)), "pcaw:256", "pcaw:64")
RULE = f"the default: none below {FEW_IMAGES} images, else {WEAK_STRENGTH:g}"
SIZES = (50, FEW_IMAGES, 10_000)  # columns: collections of fewer images than each
QUERIES = (2, 5, 10, 20, 40)  # of posters
# classes, and photos of each
CLASSES = ((2, 10), (3, 7), (5, 4), (5, 12), (10, 4), (10, 18), (20, 5), (30, 10), (40, 12), (60, 8))


def subset(bench: Bench, images: Iterable[str], queries: Iterable[str]) -> Bench:
    """A bench of some images and queries of another, with the same stored maps."""
    collection, images, queries = bench.collection, set(images), set(queries)
    part = replace(
        collection,
        images=tuple(image for image in collection.images if image in images),
        queries=tuple(query for query in collection.queries if query.id in queries),
        relevance={
            query: {image: grade for image, grade in grades.items() if image in images}
            for query, grades in collection.relevance.items()
            if query in queries
        },
        labels={image: label for image, label in collection.labels.items() if image in images},
    )
    return Bench(part, bench.options)


def subsets(bench: Bench, rng: random.Random) -> Iterator[Bench]:
    """A collection, and random subsets of it."""
    yield bench
    collection = bench.collection
    if not collection.labels:
        for count in QUERIES:
            for _ in range(2):
                queries = rng.sample([query.id for query in collection.queries], count)
                graded = {image for query in queries for image in collection.relevance[query]}
                others = [image for image in collection.images if image not in graded]
                for extra in (0, len(graded)):
                    yield subset(bench, graded | set(rng.sample(others, min(extra, len(others)))), queries)
        return
    classes = defaultdict(list)
    for image, label in collection.labels.items():
        classes[label].append(image)
    for count, each in CLASSES:
        large = [label for label, images in classes.items() if len(images) >= each]
        if len(large) < count:
            continue
        for _ in range(2):
            images = [
                image for label in rng.sample(large, count) for image in rng.sample(classes[label], each)
            ]
            yield subset(bench, images, images)


def main() -> None:
    opened = {"posters": workbench.open("posters")}
    if (DATASETS / "scenes").is_dir():
        opened["scenes"] = workbench.open(DATASETS / "scenes", "folders")
    if (DATASETS / "grocery").is_dir():
        opened["grocery"] = workbench.open(grocery("train"))
    for pooling in POOLINGS:
        whole: dict[str, dict[str, float]] = defaultdict(dict)
        changes: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        rng = random.Random(0)
        for name, bench in opened.items():
            for part in subsets(bench, rng):
                count = len(part.collection.images)
                column = next(f"fewer than {size:,}" for size in SIZES if count < size)
                described = f"efficientnet_lite0/{pooling}"
                means = {
                    step: 100
                    * evaluate(part.engine.searcher(Config.parse(f"{described}/{step}".strip("/")))).mean_ap
                    for step in ("", *STEPS)
                }
                means[RULE] = means["" if count < FEW_IMAGES else f"pcaw:256:{WEAK_STRENGTH:g}"]
                for step in (*STEPS, RULE):
                    changes[step][column].append(means[step] - means[""])
                if part is bench:
                    for step, mean in means.items():
                        whole[step][name] = mean
                print(name, count, {step: round(mean, 1) for step, mean in means.items()}, file=sys.stderr)
        columns = [f"fewer than {size:,}" for size in SIZES]
        counts = {column: len(changes[RULE][column]) for column in columns}
        rows = [["none", *(f"{whole[''][name]:.1f}" for name in opened), *("" for _ in columns)]]
        for step in (*STEPS, RULE):
            cells = [f"{whole[step][name]:.1f}" for name in opened]
            for column in columns:
                values = changes[step][column]
                cells.append(f"{sum(values) / len(values):+.1f} ({min(values):+.1f})" if values else "")
            rows.append([step, *cells])
        sized = [f"{column} images ({counts[column]} sets)" for column in columns]
        print_table([pooling, *(f"{name}, mAP %" for name in opened), *sized], rows)


if __name__ == "__main__":
    main()
