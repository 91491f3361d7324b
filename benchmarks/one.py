"""ONE on ``grocery`` among ``imagenet_sample``: classes and rankings by one search of regions, against a
linear probe on the frozen network and against nearest neighbours of global descriptors.

The database is grocery's 972 training photos, and for mAP also 1,000 other photos as negatives; the queries
are 648 test photos. Intervals are of 95 %, by bootstrap over the queries.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _photos import DATASETS, RESIZE
from _table import print_table
from sklearn.linear_model import LogisticRegression

import workbench
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.engine import one
from workbench.engine.description import DescribedCollection
from workbench.engine.description_cache import DescriptionCache
from workbench.engine.image_regions import build_region_sets
from workbench.engine.region_search import RegionSearch
from workbench.evaluation import protocols
from workbench.search.region_sets import NearestMembers

NETWORK = "efficientnet_lite0"
GLOBAL = (f"{NETWORK}/mean/whole", f"{NETWORK}/max/whole", f"{NETWORK}/mean/whole/pca:256")
ONE = (
    f"{NETWORK}/mean/grid:2x2/pca:256",
    f"{NETWORK}/mean/grid:3x3/pca:256",
    f"{NETWORK}/mean/rmac:2/pca:256",
    f"{NETWORK}/mean/rmac:3/pca:256",
    f"{NETWORK}/max/rmac:3/pca:256",
    f"{NETWORK}/mean/proposals:20/pca:256",
    f"{NETWORK}/mean/rmac:3/pca:128",
    f"{NETWORK}/mean/rmac:3/pca:256/pq:32",
    f"{NETWORK}/mean/rmac:3/pca:256/pq:16",
)
NEIGHBOURS = 5
SAMPLES = 2000


class Data(NamedTuple):
    """A described database, the rows of queries and of labelled images, and both kinds of labels."""

    described: DescribedCollection
    queries: list[int]
    labelled: list[int]
    labels: list[Mapping[str, str]]  # fine, coarse


def table(split: str) -> list[dict[str, str]]:
    with (DATASETS / "grocery" / f"{split}.csv").open() as file:
        return list(csv.DictReader(file))


def collection() -> Path:
    """A CSV file of the photos: training photos are the database, test photos the queries."""
    target = Path(tempfile.gettempdir()) / "grocery_one.csv"
    rows = [("path", "label", "split")]
    for split, use in (("train", "database"), ("test", "query")):
        rows += [(str(DATASETS / "grocery" / row["path"]), row["fine_label"], use) for row in table(split)]
    with target.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return target


def data(bench: workbench.Workbench, pipeline: str) -> Data:
    """Describe the photos by a pipeline, and read their labels."""
    described = DescriptionCache(bench.collection, bench.options).describe(
        Config.parse(pipeline).description, silent
    )
    label_rows = {DATASETS / "grocery" / row["path"]: row for s in ("train", "test") for row in table(s)}
    names = [*bench.collection.images, *(query.image for query in bench.collection.queries)]
    row_of = {name: label_rows[path] for name in names if (path := bench.collection.path(name)) in label_rows}
    labels = [{name: row[kind] for name, row in row_of.items()} for kind in ("fine_label", "coarse_label")]
    labelled = [n for n, name in enumerate(described.collection.images) if name in row_of]
    return Data(described, described.query_rows(), labelled, labels)


def classes(photos: Data, kind: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The class numbers of labelled images and of queries, and the number of classes."""
    labels, ids = photos.labels[kind], photos.descriptors.collection.images
    names = sorted(set(labels.values()))
    image_classes = np.array([names.index(labels[ids[row]]) for row in photos.labelled])
    query_classes = np.array(
        [names.index(labels[query.image]) for query in photos.descriptors.collection.queries]
    )
    return image_classes, query_classes, len(names)


def row_of(name: str, photos: Data, correct: list[np.ndarray], scores: np.ndarray, size: float) -> list[str]:
    """A row of the table: accuracies by fine and coarse labels, and mAP by fine labels among distractors."""
    ranks = np.argsort(-scores, axis=1, kind="stable")
    per_query = (
        protocols.evaluate(ranks, photos.descriptors.ground_truth(), "labels").per_query["ap"].to_numpy()
    )
    return [name, *(interval(values) for values in (*correct, per_query)), f"{size:.0f}"]


