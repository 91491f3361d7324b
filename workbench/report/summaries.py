"""Results as HTML without script: numbers and notes, and a picture where there is no interactive figure."""

from __future__ import annotations

from functools import singledispatch

from workbench.analysis.ap_factors import ApFactors
from workbench.analysis.binary_codes import BinaryCodeStudy
from workbench.analysis.budget import Budget
from workbench.analysis.confusion import Confusion
from workbench.analysis.cooccurrence import Cooccurrence
from workbench.analysis.embedding_comparison import EmbeddingComparison
from workbench.analysis.events import Events
from workbench.analysis.index_tradeoff import Tradeoff
from workbench.analysis.proposal_recall import RegionRecall
from workbench.analysis.recounting import Recounting
from workbench.analysis.reranking import Reranking
from workbench.analysis.score_distributions import ScoreDistributions
from workbench.analysis.summary import Summary
from workbench.analysis.sweep import Sweep
from workbench.config.errors import WorkbenchError
from workbench.engine.copy_evaluation import CopyEvaluation
from workbench.engine.evaluate import Evaluation
from workbench.engine.frame_alignment import FrameAlignment
from workbench.engine.moment_evaluation import MomentEvaluation
from workbench.evaluation.comparison import Comparison
from workbench.explain.activations import Activations
from workbench.explain.channels import Contributions
from workbench.explain.combined import CombinedExplanation
from workbench.explain.components import Components
from workbench.explain.one import Evidence
from workbench.explain.score import Explanation
from workbench.explain.text import TextExplanation
from workbench.learning.hardnet.inspection import MinedBatch
from workbench.learning.history import TrainingHistory
from workbench.local.matching import Match
from workbench.report.activations_summary import activations_still, activations_summary
from workbench.report.batch_summary import batch_still, batch_summary
from workbench.report.combined_summary import combined_still, combined_summary
from workbench.report.components_summary import components_still, components_summary
from workbench.report.confusion_summary import confusion_summary
from workbench.report.cooccurrence_summary import cooccurrence_summary
from workbench.report.copies_summary import alignment_summary, copies_summary
from workbench.report.embedding_summary import embedding_summary
from workbench.report.evaluation_summaries import (
    comparison_summary,
    evaluation_summary,
    factors_summary,
    scores_summary,
)
from workbench.report.event_summaries import events_summary, recounting_still, recounting_summary
from workbench.report.explanation_summary import (
    contributions_still,
    contributions_summary,
    explanation_still,
    explanation_summary,
)
from workbench.report.markup import escape
from workbench.report.match_summary import match_still, match_summary
from workbench.report.moment_summary import moment_summary
from workbench.report.study_summaries import (
    bits_summary,
    budget_summary,
    recall_summary,
    reranking_summary,
    sweep_summary,
    tradeoff_summary,
)
from workbench.report.text_summary import text_still, text_summary
from workbench.report.training_summary import training_summary, training_table
from workbench.report.video_summary import moments_still, moments_summary


@singledispatch
def summary(result: object) -> str:
    """The HTML of a result; a kind of result without a summary of its own is shown as its text."""
    return f"<pre>{escape(result)}</pre>"


@singledispatch
def still(result: object) -> str:
    """The picture of a result as HTML, in place of its figure; empty for a result without one."""
    return ""


def page(result: object) -> str:
    """The HTML of a result where nothing interactive is shown: its numbers, notes and picture."""
    try:
        return summary(result) + still(result)
    except WorkbenchError as error:  # a picture cannot be read any more
        return f"{summary(result)}<p>{escape(error)}</p>"


summary.register(Match, match_summary)
still.register(Match, match_still)
for result in (Explanation, Evidence):
    summary.register(result, explanation_summary)
    still.register(result, explanation_still)
summary.register(TextExplanation, text_summary)
summary.register(CombinedExplanation, combined_summary)
still.register(CombinedExplanation, combined_still)
still.register(TextExplanation, text_still)
summary.register(Contributions, contributions_summary)
still.register(Contributions, contributions_still)
summary.register(Confusion, confusion_summary)
summary.register(Cooccurrence, cooccurrence_summary)
summary.register(Activations, activations_summary)
still.register(Activations, activations_still)
summary.register(Components, components_summary)
still.register(Components, components_still)
summary.register(TrainingHistory, training_summary)
still.register(TrainingHistory, training_table)
summary.register(Evaluation, evaluation_summary)
summary.register(Comparison, comparison_summary)
summary.register(MomentEvaluation, moment_summary)
summary.register(ScoreDistributions, scores_summary)
summary.register(ApFactors, factors_summary)
summary.register(Sweep, sweep_summary)
summary.register(BinaryCodeStudy, bits_summary)
summary.register(Tradeoff, tradeoff_summary)
summary.register(Budget, budget_summary)
summary.register(Reranking, reranking_summary)
summary.register(RegionRecall, recall_summary)
summary.register(MinedBatch, batch_summary)
still.register(MinedBatch, batch_still)
summary.register(EmbeddingComparison, embedding_summary)
summary.register(Summary, moments_summary)
still.register(Summary, moments_still)
summary.register(Events, events_summary)
summary.register(Recounting, recounting_summary)
still.register(Recounting, recounting_still)
summary.register(CopyEvaluation, copies_summary)
summary.register(FrameAlignment, alignment_summary)
