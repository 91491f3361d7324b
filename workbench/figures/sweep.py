"""A measure over the parameters of a sweep: lines with intervals, points, or a heatmap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.analysis.combinations import filled
from workbench.common.palette import PALETTE
from workbench.config.errors import WorkbenchError
from workbench.figures.heatmap import add_heatmap
from workbench.figures.measures import Measure, interval_of, judged_of, measure_of, value_of
from workbench.figures.parameter_axis import ParameterAxis, parameter_axis_of
from workbench.figures.style import (
    DASHES,
    LEGEND_BELOW,
    SYMBOLS,
    Figure,
    error_bars,
    new_figure,
    notice,
    subtitle,
    text,
    translucent,
)
from workbench.figures.subtitle_parts import query_count

if TYPE_CHECKING:
    from workbench.analysis.combinations import Value
    from workbench.analysis.sweep import Sweep

KINDS = ("", "lines", "heatmap")
MIN_HEATMAP = 3  # numbers of each of two parameters, from which on they are a heatmap
LEGEND = 160  # pixels of the legend; it scrolls if it is longer
BANDS = 6  # lines with a band of intervals, at most


class Point(NamedTuple):
    """An evaluated pipeline: its parameters, and the measure with its 95 % interval in the measure's unit."""

    pipeline: str
    values: Mapping[str, Value]
    value: float
    low: float
    high: float


Groups = list[tuple[str, list[Point]]]  # of points with a value of the second parameter: its escaped text


def sweep(sweep: Sweep, measure: str = "mAP", x: str = "", kind: str = "") -> Figure:
    """A measure over one or two parameters, with the 95 % interval over queries where the measure has it.

    Of further parameters the best values are drawn. ``x`` is the parameter across (default: that of numbers,
    else that of more values). ``kind``: ``lines``, or ``heatmap`` of two parameters, which is the default for
    two of at least three numbers each. Raises WorkbenchError if ``measure``, ``x`` or ``kind`` is not valid.
    """
    first, second = _parameters(sweep, x, kind)
    names = [first.name, *([second.name] if second else [])]
    if not sweep.evaluations:
        return notice("No pipeline of this sweep is evaluated yet.", "Sweep")
    drawn = measure_of(sweep.evaluations[0], measure)
    title = f"{drawn.title} by {' and '.join(map(text, names))}"
    points = _best(_points(sweep, drawn), names, drawn)
    if not points:
        return notice("No query has a positive, so there is nothing to draw.", title)
    grid = second is not None and (kind == "heatmap" or (not kind and _is_grid(first.axis, second.axis)))
    figure = new_figure(title, _subtitle(sweep, drawn, points, names, grid), height=440)
    figure.update_layout(margin={"t": 100})
    if second is not None and grid:
        cells = {(p.values[first.name], p.values[second.name]): p for p in points}
        add_heatmap(figure, first.axis, second.axis, cells, drawn)
    elif first.axis.numeric:
        _add_lines(figure, first, _groups(points, second), drawn)
    else:
        _add_rows(figure, first, _groups(points, second), drawn)
    if second is not None and not grid:
        figure.update_layout(
            height=440 + min(LEGEND, 19 * len(second.axis.places)),
            legend={
                **LEGEND_BELOW,
                "title": {"text": second.axis.title},
                "tracegroupgap": 0,
                "maxheight": LEGEND,
            },
        )
    return figure


class Parameter(NamedTuple):
    """A parameter and its axis."""

    name: str
    axis: ParameterAxis


def _parameters(sweep: Sweep, x: str, kind: str) -> tuple[Parameter, Parameter | None]:
    """The parameter across, and the second one if there is one."""
    if kind not in KINDS:
        raise WorkbenchError(f"kind {kind!r} is not known; valid: lines, heatmap")
    if x and x not in sweep.values:
        raise WorkbenchError(f"x={x!r} is not a parameter of the sweep; valid: {', '.join(sweep.values)}")
    every = [Parameter(name, parameter_axis_of(name, sweep.values[name])) for name in sweep.varied]
    if x and x not in sweep.varied:
        every.insert(0, Parameter(x, parameter_axis_of(x, sweep.values[x])))
    named = [parameter for parameter in every if parameter.name == x]
    numeric = [parameter for parameter in every[:2] if parameter.axis.numeric]
    across = (named or numeric or [max(every[:2], key=lambda parameter: len(parameter.axis.places))])[0]
    others = [parameter for parameter in every if parameter.name != across.name]
    if kind == "heatmap" and not others:
        raise WorkbenchError("a heatmap needs two parameters with several values; draw lines of one")
    return across, others[0] if others else None


def _is_grid(first: ParameterAxis, second: ParameterAxis) -> bool:
    return all(axis.numeric and len(axis.places) >= MIN_HEATMAP for axis in (first, second))


def _points(sweep: Sweep, measure: Measure) -> list[Point]:
    """A point for each evaluation in which the measure is defined."""
    points = []
    for evaluation in sweep.evaluations:
        value = value_of(evaluation, measure)
        if np.isfinite(value):
            values = sweep.combinations.pipelines[evaluation.pipeline]
            points.append(Point(evaluation.pipeline, values, value, *interval_of(evaluation, measure)))
    return points


