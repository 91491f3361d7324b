"""ONE on ``grocery`` among ``imagenet_sample``: classes and rankings by one search of regions, beside a
linear probe on the frozen network and plain nearest neighbours of global descriptors.

The database are grocery's 972 training photos, and for mAP besides 1,000 other photos as negatives; 648 test
photos ask. Intervals are of 95 %, by bootstrap over the queries.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _photos import DATASETS
from _table import print_table
from sklearn.linear_model import LogisticRegression

import workbench
from workbench import one
from workbench.config import Config
from workbench.described import Describer, Ready
from workbench.evaluation import protocols
from workbench.progress import silent
from workbench.region_search import RegionSearch
from workbench.search.sets import Nearest

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

    ready: Ready
    queries: list[int]
    labelled: list[int]
    labels: list[Mapping[str, str]]  # fine, coarse


def table(split: str) -> list[dict[str, str]]:
    with (DATASETS / "grocery" / f"{split}.csv").open() as file:
        return list(csv.DictReader(file))


def collection() -> Path:
    target = Path(tempfile.gettempdir()) / "grocery_one.csv"
    rows = [("path", "label", "split")]
    for split, use in (("train", "database"), ("test", "query")):
        rows += [(str(DATASETS / "grocery" / row["path"]), row["fine_label"], use) for row in table(split)]
    with target.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return target


def data(bench: workbench.Workbench, pipeline: str) -> Data:
    ready = Describer(bench.collection, bench.options).describe(Config.parse(pipeline).description, silent)
    truth = {DATASETS / "grocery" / row["path"]: row for s in ("train", "test") for row in table(s)}
    names = [*bench.collection.images, *(query.image for query in bench.collection.queries)]
    row_of = {name: truth[path] for name in names if (path := bench.collection.path(name)) in truth}
    labels = [{name: row[kind] for name, row in row_of.items()} for kind in ("fine_label", "coarse_label")]
    labelled = [n for n, name in enumerate(ready.collection.images) if name in row_of]
    return Data(ready, ready.query_rows(), labelled, labels)


def classes(found: Data, kind: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The numbers of the classes of labelled images and of queries, and how many there are."""
    labels, ids = found.labels[kind], found.ready.collection.images
    names = sorted(set(labels.values()))
    ours = np.array([names.index(labels[ids[row]]) for row in found.labelled])
    theirs = np.array([names.index(labels[query.image]) for query in found.ready.collection.queries])
    return ours, theirs, len(names)


def row_of(name: str, found: Data, right: list[np.ndarray], scores: np.ndarray, size: float) -> list[str]:
    """A row of the table: accuracies by fine and coarse labels, and mAP by fine ones among distractors."""
    ranks = np.argsort(-scores, axis=1, kind="stable")
    per_query = protocols.evaluate(ranks, found.ready.truth(), "labels").per_query["ap"].to_numpy()
    return [name, *(interval(values) for values in (*right, per_query)), f"{size:.0f}"]


def interval(values: np.ndarray) -> str:
    drawn = np.random.default_rng(0).integers(0, len(values), (SAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values, float)[drawn].mean(1), [2.5, 97.5])
    return f"{100 * np.mean(values):.1f} ({100 * low:.1f}–{100 * high:.1f})"


def by_neighbours(bench: workbench.Workbench, pipeline: str, k: int) -> list[str]:
    found = data(bench, pipeline)
    vectors = found.ready.described.vectors.numpy()
    scores = vectors[found.queries] @ found.ready.database.numpy().T
    nearest = np.argsort(-scores[:, found.labelled], axis=1, kind="stable")[:, :k]
    right = []
    for kind in (0, 1):
        ours, theirs, count = classes(found, kind)
        votes = np.zeros((len(theirs), count))
        for place in range(k):  # the nearest decides where votes are equal
            np.add.at(votes, (np.arange(len(theirs)), ours[nearest[:, place]]), 1 + 1e-3 / (1 + place))
        right.append(votes.argmax(1) == theirs)
    return row_of(f"{k} nearest, `{pipeline}`", found, right, scores, 4 * vectors.shape[1])


def by_probe(bench: workbench.Workbench) -> list[str]:
    found = data(bench, GLOBAL[0])
    vectors = found.ready.described.vectors.numpy()
    right, scores = [], np.zeros(0)
    for kind in (0, 1):
        ours, theirs, _ = classes(found, kind)
        probe = LogisticRegression(C=100, max_iter=2000).fit(vectors[found.labelled], ours)
        right.append(probe.predict(vectors[found.queries]) == theirs)
        if kind == 0:
            alike = probe.predict_proba(vectors) ** 0.5
            scores = alike[found.queries] @ alike[: len(found.ready.database)].T
    return row_of(f"linear probe, `{GLOBAL[0]}`", found, right, scores, 4 * vectors.shape[1])


def by_one(bench: workbench.Workbench, pipeline: str) -> list[str]:
    found = data(bench, pipeline)
    made = one.index(found.ready, Config.parse(pipeline), RegionSearch(), silent)
    distances, right = [], ([], [])
    known = [classes(found, kind) for kind in (0, 1)]
    for n, row in enumerate(found.queries):
        nearest = made.sets.nearest(one.regions_of(found.ready, found.ready.maps(row)[0]).vectors)
        distances.append(nearest.distances.mean(0))
        some = Nearest(nearest.distances[:, found.labelled], nearest.rows[:, found.labelled])
        for kind, (ours, theirs, count) in enumerate(known):
            right[kind].append(one.by_class(some, ours, count).distances.mean(0).argmin() == theirs[n])
    codes = made.sets.codes
    each = 4 * made.sets.vectors.shape[1] if codes is None else codes.shape[1]
    size = each * made.sets.starts[-1] / len(made.sets)
    return row_of(f"ONE, `{pipeline}`", found, [*map(np.array, right)], -np.array(distances), size)


def main() -> None:
    bench = workbench.open(collection(), distractors=str(DATASETS / "imagenet_sample"), size=320)
    rows = [by_probe(bench)]
    rows += [by_neighbours(bench, pipeline, k) for pipeline in GLOBAL for k in (1, NEIGHBOURS)]
    rows += [by_one(bench, pipeline) for pipeline in ONE]
    columns = ["", "accuracy, 81 classes, %", "accuracy, 43 classes, %", "mAP %", "bytes an image"]
    print_table(columns, rows)


if __name__ == "__main__":
    main()
