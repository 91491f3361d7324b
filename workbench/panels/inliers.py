"""The verified matches of a query and the results beside it, as lines over their pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.config import Config
from workbench.panels.matched import plural
from workbench.panels.study import Asked, Study
from workbench.progress import Progress

if TYPE_CHECKING:
    from workbench.pipeline import Workbench


class Verified(NamedTuple):
    """Of one result: where its inliers are in the query and in it (fractions [m, 2]), and what is said."""

    here: np.ndarray
    there: np.ndarray
    said: str


def verified(bench: Workbench, asked: Asked, study: Study, progress: Progress) -> list[Verified]:
    """Match the query with each result that is shown, in their order."""
    made = []
    for letter, image in zip("AB", study.images, strict=False):
        match = bench.match(asked.query.id, image, asked.pipeline, asked.box, progress)
        inside = match.table[match.table["inlier"]]
        which = f"{letter}: " if len(study.images) > 1 else ""
        counted = f"{plural(match.inliers, 'inlier')} of {plural(len(match.table), 'match', 'matches')}"
        if match.verified.model is None:
            counted = f"not verified: {match.verified.why}"
        made.append(
            Verified(
                match.query.places[inside["query_keypoint"].to_numpy(int)],
                match.image.places[inside["image_keypoint"].to_numpy(int)],
                f"{which}{counted}, by keypoints of {Config.parse(asked.pipeline).local}",
            )
        )
    return made


def lines_between(found: list[Verified]) -> list[dict[str, Any]]:
    """Lines as Links draws them; the more there are the fainter."""
    count = sum(len(one.here) for one in found)
    strength = 1.0 if count < 40 else 0.5 if count < 150 else 0.2
    return [
        {"part": number, "view": view, "start": start, "end": end, "strength": strength}
        for view, one in enumerate(found, start=1)
        for number, (start, end) in enumerate(zip(one.here.tolist(), one.there.tolist(), strict=True))
    ]
