"""The ranked images, and how good the pipeline is."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import ipywidgets as W

from workbench.collections.collection import PROTOCOLS, SIGNS
from workbench.panels import filters
from workbench.panels.session import RANKING, Question, Session
from workbench.panels.widgets.grid import Figure, Scroll, thumbnail
from workbench.panels.widgets.region import Line, Text, line, region
from workbench.progress import Progress

LOCATING = "locating"  # a lane
LOCATED, TOGETHER = 60, 10  # results in which the query is located, and how many are shown at a time
ASKED = ["pipeline", "query", "box", "also", "feedback", "feedback_method"]
KEYS = "Enter explains · + and − judge · s selects"
ABSENT = {
    "errors only": "No errors: no negative takes the place of a positive.",
    "missed positives": "None missed: all positives come first.",
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
        self.show = W.Dropdown(description="Show", options=filters.SHOW)
        self.size = W.Dropdown(description="Size", options=("small", "medium", "large"), value="medium")
        self.where = W.ToggleButton(
            description="Boxes", tooltip="Draw where in each result the query is: the region most like it"
        )
        self.count = Text()
        tools = W.Box([self.show, self.size, self.where, self.count])
        tools.add_class("wb-tools")
        self.grid = Scroll(
            partial(thumbnail, session.bench),
            session.fail,
            label="Ranked images",
            look="ranked",
            judging=True,
        )
        self.widget = region("Results", self.numbers, tools, self.grid)
        self.where.observe(session.guard(self.locate), "value")
        self.grid.on_judge(session.guard(self.judge))
        self.size.observe(session.guard(lambda change: setattr(self.grid, "size", change["new"])), "value")
        self.show.observe(session.guard(self.draw), "value")
        self.grid.observe(session.guard(self.study), ["current", "marked"])
        session.observe(session.guard(self.draw), "ranking")
        session.observe(session.guard(self.show_numbers), ["evaluation", "pipeline", "query", "jobs"])
        session.observe(session.guard(self.dim), ASKED)
        session.observe(session.guard(self.mark), ["image", "selection", "feedback"])
        self.show_numbers(None)
        self.mark(None)
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
        if self.session.ranking is None:
            self.grid.empty = self.hint()

    def hint(self) -> str:
        """What fills an empty grid."""
        session = self.session
        if not session.queries:
            return "Nothing to rank: open a folder that holds images."
        if session.ranking is None and RANKING in session.jobs:
            return "Ranked images come here once the collection's features are extracted."
        if session.ranking is None:
            return "Choose a query and press Run to rank the collection."
        if self.show.value == "selection":
            return "Nothing is selected: Ctrl+click images, or press s on one, or draw a lasso on the map."
        if session.bench.collection.protocol is None:
            return "Without ground truth nobody knows what is wrong; show all."
        return ABSENT.get(self.show.value, "")

    def dim(self, _: object) -> None:
        self.grid.stale = self.session.ranked != self.session.question

    def draw(self, _: object) -> None:
        """Show the session's ranking, as far as the filter lets it through."""
        ranking, collection = self.session.ranking, self.session.bench.collection
        if ranking is None:
            return
        protocol, query = collection.protocol, self.session.ranked.query if self.session.ranked else ""
        ranking = filters.completed(ranking, collection.relevance.get(query, {}))
        rows = filters.shown(ranking, self.show.value, protocol, self.session.selection)
        self.grid.empty = self.hint()
        self.grid.show(len(rows), lambda start, stop: [figure(row) for row in rows[start:stop].itertuples()])
        said = filters.said(ranking, rows, self.show.value, protocol, len(collection.images))
        self.count.lines = [line(said, "note"), *([line(KEYS, "note")] if len(rows) else [])]
        self.dim(None)
        self.locate(None)

    def locate(self, _: object) -> None:
        """Draw where the query is in the results that are shown first, in a worker; or no box."""
        self.grid.send({"boxes": {}})
        ranked, shown = self.session.ranked, [one["name"] for one in self.grid.figures[:LOCATED]]
        if self.where.value and ranked is not None:
            self.session.run(LOCATING, partial(self._locate, ranked, shown))
        else:
            self.session.lane(LOCATING).cancel()

    def _locate(self, ranked: Question, shown: list[str], progress: Progress) -> None:
        bench, boxes = self.session.bench, dict[str, list[float]]()
        for done, image in enumerate(shown):
            progress("Locating the query", done, len(shown))
            found = bench.locate(ranked.query, image, ranked.pipeline, ranked.box)
            boxes[image] = found.shares
            if len(boxes) == TOGETHER or done + 1 == len(shown):
                self.grid.send({"boxes": boxes})
                boxes = {}

    def study(self, change: Any) -> None:
        """An image was clicked, to be explained, or was selected."""
        if change["name"] == "current":
            self.session.image = change["new"]
        else:
            self.session.selection = tuple(change["new"])

    def mark(self, change: Any) -> None:
        """Show which image is studied and which are selected; a new selection is what one wants to see."""
        session = self.session
        self.grid.current = session.image
        self.grid.judged = dict(session.feedback)
        if change is not None and change["name"] != "selection":
            return
        chosen_elsewhere = list(session.selection) != self.grid.marked
        self.grid.marked = list(session.selection)
        if chosen_elsewhere and session.selection and self.show.value != "selection":
            self.show.value = "selection"
        elif self.show.value == "selection":
            self.draw(None)

    def judge(self, judged: tuple[str, int]) -> None:
        """A result was judged: more, or less, like this."""
        self.session.judge_result(*judged)


def figure(row: Any) -> Figure:
    """A row of a ranking as a figure of a grid, without its picture."""
    moved = int(getattr(row, "moved", 0))
    return {
        "alt": f"rank {row.rank}: {row.image_id}" if row.rank else f"not reached: {row.image_id}",
        "name": row.image_id,
        "rank": str(row.rank) if row.rank else "not reached",
        "score": f"{row.score:.3f}" if row.rank else "",
        "relevance": row.relevance,
        "sign": SIGNS.get(row.relevance, ""),
        "moved": f"{'▲' if moved > 0 else '▼'} {abs(moved)}" if moved else "",
    }
