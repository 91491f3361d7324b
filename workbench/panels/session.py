"""The state that all panels share: the question, its results, and the running work."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pandas as pd
import traitlets as T

from workbench.collections.collection import Query
from workbench.collections.uploads import display_name
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.panels.lanes import RANKING, Lanes
from workbench.panels.ranking_depth import rank
from workbench.panels.refinement import STATE, Question, Refinement
from workbench.panels.session_queries import SessionQueries, image_search
from workbench.panels.widgets.name_search import NameSearch
from workbench.query.query import Query as CombinedQuery

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

QUESTION = ["pipeline", *STATE, "feedback_method"]  # the traits of a question
DEBOUNCE = 0.08  # seconds without a further change before a change runs


class Session(Lanes, Refinement):
    """The observable state. Panels read and write it, and do not know other panels.

    The question is ``pipeline``, ``query`` (a key of ``queries``), ``box`` (None: the query's own), the
    refinement of the query and, in place of the query, ``expression``; a change of any of them starts
    ``refresh``. ``ranking`` and ``evaluation`` are
    its results, and ``ranked`` is the question of ``ranking``; feedback changes the ranking, never the
    evaluation. ``image`` is the image under study, ``selection`` are the marked images. ``compared`` are the
    pipelines of the comparison, ``a`` and ``b`` the two that are compared in detail, ``evaluations`` the
    results of the compared ones, and ``waiting`` those compared once evaluated. ``example`` nobody chose.
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

    def __init__(self, bench: Bench, **traits: Any) -> None:
        queries = SessionQueries(bench.collection)
        super().__init__(**{"pipeline": bench.default_pipeline, "queries": queries, **traits})
        self.bench = bench
        self.prefetcher: Any = None  # prefetching, once panels are shown
        self.comparer: Any = None  # comparing an example, once a comparison is shown
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
