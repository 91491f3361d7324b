"""HardNet's batches: anchor, positive, the two hardest negatives, and the one that is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import ipywidgets as W

from workbench.common.progress import Progress
from workbench.learning.hardnet import inspection as sampling
from workbench.learning.hardnet.inspection import AT_ONCE, EACH, UNTRAINED, BatchSampler, MinedBatch
from workbench.panels.base import Panel
from workbench.panels.local_backbones import hardnets
from workbench.panels.session import Session
from workbench.panels.widgets.name_select import name_select
from workbench.panels.widgets.patches import Cell, PatchRows, cell
from workbench.panels.widgets.region import Line, Text, line

SHOWN = 8  # anchors of a batch
TAKEN = "●"
TITLES = ["Anchor", "Positive", "Nearest positive", "Nearest anchor", "Loss"]
HINT = (
    "In a batch each anchor has one positive, the same place in another view, and all other patches are "
    "negatives. Of the positive nearest to the anchor and the anchor nearest to the positive, the nearer one "
    "is taken: the hardest negative of the batch. Draw a batch of this collection's photos to see it."
)


class Request(NamedTuple):
    """The number of a batch, and the network that describes it."""

    number: int
    network: str


class SamplingView(Panel[Request, tuple[Request, MinedBatch]]):
    """Batches one after the other, described by an untrained network or by a trained one."""

    lane, phase, delay = "sampling", "Describing patches", 0.0

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.number = -1  # of the batch that is shown
        self.sampled: MinedBatch | None = None
        self._lesson: tuple[Any, BatchSampler] | None = None  # the collection and its lesson
        self.network = name_select("Network", options=[(UNTRAINED, UNTRAINED)])
        self.next = W.Button(description="Draw a batch", tooltip="As in training: places of a few photos")
        self.lines = Text(lines=[line(HINT, "note", "hardest negative")])
        self.rows = PatchRows(label="Anchors, positives and their hardest negatives", titles=TITLES)
        title = Text(lines=[line("HardNet sampling", "part")])
        head = W.Box([self.network, self.next, self.lines])
        head.add_class("wb-sampling-head")
        self.widget = W.VBox([title, head, self.rows])
        self.widget.add_class("wb-sampling")
        self.show_networks(None)
        self.next.on_click(session.guard(self.draw))
        self.network.observe(session.guard(self.refresh), "value")
        session.observe(session.guard(self.show_networks), "learned")

    def show_networks(self, _: object) -> None:
        """Offer the networks that exist; trained ones first."""
        networks = [*hardnets(self.session.bench.options), (UNTRAINED, UNTRAINED)]
        if networks != list(self.network.options):
            value = self.network.value
            self.network.options = networks
            if value in [name for _, name in networks] and self.number >= 0:
                self.network.value = value

    def draw(self, _: object) -> None:
        """Show the next batch."""
        self.number += 1
        self.refresh()

    def request(self) -> Request | None:
        return Request(self.number, str(self.network.value)) if self.number >= 0 else None

    def dim(self, stale: bool) -> None:
        self.rows.stale = stale and self.sampled is not None

    def compute(self, request: Request, progress: Progress) -> tuple[Request, MinedBatch]:
        bench = self.session.bench
        if self._lesson is None or self._lesson[0] is not bench.collection:
            self._lesson = bench.collection, sampling.batch_sampler(bench.collection, bench.options, progress)
        lesson = self._lesson[1]
        progress("Describing patches", 0, 0)
        network = sampling.load_network(request.network, bench.options)
        return request, lesson.mine(lesson.draw(request.number), network)

    def render(self, result: tuple[Request, MinedBatch]) -> None:
        request, self.sampled = result
        self.rows.rows = rows(self.sampled)
        self.lines.lines = summary(self.sampled, request.number)
        self.next.description = "Next batch"


def shown(sampled: MinedBatch) -> list[int]:
    """The numbers of the pairs that are shown: as many of each photo, in order."""
    return list(range(0, len(sampled), max(1, len(sampled) // SHOWN)))[:SHOWN]


def rows(sampled: MinedBatch) -> list[list[Cell]]:
    """A column for each anchor that is shown; the negative that was taken is marked."""
    columns = []
    anchors, positives = sampled.pairs.anchors, sampled.pairs.positives
    for i in shown(sampled):
        row, column = int(sampled.by_row[i]), int(sampled.by_column[i])
        row_taken = bool(sampled.from_row[i])
        photo = sampled.photos[i]

        def negative(
            patch: Any, kind: str, number: int, distance: float, taken: bool, anchor_photo: str = photo
        ) -> Cell:
            photo = sampled.photos[number]
            sign = f"{TAKEN} taken" if taken else ""
            return cell(
                patch,
                f"{kind}{', taken' if taken else ''}",
                f"{distance:.2f}",
                "of the same photo" if photo == anchor_photo else photo,
                mark=sign,
            )

        columns.append(
            [
                cell(anchors[i], "anchor", photo),
                cell(positives[i], "positive", f"{sampled.matching[i]:.2f}", "same place"),
                negative(
                    positives[row],
                    "the other positive nearest to the anchor",
                    row,
                    float(sampled.row_distance[i]),
                    row_taken,
                ),
                negative(
                    anchors[column],
                    "the other anchor nearest to the positive",
                    column,
                    float(sampled.column_distance[i]),
                    not row_taken,
                ),
                cell(None, "", f"{sampled.loss[i]:.2f}"),
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def summary(sampled: MinedBatch, number: int) -> list[Line]:
    """The mean loss of the batch, and its negatives."""
    nearest = [min(pair) for pair in _negatives(sampled)]
    nearer = sum(negative < match for negative, match in zip(nearest, sampled.matching, strict=True))
    taken = int(sampled.from_row.sum())
    return [
        line(f"Batch {number + 1}: mean loss {sampled.loss.mean():.2f}", "numbers"),
        line(
            f"{len(sampled)} pairs of {AT_ONCE} photos, {EACH} places each. For {nearer} of them the hardest "
            f"negative is nearer than the positive. The nearest positive was taken {taken} times, the "
            f"nearest anchor {len(sampled) - taken} times. Numbers are distances; the loss is 1 + the "
            "distance of the positive − that of the negative taken, at least 0.",
            "note",
        ),
    ]


def _negatives(sampled: MinedBatch) -> Sequence[tuple[float, float]]:
    return list(zip(sampled.row_distance.tolist(), sampled.column_distance.tolist(), strict=True))
