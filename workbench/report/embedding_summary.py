"""The comparison of two embedding maps as HTML without script."""

from __future__ import annotations

from workbench.analysis.embedding_comparison import EmbeddingComparison
from workbench.report.markup import escape

IMAGES = 5  # images that are named


def embedding_summary(comparison: EmbeddingComparison) -> str:
    """Both pipelines, the mean agreement, and the images whose neighbours differ most."""
    pipelines = f"<code>{escape(comparison.a)}</code> and <code>{escape(comparison.b)}</code>"
    if not comparison.k:
        return f"<div>{pipelines}: one image, which has no neighbours to compare.</div>"
    shared = f"{100 * comparison.mean:.1f} % of the {comparison.k} nearest neighbours in common"
    differing = "".join(
        f"<li>{escape(image)}: {100 * agreement:.0f} %</li>"
        for image, agreement, *_ in comparison.differing(IMAGES).itertuples(index=False, name=None)
    )
    count = len(comparison.agreement)
    return f"<div>{pipelines}: {shared}, mean of n = {count:,} images. Least:</div><ol>{differing}</ol>"