def interval(values: np.ndarray) -> str:
    """The mean in per cent, with its bootstrap interval."""
    drawn = np.random.default_rng(0).integers(0, len(values), (SAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values, float)[drawn].mean(1), [2.5, 97.5])
    return f"{100 * np.mean(values):.1f} ({100 * low:.1f}–{100 * high:.1f})"


def by_neighbours(bench: workbench.Workbench, pipeline: str, k: int) -> list[str]:
    """The row of classification by the k nearest neighbours."""
    photos = data(bench, pipeline)
    vectors = photos.descriptors.descriptors.vectors.numpy()
    scores = vectors[photos.queries] @ photos.descriptors.database.numpy().T
    nearest = np.argsort(-scores[:, photos.labelled], axis=1, kind="stable")[:, :k]
    correct = []
    for kind in (0, 1):
        image_classes, query_classes, count = classes(photos, kind)
        votes = np.zeros((len(query_classes), count))
        for rank in range(k):  # a tie goes to the class of the nearest
            np.add.at(
                votes, (np.arange(len(query_classes)), image_classes[nearest[:, rank]]), 1 + 1e-3 / (1 + rank)
            )
        correct.append(votes.argmax(1) == query_classes)
    return row_of(f"{k} nearest, `{pipeline}`", photos, correct, scores, 4 * vectors.shape[1])


def by_probe(bench: workbench.Workbench) -> list[str]:
    """The row of classification by a linear probe."""
    photos = data(bench, GLOBAL[0])
    vectors = photos.descriptors.descriptors.vectors.numpy()
    correct, scores = [], np.zeros(0)
    for kind in (0, 1):
        image_classes, query_classes, _ = classes(photos, kind)
        probe = LogisticRegression(C=100, max_iter=2000).fit(vectors[photos.labelled], image_classes)
        correct.append(probe.predict(vectors[photos.queries]) == query_classes)
        if kind == 0:
            probabilities = probe.predict_proba(vectors) ** 0.5
            scores = probabilities[photos.queries] @ probabilities[: len(photos.descriptors.database)].T
    return row_of(f"linear probe, `{GLOBAL[0]}`", photos, correct, scores, 4 * vectors.shape[1])


def by_one(bench: workbench.Workbench, pipeline: str) -> list[str]:
    """The row of classification by ONE."""
    photos = data(bench, pipeline)
    region_sets = build_region_sets(photos.descriptors, Config.parse(pipeline), RegionSearch(), silent)
    distances, correct = [], ([], [])
    class_numbers = [classes(photos, kind) for kind in (0, 1)]
    for number, row in enumerate(photos.queries):
        nearest = region_sets.sets.nearest(
            one.describe_regions(photos.descriptors, photos.descriptors.maps(row)[0]).vectors
        )
        distances.append(nearest.distances.mean(0))
        labelled = NearestMembers(nearest.distances[:, photos.labelled], nearest.rows[:, photos.labelled])
        for kind, (image_classes, query_classes, count) in enumerate(class_numbers):
            correct[kind].append(
                one.nearest_by_class(labelled, image_classes, count).distances.mean(0).argmin()
                == query_classes[number]
            )
    codes = region_sets.sets.codes
    region_bytes = 4 * region_sets.sets.vectors.shape[1] if codes is None else codes.shape[1]
    size = region_bytes * region_sets.sets.starts[-1] / len(region_sets.sets)
    return row_of(f"ONE, `{pipeline}`", photos, [*map(np.array, correct)], -np.array(distances), size)


def main() -> None:
    bench = workbench.open(
        collection(), distractors=str(DATASETS / "imagenet_sample"), size=320, resize=RESIZE
    )
    rows = [by_probe(bench)]
    rows += [by_neighbours(bench, pipeline, k) for pipeline in GLOBAL for k in (1, NEIGHBOURS)]
    rows += [by_one(bench, pipeline) for pipeline in ONE]
    columns = ["", "accuracy, 81 classes, %", "accuracy, 43 classes, %", "mAP %", "bytes an image"]
    print_table(columns, rows)


if __name__ == "__main__":
    main()
