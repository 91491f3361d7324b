"""The pipelines that are compared: evaluated one after another, in a lane of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from workbench.common.progress import Cancelled, Progress
from workbench.engine.evaluate import Evaluation
from workbench.panels.jobs import readable
from workbench.panels.session import Session

LANE = "comparison"
Runner = Callable[[Callable[[Progress], None], Progress], None]


def _plain(work: Callable[[Progress], None], progress: Progress) -> None:
    work(progress)


def has_truth(session: Session) -> bool:
    """Whether the collection has ground truth, so that pipelines can be evaluated on it."""
    collection = session.bench.collection
    return collection.protocol is not None and bool(collection.queries)


def evaluated(session: Session) -> dict[str, Evaluation]:
    """The compared pipelines that are evaluated, in the order in which they were added."""
    results = session.evaluations
    return {p: results[p] for p in session.compared if isinstance(results.get(p), Evaluation)}


def enter(session: Session, pipelines: Sequence[str] = (), run: Runner = _plain) -> None:
    """Evaluate these pipelines and the compared ones that are not evaluated; each is added once evaluated.

    A pipeline that failed is evaluated again if it is named. Without ground truth they are only listed.
    ``run`` calls the work with its progress.
    """
    if not has_truth(session):
        with session.lock:
            session.compared = (*session.compared, *pipelines)
        return
    with session.lock:
        kept = {p: e for p, e in session.evaluations.items() if p in session.compared and p not in pipelines}
        named = {p: e for p, e in evaluated(session).items() if p in pipelines}
        session.evaluations = {**kept, **named}
        wanted = dict.fromkeys((*session.waiting, *session.compared, *pipelines))
        todo = tuple(p for p in wanted if p not in session.evaluations)
        if set(todo) <= set(session.waiting):
            return
        session.waiting = todo
        todo = session.waiting  # without an example that makes way for them
    session.run(LANE, partial(run, partial(_work, session, todo)))


def leave(session: Session, pipelines: Sequence[str]) -> None:
    """Take these pipelines out of the comparison, with their evaluations."""
    with session.lock:
        session.waiting = tuple(p for p in session.waiting if p not in pipelines)
        session.compared = tuple(p for p in session.compared if p not in pipelines)
        session.evaluations = {p: e for p, e in session.evaluations.items() if p not in pipelines}


def end_example(session: Session, kept: Sequence[str]) -> None:
    """Remove the example from the comparison, except for these pipelines of it."""
    with session.lock:
        example, session.example = session.example, ()
        if example:
            session.waiting = ()  # its work ends with the next that enters
        leave(session, [p for p in example if p not in kept])


def reorder(session: Session, pipelines: Sequence[str]) -> None:
    """Put the compared pipelines into this order; those that are not named stay at the end."""
    with session.lock:
        named = [p for p in dict.fromkeys(pipelines) if p in session.compared]
        session.compared = (*named, *(p for p in session.compared if p not in named))


def best_two(session: Session) -> None:
    """Choose the best pipeline as B and the second best as A, once all are evaluated, if none is chosen.

    Without ground truth these are the first two.
    """
    with session.lock:
        if session.waiting:
            return
        order, sides = list(session.compared), ("a", "b")
        if has_truth(session):
            results = evaluated(session)
            order, sides = sorted(results, key=lambda p: -results[p].mean_ap), ("b", "a")
        for side, other in (sides, sides[::-1]):
            if getattr(session, side) not in order:
                setattr(session, side, next((p for p in order if p != getattr(session, other)), ""))


def _work(session: Session, todo: tuple[str, ...], progress: Progress) -> None:
    """Evaluate the waiting pipelines, then measure their heat on the target, which takes longer."""
    progress("Comparing", 0, 0)
    # The end of a job cancelled just before may have emptied it.
    session.waiting = tuple(dict.fromkeys((*session.waiting, *todo)))
    total = len(session.waiting)
    while session.waiting:
        pipeline = session.waiting[0]
        position = f"{total - len(session.waiting) + 1} of {total} pipelines" if total > 1 else pipeline
        result = _evaluation(session, pipeline, progress, position, localise=False)
        with session.lock:
            if pipeline in session.waiting:  # else it was removed meanwhile
                session.evaluations = {**session.evaluations, pipeline: result}
                session.compared = (*session.compared, pipeline)
                session.waiting = tuple(p for p in session.waiting if p != pipeline)
    if not session.bench.collection.quadrilaterals:
        return
    results = evaluated(session)
    missing = [p for p in results if "localisation" not in results[p].metrics]
    for number, pipeline in enumerate(missing, start=1):
        position = f"{number} of {len(missing)} pipelines" if len(missing) > 1 else pipeline
        result = _evaluation(session, pipeline, progress, position, localise=True)
        with session.lock:
            if pipeline in session.evaluations:
                session.evaluations = {**session.evaluations, pipeline: result}


def _evaluation(session: Session, pipeline: str, progress: Progress, position: str, localise: bool) -> Any:
    """The Evaluation of a pipeline, or the sentence of its error."""

    def positioned(what: str, done: int, total: int) -> None:
        progress(f"{position}: {what}", done, total)

    try:
        result: Any = session.bench.evaluate(pipeline, progress=positioned, localise=localise)
    except Cancelled:
        raise
    except Exception as error:  # shown in the row of the pipeline; the others go on
        result = readable(error)
    positioned("evaluated", 1, 1)  # the last moment at which it can be cancelled
    return result
