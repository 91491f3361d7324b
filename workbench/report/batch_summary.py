"""A batch of HardNet's training as HTML: its mean loss, and rows of patches."""

from __future__ import annotations

import numpy as np
from PIL import Image

from workbench.common.picture_bytes import png
from workbench.figures.patch_batch import drawn_pairs
from workbench.learning.hardnet.inspection import MinedBatch
from workbench.report.markup import escape, paragraph, picture

_PIXELS = 64  # of a patch


def batch_summary(batch: MinedBatch) -> str:
    """The mean loss, and how often a negative is nearer than the positive."""
    nearest = np.minimum(batch.row_distance, batch.column_distance)
    nearer = int((nearest < batch.matching).sum())
    by_row = int(batch.from_row.sum())
    lines = [
        f"<b>{escape(batch.network)}: mean loss {batch.loss.mean():.3f}</b>",
        f"For {nearer} of {len(batch)} pairs the hardest negative is nearer than the positive; it is the "
        f"positive nearest to the anchor {by_row} times, the anchor nearest to the positive "
        f"{len(batch) - by_row} times.",
    ]
    return paragraph(lines)


def batch_still(batch: MinedBatch) -> str:
    """Anchors, positives, the positives nearest to the anchors and the anchors nearest to the positives."""
    pairs = drawn_pairs(batch)
    anchors, positives = batch.pairs.anchors, batch.pairs.positives
    rows = (anchors[pairs], positives[pairs], positives[batch.by_row[pairs]], anchors[batch.by_column[pairs]])
    tiles = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    drawn = Image.fromarray(tiles).resize((_PIXELS * len(pairs), _PIXELS * len(rows)))
    words = "rows: anchor, positive, positive nearest to the anchor, anchor nearest to the positive"
    return paragraph([words]) + picture(png(drawn), words)
