"""Evaluate copy detection on a collection whose ground truth knows copied segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from workbench.collections.collection import Collection
from workbench.collections.video.truth import CopiedSegment
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.engine.copies import COLUMNS, find_copies
from workbench.engine.engine import Engine
from workbench.evaluation.copy_detection import (
    CopyMeasures,
    copy_measures,
    intersection_over_union,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LEAST = 0.5  # seconds: the lowest score of detections that are judged


@dataclass(frozen=True, repr=False)
class CopyEvaluation(Drawable):
    """Detected segments of all query videos, judged by intersection over union in both videos.

    ``metrics``: µAP (average precision over the detections of all queries together), the highest F1 over all
    thresholds of the score, with its precision, recall and threshold. ``detections`` has the columns query,
    those of ``Bench.copies``, and transformation, empty where the detection is wrong. ``transformations`` has
    a row for each: transformation, copies, recall (at the threshold), iou (the mean over all copies, zero
    for a missing one) and average_precision (of its queries alone). Of ``queries`` query videos ``negatives``
    contain no copy; in ``false_alarms`` of those a segment is detected at the threshold.
    """

    metrics: dict[str, float]
    detections: Table
    transformations: Table
    measures: CopyMeasures = field(repr=False)
    pipeline: str
    collection: str
    queries: int
    warnings: tuple[str, ...] = ()
    negatives: int = 0
    false_alarms: int = 0

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {self.metrics[name]:.3f}" for name in ("µAP", "F1", "precision", "recall"))
        lines = [f"CopyEvaluation: {printable(self.collection)}, {printable(self.pipeline)}: {shown}"]
        lines += [
            f"  {printable(row['transformation'])}: recall {row['recall']:.2f}, IoU {row['iou']:.2f}"
            for row in self.transformations.to_dict("records")
        ]
        return "\n".join(lines)

    def figure(self) -> Figure:
        """Precision over recall, and the recall and IoU of each transformation."""
        return draw("copy_evaluation", self)


def require_copies(collection: Collection) -> None:
    """Raise WorkbenchError if the ground truth of a collection knows no copied segments."""
    if collection.video_truth is None or not collection.video_truth.copies:
        raise WorkbenchError(
            f"{collection.name!r} has no ground truth of copied segments; open 'reels', which has it"
        )


def evaluate_copies(engine: Engine, config: Config, fps: float, progress: Progress) -> CopyEvaluation:
    """Find the copies of all query videos of the ground truth and judge them.

    Raises WorkbenchError if there is no ground truth of copied segments.
    """
    require_copies(engine.collection)
    truth = engine.collection.video_truth
    assert truth is not None
    queries = truth.copy_queries
    rows: list[tuple[object, ...]] = []
    warnings: list[str] = []
    for number, query in enumerate(queries):
        progress("finding copies", number, len(queries))
        table = find_copies(engine, config, query, fps, LEAST, progress)
        warnings = table.attrs["warnings"]
        rows += [(query, *row) for row in table.itertuples(index=False, name=None)]
    detections = Table(rows, columns=["query", *COLUMNS])
    name = engine.collection.name
    return judged(detections, truth.copies, str(config), name, tuple(warnings), truth.negatives)


def judged(
    detections: Table,
    copies: Sequence[CopiedSegment],
    pipeline: str,
    collection: str,
    warnings: tuple[str, ...] = (),
    negatives: Sequence[str] = (),
) -> CopyEvaluation:
    """The evaluation of detections (query, then the columns of ``Bench.copies``) against copied segments.

    What is detected in ``negatives``, query videos without a copy, is wrong as any other wrong detection.
    """
    copied = list(copies)
    kinds = [copy.transformation for copy in copies]
    detected = [CopiedSegment(*row[:6]) for row in detections.itertuples(index=False, name=None)]
    scores = detections["score"].to_numpy(float)
    measures = copy_measures(detected, scores.tolist(), copied)
    accepted = {
        int(number)
        for number, score in zip(measures.matches, scores, strict=True)
        if number >= 0 and score >= measures.threshold
    }
    overlaps = np.zeros(len(copied))
    for number, copy in enumerate(copied):
        overlaps[number] = max((intersection_over_union(copy, one) for one in detected), default=0.0)
    rows = []
    for kind in dict.fromkeys(kinds):
        chosen = [number for number, name in enumerate(kinds) if name == kind]
        queries = {copied[number].query for number in chosen}
        own = [position for position, one in enumerate(detected) if one.query in queries]
        alone = copy_measures(
            [detected[position] for position in own], scores[own].tolist(), [copied[n] for n in chosen]
        )
        recall = len(accepted.intersection(chosen)) / len(chosen)
        rows.append((kind, len(chosen), recall, overlaps[chosen].mean(), alone.average_precision))
    names = ["transformation", "copies", "recall", "iou", "average_precision"]
    listed = detections.assign(
        transformation=[kinds[number] if number >= 0 else "" for number in measures.matches]
    )
    metrics = {
        "µAP": measures.average_precision,
        "F1": measures.f1,
        "precision": measures.precision,
        "recall": measures.recall,
        "threshold": measures.threshold,
    }
    return CopyEvaluation(
        metrics,
        Table(listed),
        Table(rows, columns=names),
        measures,
        pipeline,
        collection,
        len({copy.query for copy in copied}) + len(negatives),
        warnings,
        len(negatives),
        len(
            {
                segment.query
                for segment, score in zip(detected, scores, strict=True)
                if segment.query in negatives and score >= measures.threshold
            }
        ),
    )
