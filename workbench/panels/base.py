"""The base class of panels: a request from the session, computed in a worker, rendered as a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import ipywidgets as W

from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.session import DEBOUNCE, QUESTION, Session

Request = TypeVar("Request")
Result = TypeVar("Result")


class Panel(Generic[Request, Result]):
    """A part of the screen that shows the result of a request to the bench.

    A subclass says what to compute (``request``), computes it in a worker thread (``compute``, or ``stages``
    for several results in turn) and shows it (``render``). The base class runs requests in ``lane`` of the
    session's workers, where the newest request wins, dims what answers an older request, and passes errors
    to ``render_error``. While ``widget`` is folded away, nothing is computed.

    Requests are compared by ``==``: an equal one is not computed again until ``forget`` is called. A request
    that must always be computed again compares as unequal, as a dataclass with ``eq=False`` does.
    """

    lane: ClassVar[str]
    phase: ClassVar[str]  # the name of the work, shown as it ends
    delay: ClassVar[float] = DEBOUNCE  # seconds without a newer request before the work starts
    stops_when_folded: ClassVar[bool] = True  # False: work goes on, such as a training
    parts: Sequence[Panel[Any, Any]] = ()  # panels inside this one, which stop with it
    widget: W.Box

    def __init__(self, session: Session) -> None:
        self.session = session
        self.rendered: Request | None = None  # the request whose result is shown

    # -- what a subclass defines

    def request(self) -> Request | None:
        """Return the request for the session's current state; None if there is nothing to compute."""
        raise NotImplementedError

    def compute(self, request: Request, progress: Progress) -> Result:
        """Compute the result of a request. Runs in a worker thread."""
        raise NotImplementedError

    def stages(self, request: Request, progress: Progress) -> Iterator[Result]:
        """Yield the results that are rendered in turn; by default the one of ``compute``."""
        yield self.compute(request, progress)

    def render(self, result: Result) -> None:
        """Show a result. Runs in a worker thread."""
        raise NotImplementedError

    def render_nothing(self) -> None:
        """Show what to do, if there is nothing to compute."""

    def render_error(self, error: WorkbenchError) -> None:
        """Show an error; by default in the Messages panel."""
        raise error

    def dim(self, stale: bool) -> None:
        """Mark what is shown as the answer to an older request, or as current."""

    def update(self) -> None:
        """Bring what needs no computation up to date. Runs after each request, in a worker thread."""

    # -- what the base class does

    def refresh(self, _: object = None) -> None:
        """Compute and show the current request, unless a newer one follows within ``delay``."""
        if self.folded:
            return
        request = self.request()
        if request is None:
            self.stop()
            self.render_nothing()
            return
        if request != self.rendered:
            self.dim(True)
        self.session.run(self.lane, partial(self._run, request), self.delay)

    def forget(self) -> None:
        """Compute the next request even if it equals the one shown: files may have changed."""
        self.rendered = None

    def stop(self) -> None:
        """Stop the work in this panel's lane, without a message."""
        self.session.lane(self.lane).cancel()

    def expire(self, _: object = None) -> None:
        """Dim what is shown: the session's question changed, and its ranking is on the way."""
        if self.rendered is not None:
            self.dim(True)

    def watch_question(self) -> None:
        """Dim what is shown at each change of the question, until a new result is shown."""
        self.session.observe(self.session.guard(self.expire), QUESTION)

    @property
    def folded(self) -> bool:
        """Whether the panel is folded away. One that is not on screen yet is not folded."""
        widget: W.Box | None = getattr(self, "widget", None)
        return self.stops_when_folded and widget is not None and bool(widget.layout.display == "none")

    def watch_folding(self) -> None:
        """Stop the work when ``widget`` is folded away, and go on when it is shown again."""

        def fold(_: object) -> None:
            if not self.folded:
                self.refresh()
                return
            for panel in (self, *self.parts):
                panel.stop()

        self.widget.layout.observe(self.session.guard(fold), "display")

    def _run(self, request: Request, progress: Progress) -> None:
        if self.folded:
            return
        if request != self.rendered:
            self.dim(True)  # an earlier request may have been rendered since ``refresh``
            try:
                for result in self.stages(request, progress):
                    progress(self.phase, 1, 1)  # the last moment at which a newer request can still win
                    self.rendered = None  # until all stages are shown
                    self.render(result)
            except WorkbenchError as error:
                self.rendered = None
                self.render_error(error)
                return
            self.rendered = request
        self.dim(False)
        self.update()
