"""The effect of spatial verification on one ranking: ranks before and after, inliers, and moves."""

from __future__ import annotations

from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.local.verification import MIN_INLIERS
from workbench.panels.base import Panel
from workbench.panels.formatting import plural, with_sign
from workbench.panels.local_matches.model import verified_first, with_and_without
from workbench.panels.ranking_depth import rank
from workbench.panels.refinement import SET_ASIDE
from workbench.panels.session import Session
from workbench.panels.widgets.region import Line, Text, line
from workbench.panels.widgets.sliders import Numbers
from workbench.panels.widgets.table import Table, column

SHOWN = 30  # results listed
FIRST = 10  # results among which positives are counted
CHOICES = (10, 20, 50, 100, 200, 500)  # results to verify
COLUMNS = [
    column("after", "After", number=True, hint="rank once the first are verified"),
    column("before", "Before", number=True, hint="rank without"),
    column("moved", "Moved", number=True, hint="places up or down"),
    column("inliers", "Inliers", number=True, hint="with the query; none: not verified"),
    column("relevance", "Relevance"),
    column("image", "Image"),
]


class Request(NamedTuple):
    """A query, and the pipelines without and with verification."""

    query: str
    box: Box | None
    without: str
    verified: str
    refined: bool  # whether the session's ranking includes feedback or further queries


class Rankings(NamedTuple):
    """The rankings without verification and with it."""

    request: Request
    without: pd.DataFrame
    verified: pd.DataFrame


class VerificationEffect(Panel[Request, Rankings]):
    """The session's ranking without verification and with it. A picked row becomes the image under study."""

    lane, phase = "verifying", "Verifying the first results by keypoints"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.features = ""  # chosen in the panel; empty: the pipeline's own
        self._first = 0  # results to verify; 0: as many as the pipeline says
        self.first = Numbers()
        self.lines = Text()
        self.table = Table(label="Ranking before and after verification", columns=COLUMNS)
        head = W.Box([self.first, self.lines])
        head.add_class("wb-effect-head")
        self.widget = W.VBox([head, self.table])
        self.widget.add_class("wb-effect")
        self.first.on_change(lambda _, at: session.guard(lambda _: self.turn(at))(None))
        self.table.on_pick(session.guard(lambda image: setattr(session, "image", image)))

    def turn(self, at: int) -> None:
        """The slider was moved: verify that many results."""
        self._first = int(self.first.sliders[0]["values"][at])
        self.refresh()

    def request(self) -> Request | None:
        session, ranked = self.session, self.session.ranked
        if ranked is None or not ranked.query:
            return None
        first = self._first or verified_first(session.pipeline, self.features)
        values = sorted({*CHOICES, first})
        slider = {"label": "Results verified", "name": "Verified", "values": [str(v) for v in values]}
        self.first.sliders = [{**slider, "at": values.index(first)}]
        pipelines = with_and_without(ranked.pipeline, self.features, first)
        return Request(ranked.query, ranked.box, *pipelines, ranked.refined)

    def dim(self, stale: bool) -> None:
        self.table.stale = self.lines.stale = stale

    def compute(self, request: Request, progress: Progress) -> Rankings:
        without, verified = (
            rank(self.session.bench, request.query, pipeline=pipeline, box=request.box, progress=progress)
            for pipeline in (request.without, request.verified)
        )
        return Rankings(request, without, verified)

    def render(self, result: Rankings) -> None:
        self.table.rows, self.lines.lines = rows(result.without, result.verified), summary(result)

    def update(self) -> None:
        self.table.chosen = [self.session.image] if self.session.image else []


def inliers(verified: pd.DataFrame) -> np.ndarray:
    """The inliers of each result of a verified ranking; 0 if it was not verified."""
    scores = verified["score"].to_numpy()
    return np.where(scores >= MIN_INLIERS, np.floor(scores), 0).astype(int)


def rows(without: pd.DataFrame, verified: pd.DataFrame) -> list[dict[str, Any]]:
    """The first results after verification, each with its rank before."""
    ranks = dict(zip(without["image_id"], without["rank"], strict=True))
    table = []
    counts = inliers(verified)
    for result, count in zip(verified.head(SHOWN).to_dict("records"), counts.tolist(), strict=False):
        image, after = str(result["image_id"]), int(result["rank"])
        before = int(ranks.get(image, 0))
        moved = before - after
        table.append(
            {
                "id": image,
                "cells": {
                    "after": str(after),
                    "before": str(before) if before else "–",
                    "moved": f"▲ {moved}" if moved > 0 else f"▼ {-moved}" if moved < 0 else "",
                    "inliers": f"{count:,}" if count else "",
                    "relevance": with_sign(str(result["relevance"])),
                    "image": image,
                },
                "order": {"after": after, "before": before or 10**9, "moved": moved, "inliers": count},
                "titles": {"image": image},
            }
        )
    return table


def summary(rankings: Rankings) -> list[Line]:
    """The number of verified results, and of positives among the first results before and after."""
    request, without, verified = rankings
    count, first = int((inliers(verified) > 0).sum()), min(verified_first(request.verified), len(verified))
    text = f"{count:,} of the first {first:,} verified."
    not_positive = ("negative", "unknown", "query", "junk")
    if set(verified["relevance"]) - set(not_positive):
        before, after = (
            int((~ranking["relevance"].head(FIRST).isin(not_positive)).sum())
            for ranking in (without, verified)
        )
        text += f" {plural(before, 'positive')} among the first {FIRST} before, {after} after."
    note = [line(SET_ASIDE, "note")] if request.refined else []
    return [
        line(text, "numbers", "spatial verification"),
        line(f"{request.without}  →  {request.verified}", "pipeline"),
        *note,
    ]
