"""Two pictures with their matches, as the traits of their view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.collections.collection import Query
from workbench.common.geometry import Box
from workbench.local.matching import Match
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.lightbox import reference

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

SIDE = 640  # pixels of a picture's longest side


class MatchRequest(NamedTuple):
    """Two pictures, and the pipeline whose local features are matched."""

    query: Query
    box: Box | None
    image: str
    pipeline: str


def traits(bench: Bench, request: MatchRequest, match: Match) -> dict[str, Any]:
    """The traits of a KeyPairs view of the two pictures."""
    pairs = match.table[["query_keypoint", "image_keypoint"]].to_numpy(np.uint32)
    return {
        "pictures": [
            thumbnail(bench, request.query.image, SIDE, request.box or request.query.box),
            thumbnail(bench, request.image, SIDE),
        ],
        "sides": [
            {
                "name": request.query.id,
                "role": "query",
                "opens": reference(request.query.image, request.box or request.query.box),
            },
            {"name": request.image, "role": "result"},
        ],
        "sizes": [list(match.query.size), list(match.image.size)],
        "counts": [len(match.query), len(match.image)],
        "points": np.concatenate([match.query.points, match.image.points]).astype("<f4").tobytes(),
        "pairs": np.ascontiguousarray(pairs, "<u4").tobytes(),
        "inside": match.table["inlier"].to_numpy(np.uint8).tobytes(),
    }
