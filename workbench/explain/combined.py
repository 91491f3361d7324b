"""Explain the score of an image for a query of several parts: what each part adds, and where.

The score s of a part is standardised and weighted: w (s - mean) / std. Its own explanation splits s exactly
over cells, so that w / std times this splits what the part adds, but for a constant: the mean of all images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.collections.named_picture import NamedPicture
from workbench.common.drawable import Drawable, draw
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.common.rounding import DIGITS
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.printable import printable
from workbench.engine.combined_search import CombinedScores, search_notes
from workbench.engine.engine import Engine
from workbench.engine.places import LOCATED
from workbench.explain.pair import explain_pair
from workbench.explain.score import Explanation, interval_overlaps
from workbench.explain.sketch import explain_colours, explain_sketch
from workbench.explain.sums import Sum
from workbench.explain.text import explain_text
from workbench.query.part import Part
from workbench.query.query import Leaf

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MEAN = "mean of all images"


@dataclass(frozen=True)
class ExplainedPart:
    """What a part of a query gives to the score of an image.

    ``value`` is its standardised score times its weight: ``weight * (score - mean) / std``. It ``counts``
    unless ``and`` or ``or`` chose another part. ``heatmap`` [H, W] over the image and ``constant`` add up to
    ``value``. ``why`` is the explanation of the ``score`` itself, ``box`` (fractions of the image) where the
    part was located for an arrangement.
    """

    number: int
    leaf: Leaf
    score: float
    mean: float
    std: float
    value: float
    counts: bool
    heatmap: np.ndarray = field(repr=False)
    constant: float
    why: Any = field(repr=False)
    box: Box | None = None

    @property
    def contribution(self) -> float:
        """What the part adds to the score of the query: its value if it counts, else 0."""
        return self.value if self.counts else 0.0


@dataclass(frozen=True, repr=False)
class CombinedExplanation(Drawable):
    """The score of an image for a query of parts: the contributions of ``parts``, and ``penalty``, sum to it.

    Parts of weight zero are left out. ``penalty`` is what an image loses that has not the arrangement, mostly
    0. ``image_heatmap`` [H, W], the heat of all parts that count, and ``constant`` add up to the score, too.
    ``text`` is the query as text.
    """

    score: float
    parts: tuple[ExplainedPart, ...]
    penalty: float
    image_heatmap: np.ndarray
    constant: float
    text: str
    warnings: tuple[str, ...] = ()
    pipeline: str = ""
    collection: str = ""
    picture: NamedPicture | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        rows = [(name, value) for name, value in self.sum().groups.items()]
        width = max(len(printable(name)) for name, _ in rows)
        lines = [f"  {printable(name):<{width}}  {value:+.{DIGITS}f}" for name, value in rows]
        lines += [f"  {part.leaf}: not decisive" for part in self.parts if not part.counts]
        of = f" of {printable(self.subject)}" if self.subject else ""
        head = f"CombinedExplanation: score {self.score:.3f}{of} for {printable(self.text)}, {self.pipeline}"
        return "\n".join([head, *lines, *(f"  note: {warning}" for warning in self.warnings)])

    @property
    def subject(self) -> str:
        """The name of the image."""
        return self.picture.name if self.picture else ""

    @property
    def table(self) -> Table:
        """A row for each part: part, weight, score, mean, std, standardised, counts, contribution."""
        return Table(
            {
                "part": [str(part.leaf.part) for part in self.parts],
                "weight": [part.leaf.weight for part in self.parts],
                "score": [part.score for part in self.parts],
                "mean": [part.mean for part in self.parts],
                "std": [part.std for part in self.parts],
                "standardised": [part.value / part.leaf.weight for part in self.parts],
                "counts": [part.counts for part in self.parts],
                "contribution": [part.contribution for part in self.parts],
            }
        )

    def sum(self) -> Sum:
        """The score over the parts that count, each over its regions or concepts and the mean."""
        rows: list[tuple[str, str, float]] = []
        for name, part in zip(names([(p.number, p.leaf) for p in self.parts]), self.parts, strict=True):
            if part.counts:
                rows += [(name, detail, value) for detail, value in _details(part)]
        if abs(self.penalty) > 1e-9:
            rows.append(("arrangement", "it does not hold", self.penalty))
        return Sum(Table(rows, columns=["group", "name", "contribution"]), "parts", 0.0, self.score)

    def figure(self) -> Figure:
        """The image under the heat of the parts, above the sum of what they add."""
        return draw("combined_explanation", self)


def names(parts: Sequence[tuple[int, Leaf]]) -> list[str]:
    """The parts, each with its number in the query, with their weights as text; equal ones with it."""
    count = Counter(str(leaf) for _, leaf in parts)
    return [str(leaf) if count[str(leaf)] == 1 else f"{leaf} (part {number})" for number, leaf in parts]


def explain_part(engine: Engine, config: Config, part: Part, image_id: str, progress: Progress) -> Any:
    """Explain the score of an image for one part by itself."""
    if part.kind == "text":
        return explain_text(engine, config, part.value, image_id, progress)
    if part.kind == "sketch":
        return explain_sketch(engine, config, part.value, image_id, progress)
    if part.kind == "colours":
        return explain_colours(engine, part.value, image_id, progress)
    return explain_pair(engine, config.description, part.value, image_id, part.box, progress)


def explain_combined(
    engine: Engine, config: Config, scores: CombinedScores, image_id: str, progress: Progress
) -> CombinedExplanation:
    """Explain the score of an image of the collection for a query whose parts were scored."""
    collection = engine.collection
    row = collection.rows[image_id]
    combination, query = scores.combination, scores.query
    score = float(combination.values[row])
    deciding = set(combination.deciding(row))
    parts = []
    for n, leaf in enumerate(query.leaves):
        if not leaf.weight:
            continue
        why = explain_part(engine, config, leaf.part, image_id, progress)
        standard = scores.standardised[n]
        factor = leaf.weight / standard.std if standard.std else 0.0
        heat = factor * _heat(why)
        value = float(combination.weighted[n][row])
        placed = query.arranged and leaf.part.kind in LOCATED and leaf.weight > 0
        parts.append(
            ExplainedPart(
                n + 1,
                leaf,
                float(scores.scores[n][row]),
                standard.mean,
                standard.std,
                value,
                n in deciding,
                heat,
                value - float(heat.sum()),
                why,
                scores.places.boxes([leaf.part], row)[0] if placed else None,
            )
        )
    total = added([part.heatmap for part in parts if part.counts])
    return CombinedExplanation(
        score,
        tuple(parts),
        score - sum(part.contribution for part in parts),
        total,
        score - float(total.sum()),
        str(query),
        tuple(search_notes(engine, config, scores, progress)),
        str(config.description),
        collection.name,
        NamedPicture(image_id, collection.path(image_id)),
    )


def added(heatmaps: Sequence[np.ndarray]) -> NDArray[np.float64]:
    """The sum of heatmaps [H, W] of different sizes, on the cells of the finest; the total is kept."""
    height, width = (max(heat.shape[axis] for heat in heatmaps) for axis in (0, 1))
    total = np.zeros((height, width))
    for heat in heatmaps:
        rows, columns = (
            interval_overlaps(heat.shape[axis], size) for axis, size in enumerate((height, width))
        )
        total += (rows.double() @ torch.from_numpy(heat) @ columns.double().T).numpy()
    return total


def _heat(why: Any) -> NDArray[np.float64]:
    heat = why.image_heatmap if isinstance(why, Explanation) else why.heatmap
    return np.asarray(heat, np.float64)


def _details(part: ExplainedPart) -> list[tuple[str, float]]:
    """The regions or concepts of a part by name, and what each adds; the last is the rest, with the mean."""
    factor = part.leaf.weight / part.std if part.std else 0.0
    if isinstance(part.why, Explanation):
        regions = part.why.sum("image").parts
        named = [
            f"{group} {name}".strip() for group, name in zip(regions["group"], regions["name"], strict=True)
        ]
        values = factor * regions["contribution"].to_numpy(float)
    elif part.why.concepts.empty:  # of a vision–language model
        named, values = ["all cells"], np.array([part.heatmap.sum()])
    else:
        named = [str(name) for name in part.why.concepts["concept"]]
        values = factor * part.why.concepts["contribution"].to_numpy(float)
    return [*zip(named, values.tolist(), strict=True), (MEAN, part.value - float(values.sum()))]
