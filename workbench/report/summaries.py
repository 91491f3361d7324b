"""Results as HTML without script: the numbers and notes that a notebook shows beside the figure."""

from __future__ import annotations

from functools import singledispatch

from workbench.analysis.ap_factors import ApFactors
from workbench.analysis.index_tradeoff import Tradeoff
from workbench.analysis.proposal_recall import RegionRecall
from workbench.analysis.score_distributions import ScoreDistributions
from workbench.analysis.sweep import Sweep
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Comparison
from workbench.report.evaluation_summaries import (
    comparison_summary,
    evaluation_summary,
    factors_summary,
    scores_summary,
)
from workbench.report.markup import escape
from workbench.report.study_summaries import recall_summary, sweep_summary, tradeoff_summary


@singledispatch
def summary(result: object) -> str:
    """The HTML of a result; a kind of result without a summary of its own is shown as its text."""
    return f"<pre>{escape(result)}</pre>"


summary.register(Evaluation, evaluation_summary)
summary.register(Comparison, comparison_summary)
summary.register(ScoreDistributions, scores_summary)
summary.register(ApFactors, factors_summary)
summary.register(Sweep, sweep_summary)
summary.register(Tradeoff, tradeoff_summary)
summary.register(RegionRecall, recall_summary)
