"""Measures as text: their titles, their digits, and the notes on them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.collections.protocols import PROTOCOLS, Protocol
from workbench.evaluation.judged import judged_text


def percent(share: float) -> str:
    """A fraction in percent with one digit; a dash if it is not defined (nan)."""
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def measure_value(name: str, value: float) -> str:
    """A measure in percent with one digit, N-S with two; a dash if it is not defined (nan)."""
    return "–" if math.isnan(value) else f"{value:.2f}" if name == "N-S" else percent(value)


def measure_titles(protocol: Protocol, localised: bool = False) -> dict[str, str]:
    """The measures of a protocol that are shown in tables: {name of the metric: title}.

    ``localised``: whether the ground truth has outlines, so that heat on the target is measured.
    """
    several = len(protocol.settings) > 1
    names = {f"mAP_{s}" if several else "mAP": f"mAP {s}".strip() for s in protocol.settings}
    if protocol.measure == "N-S":
        names = {"N-S": "N-S of 4"}
    head = f"mP@10_{protocol.headline}" if several else "mP@10"
    located = {"localisation": "Heat on target", "localisation_box": "Box IoU"}
    return {**names, head: "mP@10", **(located if localised else {})}


def measured(evaluation: Any) -> str:
    """The protocol's measures in one line, its headline setting first, and the number of queries judged."""
    protocol, metrics = PROTOCOLS[evaluation.protocol], evaluation.metrics
    queries = judged_text(evaluation.provenance)
    if protocol.measure == "N-S":
        return " · ".join(
            filter(None, [f"N-S {measure_value('N-S', metrics.get('N-S', math.nan))} of 4", queries])
        )
    settings = sorted(protocol.settings, key=lambda setting: setting != protocol.headline)
    shares = [(s, metrics.get(f"mAP_{s}" if len(settings) > 1 else "mAP", math.nan)) for s in settings]
    parts = [f"{setting} {percent(share)}".strip() for setting, share in shares]
    return "mAP " + " · ".join(filter(None, [*parts, queries]))


def on_target(evaluation: Any) -> str:
    """The share of positive heat on the target, and that of evenly spread heat; empty if not measured."""
    metrics = evaluation.metrics
    if "localisation" not in metrics:
        return ""
    share, even = percent(metrics["localisation"]), percent(metrics["localisation_even"])
    return f"Heat on target {share} % (evenly spread: {even} %)"


def distinct_notes(evaluations: Sequence[Any], names: Sequence[str] = ()) -> list[str]:
    """The notes on several evaluations, each once; a note on some of them names these, by their pipelines
    unless there are other ``names``."""
    named: dict[str, list[str]] = {}
    for evaluation, name in zip(evaluations, names or [e.pipeline for e in evaluations], strict=True):
        for note in dict.fromkeys(evaluation.warnings):
            named.setdefault(note, []).append(name)
    return [
        note if len(some) == len(evaluations) else f"{', '.join(some)}: {note}"
        for note, some in named.items()
    ]


def descriptor_text(provenance: Mapping[str, Any]) -> str:
    """The size of an image's descriptor, or of what ``asmk`` has in place of one; "?" if it is not known."""
    kernel = provenance.get("kernel")
    if not isinstance(kernel, Mapping):
        dimensions = provenance.get("dimensions", "?")
        return f"{dimensions:,} dimensions" if isinstance(dimensions, int) else f"{dimensions} dimensions"
    words, size = kernel.get("words an image", "?"), kernel.get("bytes a word", "?")
    sums = f"{kernel.get('sums', '?')} sums of residuals of {words} words an image, {size} bytes each"
    return f"{sums}, alpha {kernel.get('alpha', '?'):g}, tau {kernel.get('tau', '?'):g}"
