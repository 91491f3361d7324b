"""Regional attention against weightings that need no training: mAP, and the share of weight on the target.

R-MAC at five levels with the embedded backbone, without and with PCA whitening, which is fitted on the
database and the same for all. Attention is trained on composites of ``imagenet_sample``, from three seeds
each: to retrieve the photo that a composite shows, and through the classifier, for the network's own
predictions and for the classes. Trained files are saved. Differences from even weights are paired by query,
of each query's mean AP over the seeds, with a 95 % bootstrap interval. All choices were made on ``grocery
train``, plain and among clutter. Further attention files can be given as arguments.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from _clutter import Targets, cluttered, write_table
from _photos import DATASETS, photos
from _table import print_table

import workbench
from workbench.bench.bench import Bench
from workbench.collections import images
from workbench.common.files import replace_file
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.descriptors.aggregation import PooledRegions, pool_regions, sum_regions
from workbench.descriptors.attention import Attention, areas, places
from workbench.descriptors.pooling import pool, shares
from workbench.descriptors.weighting import centre_prior, region_weights
from workbench.engine.description import DescribedCollection
from workbench.evaluation import protocols
from workbench.evaluation.comparison import paired_difference
from workbench.explain.localisation import Target, coverage
from workbench.features.cards import trained_path
from workbench.learning.attention.data import TrainingData
from workbench.learning.attention.train import TARGETS, AttentionSettings, fit

SEEDS = (0, 1, 2)
RMAC = "efficientnet_lite0/max/rmac:5"
CONTROLS = ("even weights", "area of the region", "centre prior")
KINDS = {targets: AttentionSettings(targets=targets) for targets in TARGETS}
TIMES_PRIOR = " × centre prior"


class Task(NamedTuple):
    """The rows of queries and of the database, and the ground truth of each query."""

    title: str
    queries: Sequence[int]
    database: Sequence[int]
    ground_truth: list[dict[Any, Any]]
    protocol: Any


def attentions() -> dict[str, list[Attention]]:
    """The attention of each kind from three seeds, trained unless it is saved, and that of other files."""
    attentions = {Path(file).stem: [Attention.load(file)] for file in sys.argv[1:]}
    source = DATASETS / "imagenet_sample"
    if not source.is_dir():
        print("The folder imagenet_sample is missing, so nothing is trained.\n")
        return attentions
    for seed in SEEDS:
        bench = workbench.open(source, seed=seed)
        paths = {kind: trained_path(bench.options.cache, f"{kind}-{seed}") for kind in KINDS}
        missing = [kind for kind in KINDS if not paths[kind].exists()]
        if missing:
            data = TrainingData.of(bench.collection, bench.options, "efficientnet_lite0", True).readable()
            with tempfile.TemporaryDirectory() as folder:
                print(f"seed {seed}: making composites", file=sys.stderr)
                pictures = data.pictures(KINDS[missing[0]].composites, 5, Path(folder))
                for kind in missing:
                    print(f"training {kind}-{seed}", file=sys.stderr)
                    checkpoint = Path(folder) / kind
                    trained = fit(data, pictures, KINDS[kind], checkpoint, report=_print_epoch)
                    replace_file(paths[kind], trained.to_bytes())
        for kind in KINDS:
            attentions.setdefault(kind, []).append(Attention.load(paths[kind]))
    return attentions


def _print_epoch(epoch: object) -> None:
    print(epoch, file=sys.stderr)


def collections(folder: Path) -> Iterator[tuple[Bench, Targets]]:
    """Each collection, and the known targets in its pictures."""
    if (DATASETS / "grocery").is_dir() and (DATASETS / "scenes").is_dir():
        train, test = photos("train"), photos("test")
        for split, rows, shown, database in (
            ("train", train, train[::2], train[1::2]),
            ("test", test, test, train),
        ):
            yield workbench.open(write_table(folder / f"grocery {split}.csv", rows)), {}
            for central in (True, False):
                place = "in the middle" if central else "off the middle"
                yield cluttered(folder, f"grocery {split} {place} of clutter", shown, database, central)
    else:
        print("grocery or scenes is missing, and grocery is left out.\n")
    if (DATASETS / "scenes").is_dir():
        yield workbench.open(DATASETS / "scenes", "folders"), {}
    else:
        print("scenes is missing, and is left out.\n")
    bench = workbench.open("posters")
    targets: Targets = {}
    for (query, image), corners in bench.collection.quadrilaterals.items():
        if bench.collection.relevance[query].get(image, "junk") != "junk":
            path = bench.collection.path(image)
            header = images.header(path)
            targets.setdefault(path, []).append(Target(corners, (0, 0, header.width, header.height)))
    yield bench, targets


def tasks(described: DescribedCollection) -> Iterator[Task]:
    """The task of the collection, and its reverse: scenes as queries for the posters they show."""
    collection, count = described.collection, len(described.collection.images)
    queries = described.query_rows()
    yield Task(collection.name, queries, range(count), described.ground_truth(), collection.protocol)
    if collection.quadrilaterals:
        shown: dict[int, dict[Any, Any]] = {}
        for position, grades in enumerate(described.ground_truth()):
            for row, grade in grades.items():
                if row != "self" and grade != "junk":
                    shown.setdefault(row, {})[position] = "positive"
        yield Task("posters, with scenes as queries", list(shown), queries, list(shown.values()), "labels")


def weighted(
    described: DescribedCollection, trained_attentions: dict[str, list[Attention]], targets: Targets
) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """The vectors of all pictures by each weighting, and the mean share of its weight on the targets."""
    vectors: dict[str, torch.Tensor] = {}
    inside: dict[str, list[float]] = {}
    for positions, stored in described.source.batches(described.keys[0], 0):
        maps = stored.float()
        height, width = maps.shape[2:]
        pools = pool_regions(maps, described.config)
        grid = pools.regions
        even = torch.ones(len(maps), len(grid))
        area = areas(grid, height, width)
        centre = region_weights(centre_prior(height, width)[None, None], grid)[..., 0]
        weights = dict(zip(CONTROLS, (even, area * even, centre * even), strict=True))
        means, around = pool(maps, grid, "mean"), maps.mean((2, 3))[:, None]
        for kind, trained in trained_attentions.items():
            for n, attend in enumerate(trained):
                attended = attend(means, around, places(grid, height, width))
                attended = attended * centre ** attend.about.get("centre", 0)
                weights |= {f"{kind} {n}": attended, f"{kind}{TIMES_PRIOR} {n}": attended * centre}
        apart = PooledRegions(pools.vectors, None, grid)
        regions = sum_regions(apart, described.config, described.descriptors.regional, keep=True).total
        cells = shares(grid, height, width).flatten(1)
        on_target = [
            (row, cells.float() @ torch.from_numpy(coverage(target, height, width).ravel()).float())
            for row, position in enumerate(positions)
            for target in targets.get(described.pictures[position].path, ())
        ]
        for name, weight in weights.items():
            total = torch.nn.functional.normalize((weight[..., None] * regions).sum(1), dim=1)
            vectors.setdefault(name, torch.zeros(len(described.pictures), total.shape[1]))[positions] = total
            for row, share in on_target:
                inside.setdefault(name, []).append(float(weight[row] @ share / weight[row].sum()))
    return vectors, {name: float(np.mean(shares_inside)) for name, shares_inside in inside.items()}


def table(task: Task, vectors: dict[str, torch.Tensor], inside: dict[str, float], whitening: str) -> float:
    """Print the table of a task, and return the mAP of even weights."""
    lines = [(name, [name], False) for name in CONTROLS]
    kinds = dict.fromkeys(name.rpartition(" ")[0] for name in vectors if name not in CONTROLS)
    for kind in kinds:
        names = [name for name in vectors if name.rpartition(" ")[0] == kind]
        lines.append((f"attention, {kind}", names, False))
        if kind == TARGETS[0]:
            lines.append(("… of the query alone", names, True))
    reference: np.ndarray | None = None
    rows, columns = [], []
    for title, names, query_alone in lines:
        scores = []
        for name in names:
            database = vectors[CONTROLS[0] if query_alone else name][list(task.database)]
            order = (
                (vectors[name][list(task.queries)] @ database.T).sort(descending=True, stable=True).indices
            )
            scores.append(protocols.evaluate(list(order.numpy()), task.ground_truth, task.protocol))
        ap = np.mean([seed.per_query["ap"] for seed in scores], axis=0)
        metrics = [name for name in scores[0].metrics if name.startswith("mAP")]
        mean_aps = [100 * seed.mean_ap for seed in scores]
        row = [title, *(f"{100 * np.mean([seed.metrics[m] for seed in scores]):.1f}" for m in metrics)]
        row.append(f"{min(mean_aps):.1f} to {max(mean_aps):.1f}" if len(mean_aps) > 1 else "")
        if reference is None:
            reference = ap
            row.append("")
        else:
            change = paired_difference(reference, ap)
            interval = f"({100 * change.low:.1f} to {100 * change.high:.1f})"
            row.append(f"{100 * change.mean:+.1f} {interval}")
        if inside:
            row.append("" if query_alone else f"{100 * np.mean([inside[name] for name in names]):.1f}")
        rows.append(row)
        columns = ["weights", *(f"{m.replace('_', ' ')} %" for m in metrics), "seeds", "difference (95 %)"]
    print(f"{task.title}: {RMAC}{whitening}, {len(task.queries)} queries, {len(task.database)} images\n")
    print_table(columns + ["weight on the target %"] * bool(inside), rows)
    assert reference is not None
    return float(np.nanmean(reference))


def main() -> None:
    trained_attentions = attentions()
    with tempfile.TemporaryDirectory() as folder:
        for bench, targets in collections(Path(folder)):
            for whitening in ("", "/pcaw:256"):
                described = bench.engine.describe(Config.parse(f"{RMAC}{whitening}"), silent)
                vectors, inside = weighted(described, trained_attentions, targets)
                even, *_ = [table(task, vectors, inside, whitening) for task in tasks(described)]
            # Even weights computed here agree with the pipeline.
            mean_ap = bench.evaluate(f"{RMAC}/pcaw:256", localise=False).mean_ap
            assert abs(mean_ap - even) < 2e-3, (mean_ap, even)


if __name__ == "__main__":
    main()
