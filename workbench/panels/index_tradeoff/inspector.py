"""The picked index inspected: the images in its cells, and its bits along a ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np

from workbench.analysis.index_steps import valid_index_steps
from workbench.analysis.index_tradeoff import Tradeoff
from workbench.collections.protocols import SIGNS
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.engine.queries import query_vector, relevance_of
from workbench.figures.cell_sizes import CELLS, cell_sizes
from workbench.panels.base import Panel
from workbench.panels.index_tradeoff.cells import CellImages, Cells, image_name
from workbench.panels.session import Session
from workbench.panels.widgets.bits import Bits
from workbench.panels.widgets.region import Text, line
from workbench.search.inspection import BinaryCodes as Codes
from workbench.search.inspection import CellStatistics, binary_codes, cell_statistics

FIRST = 30  # results whose bits are shown
NO_CELLS = "This index has no cells: pick one with ivf or imi to see its inverted lists."
NO_BITS = "This index has no bits: pick one with lsh, itq or sh to see its codes along a ranking."


@dataclass(frozen=True, eq=False)
class Request:
    """An index that was measured, and the query it is inspected with. Two requests are never equal."""

    tradeoff: Tradeoff
    index: str
    query: str
    box: Box | None


class Contents(NamedTuple):
    """The cells of an index and its codes (None if it has none), seen from a query."""

    cells: Cells | None
    codes: Codes | None
    rows: list[dict[str, Any]]  # of the codes
    explanation: str


class IndexInspector(Panel[Request, Contents]):
    """The contents of the cells nearest to the session's query, and codes beside the query's."""

    lane, phase = "open index", "Reading the cells and codes of the index"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._source: tuple[Tradeoff, str] | None = None  # the measured indexes, and the picked one
        self.balance = Text()
        self.cell = CellImages(session)
        self.parts = (self.cell,)
        self.lines = Text()
        self.bits = Bits(label="Bits of the codes")
        self.cells = W.VBox([self.balance, self.cell.sizes, self.cell.text, self.cell.images])
        self.widget = W.Box([self.cells, W.VBox([self.lines, self.bits])])
        self.widget.add_class("wb-opened")
        self.widget.layout.display = "none"
        session.observe(session.guard(self.refresh), ["query", "box", "ranking"])

    def open(self, tradeoff: Tradeoff | None, index: str) -> None:
        """Show that index; nothing without an index."""
        self._source = (tradeoff, index) if tradeoff is not None and index else None
        self.widget.layout.display = None if self._source else "none"
        self.refresh()

    def request(self) -> Request | None:
        return Request(*self._source, self.session.query, self.session.box) if self._source else None

    def dim(self, stale: bool) -> None:
        for part in (self.balance, self.lines, self.bits, self.cell.sizes):
            part.stale = stale
        self.cell.dim(stale)

    def compute(self, request: Request, progress: Progress) -> Contents:
        tradeoff = request.tradeoff
        index, _ = tradeoff.index(request.index, progress)
        vector = query_vector(tradeoff.described, request.query, request.box).cpu().numpy()
        inverted, codes = cell_statistics(index, vector), binary_codes(index, vector, FIRST)
        cells = None if inverted is None else Cells(tradeoff, request.query, vector, inverted)
        if codes is None:
            return Contents(cells, None, [], NO_BITS)
        spherical = any(step.name == "sh" for step in valid_index_steps(request.index))
        return Contents(cells, codes, _code_rows(request, codes, spherical), _explained(codes, spherical))

    def render(self, result: Contents) -> None:
        codes = result.codes
        with self.bits.hold_sync():
            self.bits.codes = b"" if codes is None else np.ascontiguousarray(codes.codes).tobytes()
            self.bits.rows = result.rows
        self.lines.lines = [
            line(result.explanation, "note", *(("binary codes",) if codes is not None else ()))
        ]
        self.cell.cells = result.cells
        self._show_sizes(None if result.cells is None else result.cells.lists)
        self.cell.refresh()

    def _show_sizes(self, cells: CellStatistics | None) -> None:
        sizes = self.cell.sizes
        sizes.layout.display = "none" if cells is None else None
        if cells is None:
            self.cells.add_class("wb-no-cells")
            sizes.show(None)
            self.balance.lines = [line(NO_CELLS, "note")]
            return
        self.cells.remove_class("wb-no-cells")
        assert self._source is not None
        sizes.show(cell_sizes(cells, self._source[0].described.collection.name))
        self.cell.place = min(self.cell.place, len(cells.sizes[:CELLS]) - 1)
        sizes.current = str(self.cell.place)
        self.balance.lines = [line(_balance(cells), "note", "imbalance", "nprobe")]


def _code_rows(request: Request, codes: Codes, spherical: bool) -> list[dict[str, Any]]:
    """Rows of a Bits widget: the query's code first."""
    tradeoff = request.tradeoff
    relevance = relevance_of(tradeoff.described.collection, request.query)
    unpacked = np.unpackbits(codes.codes, axis=1).astype(bool)
    query, others = unpacked[0], unpacked[1:]
    size = len(query)
    ones = f"{int(query.sum())} of {size} bits are 1"
    rows: list[dict[str, Any]] = [{"rank": "", "name": "the query", "text": "distance", "said": ones}]
    for rank, (row, score, code) in enumerate(zip(*codes.ranking, others, strict=True), 1):
        name = image_name(tradeoff, row)
        differ, both = int((code != query).sum()), int((code & query).sum())
        grade = relevance(name)
        rows.append(
            {
                "rank": str(rank),
                "name": name,
                "text": f"{abs(score):.3f}" if spherical else f"{differ} bits",
                "said": f"{differ} of {size} bits differ, {both} are 1 in both",
                "sign": "" if grade == "query" else SIGNS.get(grade, ""),
                "relevance": grade,
            }
        )
    return rows


def _balance(cells: CellStatistics) -> str:
    """A sentence about the sizes of the cells."""
    sizes, searched = cells.sizes, int(cells.sizes[: cells.probed].sum())
    more = f" (the nearest {CELLS} are drawn)" if len(sizes) > CELLS else ""
    return (
        f"{len(sizes):,} cells, the nearest to the query first{more}: {sizes.min()} to {sizes.max()} images "
        f"each, {int((sizes == 0).sum()):,} of them empty; imbalance {cells.imbalance:.2f} "
        "(1: all cells as large as the dashed line). "
        f"The blue {cells.probed:,} are searched: {searched:,} of {int(sizes.sum()):,} images."
    )


def _explained(codes: Codes, spherical: bool) -> str:
    """How to read the bits."""
    distance = "bits that differ ÷ (bits 1 in both + 0.1)" if spherical else "how many bits differ"
    return (
        f"Codes of {8 * codes.codes.shape[1]} bits, the query's on top, then those of its first "
        f"{len(codes.ranking.rows)} results. A tall orange bar: the bit differs from the query's; a low blue "
        f"foot: it is 1 in both; nothing: 0 in both. On the right the distance: {distance}."
    )
