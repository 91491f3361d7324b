"""Two pipelines that are compared before the user compares any, so that the panel is not blank."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from workbench.common.progress import Cancelled, Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import WHOLE
from workbench.panels.comparison import queue
from workbench.panels.session import Session
from workbench.runs.presets import PUBLISHED_PIPELINES

# Lanes whose work follows from the comparison itself; work in any other lane ends the example's.
_FOLLOWING = {queue.LANE, "difference", "two rankings", "grid figure", "history"}


class Contrast(NamedTuple):
    """A pipeline that is worth comparing with another, and why."""

    pipeline: str
    reason: str


def contrast(pipeline: str) -> Contrast:
    """The pipeline to compare with this one first: the same with the opposite pooling.

    That is the mean over the whole image (Babenko and Lempitsky 2015), or for a mean the maximum over
    regions (R-MAC; Tolias et al. 2016). A pipeline without maps is compared with the published R-MAC.
    """
    config = Config.parse(pipeline)
    if config.pooling.name in WHOLE:
        return Contrast(PUBLISHED_PIPELINES["R-MAC"], "R-MAC, the maximum of a network's map over regions")
    pooled, reason = "mean/whole", "the same with the mean over the whole image, without regions"
    if config.pooling.name == "mean":
        pooled, reason = "max/rmac:3", "the same with the maximum over regions (R-MAC) in place of the mean"
    weightings = {str(step) for step in config.weightings}
    steps = [str(step) for step in config.steps if str(step) not in weightings]
    for rest in ([*steps], []):
        try:
            other = str(Config.parse("/".join([config.backbone, pooled, *rest])))
        except WorkbenchError:  # a step that needs the other pooling
            continue
        if other != pipeline:
            return Contrast(other, reason)
    return Contrast(PUBLISHED_PIPELINES["R-MAC"], "the published R-MAC")


class Example:
    """Compares the session's pipeline and its contrast once nothing else runs.

    It starts after the first ranking and evaluation, gives way when other work starts, and begins again after
    that. ``session.example`` holds the pipelines; they leave the comparison when others enter it.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.shown: list[Callable[[], bool]] = []  # whether each comparison panel is on screen
        self.over = False  # the user has compared or removed pipelines, or cancelled
        self._interrupted = False
        session.observe(session.guard(self.follow), ["jobs", "ranking", "evaluation"])
        session.observe(session.guard(self.give_way), ["compared", "waiting"])

    def follow(self, _: object = None) -> None:
        """Start when nothing else runs; end when something else does."""
        session = self.session
        with session.lock:
            if not session.example:
                self._start()
            elif set(session.jobs) - _FOLLOWING and session.waiting:
                self._interrupted = True

    def give_way(self, _: object) -> None:
        """Remove the example once other pipelines are compared; it is none any more once one is removed."""
        session = self.session
        with session.lock:
            present, example = {*session.compared, *session.waiting}, set(session.example)
            others = present - example
            if self._interrupted or not (others or example - present):
                return
            self.over, session.example = True, ()
            if others:
                queue.leave(session, [*example])

    def _start(self) -> None:
        """Compare the session's pipeline and its contrast, if nothing runs and nothing is compared."""
        session = self.session
        compared = session.compared or session.waiting or session.evaluations
        if self.over or compared or session.jobs or not self._answered() or not any(s() for s in self.shown):
            return
        self._interrupted = False
        session.example = session.pipeline, contrast(session.pipeline).pipeline
        queue.enter(session, session.example, self._guarded)

    def _guarded(self, work: Callable[[Progress], None], progress: Progress) -> None:
        """Do the work of the comparison until it is interrupted, and then leave nothing of it."""
        session = self.session

        def report(task: str, done: int, total: int) -> None:
            if self._interrupted:
                raise Cancelled
            progress(task, done, total)

        try:
            work(report)
        except Cancelled:
            if not self._interrupted:
                raise
            with session.lock:
                queue.leave(session, session.example)
                session.example = ()

    def _answered(self) -> bool:
        """Whether ranking and evaluation of the session's pipeline are complete."""
        session = self.session
        if not session.answered or not queue.has_truth(session):
            return session.answered
        evaluation = session.evaluation
        if evaluation is None or evaluation.pipeline != session.pipeline:
            return False
        return not session.bench.collection.quadrilaterals or "localisation" in evaluation.metrics


def example_of(session: Session, shown: Callable[[], bool]) -> Example:
    """The example of a session, for all its comparison panels; ``shown``: whether one is on screen."""
    with session.lock:
        session.comparer = session.comparer or Example(session)
        example: Example = session.comparer
        example.shown.append(shown)
        return example
