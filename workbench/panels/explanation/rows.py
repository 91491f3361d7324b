"""The regions of an explanation as bars, boxes on the pictures, and lines between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.common.rounding import DIGITS, rounded, signed
from workbench.explain.sum_text import value_text
from workbench.explain.sums import Line, Sum
from workbench.panels.contributions import Pair, Side, Sides, mark
from workbench.panels.formatting import plural
from workbench.panels.widgets.heatview import Region
from workbench.panels.widgets.region_bars import Bar

STRONGEST = 6  # bars that are shown at first
OUTLINED = 3  # regions that are outlined when none is pointed at
DRAWN = 5  # lines when no region is pointed at
LEAST = 0.5  # of the strongest pair, in a pair that has a line then
FADING = 3  # power: many pairs hold nearly as much as the strongest
CONSTANT = "the part of the score that belongs to no region, such as the error of a compressed code"


def side_bars(side: Side, view: int, top: float, level_top: float) -> dict[str, Any]:
    """The traits of the bars of one picture; ``top`` and ``level_top`` are the ends of their scales."""
    total, count = side.total, len(side.order)
    shown = count if count <= STRONGEST + 1 else STRONGEST
    values = side.values
    rest = float(values[shown:].sum())
    exact = rounded([*values[:shown], rest, total.constant])
    texts = [*exact[:shown], *rounded(values[shown:].tolist())]
    bars = [
        _bar(name, value, text, total, top)
        | {
            "id": mark(view, number),
            "boxes": [box],
            "said": f"{number + 1} of {count}: {name}, adds {signed(text)}{_of(total, value)}",
        }
        for number, (name, value, text, box) in enumerate(
            zip(side.names, values.tolist(), texts, side.boxes.tolist(), strict=True)
        )
    ]
    return {
        "title": _title(side),
        "label": f"{side.title}: {count} {_unit(side)}",
        "bars": bars,
        "shown": shown,
        "others": _bar(f"{count - shown} others", rest, exact[shown], total, 0) if shown < count else {},
        "rest": [*_constant(total, exact[-1]), _whole(total, sum(exact))],
        "levels": _levels(total, level_top),
        "level_title": "By level" if side.by_region else "By third",
    }


def pair_bars(sides: Sides) -> dict[str, Any]:
    """The traits of the bars of pairs of regions; none if there are no pairs of regions."""
    if not sides.pairs:
        return {"bars": [], "rest": []}
    query, image = sides.sides
    values = [pair.value for pair in sides.pairs]
    exact = rounded([*values, sides.unlisted, query.total.constant])
    top = max(map(abs, values)) or 1.0
    bars = [
        _bar(f"{query.names[pair.query]} – {image.names[pair.image]}", pair.value, text, query.total, top)
        | {
            "id": f"pair:{number}",
            "boxes": [query.boxes[pair.query].tolist(), image.boxes[pair.image].tolist()],
            "said": f"{query.names[pair.query]} of the query with {image.names[pair.image]} of the result, "
            f"adds {signed(text)}{_of(query.total, pair.value)}",
        }
        for number, (pair, text) in enumerate(zip(sides.pairs, exact, strict=False))
    ]
    hidden = sides.count - len(bars)
    return {
        "title": f"{plural(sides.count, 'pair')} of a query region and a result region",
        "label": "Pairs of regions",
        "bars": bars,
        "shown": len(bars),
        "others": _bar(f"{hidden:,} others", sides.unlisted, exact[-2], query.total, 0) if hidden else {},
        "rest": [*_constant(query.total, exact[-1]), _whole(query.total, sum(exact))],
    }


def ends(sides: Sides, name: str) -> tuple[float, float]:
    """The ends of the scales of the bars of regions and of levels, for all sums of that name."""
    shown = [side for side in sides.sides if side.total.name == name]
    values = [side.values for side in shown]
    levels = [side.total.groups.to_numpy(float) for side in shown]
    top, level_top = (float(np.abs(np.concatenate(kind)).max(initial=0)) or 1.0 for kind in (values, levels))
    return top, level_top


def regions(side: Side) -> list[Region]:
    """The boxes of the regions by number; of these the strongest are outlined."""
    return [
        {
            "box": box,
            "text": f"{name}: {signed(value)}",
            "strength": 1 - number / OUTLINED if number < OUTLINED and side.by_region else 0,
        }
        for number, (name, value, box) in enumerate(
            zip(side.names, side.values.tolist(), side.boxes.tolist(), strict=True)
        )
    ]


def links(sides: Sides) -> list[dict[str, Any]]:
    """A line for each linked pair, and for the listed ones; the strongest of these are always drawn.

    The strength of a line decreases with its pair's share of the strongest, from 1 to 0 at ``LEAST`` of it.
    """
    top = max((abs(pair.value) for pair in (*sides.linked, *sides.pairs)), default=0.0) or 1.0
    listed = {(pair.query, pair.image): f"pair:{number}" for number, pair in enumerate(sides.pairs)}
    drawn = 0
    lines = []
    seen = set()
    for pair in sides.linked:
        key = listed.pop((pair.query, pair.image), "")
        strength = max(0.0, (abs(pair.value) / top - LEAST) / (1 - LEAST)) ** FADING
        # A second line of the same region says little about where the score is from.
        new = pair.query not in seen or not sides.sides[0].by_region
        always = new and drawn < DRAWN and strength > 0
        drawn += always
        seen.add(pair.query)
        lines.append(_link(pair, [*pair.ends, *filter(None, [key])], strength, always))
    for number, pair in enumerate(sides.pairs):
        if (pair.query, pair.image) in listed:
            lines.append(_link(pair, [f"pair:{number}"], 0, False))
    return lines


def _link(pair: Pair, parts: list[str], strength: float, always: bool) -> dict[str, Any]:
    return {
        "parts": parts,
        "view": pair.view,
        "start": pair.start,
        "end": pair.end,
        "strength": strength,
        "always": always,
    }


def _bar(text: str, value: float, shown: float, total: Sum, top: float) -> Bar:
    """A bar; without a scale (``top`` 0) it has no length."""
    share = total.share(value)
    of = "" if total.name != "score" or np.isnan(share) else f"{100 * share:.1f} %".replace("-", "−")
    return {"text": text, "value": signed(shown), "share": of, "length": value / top if top else None}


def _constant(total: Sum, shown: float) -> list[Bar]:
    if abs(shown) < 0.5 * 10**-DIGITS:
        return []
    return [_bar("constant", total.constant, shown, total, 0) | {"title": CONSTANT}]


def _whole(total: Sum, shown: float) -> Bar:
    value = value_text(Line("whole", total.name, total.whole, shown))
    return {"text": total.name, "value": value, "share": "", "length": None}


def _levels(total: Sum, top: float) -> list[Bar]:
    """A bar for each level; none if there is one level."""
    groups = total.groups
    if len(groups) < 2:
        return []
    exact = rounded([*groups, total.constant])
    rows = zip(groups.items(), exact, strict=False)
    return [_bar(str(name), float(value), shown, total, top) for (name, value), shown in rows]


def _of(total: Sum, value: float) -> str:
    """The share of a score that a value is, for screen readers."""
    share = total.share(value)
    return "" if total.name != "score" or np.isnan(share) else f", {100 * share:.1f} percent of the score"


def _unit(side: Side) -> str:
    return "regions" if side.by_region else "parts"


def _title(side: Side) -> str:
    return f"{side.title} · {len(side.order)} {_unit(side)}"
