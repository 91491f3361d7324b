"""Regional attention against weightings that need no training: mAP, and the share of weight on the target.

R-MAC at five levels with the embedded backbone, without and with PCA whitening, which is fitted on the
database and the same for all. Attention is trained on composites of ``imagenet_sample``: to its classes, and
without labels to the network's own predictions, also by area, from three seeds each; what is trained is kept.
Differences are paired by query against even weights, of each query's mean AP over the seeds, with a 95 %
bootstrap interval. What could be chosen was chosen on ``grocery train``.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from _photos import DATASETS, photos
from _table import print_table

import workbench
from workbench.collections import images
from workbench.described import Ready
from workbench.descriptors.attention import Attention, areas, learned
from workbench.descriptors.describe import Pooled, pooled, summed
from workbench.descriptors.pooling import pool, shares
from workbench.descriptors.weighting import centre_prior, region_weights
from workbench.evaluation import protocols
from workbench.evaluation.comparison import paired_difference
from workbench.learning.attention.composites import composites, decode_photos
from workbench.learning.attention.data import TrainingData
from workbench.learning.attention.train import Settings, fit
from workbench.localisation import Target, coverage
from workbench.pipeline import Workbench
from workbench.progress import silent
from workbench.writing import replace_file

SEEDS = (0, 1, 2)
RMAC = "efficientnet_lite0/max/rmac:5"
CONTROLS = ("even weights", "area of the region", "centre prior")
KINDS = {
    "labels": Settings(targets="labels"),
    "predictions": Settings(),
    "predictions-by-area": Settings(area=True),
}
CLUTTERED = 300  # queries
Targets = dict[Path, list[Target]]  # what is looked for in a picture


class Task(NamedTuple):
    """Rows that ask and rows that are asked, and which of the latter are right for each of the former."""

    title: str
    asking: Sequence[int]
    database: Sequence[int]
    truth: list[dict[Any, Any]]
    protocol: Any


def attentions() -> dict[str, list[Attention]]:
    """The three trainings of each kind, trained where they are not there yet."""
    place = DATASETS / "imagenet_sample"
    if not place.is_dir():
        print("Without the folder imagenet_sample there is nothing to train on: controls only.\n")
        return {}
    found: dict[str, list[Attention]] = {}
    for seed in SEEDS:
        bench = workbench.open(place, seed=seed)
        paths = {kind: learned(bench.options.cache, f"{kind}-{seed}") for kind in KINDS}
        missing = [kind for kind in KINDS if not paths[kind].exists()]
        if missing:
            data = TrainingData.of(bench.collection, bench.options, "efficientnet_lite0").readable()
            with tempfile.TemporaryDirectory() as folder:
                print(f"seed {seed}: making composites", file=sys.stderr)
                regions, shown = data.pictures(1000, 5, Path(folder))
                for kind in missing:
                    print(f"training {kind}-{seed}", file=sys.stderr)
                    checkpoint = Path(folder) / kind
                    trained = fit(data, regions, shown, KINDS[kind], checkpoint, report=_say)
                    replace_file(paths[kind], trained.to_bytes())
        for kind in KINDS:
            found.setdefault(kind, []).append(Attention.load(paths[kind]))
    return found


def _say(epoch: object) -> None:
    print(epoch, file=sys.stderr)


def collections(folder: Path) -> Iterator[tuple[Workbench, Targets]]:
    """Each collection, and what is looked for in which of its pictures, as far as that is known."""
    if (DATASETS / "grocery").is_dir():
        train, test = photos("train"), photos("test")
        yield workbench.open(_table(folder / "grocery train.csv", train)), {}
        yield cluttered(folder, "grocery train among clutter", train[::2], train[1::2])
        yield workbench.open(_table(folder / "grocery test.csv", test)), {}
        yield cluttered(folder, "grocery test among clutter", test, train)
    else:
        print("grocery is not here, and is left out.\n")
    if (DATASETS / "scenes").is_dir():
        yield workbench.open(DATASETS / "scenes", "folders"), {}
    else:
        print("scenes is not here, and is left out.\n")
    bench = workbench.open("posters")
    targets: Targets = {}
    for (query, image), corners in bench.collection.quadrilaterals.items():
        if bench.collection.relevance[query].get(image, "junk") != "junk":
            path = bench.collection.path(image)
            header = images.header(path)
            targets.setdefault(path, []).append(Target(corners, (0, 0, header.width, header.height)))
    yield bench, targets


def _table(path: Path, rows: Sequence[tuple[Any, ...]], columns: Sequence[str] = ("path", "label")) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def cluttered(
    folder: Path, title: str, shown: Sequence[tuple[Path, str]], database: Sequence[tuple[Path, str]]
) -> tuple[Workbench, Targets]:
    """Photos pasted into clutter as queries, as composites to train on are made, against clean photos."""
    drawn = np.random.default_rng(7).permutation(len(shown))[:CLUTTERED]
    photos = decode_photos([shown[row][0] for row in drawn], 512)
    rows: list[tuple[Any, ...]] = [(*photo, "database") for photo in database]
    targets: Targets = {}
    place = folder / title
    place.mkdir()
    for number, one in enumerate(composites(photos, len(photos), seed=7)):
        path = place / f"{number:03}.png"
        one.picture.save(path)
        x0, y0, x1, y1 = one.box
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        targets[path] = [Target(corners, (0, 0, *one.picture.size))]
        rows.append((path, shown[drawn[one.photo]][1], "query"))
    table = _table(folder / f"{title}.csv", rows, ("path", "label", "split"))
    return workbench.open(table), targets


def tasks(ready: Ready) -> Iterator[Task]:
    """What the collection asks; and its scenes asking for the posters they show: clutter against clean."""
    collection, count = ready.collection, len(ready.collection.images)
    queries = ready.query_rows()
    yield Task(collection.name, queries, range(count), ready.truth(), collection.protocol)
    if collection.quadrilaterals:
        shown: dict[int, dict[Any, Any]] = {}
        for position, grades in enumerate(ready.truth()):
            for row, grade in grades.items():
                if row != "self" and grade != "junk":
                    shown.setdefault(row, {})[position] = "positive"
        yield Task("posters, asked for by scenes", list(shown), queries, list(shown.values()), "labels")


def weighted(
    ready: Ready, learnt: dict[str, list[Attention]], targets: Targets
) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """All pictures' vectors by each weighting, and the mean share of its weight on what is looked for."""
    vectors: dict[str, torch.Tensor] = {}
    inside: dict[str, list[float]] = {}
    for positions, stored in ready.source.batches(ready.keys[0], 0):
        maps = stored.float()
        height, width = maps.shape[2:]
        pools = pooled(maps, ready.config)
        grid = pools.regions
        even = torch.ones(len(maps), len(grid))
        area = areas(grid, height, width)
        centre = region_weights(centre_prior(height, width)[None, None], grid)[..., 0]
        weights = dict(zip(CONTROLS, (even, area * even, centre * even), strict=True))
        means, around = pool(maps, grid, "mean"), maps.mean((2, 3))[:, None]
        for kind, several in learnt.items():
            by = area if KINDS[kind].area else even
            weights |= {f"{kind} {n}": one(means, around) * by for n, one in enumerate(several)}
        apart = Pooled(pools.vectors, None, grid)
        regions = summed(apart, ready.config, ready.described.regional, keep=True).total
        cells = shares(grid, height, width).flatten(1)
        on_target = [
            (row, cells.float() @ torch.from_numpy(coverage(target, height, width).ravel()).float())
            for row, position in enumerate(positions)
            for target in targets.get(ready.pictures[position].path, ())
        ]
        for name, weight in weights.items():
            total = torch.nn.functional.normalize((weight[..., None] * regions).sum(1), dim=1)
            vectors.setdefault(name, torch.zeros(len(ready.pictures), total.shape[1]))[positions] = total
            for row, share in on_target:
                inside.setdefault(name, []).append(float(weight[row] @ share / weight[row].sum()))
    return vectors, {name: float(np.mean(found)) for name, found in inside.items()}


