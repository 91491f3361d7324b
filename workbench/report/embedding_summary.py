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
    said = f"{100 * comparison.mean:.1f} % of the {comparison.k} nearest neighbours in common"
    least = comparison.differing(IMAGES)
    differing = "".join(
        f"<li>{escape(image)}: {100 * agreement:.0f} %</li>"
        for image, agreement in zip(least["image_id"], least["agreement"], strict=True)
    )
    count = len(comparison.agreement)
    return f"<div>{pipelines}: {said}, mean of n = {count:,} images. Least:</div><ol>{differing}</ol>"
