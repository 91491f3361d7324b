"""The verified matches of a query and the results beside it, as lines over their pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.panels import score_explanation
from workbench.panels.base import Panel
from workbench.panels.formatting import plural
from workbench.panels.session import Session
from workbench.panels.widgets.links import Links
from workbench.panels.widgets.region import Text, line


class Request(NamedTuple):
    """An explained query, and its results in the order of their views."""

    explained: score_explanation.Request
    images: tuple[str, ...]


class Verified(NamedTuple):
    """The inliers of a result: their positions in both pictures (fractions [m, 2]), and a sentence."""

    in_query: np.ndarray
    in_image: np.ndarray
    sentence: str


class Inliers(Panel[Request, list[Verified]]):
    """Matches that one homography explains, while ``switch`` is on: lines for the pictures, and their count.

    ``explained`` returns the request for what is shown, None if nothing is.
    """

    lane, phase, delay = "inliers", "Matching", 0.0

    def __init__(self, session: Session, explained: Callable[[], Request | None]) -> None:
        super().__init__(session)
        self._explained = explained
        self.switch = W.ToggleButton(
            description="Inliers", tooltip="Draw the matches of keypoints that one homography explains"
        )
        self.links = Links(kind="matches")
        self.text = Text()
        self.switch.observe(session.guard(self.refresh), "value")

    def request(self) -> Request | None:
        return self._explained() if self.switch.value else None

    def refresh(self, _: object = None) -> None:
        self.render_nothing()
        super().refresh()

    def render_nothing(self) -> None:
        self.forget()
        self.links.links, self.text.lines = [], []

    def compute(self, request: Request, progress: Progress) -> list[Verified]:
        """Match the query with each result."""
        explained, verified = request.explained, []
        for letter, image in zip("AB", request.images, strict=False):
            match = self.session.bench.match(
                explained.query.id, image, pipeline=explained.pipeline, box=explained.box, progress=progress
            )
            inside = match.table[match.table["inlier"]]
            result = f"{letter}: " if len(request.images) > 1 else ""
            counts = f"{plural(match.inliers, 'inlier')} of {plural(len(match.table), 'match', 'matches')}"
            if match.verified.model is None:
                counts = f"not verified: {match.verified.why}"
            verified.append(
                Verified(
                    match.query.places[inside["query_keypoint"].to_numpy(int)],
                    match.image.places[inside["image_keypoint"].to_numpy(int)],
                    f"{result}{counts}, by keypoints of {Config.parse(explained.pipeline).local}",
                )
            )
        return verified

    def render(self, result: list[Verified]) -> None:
        self.links.links = lines_between(result)
        self.text.lines = [line(verified.sentence, "note") for verified in result]


def lines_between(results: list[Verified]) -> list[dict[str, Any]]:
    """Lines for a Links widget; the more there are, the fainter each is."""
    count = sum(len(verified.in_query) for verified in results)
    strength = 1.0 if count < 40 else 0.5 if count < 150 else 0.2
    return [
        {"parts": [str(number)], "view": view, "start": start, "end": end, "strength": strength}
        for view, verified in enumerate(results, start=1)
        for number, (start, end) in enumerate(
            zip(verified.in_query.tolist(), verified.in_image.tolist(), strict=True)
        )
    ]
