"""Prefetching: describe the pipelines that are one choice away while the session is idle.

Not of a large collection, of which each takes long and much memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.steps import ASMK, Step
from workbench.panels.jobs import JobRunner
from workbench.panels.pipeline_choices import CHOICES, valid_choices
from workbench.panels.ranking_depth import WHOLE
from workbench.panels.session import Session

PATIENCE = 1.0  # seconds without work before prefetching starts
WORTH = 2.0  # seconds: after a pipeline that takes longer, no further one is started


def pipelines_one_choice_away(pipeline: str) -> Iterator[str]:
    """The pipelines with another pooling or other regions that use the same feature maps."""
    config = Config.parse(pipeline)
    for label in ("Pooling", "Regions"):
        for _, value in valid_choices(pipeline, label, CHOICES[label])[0]:
            parts = {"Pooling": str(config.pooling), "Regions": str(config.regions), label: value}
            pooling = Step.parse("pooling", parts["Pooling"]).name
            if not {pooling, config.pooling.name}.intersection(("code", *ASMK)):
                steps = map(str, config.steps)
                yield "/".join([config.backbone, parts["Pooling"], parts["Regions"], *steps])


class Prefetcher:
    """Works while a session is idle and stops as soon as it is not; shows no messages."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.runner = JobRunner()
        self._current = ""  # the pipeline that is being described
        session.observe(self.turn, "jobs")

    def turn(self, change: Any) -> None:
        """Other work has started, or the last has ended."""
        if change["new"]:
            if self._current != self.session.pipeline:  # else the other work waits for this description
                self.runner.cancel()
        elif self.session.ranking is not None and len(self.session.bench.collection.images) <= WHOLE:
            self.runner.submit(self.work, PATIENCE)

    def work(self, progress: Progress) -> None:
        session = self.session
        for pipeline in pipelines_one_choice_away(session.pipeline):
            progress("describing ahead", 0, 0)
            self._current, started = pipeline, time.perf_counter()
            try:
                session.bench.search(session.query, pipeline=pipeline, k=1, progress=progress)
            finally:
                self._current = ""
            if session.jobs or time.perf_counter() - started > WORTH:
                return
