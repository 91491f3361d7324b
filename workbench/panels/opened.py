"""The picked index opened: the images in its cells, and its bits along a ranking."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as W
import numpy as np

from workbench import asking
from workbench.anatomy import Bits as Codes
from workbench.anatomy import Lists, bits, lists
from workbench.collections.collection import SIGNS
from workbench.panels.session import DEBOUNCE, Session
from workbench.panels.widgets.bars import Bars
from workbench.panels.widgets.bits import Bits
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.region import Text, line
from workbench.progress import Progress
from workbench.tradeoff import Tradeoff, steps_of

LANE = "open index"
FIRST = 30  # results whose bits are shown,
PICTURES = 36  # images of a cell,
CELLS = 256  # and cells, at most
SYNTHETIC = "a synthetic distractor"
NO_CELLS = "This index has no cells: pick one with ivf or imi to see what its inverted lists hold."
NO_BITS = "This index keeps no bits: pick one with lsh, itq or sh to see its codes along a ranking."


class Opened:
    """What the cells nearest to the session's query hold, and codes beside the query's."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._source: tuple[Tradeoff, str] | None = None  # what is measured, and the index that was picked
        self._lists: Lists | None = None
        self._vector = np.empty((1, 0), np.float32)
        self.balance = Text()
        self.sizes = Bars(label="Cell")
        self.held = Text(live=True)
        self.images = Grid(label="Images in the cell", look="strip", pick=True)
        self.lines = Text()
        self.bits = Bits(label="Bits of the codes")
        cells = W.VBox([self.balance, self.sizes, self.held, self.images])
        self.widget = W.Box([cells, W.VBox([self.lines, self.bits])])
        self.widget.add_class("wb-opened")
        self.widget.layout.display = "none"
        self._names: list[str] = []
        self.sizes.observe(session.guard(self.look), "current")
        self.images.on_pick(session.guard(self.choose))
        session.observe(session.guard(self.refresh), ["query", "box", "ranking"])

    def open(self, tradeoff: Tradeoff | None, index: str) -> None:
        """Show that index; none where there is none."""
        self._source = (tradeoff, index) if tradeoff is not None and index else None
        self.widget.layout.display = None if self._source else "none"
        self.refresh(None)

    def refresh(self, _: object) -> None:
        """Show it as the query of now sees it."""
        if self._source:
            self.session.run(LANE, partial(self._open, *self._source), DEBOUNCE)

    def look(self, _: object) -> None:
        """Another cell was chosen."""
        if self._source and self._lists is not None:
            self.session.run(LANE, partial(self._look, self._source[0], self._lists), DEBOUNCE)

    def choose(self, number: int) -> None:
        """An image was clicked: it is the one under study."""
        if self._names[number] != SYNTHETIC:
            self.session.image = self._names[number]

    def _open(self, tradeoff: Tradeoff, name: str, progress: Progress) -> None:
        session = self.session
        index, _ = tradeoff.index(name, progress)
        vector = asking.vector(tradeoff.ready, session.query, session.box).cpu().numpy()
        found, codes = lists(index, vector), bits(index, vector, FIRST)
        spherical = any(step.name == "sh" for step in steps_of(name))
        rows = [] if codes is None else self._rows(tradeoff, codes, spherical)
        progress("Opening the index", 1, 1)
        self._lists, self._vector = found, vector
        with self.bits.hold_sync():
            self.bits.codes = b"" if codes is None else np.ascontiguousarray(codes.codes).tobytes()
            self.bits.rows = rows
        self.lines.lines = [line(NO_BITS if codes is None else _explained(codes, spherical), "note")]
        self._show_sizes(found)
        self._look(tradeoff, found, progress)

    def _show_sizes(self, found: Lists | None) -> None:
        if found is None:
            self.sizes.values = []
            self.balance.lines, self.held.lines = [line(NO_CELLS, "note")], []
            self.images.figures = []
            return
        with self.sizes.hold_sync():
            self.sizes.texts = [
                f"{_nth(place)} cell: {size} image{'s' * (size != 1)}, "
                + ("searched" if place < found.probed else "not searched")
                for place, size in enumerate(found.sizes[:CELLS].tolist())
            ]
            self.sizes.solid, self.sizes.even = found.probed, float(found.sizes.mean())
            self.sizes.values = found.sizes[:CELLS].tolist()
            self.sizes.current = min(self.sizes.current, len(self.sizes.values) - 1)
        self.balance.lines = [line(_balance(found), "note")]

    def _look(self, tradeoff: Tradeoff, found: Lists | None, progress: Progress) -> None:
        if found is None:
            return
        at = max(0, min(self.sizes.current, len(found.order) - 1))
        rows = found.rows(int(found.order[at]))
        scores = tradeoff.database[rows] @ self._vector[0]
        best = np.argsort(-scores, kind="stable")[:PICTURES]
        names = [_named(tradeoff, row) for row in rows[best]]
        relevance = asking.relevance(tradeoff.ready.collection, self.session.query)
        figures: list[Figure] = []
        for name, score in zip(names, scores[best], strict=True):
            progress("Loading pictures", len(figures), len(names))
            figures.append(_figure(self.session, name, float(score), relevance))
        progress("Opening the cell", 1, 1)
        self._names, self.images.figures = names, figures
        more = f", the {len(names)} most like the query shown" if len(rows) > len(names) else ""
        count = f"{len(rows)} image{'s' * (len(rows) != 1)}{more}" if len(rows) else "no image"
        searched = "searched" if at < found.probed else "not searched"
        self.held.lines = [line(f"The {_nth(at)} cell ({searched}) holds {count}.")]

    def _rows(self, tradeoff: Tradeoff, codes: Codes, spherical: bool) -> list[dict[str, Any]]:
        relevance = asking.relevance(tradeoff.ready.collection, self.session.query)
        unpacked = np.unpackbits(codes.codes, axis=1).astype(bool)
        query, others = unpacked[0], unpacked[1:]
        size = len(query)
        set_in = f"{int(query.sum())} of {size} bits are 1"
        rows: list[dict[str, Any]] = [{"rank": "", "name": "the query", "text": "distance", "said": set_in}]
        for rank, (row, score, code) in enumerate(zip(*codes.found, others, strict=True), 1):
            name = _named(tradeoff, row)
            differ, both = int((code != query).sum()), int((code & query).sum())
            known = relevance(name)
            rows.append(
                {
                    "rank": str(rank),
                    "name": name,
                    "text": f"{abs(score):.3f}" if spherical else f"{differ} bits",
                    "said": f"{differ} of {size} bits differ, {both} are 1 in both",
                    "sign": "" if known == "query" else SIGNS.get(known, ""),
                    "relevance": known,
                }
            )
        return rows


