"""The attention panel: where the network responds in an image, and the nearest regions of each region."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets as W
import numpy as np

from workbench.collections.uploads import display_name
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.steps import is_local
from workbench.explain.activations import map_layers
from workbench.features.backbones import BackboneSpec
from workbench.panels.attention import model
from workbench.panels.attention.common_components import CommonComponents
from workbench.panels.attention.files import files
from workbench.panels.attention.model import HEATS, OF_BOTH, OF_CHANNEL, OF_SCORE, AttentionView, Request
from workbench.panels.attention.nearest_regions import ELSEWHERE, HINT, NearestRegions
from workbench.panels.base import Panel
from workbench.panels.session import Session, first_result
from workbench.panels.widgets.chips import Chips
from workbench.panels.widgets.download import Download
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.lightbox import reference
from workbench.panels.widgets.name_field import NameField
from workbench.panels.widgets.region import Text, region
from workbench.panels.widgets.table import Table, column

STRONGEST = 8  # channels listed
QUERY, RESULT = 0, 1  # values of images that change with the session; other values are names
BOXES = [("of the pipeline", ""), ("R-MAC, three levels", "rmac:3"), ("20 proposals", "proposals:20")]
COLUMNS = [
    column("channel", "Channel", number=True),
    column("part", "Contribution", number=True, hint="over all channels they add up to the score"),
    column("share", "Share %", number=True, hint="of the score"),
]


class Attention(Panel[Request, AttentionView]):
    """Heat and regions over one image. Pointing at a region shows its nearest; a click searches by it."""

    lane, phase = "attention", "Reading the image"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.seen: AttentionView | None = None
        self._held: tuple[Any, Any] = ((), ())  # query and box after a click, and before it
        self._marked_next: np.ndarray | None = None  # the box to mark in the image that is opened next
        self.image = NameField("Image", [("the query", QUERY), ("the chosen result", RESULT)])
        self.layer = W.Dropdown(description="Layer", options=[("of the pipeline", "")])
        self.boxes = W.Dropdown(description="Boxes", options=BOXES)
        self.heat = W.Dropdown(description="Heat", options=[(HEATS["norm"][0], "norm")])
        self.heat.add_class("wb-long")
        self.channel = W.BoundedIntText(description="Channel", min=0, max=0)
        self.values = W.Dropdown(description="Region values", options=["weight", "norm"])
        self.levels = Chips(label="Levels")
        self.view = HeatView(empty="Choose a query and press Run to see where the network looks.")
        self.common = CommonComponents(self.view)
        self.download = Download()
        self.sum = Text()
        self.channels = Table(label="Channels with the largest contribution", columns=COLUMNS)
        self.contributions = W.VBox([self.sum, self.channels])
        self.nearest = NearestRegions(session, self.open)
        self.parts = (self.nearest,)
        of_heat = [self.heat, self.channel, self.common.image, *self.common.controls]
        controls = W.Box([self.image, self.layer, self.boxes, *of_heat, self.values, self.levels])
        controls.add_class("wb-controls")
        pictures = W.Box([self.view, self.common.second])
        pictures.add_class("wb-two-looks")
        body = W.Box([W.VBox([pictures, self.download]), self.contributions, self.nearest.widget])
        body.add_class("wb-looks")
        self.widget = region("Attention", controls, body)
        of_both = (self.common.image, *self.common.controls, self.common.second)
        for widget in (self.layer, self.channel, self.levels, self.contributions, *of_both):
            _display(widget, False)
        self.show_names(None)
        self.common.lock.observe(session.guard(self.common.hold), "value")
        chosen = [self.image, self.layer, self.boxes, self.heat, self.channel]
        for control in (*chosen, self.common.image, *self.common.controls):
            control.observe(session.guard(self.refresh), "value")
        self.values.observe(session.guard(self.show_regions), "value")
        self.levels.observe(session.guard(self.show_regions), "chosen")
        self.view.on_hover(session.guard(self.find))
        self.view.on_pick(session.guard(self.search_by))
        self.channels.on_pick(session.guard(self.pick_channel))
        session.observe(session.guard(self.show_names), "queries")
        session.observe(session.guard(self.refresh), ["pipeline", "query", "box", "image", "ranking"])
        self.watch_question()
        self.watch_folding()
        self.refresh()

    # -- the image that is shown

    def request(self) -> Request | None:
        session = self.session
        if not session.query:
            return None
        query = session.query, session.box
        shown = self._held[1] if query == self._held[0] else query  # stays while its regions are tried
        first = first_result(session.ranking, session.query_named(session.query))
        result = session.image or first, None
        if self.image.value == QUERY:
            (image, box), (other, other_box) = shown, result
        else:
            image, box = result if self.image.value == RESULT else (self.image.value, None)
            other, other_box = query
        other, other_box = (self.common.image.value, None) if self.common.image.value else (other, other_box)
        layer = "" if is_local(Config.parse(session.pipeline).backbone) else self.layer.value or ""
        regions = "" if layer else self.boxes.value
        request = Request(image or query[0], box, other, other_box, session.pipeline, layer, regions)
        return self.common.of(request) if self.heat.value == "components" else request

    def dim(self, stale: bool) -> None:
        nearest = self.nearest.lines, self.nearest.strip
        for part in (self.view, self.common.second, self.download, self.sum, self.channels, *nearest):
            part.stale = stale

    def compute(self, request: Request, progress: Progress) -> AttentionView:
        session = self.session
        return model.see(session.bench, request, session.query_named(request.image), progress)

    def render(self, result: AttentionView) -> None:
        before, self.seen, request = self.seen, result, result.request
        if before is None or before.request.view != request.view:
            self.view.marked = -1  # its regions are not those that were pointed at
            hint = HINT if result.activations is not None and len(result.activations.regions) else ""
            self.nearest.clear(ELSEWHERE if request.elsewhere else hint)

    def update(self) -> None:
        """Show the picture with the chosen heat, which changes without a new request."""
        if self.seen is not None:
            self._offer(self.seen)
            self._show(self.seen)

    def _offer(self, seen: AttentionView) -> None:
        """Offer the layers, kinds of heat, channels, region values and levels of this picture."""
        layers = map_layers(BackboneSpec.parse(Config.parse(seen.request.pipeline).backbone).card())
        levels = model.levels(seen)
        _set_options(self.layer, [("of the pipeline", ""), *((layer, layer) for layer in layers)])
        _set_options(self.heat, [(HEATS[kind][0], kind) for kind in model.kinds(seen)])
        _set_options(self.values, ["weight", "norm", *(["contribution"] if seen.parts else [])])
        self.channel.max = 0 if seen.activations is None else len(seen.activations.maps) - 1
        if levels != self.levels.options:  # one level is easier to read than all at once
            self.levels.options, self.levels.chosen = levels, levels[-1:]
        _display(self.layer, bool(layers))
        cells = Config.parse(seen.request.pipeline).has_cells  # which are compared without regions
        _display(self.boxes, seen.activations is not None and not self.layer.value and not cells)
        _display(self.channel, self.heat.value in OF_CHANNEL)
        _display(self.common.image, self.heat.value in OF_BOTH)
        for part in (*self.common.controls, self.common.second):
            _display(part, self.heat.value == "components" and seen.components is not None)
        _display(self.levels, bool(levels))
        _display(self.values, not cells)

    def _show(self, seen: AttentionView) -> None:
        kind, parts = self.heat.value, seen.parts
        strongest = parts.strongest(STRONGEST) if parts and kind == "strongest" else []
        if strongest and self.channel.value not in strongest:
            self.channel.value = strongest[0]
        heat = model.heat(seen, kind, self.channel.value)
        channel = f" · channel {self.channel.value}" if kind in OF_CHANNEL else ""
        with self.view.hold_sync():
            self.view.show(
                np.zeros((0, 0)) if heat is None else heat,
                picture=seen.picture,
                name=display_name(seen.request.image),
                opens=reference(seen.request.image, seen.request.box),
                alt=f"{display_name(seen.request.image)}, under its heat: {HEATS[kind][0]}",
                note=model.note(seen),
                top=1.0 if heat is None else float(np.abs(heat).max()) or 1.0,
                signed=heat is not None and (kind in OF_SCORE or bool(heat.min() < 0)),
                quantity=HEATS[kind][1] + channel,
                stale=False,
            )
            if kind == "components":
                self.common.show(seen)
        first = self.common.which.value
        self.download.offer(files(seen, kind, self.channel.value, self.view.signed, first))
        _display(self.contributions, bool(strongest))
        if parts and strongest:
            self.channels.rows = model.channel_rows(parts, strongest)
            self.channels.chosen = [str(self.channel.value)]
            self.sum.lines = model.channel_sum(parts, strongest, seen.request.other)
        self.show_regions(None)
        if self._marked_next is not None and seen.activations is not None:
            number = int(np.abs(seen.activations.regions - self._marked_next).sum(1).argmin())
            self.view.marked, self._marked_next = number, None
            levels = {*self.levels.chosen, str(seen.activations.levels[number])}
            self.levels.chosen = [level for level in self.levels.options if level in levels]

    def show_names(self, _: object) -> None:
        """Offer the images of the collection; some may have turned out unreadable."""
        self.image.offer(self.session.images)
        self.common.image.offer(self.session.images)

    def pick_channel(self, name: str) -> None:
        self.channel.value = int(name)

    # -- regions

    def show_regions(self, _: object) -> None:
        """Draw the regions of the chosen levels, each with its value."""
        if self.seen is not None:
            levels = [int(level) for level in self.levels.chosen] if self.levels.options else None
            self.view.show(regions=model.regions(self.seen, self.values.value), shown=levels)

    def find(self, number: int) -> None:
        """Show the regions nearest to the one under the pointer or the focus."""
        if number >= 0 and self.seen is not None and not self.seen.request.elsewhere:
            self.nearest.find(self.seen.request, number)

    def open(self, image: str, box: np.ndarray) -> None:
        """Show an image, with the region of that box marked."""
        self._marked_next = box
        self.image.value = image

    def search_by(self, number: int) -> None:
        """Make a region the query."""
        session, seen = self.session, self.seen
        if seen is None or seen.activations is None:
            return
        name, box = seen.request.image, model.in_pixels(seen, number)
        if name not in session.queries:
            collection = session.bench.collection
            queries = collection.queries_by_image.get(name, ())
            name = queries[0].id if queries else str(collection.path(name).absolute())
        if self.image.value == QUERY:
            self._held = (name, box), (seen.request.image, seen.request.box)
        self.view.marked = number
        with session.hold_trait_notifications():
            if name not in session.queries:
                session.add_file(Path(name))
            session.choose(name)
            session.box = box


def _set_options(select: W.Dropdown, options: list[Any]) -> None:
    """Set the options of a select; its value stays if it is still among them."""
    if list(select.options) != options:
        value = select.value
        select.options = options
        if value in [option[1] if isinstance(option, tuple) else option for option in options]:
            select.value = value


def _display(widget: W.DOMWidget, shown: bool) -> None:
    widget.layout.display = None if shown else "none"
