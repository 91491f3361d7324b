"""The table of compared pipelines: their measures, costs and warnings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.collections.collection import Collection
from workbench.collections.protocols import PROTOCOLS
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.judged import judged_text, queries_text
from workbench.evaluation.measures_text import descriptor_text, measure_titles, measure_value, on_target
from workbench.panels.formatting import plural
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.table import column

WORDS = {"mP@10": "mP@10", "Heat on target": "heat on target", "Box IoU": "box IoU", "N-S of 4": "N-S"}

STAR = "★ "  # before the best mAP


def measures(collection: Collection) -> dict[str, str]:
    """The measures of the collection's protocol: {name of the metric: heading}."""
    protocol = collection.protocol
    return {} if protocol is None else measure_titles(protocol, bool(collection.quadrilaterals))


def columns(collection: Collection) -> list[dict[str, Any]]:
    """The columns of the table."""
    hints = {
        "mP@10": "Precision in the first 10 results, in the setting of the mAP that counts",
        "Heat on target": "Share of the positive heat that lies on the target, in percent",
        "Box IoU": "Mean overlap of the most similar region, aligned with the query, with the true outline",
    }
    if collection.protocol is None:
        return [column("pipeline", "Pipeline", code=True, frozen=True)]
    titles = measures(collection)
    means = [key for key in titles if key.startswith("mAP") or key == "N-S"]
    of_measures = {
        key: column(key, title, True, hints.get(title, "In percent"), words=words(title))
        for key, title in titles.items()
    }
    return [
        column("pipeline", "Pipeline", code=True, frozen=True),
        *(of_measures.pop(key) for key in means),
        column("warnings", "⚠", True, "Warnings about the numbers"),
        *of_measures.values(),
        column("judged", "Queries", True, "How many queries the measures are of"),
        column("bytes", "Bytes/image", True, words=["bytes an image"]),
        column("milliseconds", "ms/query", True, words=["milliseconds a query"]),
    ]


def words(title: str) -> list[str]:
    """The words of the glossary that explain a measure."""
    setting = ["easy, medium, hard"] if title in ("mAP easy", "mAP medium", "mAP hard") else []
    return [WORDS[title]] if title in WORDS else ["mAP", *setting]


def evaluated_row(evaluation: Evaluation, side: str, best: Mapping[str, float], running: bool) -> Any:
    """A row of numbers; ``best`` are the highest of each measure, ``running``: more measures will follow."""
    metrics, costs = evaluation.metrics, evaluation.costs
    star = headline_of(evaluation)
    cells = {"pipeline": evaluation.pipeline}
    order: dict[str, float] = {}
    for key in best:
        value = metrics.get(key, math.nan)
        cells[key] = measure_value(key, value)
        if math.isnan(value):
            cells[key] = "…" if running and key not in metrics else "–"
        else:
            order[key] = value
            cells[key] = (STAR if key == star and value == best[key] else "") + cells[key]
    cells["judged"] = judged_text(evaluation.provenance).removesuffix(" queries")
    order["judged"] = float(evaluation.provenance.get("judged", math.nan))
    if costs:
        milliseconds = costs["milliseconds"]
        cells["bytes"] = f"{costs['bytes']:,.0f}"
        cells["milliseconds"] = f"{milliseconds:.2f}" if milliseconds < 10 else f"{milliseconds:,.0f}"
        order |= costs
    notes = len(evaluation.warnings)
    cells["warnings"], order["warnings"] = f"⚠ {notes}" if notes else "", float(notes)
    row = {
        "id": evaluation.pipeline,
        "cells": cells,
        "marks": {"pipeline": side},
        "order": order,
        "strong": [key for key in best if metrics.get(key) == best[key]],
    }
    if notes:
        heading = f"{plural(notes, 'warning')} about these numbers"
        about = [{"word": heading}, *({"text": f"⚠ {warning}"} for warning in evaluation.warnings)]
        row |= {"cards": {"warnings": about}, "titles": {"warnings": f"{heading}: {evaluation.pipeline}"}}
    return row


def headline_of(evaluation: Evaluation) -> str:
    """The name of the metric that is this evaluation's ``mean_ap``, or N-S."""
    protocol = PROTOCOLS[evaluation.protocol]
    if protocol.measure == "N-S":
        return "N-S"
    return f"mAP_{protocol.headline}" if len(protocol.settings) > 1 else "mAP"


def highest(evaluations: Sequence[Evaluation], names: Sequence[str]) -> dict[str, float]:
    """The highest value of each measure; nan if none is known."""
    best = {}
    for name in names:
        values = [e.metrics[name] for e in evaluations if not math.isnan(e.metrics.get(name, math.nan))]
        best[name] = max(values, default=math.nan)
    return best


def provenance(evaluation: Evaluation) -> list[Line]:
    """The provenance of an evaluation and its warnings, as lines of text."""
    facts = evaluation.provenance
    protocol = PROTOCOLS[evaluation.protocol]
    words, verifier = facts.get("vocabulary"), facts.get("verified by")
    runtime = f" by {facts['runtime']}" if "runtime" in facts else ""
    about = [
        f"Collection {facts['collection']}: {facts['images']:,} images, {queries_text(facts)}, "
        f"{facts['unreadable']:,} unreadable",
        f"Protocol: {protocol.title}; AP by the {facts['ap_variant']} rule; {facts['protocol_note']}",
        f"Descriptor: {descriptor_text(facts)}; all images described in {facts['seconds']:.1f} s",
        f"{'Local features' if words else 'Network'}: weights {facts['weights']}, "
        f"{facts['precision']} on {facts['device']}{runtime}, longest side {facts['size']} pixels, "
        f"seed {facts['seed']}",
        *(
            [f"Vocabulary: {words['words']:,} words, {words['keypoints an image']:,} keypoints an image"]
            if words
            else []
        ),
        *([f"Re-ranked by keypoints of {verifier}"] if verifier else []),
        *(
            f"Whitening: {w['kind']} fitted on {w['vectors']:,} vectors of {w['collection']}, "
            f"{w['kept']} of {w['asked']} dimensions kept"
            for w in facts["whitening"]
        ),
        "Made with " + ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
    ]
    if heat := on_target(evaluation):
        about.insert(0, heat)
    return [
        line(evaluation.pipeline, "pipeline"),
        *(line(text, "warning") for text in evaluation.warnings),
        *(line(text, "note") for text in about),
    ]
