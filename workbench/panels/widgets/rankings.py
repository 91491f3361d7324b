"""Two rankings of one query side by side, with lines between the ranks of the same image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import pandas as pd
import traitlets as T

from workbench.collections.protocols import SIGNS
from workbench.panels.widgets.grid import Figure, captioned, thumbnail

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

_STATIC = Path(__file__).parents[1] / "static"
FIRST = 10  # results shown of each ranking


class RankingPair(anywidget.AnyWidget):
    """The first results of two rankings. A figure is one of grid.Grid, with ``other``, its rank in the
    other ranking (0: ``absent``, such as "not"). A click or Enter picks an image."""

    _esm = _STATIC / "rankings.js"
    _css = "\n".join((_STATIC / f"{name}.css").read_text("utf-8") for name in ("rankings", "comparison"))
    names = T.List(T.Unicode(), ["A", "B"]).tag(sync=True)  # the names of the sides
    sides = T.List(T.Dict()).tag(sync=True)  # two of {title, figures}
    current = T.Unicode().tag(sync=True)  # the name of the image under study
    stale = T.Bool(False).tag(sync=True)
    empty = T.Unicode().tag(sync=True)

    def on_pick(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the name of the image that was picked."""
        self.on_msg(lambda _widget, content, _buffers: handler(str(content["pick"])))


def overlap(a: pd.DataFrame, b: pd.DataFrame, k: int = FIRST) -> int:
    """The number of images that are among the first ``k`` of both rankings."""
    return len(set(a["image_id"].head(k)) & set(b["image_id"].head(k)))


def figures(ranking: pd.DataFrame, other: pd.DataFrame, bench: Bench) -> list[Figure]:
    """The first results of a ranking, each with its picture and its rank in the other ranking."""
    ranks = dict(zip(other["image_id"], other["rank"], strict=True))
    depth = other.attrs.get("depth")  # of a ranking that is cut there
    absent = f"below rank {depth:,}" if depth else "not"
    return [
        captioned(
            {
                "picture": thumbnail(bench, result["image_id"], 96),
                "name": result["image_id"],
                "rank": int(result["rank"]),
                "score": f"{result['score']:.3f}",
                "relevance": result["relevance"],
                "sign": SIGNS.get(result["relevance"], ""),
                "other": int(ranks.get(result["image_id"], 0)),
                "absent": absent,
            }
        )
        for result in ranking.head(FIRST).to_dict("records")
    ]
