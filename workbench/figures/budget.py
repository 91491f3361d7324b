"""What a query from a phone costs: mAP over the bytes that it sends, and over those that the phone holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from workbench.analysis.budget import CODE, COLLECTIONS, PHONE, PICTURE, VECTOR, Way
from workbench.common.palette import PALETTE
from workbench.figures.style import DASHES, SYMBOLS, Figure, error_bars, new_figure, notice, subtitle, text
from workbench.figures.subtitle_parts import query_count

if TYPE_CHECKING:
    from workbench.analysis.budget import Budget

TITLE = "mAP over the bytes of a query"
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1, "B"))


def budget(budget: Budget) -> Figure:
    """Left: JPEG files, vectors and codes by the bytes that a query sends. Right: codes on the phone by the
    bytes that it holds, for each size of collection. Bars are 95 % intervals over the queries."""
    if not budget.ways:
        return notice("No way of asking is measured.", TITLE)
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
            "title": {"text": "bytes held by the phone, network included"},
        },
        yaxis2={"anchor": "x2", "matches": "y", "showticklabels": False},
        margin={"t": 84},
        hovermode="closest",
    )
    for number, kind in enumerate((PICTURE, VECTOR, CODE)):
        ways = [way for way in budget.ways if way.kind == kind]
        name = {PICTURE: "JPEG sent", VECTOR: "vector sent", CODE: "code sent"}[kind]
        _add(figure, name, ways, [way.bytes_up for way in ways], number, ("x", "y"))
    ways = [way for way in budget.ways if way.kind == PHONE]
    for number, count in enumerate(COLLECTIONS):
        _add(
            figure,
            f"on the phone, {count:,} images",
            ways,
            [way.held(count) for way in ways],
            3 + number,
            ("x2", "y2"),
        )
    sent = [way.bytes_up for way in budget.ways if way.kind != PHONE]
    held = [way.held(count) for way in ways for count in COLLECTIONS]
    figure.update_layout(xaxis=_ticks(sent))
    if held:
        figure.update_layout(xaxis2=_ticks(held))
    return figure


def _add(
    figure: Figure,
    name: str,
    ways: Sequence[Way],
    bytes_: Sequence[float],
    number: int,
    axes: tuple[str, str],
) -> None:
    """A line through ways by their bytes, with the interval of each."""
    if not ways:
        return
    order = sorted(range(len(ways)), key=lambda n: bytes_[n])
    chosen = [ways[n] for n in order]
    values = [100 * way.mean_ap for way in chosen]
    ends = [way.interval for way in chosen]
    lows, highs = (
        [100 * (way.mean_ap if end != end else end) for way, end in zip(chosen, side, strict=True)]
        for side in zip(*ends, strict=True)
    )
    colour = PALETTE[number % len(PALETTE)]
    figure.add_trace(
        go.Scatter(
            x=[bytes_[n] for n in order],
            y=values,
            error_y=error_bars(values, lows, highs),
            mode="lines+markers",
            name=name,
            xaxis=axes[0],
            yaxis=axes[1],
            line={"color": colour, "dash": DASHES[number % len(DASHES)], "width": 1.5},
            marker={"color": colour, "symbol": SYMBOLS[number % len(SYMBOLS)], "size": 8},
            customdata=[
                [text(way.detail), in_units(bytes_[n]), f"{way.milliseconds:,.0f}"]
                for n, way in zip(order, chosen, strict=True)
            ],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]} · mAP %{y:.1f} %"
            "<br>%{customdata[2]} ms on the phone, one thread<extra></extra>",
        )
    )


def in_units(count: float) -> str:
    """Bytes in the unit that needs the fewest digits."""
    factor, unit = next((pair for pair in _UNITS if count >= pair[0]), _UNITS[-1])
    return f"{count / factor:.3g} {unit}"


def _ticks(values: Sequence[float]) -> dict[str, object]:
    """Ticks at 1, 2 and 5 times the powers of ten, or at the powers alone, in units."""
    low, high = min(values), max(values)
    steps = (1, 3) if high / low > 30 else (1, 2, 5)
    if high / low > 3000:
        steps = (1,)
    ticks = [step * 10.0**power for power in range(-1, 15) for step in steps]
    shown = [tick for tick in ticks if low / 2 <= tick <= high * 2]
    return {"tickvals": shown, "ticktext": [in_units(tick) for tick in shown]}
