"""Exact evidence of ONE: how near a query is to an image, or to a class, taken apart into votes and cells.

Each of the query's regions votes by its nearest neighbour. A vote is an inner product of two regions, and
each side of it is taken apart over its cells as in ``explain``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from workbench.config import WorkbenchError
from workbench.descriptors.describe import Parts, Pooled
from workbench.explain import spread
from workbench.one import Classes, One, Regions
from workbench.region_search import pools_of, region_parts
from workbench.search.sets import Nearest


class Voters(NamedTuple):
    """The region of the database that each of Q regions voted by (rows [Q] of the sets), and the score."""

    rows: np.ndarray
    score: float


@dataclass(frozen=True)
class Evidence:
    """The score of an image or of a class, and its parts.

    ``votes`` has a row for each region of the query, strongest first: query_region, image_id, image_region
    (rows of ``query_regions`` and ``image_regions``, boxes [N, 4] as shares of width and height) and
    contribution. Their sum, that of the query's heatmap [H, W] and that of all images' heatmaps each give,
    with ``constant``, the score. The constant is nought where regions are kept as they are; with product
    codes it is what those change.
    """

    score: float
    query_heatmap: np.ndarray = field(repr=False)
    query_regions: np.ndarray = field(repr=False)
    image_heatmaps: dict[str, np.ndarray] = field(repr=False)
    image_regions: dict[str, np.ndarray] = field(repr=False)
    votes: pd.DataFrame = field(repr=False)
    constant: float = 0.0


class _Seen(NamedTuple):
    """A map [1, C, H, W] that takes a gradient, its regions, and these described."""

    leaf: torch.Tensor
    pools: Pooled
    parts: Parts

    @property
    def boxes(self) -> np.ndarray:
        return self.pools.of(0) / np.tile(self.leaf.shape[:1:-1], 2)

    def heat(self, others: torch.Tensor) -> np.ndarray:
        """The inner products of its regions with others [N, D], on its cells."""
        return spread([self.leaf], [self.pools], self.parts, others[None])[0].numpy()


def of_image(one: One, query: Regions, image: str) -> Voters:
    """Who votes for an image. Raises WorkbenchError for an unknown one."""
    row = one.ready.image_rows().get(image)
    if row is None:
        raise WorkbenchError(f"{image!r} is not an image of {one.ready.collection.name!r}")
    return _voters(one.sets.nearest(query.vectors), row)


def of_class(compared: Classes, label: str) -> Voters:
    """Who votes for a class. Raises WorkbenchError for an unknown one, or one of no image but the query."""
    if label not in compared.names:
        valid = ", ".join(compared.names[:20]) + (", …" if len(compared.names) > 20 else "")
        raise WorkbenchError(f"{label!r} is not a label; valid: {valid}")
    number = compared.names.index(label)
    if not compared.images[number]:
        raise WorkbenchError(f"{label!r} has no image but the query itself, so nothing votes for it")
    return _voters(compared.nearest, number)


def _voters(nearest: Nearest, column: int) -> Voters:
    return Voters(nearest.rows[:, column], float(1 - nearest.distances[:, column].mean() / 2))


def evidence(one: One, maps: torch.Tensor, voted: Voters) -> Evidence:
    """Take a score apart, by the map [1, C, H, W] of the query and who voted."""
    ids = one.ready.collection.images
    owners = np.searchsorted(one.sets.starts, voted.rows, "right") - 1
    asked = _seen(one, maps)
    theirs = torch.zeros_like(asked.parts.linear[0])  # of each region of the query, its neighbour
    places = np.zeros(len(owners), np.int64)
    shown: dict[int, _Seen] = {}
    for owner in np.unique(owners):
        seen = shown[int(owner)] = _seen(one, one.ready.maps(int(owner))[0])
        mine = np.flatnonzero(owners == owner)
        # What is kept twice in a map is kept once in the sets.
        places[mine] = np.abs(seen.boxes[None] - one.boxes[voted.rows[mine]][:, None]).sum(2).argmin(1)
        theirs[mine] = seen.parts.total.detach()[0, places[mine]]
    ours = asked.parts.total.detach()[0]
    values = ((ours * theirs).sum(1) / len(ours)).numpy()
    heats = {}
    for owner, seen in shown.items():
        others = torch.zeros_like(seen.parts.linear[0])
        mine = np.flatnonzero(owners == owner)
        others.index_add_(0, torch.from_numpy(places[mine]), ours[mine] / len(ours))
        heats[ids[owner]] = seen.heat(others)
    votes = pd.DataFrame(
        {
            "query_region": np.arange(len(owners)),
            "image_id": [ids[owner] for owner in owners],
            "image_region": places,
            "contribution": values.astype(float),
        }
    ).sort_values("contribution", ascending=False, kind="stable", ignore_index=True)
    heat = asked.heat(theirs / len(ours))
    boxes = {ids[owner]: seen.boxes for owner, seen in shown.items()}
    coded = one.sets.codes is not None
    constant = voted.score - float(values.sum()) if coded else 0.0
    score = voted.score if coded else float(values.sum())
    return Evidence(score, heat, asked.boxes, heats, boxes, votes, constant)


def _seen(one: One, maps: torch.Tensor) -> _Seen:
    with torch.enable_grad():
        leaf = maps.detach().float().requires_grad_(True)
        pools = pools_of(leaf, one.ready)
        return _Seen(leaf, pools, region_parts(pools, one.ready.config, one.ready.described))
