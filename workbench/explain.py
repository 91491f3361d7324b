"""Exact explanation: a score taken apart into the cells and the pairs of regions that make it.

With its normalisers held fixed, every descriptor here is an affine function of the feature map:
pooling is positively homogeneous of degree one, so by Euler's theorem map × gradient, summed over
the cells, gives its linear part back, and centring adds an offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from workbench.config import Config
from workbench.descriptors.bulk import Described, describe_maps
from workbench.descriptors.describe import Parts, Pooled

VARIANT = "spread"


@dataclass(frozen=True)
class Explanation:
    score: float
    query_heatmap: np.ndarray
    image_heatmap: np.ndarray
    region_pairs: pd.DataFrame
    constant: float


def explain(query_maps, image_maps, config, described):
    query, q_pools, q_leaf = _traced(query_maps, config, described)
    image, i_pools, i_leaf = _traced(image_maps, config, described)
    q, d = query.total.sum(1)[0], image.total.sum(1)[0]
    score = float((q * d).sum())
    if VARIANT == "bilinear":
        ql, dl = query.linear.sum(1)[0], image.linear.sum(1)[0]
        hq = _euler(q_leaf, (ql * dl.detach()).sum()); hi = _euler(i_leaf, (dl * ql.detach()).sum())
        const = score - float((ql * dl).sum())
    elif VARIANT == "spread":
        hq = _euler(q_leaf, (query.linear.sum(1)[0] * d.detach()).sum()); hi = _euler(i_leaf, (image.linear.sum(1)[0] * q.detach()).sum())
        hq = [h + s for h, s in zip(hq, _spread(query, d, q_pools, q_leaf))]
        hi = [h + s for h, s in zip(hi, _spread(image, q, i_pools, i_leaf))]
        const = 0.0
    return Explanation(score, hq[0].numpy(), hi[0].numpy(), None, const)


def _spread(parts, other, pools, maps):
    out, start = [], 0
    for p, m in zip(pools, maps):
        n = len(p.regions)
        off = torch.as_tensor(parts.offset)
        if off.ndim == 0: out.append(torch.zeros(m.shape[2:])); continue
        off = torch.broadcast_to(off, parts.linear.shape)
        t = (off[0, start:start+n] @ other).detach()
        h = torch.zeros(m.shape[2:])
        for (x0, y0, x1, y1), v in zip(p.regions.tolist(), t):
            h[y0:y1, x0:x1] += v / ((x1-x0)*(y1-y0))
        out.append(h); start += n
    return out


def _traced(maps, config, described):
    leaves = [m.detach().clone().requires_grad_(True) for m in maps]
    parts, pools = describe_maps(leaves, config, described, keep=True)
    return parts, pools, leaves


def _euler(leaves, value):
    grads = torch.autograd.grad(value, leaves)
    return [(m * g).sum(1)[0].detach() for m, g in zip(leaves, grads)]


def localisation(ready, query_rows, progress):
    return {}
