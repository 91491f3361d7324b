"""The recounting of an event: what the moments, and in them parts, concepts and cells, add to its score.

The score of an event is Σⱼ aⱼ vⱼ over the scores vⱼ of moments, with the weights aⱼ of smoothing and mean.
The explanation of each moment splits vⱼ exactly over parts of the query and cells, so that aⱼ times it splits
the score of the event. (Recounting: Yu et al., ACM Multimedia 2012, by the weights of a linear classifier.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.analysis.event_intervals import Interval
from workbench.collections.named_picture import NamedPicture
from workbench.collections.video.moment import clock
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.common.rounding import DIGITS
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.printable import printable
from workbench.engine.combined_search import CombinedScores
from workbench.engine.engine import Engine
from workbench.engine.moments import VideoMoments
from workbench.explain.combined import explain_combined, names
from workbench.explain.sums import Sum

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

EXPLAINED = 12  # moments that are split over concepts and cells: those that add most
OTHERS = "other moments"
_COLUMNS = ["moment", "part", "name", "contribution"]


class Cells(NamedTuple):
    """What the cells of a moment add to the score of the event, [H, W], and its picture."""

    moment: str
    heatmap: NDArray[np.float64]
    picture: NamedPicture


@dataclass(frozen=True, repr=False)
class Recounting(Drawable):
    """The score of an event and what it is made of.

    ``moments`` has a row for each moment with a weight, in order of time: moment, seconds, weight, score and
    contribution, their product. ``table`` splits these: moment, part of the query, name of a region or
    concept (or ``mean of all images``, which standardised scores subtract), contribution; the largest first.
    The contributions of both sum to ``score``. ``cells`` are the heatmaps of the moments that add most; with
    ``constant`` they sum to the score, too.
    """

    score: float
    threshold: float
    video: str
    start: float
    end: float
    moments: Table
    table: Table = field(repr=False)
    cells: tuple[Cells, ...] = field(repr=False)
    constant: float
    title: str = ""
    pipeline: str = ""
    collection: str = ""

    @property
    def sentence(self) -> str:
        """The decision in a line."""
        return (
            f"{clock(self.start)}–{clock(self.end)} scores {self.score:.3f}, "
            f"{self.score - self.threshold:.3f} above the threshold of {self.threshold:.3f}"
        )

    def __repr__(self) -> str:
        lines = [f"  {printable(name)}  {value:+.{DIGITS}f}" for name, value in self.sum().groups.items()]
        head = f"Recounting of {printable(self.title)} in {printable(self.video)}: {self.sentence}"
        return "\n".join([head, *lines])

    def sum(self) -> Sum:
        """The score over the parts of the query, each over its regions or concepts, of all moments."""
        added = self.table.groupby(["part", "name"], sort=False)["contribution"].sum().reset_index()
        sizes = added.groupby("part", sort=False)["contribution"].transform("sum").abs()
        parts = added.assign(size=sizes, own=added["contribution"].abs())
        parts = parts.sort_values(["size", "part", "own"], ascending=[False, True, False], kind="stable")
        columns = {"group": parts["part"], "name": parts["name"], "contribution": parts["contribution"]}
        return Sum(Table(columns).reset_index(drop=True), "parts", 0.0, self.score)

    def figure(self) -> Figure:
        """The moments that add most under the heat of their cells, above the sum over parts."""
        return draw("recounting", self)


def recount(
    engine: Engine,
    config: Config,
    scores: CombinedScores,
    moments: VideoMoments,
    event: Interval,
    threshold: float,
    title: str,
    progress: Progress = silent,
) -> Recounting:
    """Split the score of an event over moments, and those that add most over parts, concepts and cells."""
    values = scores.combination.values[moments.rows]
    used = np.flatnonzero(event.weights > 0)
    added = event.weights[used] * values[used]
    strongest = set(used[np.argsort(-np.abs(added), kind="stable")[:EXPLAINED]].tolist())
    rows: list[tuple[str, str, str, float]] = []
    cells: list[Cells] = []
    for number in used.tolist():
        moment, weight = moments.ids[number], float(event.weights[number])
        if number not in strongest:
            rows += [(moment, *part) for part in _parts(scores, int(moments.rows[number]), weight)]
            continue
        progress("explaining moments", len(cells), len(strongest))
        why = explain_combined(engine, config, scores, moment, progress)
        details = why.sum().parts[["group", "name", "contribution"]].itertuples(index=False, name=None)
        rows += [(moment, part, name, weight * value) for part, name, value in details]
        assert why.picture is not None
        cells.append(Cells(moment, weight * np.asarray(why.image_heatmap, np.float64), why.picture))
    table = Table(rows, columns=_COLUMNS)
    order = np.argsort(-table["contribution"].abs().to_numpy(), kind="stable")
    heat = sum(float(part.heatmap.sum()) for part in cells)
    return Recounting(
        event.score,
        threshold,
        moments.video,
        event.start,
        event.end,
        Table(
            {
                "moment": [moments.ids[number] for number in used],
                "seconds": moments.seconds[used],
                "weight": event.weights[used],
                "score": values[used],
                "contribution": added,
            }
        ),
        Table(table.iloc[order].reset_index(drop=True)),
        tuple(cells),
        event.score - heat,
        title,
        str(config.description),
        engine.collection.name,
    )


def _parts(scores: CombinedScores, row: int, weight: float) -> list[tuple[str, str, float]]:
    """What the parts of the query add for a moment that is not split further: part, name, contribution."""
    combination = scores.combination
    used = [(number, leaf) for number, leaf in enumerate(scores.query.leaves, start=1) if leaf.weight]
    named = dict(zip([number - 1 for number, _ in used], names(used), strict=True))
    parts = [
        (named[number], OTHERS, weight * float(combination.weighted[number][row]))
        for number in combination.deciding(row)
    ]
    rest = weight * float(combination.values[row]) - sum(value for *_, value in parts)
    if abs(rest) > 1e-9:
        parts.append(("arrangement", "it does not hold", rest))
    return parts
