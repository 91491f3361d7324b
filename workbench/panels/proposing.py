"""Region proposals on screen: how they sharpen as they are trained, and how many it takes beside grids."""

from __future__ import annotations

import threading
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import ipywidgets as W
import pandas as pd

from workbench.config import Config, WorkbenchError
from workbench.descriptors import detector
from workbench.descriptors.attention import SHIPPED, learned
from workbench.descriptors.detector import Trained
from workbench.learning.proposals import train as proposals
from workbench.learning.registry import names
from workbench.learning.trainer import Epoch
from workbench.panels.pipelines import replaced
from workbench.panels.results import percent
from workbench.panels.session import Session
from workbench.panels.widgets.curve import Curve
from workbench.panels.widgets.heatview import HeatView, Region
from workbench.panels.widgets.numbers import Numbers
from workbench.panels.widgets.region import Line, Text, line, region
from workbench.progress import Progress

LANE, MEASURING = "proposals", "proposal recall"
SOURCE = "the panel Proposals"  # what a card says in place of a command
NONE = "No proposals are trained yet: open posters and press Train, or run workbench train proposals."
ELSEWHERE = "Proposals are trained on scenes made like those of posters: open that collection to train some."
OUTLINES = "Recall is of outlines that the ground truth knows: open posters to measure it."
LINES = {"proposals": "proposals", "moved": "moved by the head", "rmac": "R-MAC's grid", "sliding": "sliding"}


class Proposing:
    """Trained proposals over their epochs, a training to begin, and their recall beside grids."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.figures: list[dict[str, Any]] = []
        self.at = 0
        self._lock = threading.RLock()
        self.trained = W.Dropdown(description="Trained proposals")
        self.name = W.Text(description="Name", value=free(session.bench.options.cache))
        self.go = W.Button(description="Train", button_style="primary")
        self.use = W.Button(description="Use in the pipeline", tooltip="The pipeline then runs with them")
        self.note = Text(live=True)
        self.epoch = Numbers(live=True)
        self.views = tuple(HeatView(look="picture") for _ in range(proposals.SHOWN))
        self.loss = Curve(label="Loss of each epoch of proposals", y="loss", digits=3)
        self.recall = Curve(
            label="Held-out recall of 20 proposals, each epoch", y="held-out recall, percent", digits=1
        )
        self.measure = W.Button(
            description="Measure recall",
            tooltip="On the collection that is open, for the pipeline's backbone",
        )
        self.measured = Text()
        self.found = Curve(
            label="Recall over the number of regions", x="regions", y="recall, percent", digits=1
        )
        asking, pictures = (
            W.Box([self.trained, self.use, self.name, self.go, self.note]),
            W.Box(list(self.views)),
        )
        course = W.Box([self.loss, self.recall, W.VBox([self.measure, self.measured, self.found])])
        for box, name in ((asking, "recipe"), (pictures, "scenes"), (course, "course")):
            box.add_class(f"wb-{name}")
        self.widget = region("Proposals", asking, self.epoch, pictures, course)
        self.widget.add_class("wb-training")
        guard = session.guard
        self.trained.observe(guard(self.open), "value")
        self.go.on_click(guard(self.train))
        self.use.on_click(guard(self.apply))
        self.measure.on_click(guard(self.count))
        self.epoch.on_change(lambda _, at: guard(lambda _: self.turn(at))(None))
        session.observe(guard(self.heed), ["jobs", "pipeline"])
        session.observe(guard(lambda _: self.offer()), "learned")
        self.offer()
        self.heed(None)

    # -- what is trained

    def offer(self) -> None:
        """Offer what is trained: those of the package first, then those of the cache."""
        options = known(self.session.bench.options.cache)
        if list(self.trained.options) != options:
            kept = self.trained.value
            self.trained.options = options
            paths = [path for _, path in options]
            self.trained.value = kept if kept in paths else next(iter(paths), None)

    def open(self, _: object) -> None:
        """Show what was picked, as it was after its last epoch."""
        if self.trained.value is None:
            self._show([], ())
            return
        one = detector.load(Path(self.trained.value))
        self._show(list(one.about["figures"]), one.pictures)
        self.heed(None)

    def turn(self, at: int) -> None:
        """Show what another epoch proposed."""
        with self._lock:
            self.at = at
            boxes = self.figures[at]["boxes"] if self.figures else []
        for view, some in zip(self.views, boxes, strict=False):
            view.regions = [drawn(one) for one in some]
        self.recall.kept = self.loss.kept = at

    # -- training

    def train(self, _: object) -> None:
        """Train proposals under the name, or go on with a training that was broken off."""
        bench, name = self.session.bench, self.name.value.strip()
        place = learned(bench.options.cache, name)
        if place.is_file():
            raise WorkbenchError(f"{str(place)!r} is there already: choose another name to train anew")
        self.session.run(LANE, partial(self._train, name))

    def _train(self, name: str, progress: Progress) -> None:
        bench = self.session.bench
        backbone = Config.parse(self.session.pipeline).backbone
        live: list[dict[str, Any]] = []
        shown: list[bytes] = []

        def report(epoch: Epoch) -> None:
            live.append(epoch.as_dict())
            self._show(list(live), tuple(shown))

        given = bench.collection, bench.options, name, backbone, None, progress, report, SOURCE
        path = proposals.train(*given, shown.extend)
        progress("Trained", 1, 1)
        with self.session.lock:
            self.session.learned += 1
        self.trained.value, self.name.value = str(path), free(bench.options.cache)

    def step(self) -> str:
        """The picked ones as the regions of a pipeline."""
        path = Path(str(self.trained.value))
        return f"proposals:{proposals.FIRST}" + ("" if path.parent == SHIPPED else f":{path.stem}")

    def apply(self, _: object) -> None:
        """Put the picked ones into the session's pipeline."""
        self.session.pipeline = replaced(self.session.pipeline, "Regions", self.step())

    # -- measuring

    def count(self, _: object) -> None:
        """Measure how many regions it takes, on the collection that is open."""
        backbone = Config.parse(self.session.pipeline).backbone
        self.session.run(MEASURING, partial(self._count, f"{backbone}/max/{self.step()}"))

    def _count(self, pipeline: str, progress: Progress) -> None:
        table = self.session.bench.proposal_recall(pipeline, progress=progress)
        progress("Measured", 1, 1)
        with self.found.hold_sync():
            self.found.names = [str(count) for count in table["regions"]]
            self.found.last, self.found.lines = len(table) - 1, recall_lines(table)
        self.measured.lines = [line(f"{pipeline}: {in_words(table)}", "note")]

    # -- showing

    def _show(self, figures: list[dict[str, Any]], pictures: tuple[bytes, ...]) -> None:
        with self._lock:
            self.figures, self.at = figures, max(0, len(figures) - 1)
        epochs = ["untrained", *(str(one["number"]) for one in figures[1:])]
        self.epoch.sliders = (
            [{"label": "Epoch shown", "name": "epoch", "values": epochs, "at": self.at}] if figures else []
        )
        for number, view in enumerate(self.views):
            there = number < len(pictures)
            view.layout.display = None if there else "none"
            if there:
                view.show(
                    picture=pictures[number],
                    name=f"held-out scene {number + 1}",
                    alt=f"Held-out scene {number + 1} with the surest proposals",
                )
        for curve, lines in (
            (self.loss, [curve_of(figures, "loss", "loss")]),
            (
                self.recall,
                [
                    curve_of(figures, "proposals", "recall", 100),
                    curve_of(figures, LINES["moved"], "refined", 100),
                ],
            ),
        ):
            with curve.hold_sync():
                curve.last, curve.lines = max(1, len(figures) - 1), lines
        self.turn(self.at)

    def heed(self, _: object) -> None:
        """Bring buttons and words in line with what runs and what is open."""
        bench = self.session.bench
        running, outlines = LANE in self.session.jobs, bool(bench.collection.quadrilaterals)
        self.go.disabled = running or bench.collection.name != "posters"
        self.use.disabled = self.trained.value is None
        self.measure.disabled = MEASURING in self.session.jobs or not outlines or self.trained.value is None
        said: list[Line] = []
        if bench.collection.name != "posters":
            said.append(line(ELSEWHERE, "note"))
        if self.trained.value is None and not running:
            said.append(line(NONE, "note"))
        self.note.lines = said
        if not self.found.lines:
            self.measured.lines = [] if outlines else [line(OUTLINES, "note")]


