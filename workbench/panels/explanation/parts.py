"""The score of a result for words or for a combined query: its heat for each part, and the sum as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.common.progress import Progress
from workbench.common.rounding import signed
from workbench.explain.combined import CombinedExplanation, ExplainedPart
from workbench.panels.formatting import part_name, plural, with_sign
from workbench.panels.ranking_depth import absence
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.region_bars import Bar, RegionBars
from workbench.query.query import Query

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

SIDE = 480  # pixels of a picture's longest side
MOST = 8  # parts whose heat is shown, those that add or take away most
STRONGEST = 8  # bars that are shown at first
SET_ASIDE = "Feedback is not counted here: this is the score for the query alone."
OWN_SCALES = "Each heat has its own scale; the bars have one."


@dataclass(frozen=True, eq=False)
class PartsRequest:
    """The score of an image for a combined query. Two requests are never equal: files may have changed."""

    expression: str
    image: str
    pipeline: str
    ranking: pd.DataFrame
    refined: bool  # whether the ranking includes feedback


@dataclass(frozen=True)
class PartsStudy:
    """The traits of each view, those of the bars, and the lines above them.

    ``heats`` are the heats that replace that of the first view while a bar is picked, by the bar's id.
    """

    views: list[dict[str, Any]]
    bars: dict[str, Any]
    lines: list[Line]
    heats: dict[str, np.ndarray] = field(default_factory=dict)


def study_parts(bench: Bench, request: PartsRequest, progress: Progress) -> PartsStudy:
    """Explain the score of an image for a combined query, for words or for a drawing."""
    query = Query.parse(request.expression)
    why = bench.explain(query, request.image, pipeline=request.pipeline, progress=progress)
    picture = thumbnail(bench, request.image, SIDE)
    view = {"name": request.image, "opens": request.image, "picture": picture, "refines": True}
    found = request.ranking[request.ranking["image_id"] == request.image]
    rank, relevance = found[["rank", "relevance"]].iloc[0] if len(found) else (0, "")
    known = f" · {with_sign(str(relevance))}" if relevance not in ("", "unknown") else ""
    place = f"rank {rank}{known}" if rank else absence(request.ranking)
    notes = [line(warning, "warning") for warning in why.warnings]
    notes += [line(SET_ASIDE, "note")] if request.refined else []
    if isinstance(why, CombinedExplanation):
        decided = _decided(why)
        lines = [line(f"Score {why.score:.3f}", "numbers"), line(place, "note"), *decided, *notes]
        return PartsStudy(_part_views(bench, why, view), _part_bars(why), [*lines, line(OWN_SCALES, "note")])
    lines = [line(f"Score {why.score:.3f}", "numbers"), line(place, "note"), *notes]
    if hasattr(why, "concepts"):
        shown = [_heat(view, why.heatmap, "", f"Result {request.image}, under the heat of the words")]
        ids = [f"concept:{number}" for number in range(len(why.concepts))]
        heats = {
            name: why.concept_heatmaps[concept]
            for name, concept in zip(ids, why.concepts["concept"], strict=True)
            if concept in why.concept_heatmaps
        }
        lines.append(line("Pick a concept: the heat shows its cells.", "note"))
        return PartsStudy(shown, _concept_bars(why, ids), lines, heats)
    drawing = next(part.value for part, weight in query.parts if weight)
    picture = thumbnail(bench, drawing, SIDE)
    own = {"name": "Drawing", "opens": drawing, "picture": picture, "refines": False}
    views = [
        _heat(own, why.query_heatmap, "", "The drawing, under its heat"),
        _heat(view, why.image_heatmap, "", f"Result {request.image}, under its heat"),
    ]
    return PartsStudy(views, {"bars": [], "rest": []}, lines)


class PartsView:
    """The widgets of a ``PartsStudy``: views beside each other, and bars below them."""

    def __init__(self) -> None:
        self.study: PartsStudy | None = None
        self.picked = ""
        self.views = tuple(HeatView(look="picture", signed=True) for _ in range(MOST + 1))
        self.bars = RegionBars()
        self.pictures = W.Box([*self.views])
        self.pictures.add_class("wb-part-views")
        self.widget = W.VBox([self.pictures, self.bars])
        self.widget.add_class("wb-explained-parts")
        self.show(None)

    def show(self, study: PartsStudy | None) -> None:
        """Show a study; None: nothing."""
        self.study, self.picked = study, ""
        self.widget.layout.display = "none" if study is None else None
        shown = study.views if study else []
        self.bars.layout.order = "-1" if len(shown) > 2 else None  # the sum first, then the heat of each part
        for number, view in enumerate(self.views):
            used = number < len(shown)
            view.layout.display = None if used else "none"
            if used:
                view.show(stale=False, **shown[number])
            elif view.picture:  # free the picture, which is not visible
                view.show(np.zeros((0, 0)), picture=b"")
        self.bars.show(marked="", stale=False, **(study.bars if study else {"bars": [], "rest": []}))

    def dim(self, stale: bool) -> None:
        for part in (*self.views, self.bars):
            part.stale = stale

    def pick(self, bar: str) -> None:
        """Show the heat of one concept in place of that of all; a second pick takes it back."""
        if self.study is None or not self.study.heats:
            return
        self.picked = "" if bar == self.picked or bar not in self.study.heats else bar
        heat = self.study.heats.get(self.picked, self.study.views[0]["heat"])
        self.views[0].show(heat)
        self.bars.marked = self.picked


def _heat(view: dict[str, Any], heat: np.ndarray, note: str, alt: str) -> dict[str, Any]:
    top = float(np.abs(heat).max(initial=0)) or 1.0
    return {**view, "heat": heat, "top": top, "note": note, "alt": alt, "regions": [], "outlines": []}


def _part_views(bench: Bench, why: CombinedExplanation, view: dict[str, Any]) -> list[dict[str, Any]]:
    """The heat of all parts together, and that of each."""
    image = view["name"]
    whole = {**view, "name": f"All parts · {image}"}
    views = [
        _heat(whole, why.image_heatmap, f"score {why.score:.3f}", f"Result {image}, under the heat of all")
    ]
    strongest = sorted(why.parts, key=lambda part: -abs(part.value))[:MOST]
    for part in sorted(strongest, key=lambda part: part.number):
        name = part_name(part.leaf.part)
        notes = [_added(part), *_detail(part)]
        shown = _heat({**view, "name": name}, part.heatmap, " · ".join(notes), f"Heat of {name} on {image}")
        if part.box is not None:
            x0, y0, x1, y1 = part.box
            shown["outlines"] = [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]]
        views.append(shown)
    return views


def _added(part: ExplainedPart) -> str:
    return signed(part.value, 3) if part.counts else f"{signed(part.value, 3)}, not decisive"


def _detail(part: ExplainedPart) -> Sequence[str]:
    """The concepts of words, or the score before it was standardised."""
    concepts = getattr(part.why, "concepts", None)
    if concepts is None:
        return [f"score {part.score:.3f}"]
    first = concepts.head(3)
    return [
        f"{name} {value:.2f}"
        for name, value in zip(first["concept"], first["contribution"], strict=True)
        if value >= 0.005
    ]


def _decided(why: CombinedExplanation) -> list[Line]:
    """Which parts decided, where ``and`` or ``or`` chose among them."""
    if all(part.counts for part in why.parts):
        return []
    names = [part_name(part.leaf.part) for part in why.parts if part.counts]
    return [line(f"Decided by {' and '.join(names)}", "text", "combined query")]


def _part_bars(why: CombinedExplanation) -> dict[str, Any]:
    top = max(abs(part.value) for part in why.parts) or 1.0
    bars = []
    for part in why.parts:
        name = part_name(part.leaf.part)
        bar = _bar(f"{_weight(part)} · {name}" if part.leaf.weight != 1 else name, part.contribution, top)
        if part.counts:
            bar["share"] = _share(part.contribution, why.score)
        else:
            bar |= {"text": f"{bar['text']}, not decisive", "value": signed(part.value, 3), "length": None}
        bars.append(bar | {"id": f"part:{part.number}", "said": f"{bar['text']}: {bar['value']}"})
    rest = [_bar("the arrangement does not hold", why.penalty, 0)] if abs(why.penalty) > 1e-9 else []
    return {
        "title": f"Score over {plural(len(bars), 'part')}",
        "label": "What each part adds to the score",
        "bars": bars,
        "shown": len(bars),
        "others": {},
        "rest": [*rest, _bar("score", why.score, 0) | {"value": f"{why.score:.3f}".replace("-", "−")}],
        "levels": [],
    }


def _concept_bars(why: Any, ids: list[str]) -> dict[str, Any]:
    """The concepts of words; those that are not among the strongest as one bar."""
    table = why.concepts
    values = table["contribution"].to_numpy(float)
    shown = min(STRONGEST, len(values))
    top = float(np.abs(values).max(initial=0)) or 1.0
    bars = [
        _bar(str(row.concept), row.contribution, top)
        | {"id": name, "share": _share(row.contribution, why.score)}
        for name, row in zip(ids[:shown], table.head(shown).itertuples(), strict=True)
    ]
    bars = [bar | {"said": f"{bar['text']}: {bar['value']}"} for bar in bars]
    hidden = len(values) - shown
    return {
        "title": f"Score over {plural(len(values), 'concept')}",
        "label": "What each concept adds to the score",
        "bars": bars,
        "shown": shown,
        "others": _bar(f"{hidden:,} others", float(values[shown:].sum()), 0) if hidden else {},
        "rest": [_bar("score", why.score, 0) | {"value": f"{why.score:.3f}"}],
        "levels": [],
    }


def _weight(part: ExplainedPart) -> str:
    return f"{part.leaf.weight:g}".replace("-", "−")


def _bar(text: str, value: float, top: float) -> Bar:
    return {"text": text, "value": signed(value, 3), "share": "", "length": value / top if top else None}


def _share(value: float, whole: float) -> str:
    return f"{100 * value / whole:.1f} %".replace("-", "−") if abs(whole) > 1e-9 else ""
