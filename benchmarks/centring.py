"""What becomes of the mean in an explanation: heat on the target with it left apart, or charged to cells."""

from __future__ import annotations

import numpy as np
import torch
from _table import print_table

import workbench
from workbench.collections import images
from workbench.config import Config
from workbench.descriptors.bulk import describe_maps
from workbench.explain import heatmaps
from workbench.localisation import Target, coverage, share_inside
from workbench.progress import silent

PIPELINES = [
    "efficientnet_lite0/max/rmac:3/pcaw:256",
    "efficientnet_lite0/mean/whole/pcaw:256",
    "efficientnet_lite0/gem:3/whole/pcaw:256",
]
PAIRS = 100


def main() -> None:
    bench = workbench.open("posters")
    collection = bench.collection
    known = [
        (query, image)
        for query in collection.queries
        for image, grade in collection.relevance[query.id].items()
        if grade != "junk"
    ]
    chosen = [known[i] for i in np.random.default_rng(0).choice(len(known), PAIRS, replace=False)]
    rows = []
    for pipeline in PIPELINES:
        config = Config.parse(pipeline)
        ready = bench._describer.describe(config, silent)
        query_row = dict(zip([q.id for q in collection.queries], ready.query_rows(), strict=True))
        results = []
        for query, image in chosen:
            asked, found = ready.maps(query_row[query.id]), ready.maps(collection.images.index(image))
            leaf = found[0].clone().requires_grad_(True)
            q = describe_maps(asked, config, ready.described, keep=True)[0]
            d = describe_maps([leaf], config, ready.described, keep=True)[0]
            score = float(q.total.sum(1)[0] @ d.total.sum(1)[0].detach())
            linear = q.linear.sum(1)[0] @ d.linear.sum(1)[0]
            (gradient,) = torch.autograd.grad(linear, leaf)
            apart = (leaf.detach() * gradient).sum(1)[0].numpy()
            charged = heatmaps(found, q.total.sum(1), config, ready.described)[0].numpy()
            header = images.header(collection.path(image))
            seen = Target(collection.quadrilaterals[query.id, image], (0, 0, header.width, header.height))
            inside = coverage(seen, *apart.shape)
            constant = (score - float(linear.detach())) / score
            results.append(
                (constant, share_inside(apart, inside), share_inside(charged, inside), inside.mean())
            )
        constant, apart_share, charged_share, even = np.array(results).T
        shares = [f"{100 * share.mean():.1f}" for share in (apart_share, charged_share, even)]
        rows.append([pipeline, f"{np.median(constant):.1f}", *shares])
    columns = ["pipeline", "constant / score (median)", "offset as a constant, %", "charged to cells, %"]
    print(f"{PAIRS} pairs of a query and a positive of posters: share of positive heat on the target\n")
    print_table([*columns, "evenly spread, %"], rows)


if __name__ == "__main__":
    main()
