"""The one state that panels share: what is asked, what came of it, and what runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import traitlets as T

from workbench.collections.collection import Box, Query
from workbench.config import Config
from workbench.panels.jobs import Job, JobRunner, readable
from workbench.pipeline import DEFAULT_PIPELINE
from workbench.progress import Progress

if TYPE_CHECKING:
    from workbench.pipeline import Workbench

RESULTS = 36  # ranked images shown
DEBOUNCE = 0.15  # seconds of quiet before a change runs


class Session(T.HasTraits):
    """Panels read and write it, and know no other panel. ``refresh`` brings the results up to date.

    ``pipeline``, ``query`` (a key of ``queries``) and ``box`` (None: the query's own) are what is
    asked; changing one runs at once. ``ranking`` and ``evaluation`` are what was found, ``ranked``
    the question that ``ranking`` answers.
    """

    pipeline = T.Unicode(DEFAULT_PIPELINE)
    queries = T.Dict()  # name → Query
    query = T.Unicode()
    box = T.Any(None)
    ranking = T.Any(None)  # DataFrame: rank, image_id, score, relevance
    ranked = T.Any(None)
    evaluation = T.Any(None)
    job = T.Instance(Job, allow_none=True)
    message = T.Unicode()
    failed = T.Bool(False)

    def __init__(self, bench: Workbench, **traits: Any) -> None:
        super().__init__(**traits)
        self.bench = bench
        self.runner = JobRunner(report=self._report, fail=self.fail)
        self._read_queries()
        self.observe(lambda _: self.refresh(), ["pipeline", "query", "box"])

    @T.validate("pipeline")
    def _canonical(self, proposal: Any) -> str:
        return str(Config.parse(proposal["value"]))

    @property
    def question(self) -> tuple[str, str, Box | None]:
        """What is asked now."""
        return self.pipeline, self.query, self.box

    def choose(self, query_id: str) -> None:
        """Make this query, with its own box, the current one."""
        self.box = None
        self.query = query_id

    def refresh(self, again: bool = False) -> None:
        """Rank and evaluate in the worker what is out of date, or, ``again``, everything."""
        if not self.queries:
            name = self.bench.collection.name
            self.fail(f"{name!r} holds no image that could be read; open another folder.")
            return
        if again:
            self.evaluation = None
        self.runner.submit(self._work, DEBOUNCE)

    def cancel(self) -> None:
        """Stop what runs; what is already extracted stays."""
        if self.runner.cancel():
            self.tell("Cancelled. What was extracted is kept; Run goes on from there.")

    def tell(self, message: str) -> None:
        self.failed, self.message = False, message

    def fail(self, message: str) -> None:
        self.failed, self.message = True, message

    def guard(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        """An error boundary for widget callbacks, whose exceptions nobody would see."""

        @wraps(handler)
        def guarded(change: Any) -> None:
            try:
                handler(change)
            except Exception as error:
                self.fail(readable(error))

        return guarded

    def _read_queries(self) -> None:
        """Take over the collection's queries, which are fewer once some turned out unreadable."""
        collection, known = self.bench.collection, self.queries
        # Where a collection has no queries, any of its images may be one.
        self.queries = {q.id: q for q in collection.queries or [Query(i, i) for i in collection.images]}
        if self.queries and self.query not in self.queries and (not self.query or self.query in known):
            self.choose(next(iter(self.queries)))

    def _report(self, job: Job | None) -> None:
        self.job = job

    def _work(self, progress: Progress) -> None:
        question = pipeline, query, box = self.question
        self.tell("")
        try:
            ranking = self.bench.search(query, box=box, pipeline=pipeline, k=RESULTS, progress=progress)
        finally:
            self._read_queries()
        progress("Ranking", 1, 1)  # the last moment at which a newer request can still win
        self.ranked, self.ranking = question, ranking
        if self.bench.collection.protocol is None:
            self.evaluation = None
        elif self.evaluation is None or self.evaluation.pipeline != pipeline:
            for localise in (False, True):  # the mAP is there long before the share of heat on targets
                evaluation = self.bench.evaluate(pipeline, progress, localise)
                progress("Evaluating", 1, 1)
                self.evaluation = evaluation


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()
_lock = threading.Lock()


def session_of(bench: Workbench) -> Session:
    """The one session of a bench, so that its panels are linked whatever cell they stand in."""
    with _lock:
        if bench not in _sessions:
            _sessions[bench] = Session(bench)
        return _sessions[bench]
