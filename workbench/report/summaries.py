"""Results as HTML without script: the numbers and notes that a notebook shows beside the figure."""

from __future__ import annotations

from functools import singledispatch

from workbench.analysis.binary_codes import BinaryCodeStudy
from workbench.analysis.embedding_comparison import EmbeddingComparison
from workbench.analysis.index_tradeoff import Tradeoff
from workbench.analysis.proposal_recall import RegionRecall
from workbench.analysis.sweep import Sweep
from workbench.report.embedding_summary import embedding_summary
from workbench.report.markup import escape
from workbench.report.study_summaries import bits_summary, recall_summary, sweep_summary, tradeoff_summary


@singledispatch
def summary(result: object) -> str:
    """The HTML of a result; a kind of result without a summary of its own is shown as its text."""
    return f"<pre>{escape(result)}</pre>"


summary.register(Sweep, sweep_summary)
summary.register(BinaryCodeStudy, bits_summary)
summary.register(Tradeoff, tradeoff_summary)
summary.register(RegionRecall, recall_summary)
summary.register(EmbeddingComparison, embedding_summary)