def free(cache: Path) -> str:
    """A name under which nothing is trained yet."""
    taken = names(cache.absolute())
    return next(name for name in chain(["mine"], map("mine-{}".format, count(2))) if name not in taken)


def known(cache: Path) -> list[tuple[str, str]]:
    """What is trained: how it is called, and its file."""
    shipped = [(f"shipped, for {path.stem.removeprefix('proposals_')}", str(path)) for path in _of(SHIPPED)]
    return [*shipped, *((path.stem, str(path)) for path in _of(learned(cache.absolute(), "x").parent))]


def _of(folder: Path) -> list[Path]:
    """The files of a folder that hold proposals with epochs to show; the others are left out."""
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            one: Trained = detector.load(path)
        except WorkbenchError:
            continue
        if one.about.get("figures") and one.pictures:
            found.append(path)
    return found


def drawn(box: list[float]) -> Region:
    """A proposal as a region of a view, the surer the stronger."""
    *edges, sure = box
    return {"box": edges, "text": f"objectness {sure:.2f}", "strength": sure}


def curve_of(figures: list[dict[str, Any]], name: str, key: str, scale: float = 1) -> dict[str, Any]:
    """What each epoch came to, as a line."""
    there = [(one["number"], scale * one[key]) for one in figures if one[key] is not None]
    return {"name": name, "x": [x for x, _ in there], "y": [y for _, y in there]}


def recall_lines(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The recall over the number of regions, as lines."""
    places = list(range(len(table)))
    return [{"name": name, "x": places, "y": (100 * table[key]).tolist()} for key, name in LINES.items()]


def in_words(table: pd.DataFrame) -> str:
    """What twenty regions find."""
    row = table.set_index("regions").loc[proposals.FIRST].to_dict()
    shares = " · ".join(f"{name} {percent(row[key])} %" for key, name in LINES.items())
    return f"of {proposals.FIRST} regions, recall at IoU 0.5: {shares}"
