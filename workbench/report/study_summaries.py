"""Sweeps, trade-offs of indexes and recall of regions as HTML without script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from workbench.analysis.binary_codes import BinaryCodeStudy
from workbench.analysis.budget import COLLECTIONS, Budget
from workbench.analysis.index_tradeoff import Tradeoff
from workbench.analysis.proposal_recall import REGIONS, RegionRecall
from workbench.analysis.reranking import Reranking
from workbench.analysis.sweep import Sweep
from workbench.evaluation.measures_text import percent
from workbench.figures.budget import in_units
from workbench.figures.index_measures import points, seconds
from workbench.report.markup import escape, paragraph, table

ROWS = 30  # of a table
LINES = 5  # of reasons and of notes


def sweep_summary(sweep: Sweep) -> str:
    """The template, a row for each pipeline, the combinations left out, and the notes."""
    every = sweep.table
    shown = pd.DataFrame({name: every[name].map(str).replace("", "none") for name in sweep.values})
    shown["mAP, %"] = every["mean_ap"].map(percent)
    shown["95 % interval"] = [
        "" if pd.isna(low) else f"{100 * low:.1f} to {100 * high:.1f}"
        for low, high in zip(every["low"], every["high"], strict=True)
    ]
    shown["queries"] = every["judged"].str.removesuffix(" queries")
    for column, title, form in (("bytes", "bytes/image", "{:,.0f}"), ("milliseconds", "ms/query", "{:.2f}")):
        if column in every:
            shown[title] = every[column].map(form.format)
    notes = dict.fromkeys(note for evaluation in sweep.evaluations for note in evaluation.warnings)
    return "".join(
        [
            paragraph([f"<code>{escape(sweep.template)}</code>"]),
            _table(shown),
            _reasons("left out", sweep.left_out),
            _lines(f"⚠ {escape(note)}" for note in notes),
        ]
    )


def tradeoff_summary(tradeoff: Tradeoff) -> str:
    """The pipeline, a row for each index that was measured, and the errors of the others."""
    measured = [measures for measures in tradeoff.measured.values() if not measures.error]
    described = tradeoff.described
    shown = pd.DataFrame(
        [
            {
                "index": measures.index,
                **{f"recall@{k}, %": percent(share) for k, share in measures.recall.items()},
                "mAP, %": percent(measures.mean_ap),
                "mAP lost, points": points(measures.lost),
                "bytes/image": f"{measures.bytes:,.0f}",
                "shared KB": f"{measures.shared_bytes / 1024:,.0f}",
                "queries/s": f"{measures.queries_per_second:,.0f}",
                "build s": seconds(measures.build_seconds),
            }
            for measures in measured
        ]
    )
    errors = {name: m.error for name, m in tradeoff.measured.items() if m.error}
    about = (
        f"<code>{escape(described.config)}</code> on {escape(described.collection.name)}, "
        f"{len(tradeoff.database):,} images, {len(tradeoff.queries):,} queries"
    )
    return f"{paragraph([about])}{_table(shown)}{_reasons('not measured', errors)}"


def budget_summary(budget: Budget) -> str:
    """The pipeline, a row for each way of querying, and the codes that cannot be had."""
    shown = pd.DataFrame(
        [
            {
                "asking": f"{way.kind}: {way.detail}",
                "sent": in_units(way.bytes_up),
                **{f"held, {count:,} images": in_units(way.held(count)) for count in COLLECTIONS},
                "ms on the phone": f"{way.milliseconds:,.3g}",
                "mAP, %": percent(way.mean_ap),
                "95 % interval": " … ".join(percent(end) for end in way.interval),
            }
            for way in budget.ways
        ]
    )
    about = (
        f"<code>{escape(budget.pipeline)}</code> on {escape(budget.collection)}, {budget.images:,} images, "
        f"{budget.queries:,} queries; times are of one thread of this machine"
    )
    return f"{paragraph([about])}{_table(shown)}{_reasons('not possible', budget.left_out)}"


def reranking_summary(result: Reranking) -> str:
    """The pipeline, a row for each method, and the methods that cannot be had."""
    every = result.table
    shown = pd.DataFrame({"method": every["method"], "mAP, %": every["mean_ap"].map(percent)})
    shown["difference, points"] = [
        f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        for mean, low, high in zip(every["difference"], every["low"], every["high"], strict=True)
    ]
    shown["ms a query"] = every["milliseconds"].map("{:,.3g}".format)
    shown["ms a pair"] = every["pair_milliseconds"].map("{:.2f}".format).replace("nan", "")
    for name, title in (
        ("inlier_ratio", "inlier ratio, %"),
        ("positives", "positives verified, %"),
        ("negatives", "negatives verified, %"),
    ):
        shown[title] = ["" if pd.isna(value) else percent(value) for value in every[name]]
    about = (
        f"<code>{escape(result.pipeline)}</code> on {escape(result.collection)}, {len(result.queries):,} "
        f"queries, {len(result.pairs):,} pairs with a positive"
    )
    return f"{paragraph([about])}{_table(shown)}{_reasons('not possible', result.left_out)}"


def bits_summary(study: BinaryCodeStudy) -> str:
    """How evenly the bits split the images, and the bits that differ at each cosine."""
    shown = pd.DataFrame({"cosine": study.angles["cosine"].map("{:.1f}".format)})
    shown["pairs"] = study.angles["pairs"].map("{:,}".format)
    for name in ("expected", "differing", "deviation"):
        shown[name] = study.angles[name].map("{:.1f}".format)
    about = (
        f"{study.bits} bits, {study.images:,} images; {percent(study.rarer_side)} % of them on the rarer "
        f"side of a bit, in a ranking {study.distances:.1f} different distances"
    )
    return paragraph([f"<code>{escape(study.index)}</code>: {about}"]) + _table(shown)


def recall_summary(recall: RegionRecall) -> str:
    """The recall of each kind of regions, in percent."""
    shown = pd.DataFrame({"regions": recall["regions"]})
    for kind, title in REGIONS.items():
        shown[title] = recall[kind].map(percent)
    about = recall.attrs
    counted = f"{about['targets']:,} targets of {about['collection']}"
    text = f"{counted}, recall in percent at an IoU of at least {about['iou']:g}"
    return paragraph([escape(text)]) + _table(shown)


def _table(frame: pd.DataFrame) -> str:
    """The first rows of a frame of texts."""
    if frame.empty:
        return ""
    rows = [[*map(escape, row)] for row in frame.head(ROWS).itertuples(index=False, name=None)]
    more = len(frame) - ROWS
    note = paragraph([f"{more:,} more rows in <code>.table</code>"]) if more > 0 else ""
    return table([*map(str, frame.columns)], rows) + note


def _reasons(what: str, reasons: Mapping[str, str]) -> str:
    return _lines(f"{what}: <code>{escape(name)}</code>: {escape(why)}" for name, why in reasons.items())


def _lines(lines: Iterable[str]) -> str:
    listed = list(lines)
    if len(listed) > LINES:
        listed[LINES:] = [f"and {len(listed) - LINES:,} more"]
    return paragraph(listed) if listed else ""
