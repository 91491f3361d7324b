"""The offset of centring in an explanation, as one constant or distributed over cells: heat on the target."""

from __future__ import annotations

import numpy as np
import torch
from _photos import RESIZE
from _table import print_table

import workbench
from workbench.collections import images
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.descriptors.description import describe_maps
from workbench.explain.localisation import Target, coverage, share_inside
from workbench.explain.score import heatmaps

PIPELINES = [
    "efficientnet_lite0/max/rmac:3/pcaw:256",
    "efficientnet_lite0/mean/whole/pcaw:256",
    "efficientnet_lite0/gem:3/whole/pcaw:256",
]
PAIRS = 100


def main() -> None:
    """Print the share of positive heat on the target, for pairs of a query and one of its positives."""
    bench = workbench.open("posters", resize=RESIZE)
    collection = bench.collection
    positives = [
        (query, image)
        for query in collection.queries
        for image, grade in collection.relevance[query.id].items()
        if grade != "junk"
    ]
    chosen = [positives[i] for i in np.random.default_rng(0).choice(len(positives), PAIRS, replace=False)]
    rows = []
    for pipeline in PIPELINES:
        config = Config.parse(pipeline)
        described = bench.engine.describe(config, silent)
        query_row = dict(zip([q.id for q in collection.queries], described.query_rows(), strict=True))
        results = []
        for query, image in chosen:
            query_maps = described.maps(query_row[query.id])
            image_maps = described.maps(collection.images.index(image))
            leaf = image_maps[0].clone().requires_grad_(True)
            query_parts = describe_maps(query_maps, config, described.descriptors, keep=True)[0]
            image_parts = describe_maps([leaf], config, described.descriptors, keep=True)[0]
            score = float(query_parts.total.sum(1)[0] @ image_parts.total.sum(1)[0].detach())
            linear = query_parts.linear.sum(1)[0] @ image_parts.linear.sum(1)[0]
            (gradient,) = torch.autograd.grad(linear, leaf)
            with_constant = (leaf.detach() * gradient).sum(1)[0].numpy()
            query_vector = query_parts.total.sum(1)
            distributed = heatmaps(image_maps, query_vector, config, described.descriptors)[0].numpy()
            header = images.header(collection.path(image))
            corners = collection.quadrilaterals[query.id, image]
            cells = coverage(Target(corners, (0, 0, header.width, header.height)), *with_constant.shape)
            constant = (score - float(linear.detach())) / score
            heat_shares = (share_inside(heat, cells) for heat in (with_constant, distributed))
            results.append((constant, *heat_shares, cells.mean()))
        constant, *heat_shares = np.array(results).T
        shares = [f"{100 * share.mean():.1f}" for share in heat_shares]
        rows.append([pipeline, f"{np.median(constant):.1f}", *shares])
    columns = [
        "pipeline",
        "constant / score (median)",
        "offset as a constant, %",
        "distributed over cells, %",
    ]
    print(f"{PAIRS} pairs of a query and a positive of posters: share of positive heat on the target\n")
    print_table([*columns, "evenly spread, %"], rows)


if __name__ == "__main__":
    main()
