"""Indexes over two measures, with their Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.analysis.index_steps import probes, training_key
from workbench.analysis.index_tradeoff import IndexMeasures
from workbench.analysis.pareto import pareto_front
from workbench.common.palette import NEUTRAL, PALETTE
from workbench.figures.index_measures import Axis, axis_of, in_words, value_of
from workbench.figures.label_places import label_sides
from workbench.figures.narrow_layout import narrow
from workbench.figures.style import Figure, new_figure, notice, subtitle, text
from workbench.figures.subtitle_parts import query_count

if TYPE_CHECKING:
    from workbench.analysis.index_tradeoff import Tradeoff

NAMED = 3  # indexes without measures that the subtitle names
UNDEFINED = "No index has both measures: choose other axes, or read the table."

_NARROW = ((640, 440), (480, 320), (380, 230))  # pixels of a chart, and of the plot area in it


def tradeoff(
    tradeoff: Tradeoff,
    x: str = "bytes",
    y: str = "recall@10",
    indexes: Mapping[str, IndexMeasures] | None = None,
    trail: Sequence[IndexMeasures] = (),
) -> Figure:
    """A point for each index with both measures, which are columns of ``Tradeoff.table``.

    ``indexes``: {id: measures} to draw in place of all those measured, where the probes of one index are
    connected. ``trail``: measures of one index at several probes, connected. Raises WorkbenchError if an axis
    is not known.
    """
    across, up = axis_of(x), axis_of(y)
    title = f"{up.label} over {across.label}"
    every = dict(tradeoff.measured) if indexes is None else dict(indexes)
    drawn = {name: m for name, m in every.items() if not m.error and _is_defined(m, x, y)}
    if not drawn:
        return notice(UNDEFINED if every else "No index is measured yet.", title)
    figure = new_figure(title, _subtitle(tradeoff, every, drawn), x=across.title, y=up.title, height=420)
    figure.update_layout(margin={"t": 84}, hovermode="closest", showlegend=False)
    places = [(value_of(m, x), value_of(m, y)) for m in drawn.values()]
    best = pareto_front(places, (across.more, up.more))
    trails = _trails(list(drawn.values())) if indexes is None else [list(trail)]
    for probed in trails:
        _add_trail(figure, [(value_of(m, x), value_of(m, y)) for m in probed if _is_defined(m, x, y)])
    _add_front(figure, [place for place, on_front in zip(places, best, strict=True) if on_front], across.more)
    also = [(value_of(m, x), value_of(m, y)) for probed in trails for m in probed if _is_defined(m, x, y)]
    ranges = [_range([p[side] for p in [*places, *also]], axis) for side, axis in enumerate((across, up))]
    _add_points(figure, drawn, places, best, ranges, (x, y))
    for update, axis, limits in zip(
        (figure.update_xaxes, figure.update_yaxes), (across, up), ranges, strict=True
    ):
        update(range=limits, **(_log_ticks(limits) if axis.log else {"type": "linear"}))
    return figure


def front(indexes: Mapping[str, IndexMeasures], x: str, y: str) -> list[str]:
    """The names of the indexes on the Pareto front, by their value of ``x``."""
    drawn = [m for m in indexes.values() if not m.error and _is_defined(m, x, y)]
    places = [(value_of(m, x), value_of(m, y)) for m in drawn]
    best = pareto_front(places, (axis_of(x).more, axis_of(y).more))
    on_front = [m for m, is_best in zip(drawn, best, strict=True) if is_best]
    return [m.index for m in sorted(on_front, key=lambda m: value_of(m, x))]


def _is_defined(measures: IndexMeasures, x: str, y: str) -> bool:
    return all(math.isfinite(value_of(measures, axis)) for axis in (x, y))


def _trails(measured: Sequence[IndexMeasures]) -> list[list[IndexMeasures]]:
    """The measures of each index that was measured at several probes."""
    trails: dict[str, list[IndexMeasures]] = {}
    for measures in measured:
        trails.setdefault(training_key(measures.index), []).append(measures)
    return [sorted(t, key=lambda m: probes(m.index) or 0) for t in trails.values() if len(t) > 1]


def _subtitle(
    tradeoff: Tradeoff, every: Mapping[str, IndexMeasures], drawn: Mapping[str, IndexMeasures]
) -> str:
    """What was measured on, how to read the points, and the indexes that are missing."""
    described = tradeoff.described
    about = subtitle(
        text(described.collection.name),
        f"{len(tradeoff.database):,} images, {query_count(len(tradeoff.queries))}",
        text(described.config, 80),
        collection=described.collection.name,
        pipelines=[described.config],
    )
    missing = [name for name in every if name not in drawn]
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    names = ", ".join(text(name) for name in missing[:NAMED])
    without = f" · not drawn, as not measured: {names}{more}" if missing else ""
    return f"{about}<br>filled points: the Pareto front, which no index beats{without}"


def _range(values: Sequence[float], axis: Axis) -> list[float]:
    """The limits of an axis, as plotly takes them: of a logarithmic one their logarithms."""
    shown = [math.log10(value) for value in values] if axis.log else list(values)
    room = max(0.08 * (max(shown) - min(shown)), 0.3 if axis.log else 0.02 * max(abs(max(shown)), 1))
    return [min(shown) - room, max(shown) + room]


def _log_ticks(limits: Sequence[float]) -> dict[str, object]:
    """A logarithmic axis with ticks at 1, 2 and 5 times the powers of ten, or at the powers alone."""
    low, high = limits
    steps = (1,) if high - low > 2.5 else (1, 2, 5)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps]
    shown = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return {"type": "log", "tickvals": shown, "ticktext": [f"{tick:,.10g}" for tick in shown]}


def _add_trail(figure: Figure, places: Sequence[tuple[float, float]]) -> None:
    """Thin lines between the probes of one index."""
    if len(places) > 1:
        figure.add_scatter(
            x=[place[0] for place in places],
            y=[place[1] for place in places],
            mode="lines+markers",
            line={"color": NEUTRAL, "width": 1},
            marker={"color": NEUTRAL, "size": 5},
            hoverinfo="skip",
        )


def _add_front(figure: Figure, places: Sequence[tuple[float, float]], more: bool) -> None:
    """The stairs through the points of the front: what is beyond them is not reached."""
    ordered = sorted(places)
    figure.add_scatter(
        x=[place[0] for place in ordered],
        y=[place[1] for place in ordered],
        mode="lines",
        line={"color": PALETTE[0], "dash": "dash", "width": 1.5, "shape": "vh" if more else "hv"},
        name="Pareto front",
        hoverinfo="skip",
    )


def _labels(names: Sequence[str], sides: Sequence[str]) -> dict[str, list[str]]:
    """The texts of points, empty where they have no room, and their positions."""
    shown = [name if side else "" for name, side in zip(names, sides, strict=True)]
    return {"text": shown, "textposition": [side or "middle right" for side in sides]}


def _add_points(
    figure: Figure,
    drawn: Mapping[str, IndexMeasures],
    places: Sequence[tuple[float, float]],
    best: Sequence[bool],
    ranges: Sequence[Sequence[float]],
    axes: tuple[str, str],
) -> None:
    """The points with their labels, as far as these have room."""
    names = [text(measures.index) for measures in drawn.values()]
    shown = [
        [math.log10(value) if axis_of(axis).log else value for value, axis in zip(place, axes, strict=True)]
        for place in places
    ]
    fractions = [
        tuple((value - low) / (high - low) for value, (low, high) in zip(place, ranges, strict=True))
        for place in shown
    ]
    order = sorted(range(len(names)), key=lambda number: not best[number])
    at = [(fraction[0], fraction[1]) for fraction in fractions]
    for below, width in _NARROW:
        number = str(len(figure.data))
        narrow(figure, below, data={number: _labels(names, label_sides(at, names, order, width))})
    x, y = axes
    coordinates = {"x": [place[0] for place in places], "y": [place[1] for place in places]}
    figure.add_scatter(
        **coordinates,
        mode="markers+text",
        marker={"size": 12, "opacity": 0},  # it keeps the text away from the point
        **_labels(names, label_sides(at, names, order)),
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure.add_scatter(
        **coordinates,
        mode="markers",
        cliponaxis=False,
        marker={
            "symbol": ["circle" if on_front else "circle-open" for on_front in best],
            "color": [PALETTE[0] if on_front else NEUTRAL for on_front in best],
            "size": 10,
            "line": {"width": 1.5},
        },
        ids=list(drawn),
        hovertext=[
            f"{name}: {in_words(measures, y)}, {in_words(measures, x)}"
            + ("; on the Pareto front" if on_front else "; another beats it")
            for name, measures, on_front in zip(names, drawn.values(), best, strict=True)
        ],
        hoverinfo="text",
    )
