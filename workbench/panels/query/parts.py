"""The parts of a combined query as chips: weighed, switched off, exchanged and removed."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.collections.uploads import display_name
from workbench.panels.combined_query import DRAWN, change_search, joints, with_part, without_part
from workbench.panels.formatting import DRAWING
from workbench.panels.session import Session
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.lightbox import reference
from workbench.panels.widgets.query_parts import Chip, QueryParts
from workbench.query.part import Part
from workbench.query.query import Query

SIDE = 96  # pixels of a picture's longest side
READINGS = {"sketch": "contours", "colours": "colours"}


class PartControls:
    """The chips of the session's combined query. A part that is off has weight 0 in the query; its chip
    remembers the weight."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.weights: dict[str, float] = {}  # of parts that are off
        self.widget = QueryParts()
        # The widget calls with the place of a part; errors are shown as messages.
        self.widget.on_weight(lambda place, weight: self._guarded(lambda: self.weigh(place, weight)))
        self.widget.on_switch(lambda place, on: self._guarded(lambda: self.switch(place, on)))
        self.widget.on_remove(lambda place: self._guarded(lambda: without_part(session, place)))
        self.widget.on_reading(lambda place: self._guarded(lambda: self.exchange(place)))
        session.observe(session.guard(self.show), "expression")
        self.show(None)

    def weigh(self, place: int, weight: float) -> None:
        """Give a part another weight; 0 switches it off."""
        change_search(self.session, self._query.with_weight(place, round(weight, 3)))

    def switch(self, place: int, on: bool) -> None:
        """Switch a part off, or on again with the weight that it had."""
        part, weight = self._query.parts[place]
        if weight:
            self.weights[str(part)] = weight
        self.weigh(place, self.weights.get(str(part), 1.0) if on else 0)

    def exchange(self, place: int) -> None:
        """Compare the colour layout of a drawing in place of its contours, or the other way round."""
        part = self._query.parts[place][0]
        kind = next(kind for kind in DRAWN if kind != part.kind)
        change_search(self.session, with_part(self._query, place, Part(kind, part.value)))

    def show(self, _: object) -> None:
        """Show the parts of the session's combined query; none for a picture alone."""
        query = self._query if self.session.expression else None
        self.widget.load(lambda: self._chips(query) if query is not None else ())

    @property
    def _query(self) -> Query:
        return Query.parse(self.session.expression)

    def _guarded(self, act: object) -> None:
        self.session.guard(lambda _: act())(None)  # type: ignore[operator]

    def _name(self, part: Part) -> str:
        name = part.value if part.kind == "text" else display_name(part.value)
        return "drawing" if part.kind in DRAWN and name == DRAWING else name

    def _chips(self, query: Query) -> Iterator[Chip]:
        for (part, weight), joint in zip(query.parts, joints(query), strict=True):
            chip: Chip = {
                "id": str(part),
                "kind": part.kind,
                "name": self._name(part),
                "picture": b"",
                "weight": weight or self.weights.get(str(part), 1.0),
                "on": weight != 0,
                "joint": joint,
            }
            if part.kind != "text":
                shown = self.session.query_named(part.value)
                box = part.box or shown.box
                chip["picture"] = thumbnail(self.session.bench, shown.image, SIDE, box)
                chip["opens"] = reference(shown.image, box)
            if part.box is not None:
                chip["name"] += f" [{', '.join(f'{edge:.0f}' for edge in part.box)}]"
            if part.kind in DRAWN:
                chip["reading"] = READINGS[part.kind]
                chip["other"] = READINGS[next(kind for kind in DRAWN if kind != part.kind)]
            yield chip