def _best(points: Sequence[Point], names: Sequence[str], measure: Measure) -> list[Point]:
    """The best of the points that agree in the parameters of ``names``."""
    best: dict[tuple[Value, ...], Point] = {}
    for point in points:
        key = tuple(point.values[name] for name in names)
        known = best.get(key)
        if known is None or (point.value > known.value if measure.more else point.value < known.value):
            best[key] = point
    return list(best.values())


def _groups(points: Sequence[Point], second: Parameter | None) -> Groups:
    """The points by the value of the second parameter."""
    if second is None:
        return [("", list(points))]
    names = [(value, name) for value, (_, name) in zip(second.axis.places, second.axis.ticks, strict=True)]
    groups = [(name, [p for p in points if p.values[second.name] == value]) for value, name in names]
    return [(name, group) for name, group in groups if group]


def _subtitle(
    sweep: Sweep, measure: Measure, points: Sequence[Point], names: Sequence[str], grid: bool
) -> str:
    """The collection and n, what is not drawn, and the best pipeline."""
    first = sweep.evaluations[0]
    best = (max if measure.more else min)(points, key=lambda point: point.value)
    others = [name for name in sweep.varied if name not in names]
    evaluated, pipelines = len(sweep.evaluations), sweep.combinations.pipelines
    failed = sum(pipeline in sweep.left_out for pipeline in pipelines)
    left_out = len(sweep.left_out)
    about = subtitle(
        text(first.collection),
        query_count(judged_of(first, measure)),
        "" if grid or np.isnan(best.low) else "with 95 % intervals over queries (bootstrap)",
        f"each point the best of {', '.join(map(text, others))}" if others else "",
        f"{left_out:,} combination{'s' if left_out > 1 else ''} left out" if left_out else "",
        f"{evaluated} of {len(pipelines)} pipelines evaluated" if evaluated + failed < len(pipelines) else "",
        collection=first.collection,
        pipelines=[point.pipeline for point in points],
    )
    shown = {name: f"{{{name}}}" if len(known) > 1 else known[0] for name, known in sweep.values.items()}
    values = ", ".join(f"{text(name)} = {text(best.values[name] or 'none')}" for name in sweep.varied)
    return (
        f"{text(filled(sweep.template, shown), 90)}<br>{about}<br>best: {measure.write(best.value)}, {values}"
    )


def _hover(point: Point, measure: Measure) -> str:
    interval = "" if np.isnan(point.low) else f" ({measure.write(point.low)} to {measure.write(point.high)})"
    return f"{text(point.pipeline, 90)}<br>{measure.title} {measure.write(point.value)}{interval}"


def _add_lines(figure: Figure, across: Parameter, groups: Groups, measure: Measure) -> None:
    """A line over numbers for each group, with its intervals as a band."""
    for number, (name, group) in enumerate(groups):
        group = sorted(group, key=lambda point: across.axis.places[point.values[across.name]])
        xs = [across.axis.places[point.values[across.name]] for point in group]
        colour = PALETTE[number % len(PALETTE)]
        banded = [(at, p) for at, p in zip(xs, group, strict=True) if not np.isnan(p.low)]
        if len(groups) <= BANDS and banded:
            figure.add_scatter(
                x=[at for at, _ in banded] + [at for at, _ in reversed(banded)],
                y=[p.high for _, p in banded] + [p.low for _, p in reversed(banded)],
                fill="toself",
                fillcolor=translucent(colour, 0.15),
                mode="none",
                hoverinfo="skip",
                showlegend=False,
                legendgroup=str(number),
            )
        figure.add_scatter(
            x=xs,
            y=[point.value for point in group],
            mode="lines+markers",
            name=name,
            legendgroup=str(number),
            showlegend=len(groups) > 1,
            line={"color": colour, "dash": DASHES[number // len(PALETTE) % len(DASHES)]},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 8},
            ids=[point.pipeline for point in group],
            hovertext=[_hover(point, measure) for point in group],
            hoverinfo="text",
        )
    figure.update_xaxes(across.axis.layout())
    figure.update_yaxes(title={"text": measure.axis})


def _add_rows(figure: Figure, across: Parameter, groups: Groups, measure: Measure) -> None:
    """A row for each value that is no number, with a point and its interval for each group."""
    for number, (name, group) in enumerate(groups):
        shift = 0.6 * ((number + 0.5) / len(groups) - 0.5)
        low, high = ([getattr(p, end) for p in group] for end in ("low", "high"))
        values = [point.value for point in group]
        figure.add_scatter(
            x=values,
            y=[across.axis.places[point.values[across.name]] + shift for point in group],
            error_x=error_bars(values, low, high),
            mode="markers",
            name=name,
            showlegend=len(groups) > 1,
            marker={
                "color": PALETTE[number % len(PALETTE)],
                "symbol": SYMBOLS[number % len(SYMBOLS)],
                "size": 9,
            },
            ids=[point.pipeline for point in group],
            hovertext=[_hover(point, measure) for point in group],
            hoverinfo="text",
        )
    rows = len(across.axis.places)
    figure.update_xaxes(title={"text": measure.axis})
    figure.update_yaxes(across.axis.layout() | {"range": [rows - 0.4, -0.6], "zeroline": False})
    figure.update_layout(height=max(260, 180 + rows * max(26, 10 * len(groups))))
