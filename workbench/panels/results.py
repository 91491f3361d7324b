"""The ranked images, and how good the pipeline is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from workbench.collections.collection import PROTOCOLS
from workbench.panels.grid import Figure, Grid, thumbnail
from workbench.panels.region import Line, Text, line, region
from workbench.panels.session import RANKING, Session

SHOWN = 36  # ranked images shown
SIGNS = {
    **dict.fromkeys(("easy", "positive", "good", "ok"), "✓"),
    "hard": "✓ʰ",
    "junk": "~",
    "negative": "✗",
    "query": "query",
}


def percent(share: float) -> str:
    """A measure in percent with one digit; a dash where it is not defined."""
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def measured(evaluation: Any) -> str:
    """The protocol's measures in one line, its headline setting first."""
    protocol, metrics = PROTOCOLS[evaluation.protocol], evaluation.metrics
    if protocol.measure == "N-S":
        return f"N-S {metrics['N-S']:.2f} of 4"
    settings = sorted(protocol.settings, key=lambda setting: setting != protocol.headline)
    shares = [(s, metrics[f"mAP_{s}" if len(settings) > 1 else "mAP"]) for s in settings]
    return "mAP " + " · ".join(f"{s} {percent(v)}".strip() for s, v in shares)


def of_query(evaluation: Any, query: str) -> str:
    """The average precision of one query; empty where it is not among those evaluated."""
    rows = evaluation.per_query[evaluation.per_query["query"] == query]
    if rows.empty:
        return ""
    share = float(rows["ap"].iloc[0])
    return (
        "AP of this query not defined: it has no positives"
        if math.isnan(share)
        else (f"AP of this query {percent(share)}")
    )


def on_target(evaluation: Any) -> str:
    """How much of the scores' positive heat lies on what was asked for, beside what chance would give."""
    metrics = evaluation.metrics
    if "localisation" not in metrics:
        return ""
    found, even = percent(metrics["localisation"]), percent(metrics["localisation_even"])
    return f"Heat on target {found} % (evenly spread: {even} %)"


class Results:
    """Ranked images with score and relevance, under the mAP of their pipeline and what must be said of it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.numbers = Text()
        self.grid = Grid(label="Ranked images", look="ranked")
        self.widget = region("Results", self.numbers, self.grid)
        session.observe(session.guard(self.draw), "ranking")
        session.observe(session.guard(self.show_numbers), ["evaluation", "pipeline", "query", "jobs"])
        session.observe(session.guard(self.dim), ["pipeline", "query", "box"])
        self.show_numbers(None)
        self.draw(None)

    def lines(self) -> list[Line]:
        """What stands above the ranking."""
        session = self.session
        evaluation = session.evaluation
        if not session.queries:
            return []
        if session.bench.collection.protocol is None:
            hint = 'No ground truth, so no mAP: open the folder with labels="folders", or a CSV of labels.'
            return [line(hint, "note")]
        if evaluation is None or evaluation.pipeline != session.pipeline:
            return [
                line(
                    "mAP is being computed …" if RANKING in session.jobs else "No mAP for this pipeline yet.",
                    "note",
                )
            ]
        said = [
            line(measured(evaluation), "numbers"),
            line(of_query(evaluation, session.query)),
            line(on_target(evaluation)),
            line(f"Protocol: {PROTOCOLS[evaluation.protocol].title}", "note"),
            *(line(said, "warning") for said in evaluation.warnings),
        ]
        return [entry for entry in said if entry["text"]]

    def show_numbers(self, _: object) -> None:
        self.numbers.lines = self.lines()
        if not self.session.queries:
            self.grid.empty = "Nothing to rank: open a folder that holds images."
        elif RANKING in self.session.jobs:
            self.grid.empty = "Ranked images come here once the collection's features are extracted."
        else:
            self.grid.empty = "Choose a query and press Run to rank the collection."

    def dim(self, _: object) -> None:
        self.grid.stale = self.session.ranked != self.session.question

    def draw(self, _: object) -> None:
        """Show the session's ranking once its pictures are read."""
        ranking = self.session.ranking
        if ranking is not None:
            self.grid.load(lambda: self._figures(ranking), then=lambda: self.dim(None))

    def _figures(self, ranking: Any) -> Iterator[Figure]:
        for row in ranking.head(SHOWN).itertuples():
            yield {
                "picture": thumbnail(self.session.bench, row.image_id),
                "alt": f"rank {row.rank}: {row.image_id}",
                "name": row.image_id,
                "rank": str(row.rank),
                "score": f"{row.score:.3f}",
                "relevance": row.relevance,
                "sign": SIGNS.get(row.relevance, ""),
            }
