"""What spatial verification does to one ranking: places before and after, inliers, and who moved."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.collections.collection import SIGNS, Box
from workbench.local.verification import FEWEST
from workbench.panels.matched import plural, verified_first, with_and_without
from workbench.panels.session import DEBOUNCE, Session
from workbench.panels.widgets.numbers import Numbers
from workbench.panels.widgets.region import Line, Text, line
from workbench.panels.widgets.table import Table, column
from workbench.progress import Progress

LANE = "verifying"
SHOWN = 30  # results listed
FIRST = 10  # results among which positives are counted
CHOICES = (10, 20, 50, 100, 200, 500)  # results to verify
SET_ASIDE = "Feedback and further query images are set aside here."
COLUMNS = [
    column("after", "After", number=True, hint="rank once the first are verified"),
    column("before", "Before", number=True, hint="rank without"),
    column("moved", "Moved", number=True, hint="places up or down"),
    column("inliers", "Inliers", number=True, hint="with the query; none: not verified"),
    column("relevance", "Relevance"),
    column("image", "Image"),
]


class Asked(NamedTuple):
    query: str
    box: Box | None
    without: str
    verified: str
    refined: bool  # whether the session's ranking answers more than the plain query


class Effect:
    """The session's ranking without verification and with it. A row that is picked is studied."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.features = ""  # of the panel; empty: the pipeline's own
        self._shown: Asked | None = None
        self._first = 0  # results to verify; 0: as many as the pipeline says
        self.first = Numbers()
        self.said = Text()
        self.table = Table(label="Ranking before and after verification", columns=COLUMNS)
        head = W.Box([self.first, self.said])
        head.add_class("wb-effect-head")
        self.widget = W.VBox([head, self.table])
        self.widget.add_class("wb-effect")
        self.first.on_change(lambda _, at: session.guard(lambda _: self.turn(at))(None))
        self.table.on_pick(session.guard(lambda image: setattr(session, "image", image)))

    def turn(self, at: int) -> None:
        """The slider was moved: so many results are verified now."""
        self._first = int(self.first.sliders[0]["values"][at])
        self.refresh()

    def forget(self) -> None:
        """What is shown may be out of date."""
        self._shown = None

    def refresh(self, features: str | None = None) -> None:
        """Bring the table up to date, in a worker."""
        session = self.session
        self.features = self.features if features is None else features
        if session.ranked is None or not session.ranked.query:
            return
        first = self._first or verified_first(session.pipeline)
        values = sorted({*CHOICES, first})
        slider = {"label": "Results verified", "name": "verified", "values": [str(v) for v in values]}
        self.first.sliders = [{**slider, "at": values.index(first)}]
        pipelines = with_and_without(session.ranked.pipeline, self.features, first)
        refined = bool(session.ranked.also or session.ranked.feedback)
        asked = Asked(session.ranked.query, session.ranked.box, *pipelines, refined)
        session.run(LANE, partial(self._compare, asked), DEBOUNCE)

    def _compare(self, asked: Asked, progress: Progress) -> None:
        if asked != self._shown:
            without, verified = (
                self.session.bench.search(asked.query, asked.box, one, None, progress)
                for one in (asked.without, asked.verified)
            )
            progress("Verifying", 1, 1)  # the last moment at which a newer request can still win
            self._shown = asked
            self.table.rows, self.said.lines = rows(without, verified), said(asked, without, verified)
        self.table.chosen = [self.session.image] if self.session.image else []


def inliers(verified: pd.DataFrame) -> np.ndarray:
    """The inliers of each result of a verified ranking; 0 where it was not verified."""
    scores = verified["score"].to_numpy()
    return np.where(scores >= FEWEST, np.floor(scores), 0).astype(int)


def rows(without: pd.DataFrame, verified: pd.DataFrame) -> list[dict[str, Any]]:
    """The first results after verification, each with where it stood before."""
    place = dict(zip(without["image_id"], without["rank"], strict=True))
    made = []
    counts = inliers(verified)
    for found, count in zip(verified.head(SHOWN).to_dict("records"), counts.tolist(), strict=False):
        image, after = str(found["image_id"]), int(found["rank"])
        before = int(place.get(image, 0))
        moved = before - after
        relevance = str(found["relevance"])
        sign = SIGNS.get(relevance, "")
        made.append(
            {
                "id": image,
                "cells": {
                    "after": str(after),
                    "before": str(before) if before else "–",
                    "moved": f"▲ {moved}" if moved > 0 else f"▼ {-moved}" if moved < 0 else "",
                    "inliers": f"{count:,}" if count else "",
                    "relevance": relevance if sign == relevance else f"{sign} {relevance}".strip(),
                    "image": image,
                },
                "order": {"after": after, "before": before or 10**9, "moved": moved, "inliers": count},
                "titles": {"image": image},
            }
        )
    return made


def said(asked: Asked, without: pd.DataFrame, verified: pd.DataFrame) -> list[Line]:
    """How many were verified, and what that did to the first results."""
    count, first = int((inliers(verified) > 0).sum()), min(verified_first(asked.verified), len(verified))
    words = f"{count:,} of the first {first:,} verified."
    neither = ("negative", "unknown", "query", "junk")
    known = set(verified["relevance"]) - set(neither)
    if known:
        before, after = (
            int((~one["relevance"].head(FIRST).isin(neither)).sum()) for one in (without, verified)
        )
        words += f" {plural(before, 'positive')} among the first {FIRST} before, {after} after."
    aside = [line(SET_ASIDE, "note")] if asked.refined else []
    return [line(words, "numbers"), line(f"{asked.without}  →  {asked.verified}", "pipeline"), *aside]
