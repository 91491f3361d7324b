"""The proposals panel: region proposals by epoch of their training, and their recall beside grids."""

from __future__ import annotations

import threading
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as W

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors import rpn
from workbench.descriptors.rpn import ProposalModel
from workbench.features.cards import SHIPPED_WEIGHTS, trained_path
from workbench.figures.training import training
from workbench.learning.history import TrainingHistory
from workbench.learning.proposals import train as proposals
from workbench.learning.registry import taken_names
from workbench.learning.trainer import Epoch
from workbench.panels.base import Panel
from workbench.panels.formatting import about
from workbench.panels.pipeline_choices import with_part
from workbench.panels.proposals.recall import RecallCurve
from workbench.panels.session import Session
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.heatview import HeatView, Region
from workbench.panels.widgets.lightbox import page_reference
from workbench.panels.widgets.name_select import name_select
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Line, Text, line, region
from workbench.panels.widgets.sliders import Numbers

SOURCE = "the Proposals panel"  # named in the card in place of a command
TRAINING = 840  # seconds of a training
NONE = "No proposals are trained yet: open posters and press Train, or run workbench train proposals."
SHOWN = (
    f"The {proposals.FIRST} proposals of the highest objectness in scenes that the training did not see, "
    "after each epoch. Train makes proposals for the backbone of the pipeline: "
    f"{about(TRAINING)} on two cores."
)
ELSEWHERE = "Proposals are trained on scenes like those of posters: open that collection to train them."


class Request(NamedTuple):
    """The name of a training, and the backbone whose map it uses."""

    name: str
    backbone: str


