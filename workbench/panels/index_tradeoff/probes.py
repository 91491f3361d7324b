"""The probes of the picked index: a slider, and the index measured again as it is moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from workbench.analysis.index_steps import probes
from workbench.analysis.index_tradeoff import IndexMeasures, Tradeoff
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.panels.base import Panel
from workbench.panels.pipeline_numbers import numbers, with_number
from workbench.panels.session import Session
from workbench.panels.widgets.sliders import Numbers


class Request(NamedTuple):
    """An index with other probes, by the name of the chip it belongs to."""

    tradeoff: Tradeoff
    name: str
    steps: str


class Probed(NamedTuple):
    """An index measured with other probes."""

    request: Request
    measured: IndexMeasures


class Probing(Panel[Request, Probed]):
    """The slider of the picked index; ``show`` gets the index measured at the slider's value."""

    lane, phase = "probing", "Measuring the index with other probes"
    delay = 0.1  # seconds without a change of the slider before the index is measured

    def __init__(self, session: Session, show: Callable[[Probed], None]) -> None:
        super().__init__(session)
        self._show = show
        self._offered: Request | None = None  # the picked index as it was last measured
        self._moved: Request | None = None
        self.slider = Numbers(live=True)
        self.slider.on_change(lambda _, at: session.guard(lambda _: self.turn(at))(None))

    def offer(self, tradeoff: Tradeoff | None, name: str, index: str) -> None:
        """Show the slider of an index; none for an index without probes, or without a tradeoff."""
        self._offered, self.slider.sliders = None, []
        if tradeoff is None or probes(index) is None:
            return
        self._offered = Request(tradeoff, name, index)
        _, label, values, at = _position(_pipeline(tradeoff, index))
        texts = [f"{value:g}" for value in values]
        self.slider.sliders = [
            {"label": f"{label} of {index}", "name": label, "values": texts, "at": values.index(at)}
        ]

    def turn(self, at: int) -> None:
        """The slider was moved: measure the index with that many probes."""
        assert self._offered is not None
        tradeoff, name, index = self._offered
        pipeline = _pipeline(tradeoff, index)
        value = float(self.slider.sliders[0]["values"][at])
        probed = Config.parse(with_number(pipeline, "Index", _position(pipeline)[0], value))
        self._moved = Request(tradeoff, name, ",".join(map(str, probed.index_steps)))
        self.forget()
        self.refresh()

    def request(self) -> Request | None:
        return self._moved

    def compute(self, request: Request, progress: Progress) -> Probed:
        return Probed(request, request.tradeoff.measure(request.steps, progress))

    def render(self, result: Probed) -> None:
        self._show(result)


def _pipeline(tradeoff: Tradeoff, index: str) -> str:
    return str(Config.parse(f"{tradeoff.described.config.description}/{index}"))


def _position(pipeline: str) -> tuple[int, str, tuple[float, ...], float]:
    """The position of the probes among the numbers of an index, their name, values and value."""
    choices = enumerate(numbers(pipeline, "Index"))
    return next((place, *number) for place, number in choices if number[0] in ("nprobe", "candidates"))
