"""The image of the query, with the box of the part that is searched for."""

from __future__ import annotations

import contextlib
import math
from typing import Any

from workbench.collections.images import header
from workbench.collections.uploads import display_name
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.combined_query import change_search, picture_place, with_part
from workbench.panels.jobs import JobRunner
from workbench.panels.session import Session
from workbench.panels.widgets.crop import SMALLEST, Crop
from workbench.panels.widgets.grid import thumbnail
from workbench.query.part import Part
from workbench.query.query import Query

_SIDE, _LONGEST = 400, 1600  # longest side in pixels: usually, and of very wide or tall pictures


class QueryImage:
    """The image of the session's query; the box drawn on it is the session's."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.crop = Crop()
        self.runner = JobRunner(fail=session.fail, lock=session.lock)
        self.crop.on_box(session.guard(self.set_box))
        session.observe(session.guard(self.show), ["query", "queries"])
        session.observe(session.guard(self.show_box), ["box", "expression"])
        self.show(None)

    def set_box(self, box: Any) -> None:
        """A box was drawn, or removed."""
        session, checked = self.session, None if box is None else self._checked(box)
        place = picture_place(session)
        if place < 0:
            session.box = checked
        else:  # the picture is a part of a combined query
            query = Query.parse(session.expression)
            change_search(session, with_part(query, place, Part("image", session.query, checked)))

    def _checked(self, box: Any) -> Box:
        values = [float(value) for value in box]
        if len(values) != 4 or not all(map(math.isfinite, values)):
            raise WorkbenchError(f"box {box!r} is not four numbers x0, y0, x1, y1")
        x0, y0, x1, y1 = map(round, values)
        min_width, min_height = min(SMALLEST, self.crop.width), min(SMALLEST, self.crop.height)
        if x1 - x0 < min_width or y1 - y0 < min_height:
            raise WorkbenchError(f"a box of {x1 - x0} x {y1 - y0} pixels is too small; draw it larger")
        return x0, y0, x1, y1

    def show(self, _: object) -> None:
        """Read the query's image in a worker, and show it."""
        query = self.session.queries.get(self.session.query)
        if query is None:
            return

        def work(progress: Progress) -> None:
            bench = self.session.bench
            width = height = 0
            picture = b""
            with contextlib.suppress(WorkbenchError):  # the widget shows that there is no picture
                size = header(bench.collection.path(query.image))
                width, height = size.width, size.height
                stretch = max(1, max(width / height, height / width) / 4)
                picture = thumbnail(bench, query.image, min(_LONGEST, round(_SIDE * stretch)))
            progress("Loading the query", 1, 1)
            with self.crop.hold_sync():
                self.crop.name, self.crop.opens = display_name(query.id), query.id
                self.crop.width, self.crop.height = width, height
                self.crop.picture = picture
                self.show_box(None)

        self.runner.submit(work)

    def show_box(self, _: object) -> None:
        """Show the session's box, or the query's own."""
        query, box = self.session.queries.get(self.session.query), self.session.box
        own, place = query.box if query else None, picture_place(self.session)
        if self.session.expression:
            box = Query.parse(self.session.expression).parts[place][0].box if place >= 0 else None
        with self.crop.hold_sync():
            self.crop.box = list(box or own or ())
            self.crop.own, self.crop.whole = box is None, own is None
