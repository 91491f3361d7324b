"""Where the network looks in an image, and what each region of it finds in the collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets as W
import numpy as np

from workbench.activations import map_layers
from workbench.collections.collection import Query
from workbench.config import Config, is_local
from workbench.features.backbones import Spec
from workbench.panels import seeing
from workbench.panels.finding import ELSEWHERE, HINT, Finding
from workbench.panels.seeing import HEATS, OF_CHANNEL, OF_SCORE, Asked, Seen
from workbench.panels.session import DEBOUNCE, Session
from workbench.panels.widgets.chips import Chips
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.region import Text, region
from workbench.panels.widgets.table import Table, column
from workbench.progress import Progress

LANE = "attention"
STRONGEST = 8  # channels listed
QUERY, RESULT = 0, 1  # images that change with the session; others go by name
LAID = [("of the pipeline", ""), ("R-MAC, three levels", "rmac:3"), ("20 proposals", "proposals:20")]
COLUMNS = [
    column("channel", "Channel", number=True),
    column("part", "Contribution", number=True, hint="over all channels they add up to the score"),
    column("share", "Share %", number=True, hint="of the score"),
]


class Attention:
    """Heat and regions over one image. A region that is pointed at shows its like; a click searches by it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.seen: Seen | None = None
        self._held: tuple[Any, Any] = ((), ())  # what the query became by a click, and what it was
        self._sought: np.ndarray | None = None  # the box to mark in the image that is opened next
        self.image = W.Dropdown(description="Image", options=[("the query", QUERY)])
        self.layer = W.Dropdown(description="Layer", options=[("of the pipeline", "")])
        self.laid = W.Dropdown(description="Boxes", options=LAID)
        self.heat = W.Dropdown(description="Heat", options=[(HEATS["norm"][0], "norm")])
        self.channel = W.BoundedIntText(description="Channel", min=0, max=0)
        self.values = W.Dropdown(description="Region values", options=["weight", "norm"])
        self.levels = Chips(label="Levels")
        self.view = HeatView(empty="Choose a query and press Run to see where the network looks.")
        self.sum = Text()
        self.channels = Table(label="Channels that make the score", columns=COLUMNS)
        self.made = W.VBox([self.sum, self.channels])
        self.finding = Finding(session, self.open)
        seen = [self.layer, self.laid, self.heat, self.channel, self.values, self.levels]
        controls = W.Box([self.image, *seen])
        controls.add_class("wb-controls")
        body = W.Box([self.view, self.made, self.finding.widget])
        body.add_class("wb-looks")
        self.widget = region("Attention", controls, body)
        for widget in (self.layer, self.channel, self.levels, self.made):
            _display(widget, False)
        self.show_names(None)
        for control in (self.image, self.layer, self.laid, self.heat, self.channel):
            control.observe(session.guard(self.look), "value")
        self.values.observe(session.guard(self.show_regions), "value")
        self.levels.observe(session.guard(self.show_regions), "chosen")
        self.view.on_hover(session.guard(self.find))
        self.view.on_pick(session.guard(self.search_by))
        self.channels.on_pick(session.guard(self.pick_channel))
        session.observe(session.guard(self.show_names), "queries")
        session.observe(session.guard(self.look), ["pipeline", "query", "box", "image", "ranking"])
        self.look(None)

    # -- looking at an image

    def look(self, _: object) -> None:
        """Bring the view up to date, in a worker."""
        if self.session.query:
            self.session.run(LANE, self._look, DEBOUNCE)

    def asked(self) -> Asked:
        """What is to be seen now."""
        session = self.session
        query = session.query, session.box
        shown = self._held[1] if query == self._held[0] else query  # stays while its regions are tried
        result = session.image or self._first_result(), None
        if self.image.value == QUERY:
            (image, box), (other, other_box) = shown, result
        else:
            image, box = result if self.image.value == RESULT else (self.image.value, None)
            other, other_box = query
        layer = "" if is_local(Config.parse(session.pipeline).backbone) else self.layer.value or ""
        laid = "" if layer else self.laid.value
        return Asked(image or query[0], box, other, other_box, session.pipeline, layer, laid)

    def _first_result(self) -> str:
        """The first result that is not the query itself."""
        ranking, own = self.session.ranking, self._query(self.session.query).image
        found = [] if ranking is None else [one for one in ranking["image_id"].head(2) if one != own]
        return str(found[0]) if found else ""

    def _query(self, name: str) -> Query:
        return self.session.queries.get(name) or Query(name, name)

    def _look(self, progress: Progress) -> None:
        asked, before = self.asked(), self.seen
        if before is None or before.asked != asked:
            self.view.stale = True
            seen = seeing.see(self.session.bench, asked, self._query(asked.image), progress)
            progress("Looking", 1, 1)  # the last moment at which a newer request can still win
            self.seen = seen
            if before is None or before.asked.view != asked.view:
                self.view.marked = -1  # its regions are not those that were pointed at
                self.finding.clear(
                    ELSEWHERE if asked.elsewhere else HINT if seen.activations is not None else ""
                )
        if self.seen is not None:
            self._offer(self.seen)
            self._show(self.seen)

    def _offer(self, seen: Seen) -> None:
        """Offer the layers, kinds of heat, channels, values and levels that there are for this picture."""
        layers = map_layers(Spec.parse(Config.parse(seen.asked.pipeline).backbone).card())
        levels = seeing.levels(seen)
        _set_options(self.layer, [("of the pipeline", ""), *((layer, layer) for layer in layers)])
        _set_options(self.heat, [(HEATS[kind][0], kind) for kind in seeing.kinds(seen)])
        _set_options(self.values, ["weight", "norm", *(["contribution"] if seen.parts else [])])
        self.channel.max = 0 if seen.activations is None else len(seen.activations.maps) - 1
        if levels != self.levels.options:  # one level is easier to read than all at once
            self.levels.options, self.levels.chosen = levels, levels[-1:]
        _display(self.layer, bool(layers))
        _display(self.laid, seen.activations is not None and not self.layer.value)
        _display(self.channel, self.heat.value in OF_CHANNEL)
        _display(self.levels, bool(levels))

    def _show(self, seen: Seen) -> None:
        kind, parts = self.heat.value, seen.parts
        strongest = parts.strongest(STRONGEST) if parts and kind == "strongest" else []
        if strongest and self.channel.value not in strongest:
            self.channel.value = strongest[0]
        heat = seeing.heat(seen, kind, self.channel.value)
        about = f" · channel {self.channel.value}" if kind in OF_CHANNEL else ""
        self.view.show(
            np.zeros((0, 0)) if heat is None else heat,
            picture=seen.picture,
            name=Path(self._query(seen.asked.image).image).name,
            alt=f"{seeing.named(seen.asked.image)}, under its heat: {HEATS[kind][0]}",
            note=seeing.note(seen),
            top=1.0 if heat is None else float(np.abs(heat).max()) or 1.0,
            signed=heat is not None and (kind in OF_SCORE or bool(heat.min() < 0)),
            quantity=HEATS[kind][1] + about,
            stale=False,
        )
        _display(self.made, bool(strongest))
        if parts and strongest:
            self.channels.rows = seeing.channel_rows(parts, strongest)
            self.channels.chosen = [str(self.channel.value)]
            self.sum.lines = seeing.channel_sum(parts, strongest, seen.asked.other)
        self.show_regions(None)
        if self._sought is not None and seen.activations is not None:
            found = int(np.abs(seen.activations.regions - self._sought).sum(1).argmin())
            self.view.marked, self._sought = found, None
            on = {*self.levels.chosen, str(seen.activations.levels[found])}
            self.levels.chosen = [level for level in self.levels.options if level in on]

    def show_names(self, _: object) -> None:
        """Offer the images of the collection, which are fewer once some turned out unreadable."""
        names = self.session.bench.collection.images
        own = [("the query", QUERY), ("the chosen result", RESULT)]
        _set_options(self.image, [*own, *((name, name) for name in names)])

    def pick_channel(self, name: str) -> None:
        self.channel.value = int(name)

    # -- its regions

    def show_regions(self, _: object) -> None:
        """Draw the regions of the levels that are switched on, each with its value."""
        if self.seen is not None:
            on = [int(level) for level in self.levels.chosen] if self.levels.options else None
            self.view.show(regions=seeing.regions(self.seen, self.values.value), shown=on)

    def find(self, number: int) -> None:
        """Show what the region under the pointer or the focus finds."""
        if number >= 0 and self.seen is not None and not self.seen.asked.elsewhere:
            self.finding.find(self.seen.asked, number)

    def open(self, image: str, box: np.ndarray) -> None:
        """Look at an image, with the region of that box marked."""
        self._sought = box
        self.image.value = image

    def search_by(self, number: int) -> None:
        """Make a region the query: of the query's image, or of an image of its own."""
        session, seen = self.session, self.seen
        if seen is None or seen.activations is None:
            return
        name, box = seen.asked.image, seeing.in_pixels(seen, number)
        if name not in session.queries:
            same = (query.id for query in session.queries.values() if query.image == name)
            name = next(same, str(session.bench.collection.path(name).absolute()))
        if self.image.value == QUERY:
            self._held = (name, box), (seen.asked.image, seen.asked.box)
        self.view.marked = number
        with session.hold_trait_notifications():
            if name not in session.queries:
                session.queries = {name: Query(name, name), **session.queries}
            session.choose(name)
            session.box = box


def _set_options(select: W.Dropdown, options: list[Any]) -> None:
    """Offer these, and keep what was chosen where it is still there."""
    if list(select.options) != options:
        kept = select.value
        select.options = options
        if kept in [one[1] if isinstance(one, tuple) else one for one in options]:
            select.value = kept


def _display(widget: W.DOMWidget, shown: bool) -> None:
    widget.layout.display = None if shown else "none"
