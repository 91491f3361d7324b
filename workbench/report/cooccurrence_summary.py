"""Correlations of dimensions before and after whitening, as HTML."""

from __future__ import annotations

from workbench.analysis.cooccurrence import Cooccurrence
from workbench.report.markup import escape


def cooccurrence_summary(result: Cooccurrence) -> str:
    """The mean squared correlation before and after, the number of vectors, and the pipeline."""
    before, after = result.shared
    lines = [
        f"<b>Mean r² of two dimensions: {before:.4f} before whitening, {after:.4f} after</b>",
        f"{result.vectors:,} vectors of {len(result.spectrum[0]):,} dimensions, "
        f"{len(result.spectrum[1]):,} after",
        escape(result.pipeline),
    ]
    return f'<p style="overflow-wrap: anywhere">{"<br>".join(lines)}</p>'
