"""How HardNet is trained, live: anchor, positive, the two hardest negatives, and which one was taken."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import ipywidgets as W

from workbench.learning.hardnet import inspection as sampling
from workbench.learning.hardnet.inspection import AT_ONCE, EACH, UNTRAINED, Lesson, Sampled
from workbench.panels.local_features import here, known
from workbench.panels.session import Session
from workbench.panels.widgets.patches import Cell, PatchRows, cell
from workbench.panels.widgets.region import Line, Text, line
from workbench.progress import Progress

LANE = "sampling"
SHOWN = 8  # anchors of a batch
TAKEN = "●"
TITLES = ["Anchor", "Positive", "Nearest positive", "Nearest anchor", "Loss"]
HINT = (
    "In a batch each anchor has one positive, the same place seen from elsewhere, and everything else is a "
    "negative. Of the positive nearest to the anchor and the anchor nearest to the positive, the nearer one "
    "is taken: the hardest negative of the batch. Draw a batch of this collection's photos to see it."
)


class SamplingView:
    """Batches one after the other, seen by an untrained network or by a trained one."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.number = -1  # of the batch that is shown
        self.sampled: Sampled | None = None
        self._lesson: tuple[Any, Lesson] | None = None  # and the collection that it is of
        self.network = W.Dropdown(description="Network", options=[(UNTRAINED, UNTRAINED)])
        self.next = W.Button(description="Draw a batch", tooltip="As in training: places of a few photos")
        self.said = Text(lines=[line(HINT, "note")])
        self.rows = PatchRows(label="Anchors, positives and their hardest negatives", titles=TITLES)
        title = Text(lines=[line("HardNet sampling", "part")])
        head = W.Box([self.network, self.next, self.said])
        head.add_class("wb-sampling-head")
        self.widget = W.VBox([title, head, self.rows])
        self.widget.add_class("wb-sampling")
        self.show_networks(None)
        self.next.on_click(session.guard(self.draw))
        self.network.observe(session.guard(self.see), "value")
        session.observe(session.guard(self.show_networks), "learned")

    def show_networks(self, _: object) -> None:
        """Offer the networks that there are; a trained one first."""
        options = self.session.bench.options
        texts = {name: text for text, name in known(options)}
        trained = [(texts[name], name) for name in here(options) if name != "sift"]
        offered = [*trained, (UNTRAINED, UNTRAINED)]
        if offered != list(self.network.options):
            kept = self.network.value
            self.network.options = offered
            if kept in [name for _, name in offered] and self.number >= 0:
                self.network.value = kept

    def draw(self, _: object) -> None:
        """The next batch."""
        self.number += 1
        self.see(None)

    def see(self, _: object) -> None:
        """Show the batch as the chosen network sees it, in a worker."""
        if self.number >= 0:
            self.rows.stale = self.sampled is not None
            self.session.run(LANE, partial(self._see, self.number, str(self.network.value)))

    def _see(self, number: int, name: str, progress: Progress) -> None:
        bench = self.session.bench
        try:
            if self._lesson is None or self._lesson[0] is not bench.collection:
                self._lesson = bench.collection, sampling.lesson(bench.collection, bench.options, progress)
            lesson = self._lesson[1]
            progress("Describing patches", 0, 0)
            sampled = lesson.seen(lesson.draw(number), sampling.network(name, bench.options))
            progress("Describing patches", 1, 1)
            self.sampled = sampled
            self.rows.rows, self.said.lines = rows(sampled), said(sampled, number)
            self.next.description = "Next batch"
        finally:
            self.rows.stale = False


def shown(sampled: Sampled) -> list[int]:
    """Which pairs are shown: of every photo as many, as they come."""
    return list(range(0, len(sampled), max(1, len(sampled) // SHOWN)))[:SHOWN]


def rows(sampled: Sampled) -> list[list[Cell]]:
    """A column for each of some anchors; the negative that was taken is marked."""
    made = []
    anchors, positives = sampled.pairs.anchors, sampled.pairs.positives
    for i in shown(sampled):
        row, column = int(sampled.by_row[i]), int(sampled.by_column[i])
        taken = bool(sampled.from_row[i])
        own = sampled.photos[i]

        def negative(patch: Any, kind: str, number: int, distance: float, mark: bool, own: str = own) -> Cell:
            photo = sampled.photos[number]
            sign = f"{TAKEN} taken" if mark else ""
            return cell(
                patch,
                f"{kind}{', taken' if mark else ''}",
                f"{distance:.2f}",
                "of the same photo" if photo == own else photo,
                mark=sign,
            )

        made.append(
            [
                cell(anchors[i], "anchor", own),
                cell(positives[i], "positive", f"{sampled.matching[i]:.2f}", "same place"),
                negative(
                    positives[row],
                    "the other positive nearest to the anchor",
                    row,
                    float(sampled.row_distance[i]),
                    taken,
                ),
                negative(
                    anchors[column],
                    "the other anchor nearest to the positive",
                    column,
                    float(sampled.column_distance[i]),
                    not taken,
                ),
                cell(None, "", f"{sampled.loss[i]:.2f}"),
            ]
        )
    return [list(row) for row in zip(*made, strict=True)]


def said(sampled: Sampled, number: int) -> list[Line]:
    """What the batch comes to."""
    nearest = [min(pair) for pair in _negatives(sampled)]
    nearer = sum(one < match for one, match in zip(nearest, sampled.matching, strict=True))
    taken = int(sampled.from_row.sum())
    return [
        line(f"Batch {number + 1}: mean loss {sampled.loss.mean():.2f}", "numbers"),
        line(
            f"{len(sampled)} pairs of {AT_ONCE} photos, {EACH} places each. For {nearer} of them the hardest "
            f"negative is nearer than the positive. The nearest positive was taken {taken} times, the "
            f"nearest anchor {len(sampled) - taken} times. Numbers are distances; the loss is 1 + that "
            "of the positive − that of the negative taken, or nought.",
            "note",
        ),
    ]


def _negatives(sampled: Sampled) -> Sequence[tuple[float, float]]:
    return list(zip(sampled.row_distance.tolist(), sampled.column_distance.tolist(), strict=True))