def table(task: Task, vectors: dict[str, torch.Tensor], inside: dict[str, float], whitening: str) -> float:
    """Print a task's table; returns the mAP of even weights."""
    lines = [(name, [name], False) for name in CONTROLS]
    for kind in KINDS:
        if names := [name for name in vectors if name in {f"{kind} {n}" for n in range(len(SEEDS))}]:
            lines += [(f"attention, {kind.replace('-', ' ')}", names, False)]
            lines += [("… of the query alone", names, True)]
    reference: np.ndarray | None = None
    rows, columns = [], []
    for title, names, query_alone in lines:
        judged = []
        for name in names:
            database = vectors[CONTROLS[0] if query_alone else name][list(task.database)]
            order = (vectors[name][list(task.asking)] @ database.T).sort(descending=True, stable=True).indices
            judged.append(protocols.evaluate(list(order.numpy()), task.truth, task.protocol))
        ap = np.mean([one.per_query["ap"] for one in judged], axis=0)
        metrics = [name for name in judged[0].metrics if name.startswith("mAP")]
        each = [100 * one.mean_ap for one in judged]
        row = [title, *(f"{100 * np.mean([one.metrics[m] for one in judged]):.1f}" for m in metrics)]
        row.append(f"{min(each):.1f} to {max(each):.1f}" if len(each) > 1 else "")
        if reference is None:
            reference = ap
            row.append("")
        else:
            d = paired_difference(reference, ap)
            row.append(f"{100 * d.mean:+.1f} ({100 * d.low:.1f} to {100 * d.high:.1f})")
        if inside:
            row.append("" if query_alone else f"{100 * np.mean([inside[name] for name in names]):.1f}")
        rows.append(row)
        columns = ["weights", *(f"{m.replace('_', ' ')} %" for m in metrics), "seeds", "difference (95 %)"]
    print(f"{task.title}: {RMAC}{whitening}, {len(task.asking)} queries, {len(task.database)} images\n")
    print_table(columns + ["weight on the target %"] * bool(inside), rows)
    assert reference is not None
    return float(np.nanmean(reference))


def main() -> None:
    learnt = attentions()
    with tempfile.TemporaryDirectory() as folder:
        for bench, targets in collections(Path(folder)):
            for whitening in ("", "/pcaw:256"):
                ready = bench._ready(f"{RMAC}{whitening}", silent)
                vectors, inside = weighted(ready, learnt, targets)
                own, *_ = [table(task, vectors, inside, whitening) for task in tasks(ready)]
            # The benchmark's own way to even weights is the pipeline's.
            mean_ap = bench.evaluate(f"{RMAC}/pcaw:256", localise=False).mean_ap
            assert abs(mean_ap - own) < 2e-3, (mean_ap, own)


if __name__ == "__main__":
    main()