def _named(tradeoff: Tradeoff, row: int) -> str:
    images = tradeoff.ready.collection.images
    return images[row] if row < len(images) else SYNTHETIC


def _figure(session: Session, name: str, score: float, relevance: Callable[[str], str]) -> Figure:
    known = relevance(name)
    text = f"{score:.3f} {'' if known == 'query' else SIGNS.get(known, '')}".strip()
    said = f"{name}, score {score:.3f}, {known}"
    return {"picture": thumbnail(session.bench, name), "alt": "", "name": said, "score": text}


def _nth(place: int) -> str:
    """How near a cell is: ``nearest``, ``2nd nearest`` …"""
    number = place + 1
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number // 10 % 10 != 1 else 0, "th")
    return f"{number}{ending} nearest" if place else "nearest"


def _balance(found: Lists) -> str:
    """The sizes of the cells in words."""
    sizes, looked = found.sizes, int(found.sizes[: found.probed].sum())
    more = f" (the nearest {CELLS} are drawn)" if len(sizes) > CELLS else ""
    return (
        f"{len(sizes):,} cells, the nearest to the query first{more}: {sizes.min()} to {sizes.max()} images "
        f"each, {int((sizes == 0).sum()):,} of them empty; imbalance {found.imbalance:.2f} "
        "(1: all as even as the dashed line). "
        f"The blue {found.probed:,} are searched: {looked:,} of {int(sizes.sum()):,} images."
    )


def _explained(codes: Codes, spherical: bool) -> str:
    """How to read the bits."""
    distance = "bits that differ ÷ (bits 1 in both + 0.1)" if spherical else "how many bits differ"
    return (
        f"Codes of {8 * codes.codes.shape[1]} bits, the query's on top, then those of its first "
        f"{len(codes.found.rows)} results. A tall orange bar: the bit differs from the query's; a low blue "
        f"foot: it is 1 in both; nothing: 0 in both. On the right the distance: {distance}."
    )