class ProposalsPanel(Panel[Request, Path]):
    """Trained proposals over their epochs, a training to start, and their recall beside grids."""

    lane, phase, delay = "proposals", "Trained", 0.0
    stops_when_folded = False

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.figures: list[dict[str, Any]] = []
        self.at = 0
        self._lock = threading.RLock()
        self.trained = name_select("Trained proposals")
        self.name = W.Text(description="Training name", value=free(session.bench.options.cache))
        self.go = FieldButton(description="Train", button_style="primary", fields=[self.name])
        self.use = W.Button(description="Use in the pipeline", tooltip="The pipeline then runs with them")
        self.note = Text(live=True)
        self.epoch = Numbers(live=True)
        self.views = tuple(HeatView(look="picture") for _ in range(proposals.SHOWN))
        self.curves = Plot(label="Loss and held-out recall of each epoch of proposals")
        self.recall_curve = RecallCurve(session, self._recall_pipeline)
        head, pictures = (
            W.Box([self.trained, self.use, self.name, self.go, self.note]),
            W.Box(list(self.views)),
        )
        course = W.Box([self.curves, self.recall_curve.widget])
        for box, name in ((head, "recipe"), (pictures, "scenes"), (course, "course")):
            box.add_class(f"wb-{name}")
        self.widget = region("Proposals", head, self.epoch, pictures, course)
        self.widget.add_class("wb-training")
        guard = session.guard
        self.trained.observe(guard(self.open), "value")
        self.go.on_click(guard(self.train))
        self.use.on_click(guard(self.apply))
        self.epoch.on_change(lambda _, at: guard(lambda _: self.turn(at))(None))
        session.observe(guard(self.show_state), ["jobs", "pipeline"])
        session.observe(guard(lambda _: self.offer()), "learned")
        self.offer()
        self.show_state(None)

    # -- trained proposals

    def offer(self) -> None:
        """Offer the trained proposals: those of the package first, then those of the cache."""
        options = trained_files(self.session.bench.options.cache)
        if list(self.trained.options) != options:
            value = self.trained.value
            self.trained.options = options
            paths = [path for _, path in options]
            self.trained.value = value if value in paths else next(iter(paths), None)

    def open(self, _: object) -> None:
        """Show the picked proposals after their last epoch."""
        if self.trained.value is None:
            self._show("", [], ())
            return
        trained = rpn.load(Path(self.trained.value))
        self._show(Path(self.trained.value).stem, list(trained.about.get("figures", [])), trained.pictures)
        self.show_state(None)

    def turn(self, at: int) -> None:
        """Show the proposals of another epoch."""
        with self._lock:
            self.at = at
            boxes = self.figures[at]["boxes"] if self.figures else []
        for view, scene in zip(self.views, boxes, strict=False):
            view.regions = [drawn(box) for box in scene]
        self.curves.current = str(at)

    # -- training

    def train(self, _: object) -> None:
        """Train proposals under the name, or go on with a training that was interrupted."""
        path = trained_path(self.session.bench.options.cache, self.name.value.strip())
        if path.is_file():
            raise WorkbenchError(f"{str(path)!r} exists already: choose another name to train again")
        self.forget()
        self.refresh()

    def request(self) -> Request:
        return Request(self.name.value.strip(), Config.parse(self.session.pipeline).backbone)

    def compute(self, request: Request, progress: Progress) -> Path:
        bench = self.session.bench
        epochs: list[dict[str, Any]] = []
        pictures: list[bytes] = []

        def report(epoch: Epoch) -> None:
            epochs.append(epoch.as_dict())
            self._show(request.name, list(epochs), tuple(pictures))

        source = bench.collection, bench.options
        return proposals.train_proposals(*source, *request, None, progress, report, SOURCE, pictures.extend)

    def render(self, result: Path) -> None:
        with self.session.lock:
            self.session.learned += 1
        self.trained.value, self.name.value = str(result), free(self.session.bench.options.cache)

    def step(self) -> str:
        """The picked proposals as the regions of a pipeline."""
        path = Path(str(self.trained.value))
        return f"proposals:{proposals.FIRST}" + ("" if path.parent == SHIPPED_WEIGHTS else f":{path.stem}")

    def apply(self, _: object) -> None:
        """Put the picked proposals into the session's pipeline."""
        self.session.pipeline = with_part(self.session.pipeline, "Regions", self.step())

    # -- drawing

    def _show(self, name: str, figures: list[dict[str, Any]], pictures: tuple[bytes, ...]) -> None:
        with self._lock:
            self.figures, self.at = figures, max(0, len(figures) - 1)
        epochs = ["untrained", *(str(epoch["number"]) for epoch in figures[1:])]
        self.epoch.sliders = (
            [{"label": "Epoch shown", "name": "Epoch", "values": epochs, "at": self.at}] if figures else []
        )
        for number, view in enumerate(self.views):
            used = number < len(pictures)
            view.layout.display = None if used else "none"
            if used:
                view.show(
                    picture=pictures[number],
                    name=f"held-out scene {number + 1}",
                    opens=page_reference(f"scene {number + 1}"),
                    alt=f"Held-out scene {number + 1} with its best proposals",
                )
        history = TrainingHistory(name, tuple(map(Epoch.of, figures)))
        self.curves.show(training(history) if figures else None)
        self.turn(self.at)

    def show_state(self, _: object) -> None:
        """Enable the buttons that can be used, and show why others cannot."""
        bench = self.session.bench
        running = self.lane in self.session.jobs
        self.go.disabled = running or bench.collection.name != "posters"
        self.use.disabled = self.trained.value is None
        lines: list[Line] = []
        if bench.collection.name != "posters":
            lines.append(line(ELSEWHERE, "note"))
        if self.trained.value is None and not running:
            lines.append(line(NONE, "note"))
        if self.trained.value is not None:
            lines.append(line(SHOWN, "note", "region proposals"))
        self.note.lines = lines
        self.recall_curve.show_state()

    def _recall_pipeline(self) -> str | None:
        backbone = Config.parse(self.session.pipeline).backbone
        return None if self.trained.value is None else f"{backbone}/max/{self.step()}"


def free(cache: Path) -> str:
    """A name that no training has yet."""
    taken = taken_names(cache.absolute())
    return next(name for name in chain(["mine"], map("mine-{}".format, count(2))) if name not in taken)


def trained_files(cache: Path) -> list[tuple[str, str]]:
    """Trained proposals as (text, file)."""
    shipped = [
        (f"shipped, for {path.stem.removeprefix('proposals_')}", str(path)) for path in _of(SHIPPED_WEIGHTS)
    ]
    return [*shipped, *((path.stem, str(path)) for path in _of(trained_path(cache.absolute(), "x").parent))]


def _of(folder: Path) -> list[Path]:
    """The files of a folder that hold proposals with epochs to show."""
    files = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            trained: ProposalModel = rpn.load(path)
        except WorkbenchError:
            continue
        if trained.about.get("figures") and trained.pictures:
            files.append(path)
    return files


def drawn(box: list[float]) -> Region:
    """A proposal (x0, y0, x1, y1, objectness) as a region of a view."""
    *edges, objectness = box
    return {"box": edges, "text": f"objectness {objectness:.2f}", "strength": objectness}
