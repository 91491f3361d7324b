"""What a query from a phone costs: mAP over the bytes that it sends, and over those that the phone holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from workbench.analysis.budget import COLLECTIONS, PHONE, PICTURE, VECTOR, Way
from workbench.common.palette import PALETTE
from workbench.figures.narrow_layout import narrow
from workbench.figures.style import DASHES, SYMBOLS, Figure, error_bars, new_figure, notice, subtitle, text
from workbench.figures.subtitle_parts import query_count

if TYPE_CHECKING:
    from workbench.analysis.budget import Budget

TITLE = "mAP over the bytes of a query"
_STACKED = 720  # pixels of width under which the plots are below one another
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1, "B"))


def budget(budget: Budget) -> Figure:
    """Left: JPEG files, vectors and codes by the bytes that a query sends. Right: codes on the phone by the
    bytes that it holds of 10^4, 10^5 and 10^6 images. Bars are 95 % intervals over the queries."""
    if not budget.ways:
        return notice("No way of querying is measured.", TITLE)
    about = subtitle(
        text(budget.collection),
        f"{budget.images:,} images, {query_count(budget.queries)}, 95 % intervals",
        text(budget.pipeline, 80),
        collection=budget.collection,
        pipelines=[budget.pipeline],
    )
    missing = ", ".join(text(code) for code in list(budget.left_out)[:3])
    about += f"<br>not possible here: {missing}" if missing else ""
    figure = new_figure(TITLE, about, x="bytes sent with a query", y="mAP %", height=440)
    figure.update_layout(
        xaxis={"domain": [0, 0.46], "type": "log"},
        xaxis2={
            "domain": [0.54, 1],
            "type": "log",
            "anchor": "y2",
            "title": {"text": "bytes held by the phone of 10⁴, 10⁵, 10⁶ images"},
        },
        yaxis2={"anchor": "x2", "matches": "y", "showticklabels": False},
        margin={"t": 84},
        hovermode="closest",
    )
    families = dict.fromkeys(map(_family, budget.ways))
    colours = _colours(families)
    for family in families:
        ways = [way for way in budget.ways if way.kind != PHONE and _family(way) == family]
        ways.sort(key=lambda way: way.bytes_up)
        if ways:
            figure.add_trace(_line(family, ways, colours[family], list(families).index(family)))
    on_phone = [way for way in budget.ways if way.kind == PHONE]
    for way in on_phone:
        figure.add_trace(_held(way, colours[_family(way)]))
    sent = [way.bytes_up for way in budget.ways if way.kind != PHONE]
    held = [way.held(count) for way in on_phone for count in COLLECTIONS]
    if sent:
        figure.update_layout(xaxis=_ticks(sent))
    if held:
        room = np.log10([0.9 * min(held), 2 * max(held)]).tolist()
        figure.update_layout(xaxis2={**_ticks(held), "range": room})
    narrow(
        figure,
        _STACKED,
        height=780,
        legend={"orientation": "h", "x": 0, "y": -0.12, "yanchor": "top"},
        xaxis={"domain": [0, 1]},
        yaxis={"domain": [0.58, 1]},
        xaxis2={"domain": [0, 0.94]},
        yaxis2={"domain": [0, 0.42], "showticklabels": True, "title": {"text": "mAP %"}},
    )
    return figure


def _family(way: Way) -> str:
    """The ways that one line connects: files of one side, vectors, or codes of one kind."""
    if way.kind == PICTURE:
        return f"JPEG, {way.detail.split(',')[0]}"
    return VECTOR if way.kind == VECTOR else way.detail.split(":")[0]


def _colours(families: Iterable[str]) -> dict[str, str]:
    """A colour for each family; all files share the first."""
    others = [family for family in families if not family.startswith("JPEG")]
    colours = {family: PALETTE[(1 + n) % len(PALETTE)] for n, family in enumerate(others)}
    return {family: colours.get(family, PALETTE[0]) for family in families}


def _line(family: str, ways: Sequence[Way], colour: str, number: int) -> go.Scatter:
    """The ways of a family by the bytes that a query sends."""
    values = [100 * way.mean_ap for way in ways]
    return go.Scatter(
        x=[way.bytes_up for way in ways],
        y=values,
        error_y=error_bars(values, *_ends(ways)),
        mode="lines+markers",
        name=text(family if family.startswith("JPEG") else f"{family} sent"),
        line={"color": colour, "dash": DASHES[number % len(DASHES)], "width": 1.5},
        marker={"color": colour, "symbol": SYMBOLS[number % len(SYMBOLS)], "size": 8},
        customdata=[[text(way.detail), in_units(way.bytes_up), f"{way.milliseconds:,.3g}"] for way in ways],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]} · mAP %{y:.1f} %"
        "<br>%{customdata[2]} ms on one thread<extra></extra>",
    )


def _held(way: Way, colour: str) -> go.Scatter:
    """A code on the phone, by the bytes that it holds for each size of collection."""
    value = 100 * way.mean_ap
    held = [way.held(count) for count in COLLECTIONS]
    ends = [np.array([end, *[value] * (len(held) - 1)]) for end in (e[0] for e in _ends([way]))]
    return go.Scatter(
        x=held,
        y=[value] * len(held),
        error_y=error_bars([value] * len(held), *ends),
        mode="lines+markers+text",
        text=[*[""] * (len(held) - 1), text(way.detail)],
        textposition="middle right",
        textfont={"color": colour, "size": 11},
        showlegend=False,
        name=text(way.detail),
        xaxis="x2",
        yaxis="y2",
        line={"color": colour, "width": 1.5},
        marker={"color": colour, "symbol": ["circle", "diamond", "square"], "size": 7},
        customdata=[
            [text(way.detail), in_units(size), f"{count:,}"]
            for size, count in zip(held, COLLECTIONS, strict=True)
        ],
        hovertemplate="%{customdata[0]} of %{customdata[2]} images<br>"
        "%{customdata[1]} · mAP %{y:.1f} %<extra></extra>",
    )


def _ends(ways: Sequence[Way]) -> tuple[list[float], list[float]]:
    """Both ends of the intervals in percent; the mean where there is none, as of a single query."""
    low, high = list[float](), list[float]()
    for way in ways:
        for ends, end in zip((low, high), way.interval, strict=True):
            ends.append(100 * (way.mean_ap if np.isnan(end) else end))
    return low, high


def in_units(count: float) -> str:
    """Bytes in the unit that needs the fewest digits."""
    factor, unit = next((pair for pair in _UNITS if count >= pair[0]), _UNITS[-1])
    return f"{count / factor:.3g} {unit}"


def _ticks(values: Sequence[float]) -> dict[str, object]:
    """Ticks at 1, 2 and 5 times the powers of ten, or at the powers alone, in units."""
    low, high = min(values), max(values)
    steps: tuple[int, ...] = (1, 3) if high / low > 30 else (1, 2, 5)
    if high / low > 3000:
        steps = (1,)
    ticks = [step * 10.0**power for power in range(-1, 15) for step in steps]
    shown = [tick for tick in ticks if low / 2 <= tick <= high * 2]
    return {"tickvals": shown, "ticktext": [in_units(tick) for tick in shown]}
