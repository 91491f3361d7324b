"""Describing, while nobody waits for anything, the pipelines that are one choice away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from workbench.config import Config
from workbench.panels.jobs import JobRunner
from workbench.panels.pipelines import CHOICES, offered
from workbench.panels.session import Session
from workbench.progress import Progress

PATIENCE = 1.0  # seconds of quiet before it begins
WORTH = 2.0  # seconds: where one takes longer than this, no further one is begun unasked


def neighbours(pipeline: str) -> Iterator[str]:
    """The pipelines with another pooling or other regions, of those for which the same maps serve."""
    config = Config.parse(pipeline)
    for label in ("Pooling", "Regions"):
        for _, value in offered(pipeline, label, CHOICES[label])[0]:
            head = {"Pooling": str(config.pooling), "Regions": str(config.regions), label: value}
            if value != "code" and config.pooling.name != "code":
                steps = map(str, config.steps)
                yield "/".join([config.backbone, head["Pooling"], head["Regions"], *steps])


class Ahead:
    """Works when a session is idle and stops as soon as it is not; says nothing."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.runner = JobRunner()
        self._at = ""  # the pipeline that is being described
        session.observe(self.turn, "jobs")

    def turn(self, change: Any) -> None:
        """Other work has begun, or the last has ended."""
        if change["new"]:
            if self._at != self.session.pipeline:  # else it is what the others wait for
                self.runner.cancel()
        elif self.session.ranking is not None:
            self.runner.submit(self.work, PATIENCE)

    def work(self, progress: Progress) -> None:
        session = self.session
        for pipeline in neighbours(session.pipeline):
            progress("describing ahead", 0, 0)
            self._at, started = pipeline, time.perf_counter()
            try:
                session.bench.search(session.query, pipeline=pipeline, k=1, progress=progress)
            finally:
                self._at = ""
            if session.jobs or time.perf_counter() - started > WORTH:
                return
