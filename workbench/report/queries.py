"""Queries of a report: their first results for each pipeline, and explanations of two results."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from workbench.collections.protocols import SIGNS
from workbench.common.geometry import Box
from workbench.common.picture_bytes import data_uri
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.evaluation.measures_text import percent
from workbench.report.heat_pictures import pair
from workbench.report.markup import escape

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

FIRST = 10  # results shown per ranking
_SIDE = 128  # pixels of a thumbnail
_NEITHER = ("junk", "query", "unknown")


def chosen_queries(aps: pd.DataFrame) -> dict[str, str]:
    """A few informative queries, {query: reason}, from APs [queries, pipelines]."""
    complete = aps.dropna()
    ordered = complete.mean(axis=1).sort_values(kind="stable").index
    spread = (complete.max(axis=1) - complete.min(axis=1)).sort_values(ascending=False, kind="stable")
    middle = len(ordered) // 2
    reasons = [
        *((query, "the pipelines differ most") for query in spread[spread > 0].index[:2]),
        *((query, "among the hardest") for query in ordered[:2]),
        *((query, "in the middle") for query in ordered[middle : middle + 1]),
    ]
    chosen: dict[str, str] = {}
    for query, reason in reasons:
        chosen[query] = f"{chosen[query]}; {reason}" if query in chosen else reason
    return chosen


def section(bench: Bench, name: str, reason: str, aps: pd.DataFrame, progress: Progress) -> str:
    """One query: its picture, its results for each pipeline, and explanations by the first pipeline."""
    query = bench.collection.query(name)
    ranked, explained = "", ""
    for position, pipeline in enumerate(map(str, aps)):
        ap = float(aps[pipeline][name])
        ranking = bench.search(name, pipeline=pipeline, k=FIRST, progress=progress)
        results = "".join(_result(bench, *row) for row in _rows(ranking))
        value = "not defined" if math.isnan(ap) else percent(ap)
        ranked += f'<p>{letter(position)}: AP {value}</p><div class="ranked">{results}</div>'
        if position == 0:
            explained = "".join(_explanations(bench, name, pipeline, ranking, progress))
    picture = _picture(bench, query.image, f"the query {name}", query.box)
    return f"""<section><h3>{escape(name)}</h3>
<div class="query">{picture}<span class="quiet">{escape(reason)}</span></div>
{ranked}{explained}</section>"""


def letter(position: int) -> str:
    """The short name of a pipeline: A, B, C …, and P27 for the 27th."""
    return chr(ord("A") + position) if position < 26 else f"P{position + 1}"


def _result(bench: Bench, rank: int, image: str, score: float, relevance: str) -> str:
    kind = "wrong" if relevance == "negative" else "" if relevance in _NEITHER else "right"
    picture = _picture(bench, image, f"rank {rank}: {image}")
    return (
        f'<figure class="{kind}" title="{escape(f"{image} ({relevance})")}">{picture}'
        f"<figcaption>{rank} <b>{SIGNS.get(relevance, '')}</b> {score:.3f}"
        f"<br>{escape(image)}</figcaption></figure>"
    )


def _rows(ranking: pd.DataFrame) -> Iterator[tuple[int, str, float, str]]:
    return ranking[["rank", "image_id", "score", "relevance"]].itertuples(index=False, name=None)


def _picture(bench: Bench, image: str, alternative: str, box: Box | None = None) -> str:
    try:
        source = data_uri(bench.thumbnail(image, side=_SIDE, box=box))
    except WorkbenchError as error:
        return f'<span class="lost quiet">{escape(str(error))}</span>'
    return f'<img alt="{escape(alternative)}" src="{source}">'


def _explanations(
    bench: Bench, query: str, pipeline: str, ranking: pd.DataFrame, progress: Progress
) -> Iterator[str]:
    """The explanations of the first wrong and the first right result."""
    wrong = ranking["relevance"] == "negative"
    right = ~wrong & ~ranking["relevance"].isin(_NEITHER)
    for kind, selected in (("wrong", wrong), ("right", right)):
        for rank, image, score, _ in _rows(ranking[selected].head(1)):
            try:
                why = bench.explain(query, image, pipeline=pipeline, progress=progress)
                pictures = bench.picture(query), bench.picture(image)
            except WorkbenchError as error:  # its file is missing
                yield f'<p class="quiet">{escape(str(error))}</p>'
                continue
            summary = f"Why A ranks a {kind} result at {rank}, with score {score:.3f}"
            heatmaps = pair(why, query, image, *pictures)
            yield f"<details><summary>{summary}</summary>{heatmaps}</details>"
