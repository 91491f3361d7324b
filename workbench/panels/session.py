"""The state that all panels share: the question, its results, and the running work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pandas as pd
import traitlets as T

from workbench.collections.collection import Query
from workbench.collections.uploads import display_name
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.panels.jobs import Job, JobRunner, readable
from workbench.panels.ranking_depth import rank
from workbench.panels.refinement import STATE, Question, Refinement
from workbench.panels.session_queries import SessionQueries, image_search
from workbench.panels.widgets.name_search import NameSearch
from workbench.query.query import Query as CombinedQuery

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

QUESTION = ["pipeline", *STATE, "feedback_method"]  # the traits of a question
DEBOUNCE = 0.08  # seconds without a further change before a change runs
RANKING = "ranking"  # the lane of search and evaluation


class Session(Refinement):
    """The observable state. Panels read and write it, and do not know other panels.

    The question is ``pipeline``, ``query`` (a key of ``queries``), ``box`` (None: the query's own), the
    refinement of the query and, in place of the query, ``expression``; a change of any of them starts
    ``refresh``. ``ranking`` and ``evaluation`` are
    its results, and ``ranked`` is the question of ``ranking``; feedback changes the ranking, never the
    evaluation. ``image`` is the image under study, ``selection`` are the marked images. ``compared`` are the
    pipelines of the comparison, ``a`` and ``b`` the two that are compared in detail, ``evaluations`` the
    results of the compared ones, and ``waiting`` those compared once evaluated. ``example`` nobody chose.

    Work runs in lanes with one worker each, so that a slow job does not delay other panels: see ``run``.
    """

    pipeline = T.Unicode()
    queries = T.Instance(SessionQueries)  # name → Query
    ranking = T.Any(None)  # DataFrame of the first results: rank, image_id, score, relevance
    ranked = T.Any(None)
    evaluation = T.Any(None)
    image = T.Unicode()
    selection = T.Tuple()  # image ids
    compared = T.Tuple()  # pipelines
    a = T.Unicode()
    b = T.Unicode()
    evaluations = T.Dict()  # pipeline → Evaluation, or the sentence of an error
    waiting = T.Tuple()  # pipelines
    example = T.Tuple()  # pipelines
    shots = T.Dict()  # video → the seconds at which its shots begin, where they are known
    learned = T.Int(0)  # number of trainings that ended; panels then offer new weights
    jobs = T.Dict()  # lane → Job that runs now
    message = T.Unicode()
    failed = T.Bool(False)

    def __init__(self, bench: Bench, **traits: Any) -> None:
        queries = SessionQueries(bench.collection)
        super().__init__(**{"pipeline": bench.default_pipeline, "queries": queries, **traits})
        self.bench = bench
        self.prefetcher: Any = None  # prefetching, once panels are shown
        self.comparer: Any = None  # comparing an example, once a comparison is shown
        self._lanes: dict[str, JobRunner] = {}
        self._message_lane = ""  # the lane whose message is shown
        self._lock = threading.RLock()
        self._images: NameSearch | None = None
        self._read_queries()
        self._past.clear()  # the first query was not chosen by anybody
        self.observe(lambda _: self.refresh(), QUESTION)

    @T.validate("pipeline", "a", "b")
    def _canonical(self, proposal: Any) -> str:
        return str(Config.parse(proposal["value"])) if proposal["value"] else ""

    @T.validate("compared")
    def _canonical_all(self, proposal: Any) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(Config.parse(pipeline)) for pipeline in proposal["value"]))

    @property
    def lock(self) -> threading.RLock:
        """Lock for reading and writing a trait that several threads change; held only briefly."""
        return self._lock

    @property
    def question(self) -> Question:
        """The current question."""
        return Question(self.pipeline, self.query, self.box, self.also, self.refinement, self.expression)

    @property
    def answered(self) -> bool:
        """Whether the ranking is that of the current question, not of an earlier one."""
        return self.ranking is not None and self.ranked == self.question

    @property
    def images(self) -> NameSearch:
        """The names of the database's images, to be searched; ``in`` is fast."""
        collection, images = self.bench.collection, self._images
        if images is None or images.names is not collection.images:
            self._images = images = image_search(collection)
        return images

    def query_named(self, name: str) -> Query:
        """The query of that name, or an image of the collection as a query."""
        return self.queries.get(name) or Query(name, name)

    def choose(self, query_id: str) -> None:
        """Make this query, with its own box, the current query."""
        kept = self.feedback if query_id == self.query and not self.expression else {}
        self.change_query(query=query_id, box=None, also=(), feedback=kept, expression="")

    def compare(self, *pipelines: str) -> None:
        """Add pipelines to the compared ones; those of the example make way for them."""
        with self._lock:
            kept = [pipeline for pipeline in self.compared if pipeline not in self.example]
            self.waiting, self.example = () if self.example else self.waiting, ()
            self.compared = (*kept, *pipelines)

    def add_file(self, path: Path) -> None:
        """Add an image file outside the collection as a query, named by its absolute path."""
        added = {str(path): Query(str(path), str(path)), **self.queries.added}
        self.queries = SessionQueries(self.bench.collection, added)

    def refresh(self, again: bool = False, delay: float = DEBOUNCE) -> None:
        """Rank in the worker after ``delay`` seconds, and evaluate the pipeline if it is not evaluated or if
        ``again`` is set."""
        if not self.queries:
            self.fail(f"{self.bench.collection.name!r} contains no readable image; open another folder.")
            return
        if again:
            self.evaluation = None
        self.run(RANKING, self._work, delay)

    def run(self, lane: str, work: Callable[[Progress], None], delay: float = 0.0) -> None:
        """Run ``work`` in the worker of a lane after ``delay`` seconds; the lane's newest request wins.

        ``jobs`` shows its progress, ``message`` its error. It may set any trait.
        """

        def started(progress: Progress) -> None:
            self._clear_message(lane)
            work(progress)

        self.lane(lane).submit(started, delay)

    def lane(self, name: str) -> JobRunner:
        """The worker of a lane."""
        with self._lock:
            if name not in self._lanes:
                self._lanes[name] = JobRunner(
                    partial(self._report, name), partial(self.fail, lane=name), self._lock
                )
            return self._lanes[name]

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until no lane has work; False if that took longer. Work may start work in other lanes."""
        end = time.monotonic() + seconds
        while True:
            with self._lock:
                lanes = list(self._lanes.values())
            if all(lane.wait(0) for lane in lanes):
                return True
            if not all(lane.wait(max(0.0, end - time.monotonic())) for lane in lanes):
                return False

    def cancel(self, lane: str = "") -> None:
        """Stop the work in one lane, or in all; features that are extracted stay stored."""
        with self._lock:
            lanes = {lane: self.lane(lane)} if lane else dict(self._lanes)
        active = [runner.cancel() for runner in lanes.values()]  # a list: any() would stop at the first
        if any(active):
            self.tell("Cancelled. Finished work is kept, and a new run continues from there.")

    def tell(self, message: str, lane: str = RANKING) -> None:
        with self._lock:
            self._message_lane, self.failed, self.message = lane, False, message

    def fail(self, message: str, lane: str = RANKING) -> None:
        with self._lock:
            self._message_lane, self.failed, self.message = lane, True, message

    def guard(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        """Wrap a widget callback so that its exceptions are shown as messages."""

        @wraps(handler)
        def guarded(change: Any) -> None:
            try:
                handler(change)
            except Exception as error:
                self.fail(readable(error))

        return guarded

    def _clear_message(self, lane: str) -> None:
        """Remove the message of that lane; a message of another lane stays."""
        with self._lock:
            if self._message_lane == lane:
                self.failed, self.message = False, ""

    def _read_queries(self) -> None:
        """Take over the collection's queries; some may have turned out unreadable."""
        before = self.queries
        added = {name: query for name, query in before.added.items() if Path(name).is_file()}
        if (queries := SessionQueries(self.bench.collection, added)) != before:
            self.queries = queries
        current = self.query
        if self.queries and current not in self.queries and (not current or current in before):
            self.choose(next(iter(self.queries)))
            if current:
                old, new = display_name(current), display_name(self.query)
                text = f"{old!r} can no longer be read; {new!r} is the query now."
                self.tell(text, "queries")

    def _report(self, lane: str, job: Job | None) -> None:
        with self._lock:
            others = {name: other for name, other in self.jobs.items() if name != lane}
            self.jobs = {**others, lane: job} if job else others

    def _work(self, progress: Progress) -> None:
        question = pipeline, query, box, also, feedback, expression = self.question
        search = partial(rank, self.bench, pipeline=pipeline, progress=progress, feedback=feedback)
        try:
            combined = CombinedQuery.parse(expression) if expression else None
            ranking = search(query, box=box, also=also) if combined is None else search(combined)
        finally:
            self._read_queries()
        progress("Ranking", 1, 1)  # the last moment at which a newer request can still win
        self.ranked, self.ranking = question, ranking
        if self.bench.collection.protocol is None:
            self.evaluation = None
            return
        for localise in (False, True):  # the mAP is ready long before the heat on target
            # It is the same evaluation again, unless a file of the collection has changed.
            evaluation = self.bench.evaluate(pipeline, progress=progress, localise=localise)
            progress("Evaluating", 1, 1)
            self.evaluation = evaluation


def first_result(ranking: pd.DataFrame | None, query: Query) -> str:
    """The first image of a ranking that is not the query's own; empty if there is none."""
    first = [] if ranking is None else map(str, ranking["image_id"].head(2))
    return next((image for image in first if image != query.image), "")


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()
_lock = threading.Lock()


def session_of(bench: Bench) -> Session:
    """The session of a bench: there is one, so that panels in different cells are linked."""
    with _lock:
        if bench not in _sessions:
            _sessions[bench] = Session(bench)
        return _sessions[bench]
