"""Regional attention against weightings that need no training: mAP, and the share of weight on the target.

R-MAC at five levels with the embedded backbone, without and with PCA whitening, which is fitted on the
collection and the same for all. Attention is trained on composites of ``imagenet_sample``: to its classes,
and without labels to the network's own predictions, from three seeds each; what is trained is kept.
Differences are paired by query against even weights, of each query's mean AP over the seeds, with a 95 %
bootstrap interval.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _table import print_table

import workbench
from workbench.collections import images
from workbench.described import Ready
from workbench.descriptors.attention import Attention, areas, learned
from workbench.descriptors.describe import Pooled, pooled, summed
from workbench.descriptors.pooling import shares
from workbench.descriptors.weighting import centre_prior, region_weights
from workbench.evaluation import protocols
from workbench.evaluation.comparison import paired_difference
from workbench.learning.attention import Settings, train
from workbench.localisation import Target, coverage
from workbench.pipeline import Workbench
from workbench.progress import silent

DATA = Path(__file__).parents[2] / "shared" / "datasets"
SEEDS = (0, 1, 2)
RMAC = "efficientnet_lite0/max/rmac:5"
CONTROLS = ("even weights", "area of the region", "centre prior")
KINDS = {"labels": Settings(targets="labels"), "predictions": Settings()}


class Weighted(NamedTuple):
    """A collection's vectors by each weighting, and each weighting's share of weight on the target."""

    vectors: dict[str, torch.Tensor]
    inside: dict[str, float]


def attentions() -> dict[str, list[Attention]]:
    """The three trainings of each kind, trained where they are not there yet."""
    photos = DATA / "imagenet_sample"
    if not photos.is_dir():
        print("Without the folder imagenet_sample there is nothing to train on: controls only.\n")
        return {}
    found: dict[str, list[Attention]] = {}
    for kind, settings in KINDS.items():
        for seed in SEEDS:
            bench = workbench.open(photos, seed=seed)
            path = learned(bench.options.cache, f"{kind}-{seed}")
            if not path.exists():
                print(f"training {path.stem}", file=sys.stderr)
                train(bench.collection, bench.options, path.stem, settings=settings)
            found.setdefault(kind, []).append(Attention.load(path))
    return found


def collections() -> Iterator[Workbench]:
    yield workbench.open("posters")
    for name in ("scenes", "grocery"):
        if not (DATA / name).is_dir():
            print(f"{name} is not here, and is left out.\n")
        elif name == "scenes":
            yield workbench.open(DATA / name, "folders")
        else:
            with tempfile.TemporaryDirectory() as folder:
                table = Path(folder) / "grocery test.csv"
                with (DATA / name / "test.csv").open() as source, table.open("w", newline="") as target:
                    rows = [(DATA / name / row["path"], row["fine_label"]) for row in csv.DictReader(source)]
                    csv.writer(target).writerows([("path", "label"), *rows])
                yield workbench.open(table)


def weighted(ready: Ready, learnt: dict[str, list[Attention]]) -> Weighted:
    """Describe all pictures by all weightings in one pass over their maps."""
    config = ready.config
    vectors: dict[str, torch.Tensor] = {}
    covered = _targets(ready)
    inside: dict[str, list[float]] = {}
    for positions, stored in ready.source.batches(ready.keys[0], 0):
        maps = stored.float()
        height, width = maps.shape[2:]
        pools = pooled(maps, config)
        grid = pools.regions
        even = torch.ones(len(maps), len(grid), 1)
        weights = {
            CONTROLS[0]: even,
            CONTROLS[1]: areas(grid, height, width)[:, None] * even,
            CONTROLS[2]: region_weights(centre_prior(height, width)[None, None], grid) * even,
        }
        for kind, several in learnt.items():
            weights |= {f"{kind} {n}": one.weights(maps, grid) for n, one in enumerate(several)}
        cells = shares(grid, height, width)
        for name, weight in weights.items():
            total = summed(Pooled(pools.vectors, weight, grid), config, ready.described.regional).total[:, 0]
            vectors.setdefault(name, torch.zeros(len(ready.pictures), total.shape[1]))[positions] = total
            for row, position in enumerate(positions):
                for target in covered.get(position, ()):
                    on_target = cells.flatten(1).double() @ torch.from_numpy(
                        coverage(target, height, width).ravel()
                    )
                    share = (weight[row, :, 0] @ on_target.float()) / weight[row].sum()
                    inside.setdefault(name, []).append(float(share))
    return Weighted(vectors, {name: float(np.mean(found)) for name, found in inside.items()})


def _targets(ready: Ready) -> dict[int, list[Target]]:
    """What queries ask for in the pictures that are their positives, by row."""
    collection, rows = ready.collection, ready.image_rows()
    targets: dict[int, list[Target]] = {}
    for (query, image), corners in collection.quadrilaterals.items():
        if collection.relevance[query].get(image, "junk") != "junk" and image in rows:
            header = images.header(collection.path(image))
            box = (0, 0, header.width, header.height)
            targets.setdefault(rows[image], []).append(Target(corners, box))
    return targets


def scores(ready: Ready, queries: torch.Tensor, database: torch.Tensor) -> protocols.Scores:
    """Judge the rankings of queries [Q, D] among a database [N, D]."""
    order = torch.sort(queries @ database.T, descending=True, stable=True).indices
    assert ready.collection.protocol is not None
    return protocols.evaluate(order.numpy(), ready.truth(), ready.collection.protocol)


def tables(bench: Workbench, learnt: dict[str, list[Attention]]) -> None:
    for whitening in ("", "/pcaw:256"):
        ready = bench._ready(f"{RMAC}{whitening}", silent)
        found = weighted(ready, learnt)
        asked, count = ready.query_rows(), len(ready.collection.images)
        plain = found.vectors[CONTROLS[0]]
        lines: list[tuple[str, list[str], bool]] = [(name, [name], False) for name in CONTROLS]
        for kind, several in learnt.items():
            names = [f"{kind} {n}" for n in range(len(several))]
            lines += [(f"attention, {kind}", names, False), ("… of the query alone", names, True)]
        reference: np.ndarray | None = None
        rows = []
        for title, names, query_alone in lines:
            judged = []
            for name in names:
                vectors = found.vectors[name]
                judged.append(scores(ready, vectors[asked], (plain if query_alone else vectors)[:count]))
            ap = np.mean([one.per_query["ap"] for one in judged], axis=0)
            reference = ap if reference is None else reference
            metrics = [name for name in judged[0].metrics if name.startswith("mAP")]
            means = [100 * np.mean([one.metrics[m] for one in judged]) for m in metrics]
            seeds = [100 * one.mean_ap for one in judged]
            spread = f"{min(seeds):.1f} to {max(seeds):.1f}" if len(seeds) > 1 else ""
            d = paired_difference(reference, ap)
            change = (
                ""
                if title == CONTROLS[0]
                else f"{100 * d.mean:+.1f} ({100 * d.low:.1f} to {100 * d.high:.1f})"
            )
            share = (
                np.mean([found.inside[name] for name in names]) if found.inside and not query_alone else None
            )
            rows.append([title, *(f"{m:.1f}" for m in means), spread, change])
            if found.inside:
                rows[-1].append("" if share is None else f"{100 * share:.1f}")
        if not whitening:  # the benchmark's own way is the pipeline's
            mean_ap = bench.evaluate(f"{RMAC}", localise=False).mean_ap
            assert abs(mean_ap - float(np.nanmean(reference))) < 2e-3, (mean_ap, np.nanmean(reference))
        print(f"{ready.collection.name}: {RMAC}{whitening}\n")
        columns = ["weights", *(f"{m.replace('_', ' ')} %" for m in metrics), "seeds", "difference (95 %)"]
        print_table(columns + ["weight on the target %"] * bool(found.inside), rows)


def main() -> None:
    learnt = attentions()
    for bench in collections():
        tables(bench, learnt)


if __name__ == "__main__":
    main()
