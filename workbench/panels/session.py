"""The one state that panels share: what is asked, what came of it, and what runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import pandas as pd
import traitlets as T

from workbench.collections.collection import Box, Query
from workbench.collections.uploads import shown
from workbench.config import Config
from workbench.panels.jobs import Job, JobRunner, readable
from workbench.panels.refining import Refining
from workbench.pipeline import DEFAULT_PIPELINE
from workbench.progress import Progress
from workbench.search.feedback import Feedback

if TYPE_CHECKING:
    from workbench.pipeline import Workbench

DEBOUNCE = 0.08  # seconds of quiet before a change runs
RANKING = "ranking"  # the lane of search and evaluation


class Question(NamedTuple):
    """All that a ranking answers; ``box`` None is the query's own."""

    pipeline: str
    query: str
    box: Box | None
    also: tuple[str, ...]
    feedback: Feedback | None


class Session(Refining):
    """Panels read and write it, and know no other panel. ``refresh`` brings the results up to date.

    ``pipeline``, ``query`` (a key of ``queries``), ``box`` (None: the query's own) and what refines the
    query are what is asked; changing one runs at once. ``ranking`` and ``evaluation`` are what was found,
    ``ranked`` the question that ``ranking`` answers; feedback changes the ranking, never the evaluation.
    ``image`` is the one under study (explained, attended to), ``selection`` are those marked. ``compared``
    are pipelines side by side, ``a`` and ``b`` the two of them that are held against each other,
    ``evaluations`` what came of those compared, ``waiting`` those that will be compared once evaluated.

    Work runs in lanes, a worker each, so that a slow job holds up no other panel: ``run``.
    """

    pipeline = T.Unicode(DEFAULT_PIPELINE)
    queries = T.Dict()  # name → Query
    box = T.Any(None)
    ranking = T.Any(None)  # DataFrame of the whole database: rank, image_id, score, relevance
    ranked = T.Any(None)
    evaluation = T.Any(None)
    image = T.Unicode()
    selection = T.Tuple()  # image ids
    compared = T.Tuple()  # pipelines
    a = T.Unicode()
    b = T.Unicode()
    evaluations = T.Dict()  # pipeline → Evaluation, or the sentence that says why there is none
    waiting = T.Tuple()  # pipelines
    learned = T.Int(0)  # grows as something is trained, so that it is offered
    jobs = T.Dict()  # lane → Job, of what runs now
    message = T.Unicode()
    failed = T.Bool(False)

    def __init__(self, bench: Workbench, **traits: Any) -> None:
        super().__init__(**traits)
        self.bench = bench
        self.ahead: Any = None  # what works while this is idle, where its panels are shown
        self._lanes: dict[str, JobRunner] = {}
        self._speaker = ""  # the lane whose message is shown
        self._lock = threading.RLock()
        self._read_queries()
        self.observe(
            lambda _: self.refresh(), ["pipeline", "query", "box", "also", "feedback", "feedback_method"]
        )

    @T.validate("pipeline", "a", "b")
    def _canonical(self, proposal: Any) -> str:
        return str(Config.parse(proposal["value"])) if proposal["value"] else ""

    @T.validate("compared")
    def _canonical_all(self, proposal: Any) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(Config.parse(pipeline)) for pipeline in proposal["value"]))

    @property
    def lock(self) -> threading.RLock:
        """Held for moments to read, change and write a trait that several threads change."""
        return self._lock

    @property
    def question(self) -> Question:
        """What is asked now."""
        return Question(self.pipeline, self.query, self.box, self.also, self.refinement)

    def query_named(self, name: str) -> Query:
        """The query of that name, or an image of the collection as a query."""
        return self.queries.get(name) or Query(name, name)

    def choose(self, query_id: str) -> None:
        """Make this query, with its own box, the current one."""
        with self.hold_trait_notifications():
            self.box = None
            self.also = ()
            self.query = query_id

    def add_file(self, path: Path) -> None:
        """Make an image file that is not of the collection a query, named by its absolute path."""
        self.queries = {str(path): Query(str(path), str(path)), **self.queries}

    def refresh(self, again: bool = False) -> None:
        """Rank and evaluate in the worker what is out of date, or, ``again``, everything."""
        if not self.queries:
            name = self.bench.collection.name
            self.fail(f"{name!r} holds no image that could be read; open another folder.")
            return
        if again:
            self.evaluation = None
        self.run(RANKING, self._work, DEBOUNCE)

    def run(self, lane: str, work: Callable[[Progress], None], delay: float = 0.0) -> None:
        """Run ``work`` in the worker of that lane, after ``delay`` seconds; the lane's newest request wins.

        Its progress is shown in ``jobs``, its failure as ``message``. It may set any trait.
        """

        def heard(progress: Progress) -> None:
            self._hush(lane)
            work(progress)

        self.lane(lane).submit(heard, delay)

    def lane(self, name: str) -> JobRunner:
        """The worker of that name."""
        with self._lock:
            if name not in self._lanes:
                self._lanes[name] = JobRunner(
                    report=partial(self._report, name), fail=partial(self.fail, lane=name)
                )
            return self._lanes[name]

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until nothing runs in any lane, though one may start another; False if that took longer."""
        end = time.monotonic() + seconds
        while True:
            with self._lock:
                lanes = list(self._lanes.values())
            if all(lane.wait(0) for lane in lanes):
                return True
            if not all(lane.wait(max(0.0, end - time.monotonic())) for lane in lanes):
                return False

    def cancel(self, lane: str = "") -> None:
        """Stop what runs, in that lane or in all; what is already extracted stays."""
        with self._lock:
            lanes = {lane: self.lane(lane)} if lane else dict(self._lanes)
        active = [one.cancel() for one in lanes.values()]  # all of them, not only the first
        if any(active):
            self.tell("Cancelled. What is done so far is kept, and the same goes on from there.")

    def tell(self, message: str, lane: str = RANKING) -> None:
        with self._lock:
            self._speaker, self.failed, self.message = lane, False, message

    def fail(self, message: str, lane: str = RANKING) -> None:
        with self._lock:
            self._speaker, self.failed, self.message = lane, True, message

    def guard(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        """An error boundary for widget callbacks, whose exceptions nobody would see."""

        @wraps(handler)
        def guarded(change: Any) -> None:
            try:
                handler(change)
            except Exception as error:
                self.fail(readable(error))

        return guarded

    def _hush(self, lane: str) -> None:
        """Take back what that lane said last; what others said stays."""
        with self._lock:
            if self._speaker == lane:
                self.failed, self.message = False, ""

    def _read_queries(self) -> None:
        """Take over the collection's queries, which are fewer once some turned out unreadable."""
        collection, known = self.bench.collection, self.queries
        files = {name: query for name, query in known.items() if Path(name).is_absolute()}
        own = {name: query for name, query in files.items() if Path(name).is_file()}
        # Where a collection has no queries, any of its images may be one.
        rest = collection.queries or [Query(i, i) for i in collection.images]
        self.queries = own | {query.id: query for query in rest}
        gone = self.query
        if self.queries and gone not in self.queries and (not gone or gone in known):
            self.choose(next(iter(self.queries)))
            if gone:
                said = f"{shown(gone)!r} cannot be read any more; {shown(self.query)!r} is the query now."
                self.tell(said, "queries")

    def _report(self, lane: str, job: Job | None) -> None:
        with self._lock:
            others = {name: one for name, one in self.jobs.items() if name != lane}
            self.jobs = {**others, lane: job} if job else others

    def _is_evaluated(self, pipeline: str) -> bool:
        """Whether all is known of it: another query may have stopped the share of heat on targets."""
        known = self.evaluation
        if known is None or known.pipeline != pipeline:
            return False
        return "localisation" in known.metrics or not self.bench.collection.quadrilaterals

    def _work(self, progress: Progress) -> None:
        question = pipeline, query, box, also, feedback = self.question
        try:
            ranking = self.bench.search(
                query, pipeline=pipeline, box=box, k=None, progress=progress, also=also, feedback=feedback
            )
        finally:
            self._read_queries()
        progress("Ranking", 1, 1)  # the last moment at which a newer request can still win
        self.ranked, self.ranking = question, ranking
        if self.bench.collection.protocol is None:
            self.evaluation = None
        elif not self._is_evaluated(pipeline):
            for localise in (False, True):  # the mAP is there long before the share of heat on targets
                evaluation = self.bench.evaluate(pipeline, progress=progress, localise=localise)
                progress("Evaluating", 1, 1)
                self.evaluation = evaluation


def first_result(ranking: pd.DataFrame | None, query: Query) -> str:
    """The first image of a ranking that is not the query's own; empty if there is none."""
    first = [] if ranking is None else map(str, ranking["image_id"].head(2))
    return next((image for image in first if image != query.image), "")


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()
_lock = threading.Lock()


def session_of(bench: Workbench) -> Session:
    """The one session of a bench, so that its panels are linked whatever cell they stand in."""
    with _lock:
        if bench not in _sessions:
            _sessions[bench] = Session(bench)
        return _sessions[bench]
