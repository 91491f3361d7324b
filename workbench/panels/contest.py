"""Pipelines that are compared: evaluated one after another, in a lane of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from workbench.judging import Evaluation
from workbench.panels.jobs import readable
from workbench.panels.session import Session
from workbench.progress import Cancelled, Progress

LANE = "comparison"


def judged(session: Session) -> bool:
    """Whether the collection has ground truth, so that pipelines can be evaluated on it."""
    collection = session.bench.collection
    return collection.protocol is not None and bool(collection.queries)


def evaluated(session: Session) -> dict[str, Evaluation]:
    """What is compared and evaluated, in the order in which it came."""
    found = session.evaluations
    return {p: found[p] for p in session.compared if isinstance(found.get(p), Evaluation)}


def enter(session: Session, pipelines: Sequence[str] = ()) -> None:
    """Evaluate these pipelines, and what is compared and not evaluated yet; each is compared as it comes.

    One that failed is tried again where it is named. Without ground truth they are only lined up.
    """
    if not judged(session):
        with session.lock:
            session.compared = (*session.compared, *pipelines)
        return
    with session.lock:
        kept = {p: e for p, e in session.evaluations.items() if p in session.compared and p not in pipelines}
        again = {p: e for p, e in evaluated(session).items() if p in pipelines}
        session.evaluations = {**kept, **again}
        wanted = dict.fromkeys((*session.waiting, *session.compared, *pipelines))
        todo = tuple(p for p in wanted if p not in session.evaluations)
        if set(todo) <= set(session.waiting):
            return
        session.waiting = todo
    session.run(LANE, partial(_work, session, todo))


def leave(session: Session, pipelines: Sequence[str]) -> None:
    """Compare these no longer, and forget their evaluations."""
    with session.lock:
        session.waiting = tuple(p for p in session.waiting if p not in pipelines)
        session.compared = tuple(p for p in session.compared if p not in pipelines)
        session.evaluations = {p: e for p, e in session.evaluations.items() if p not in pipelines}


def best_two(session: Session) -> None:
    """Hold the best (B) against the second best, where nothing else is chosen and all are evaluated.

    Without ground truth these are the first two.
    """
    with session.lock:
        if session.waiting:
            return
        order, sides = list(session.compared), ("a", "b")
        if judged(session):
            found = evaluated(session)
            order, sides = sorted(found, key=lambda p: -found[p].mean_ap), ("b", "a")
        for side, other in (sides, sides[::-1]):
            if getattr(session, side) not in order:
                setattr(session, side, next((p for p in order if p != getattr(session, other)), ""))


def _work(session: Session, todo: tuple[str, ...], progress: Progress) -> None:
    """Evaluate what waits, then measure where the heat lies, which takes longer."""
    # The end of a job cancelled just before may have emptied it.
    session.waiting = tuple(dict.fromkeys((*session.waiting, *todo)))
    total = len(session.waiting)
    while session.waiting:
        pipeline = session.waiting[0]
        place = f"{total - len(session.waiting) + 1} of {total} pipelines" if total > 1 else pipeline
        result = _evaluation(session, pipeline, progress, place, localise=False)
        with session.lock:
            if pipeline in session.waiting:  # else it was removed in the meantime
                session.evaluations = {**session.evaluations, pipeline: result}
                session.compared = (*session.compared, pipeline)
                session.waiting = tuple(p for p in session.waiting if p != pipeline)
    if not session.bench.collection.quadrilaterals:
        return
    found = evaluated(session)
    missing = [p for p in found if "localisation" not in found[p].metrics]
    for number, pipeline in enumerate(missing, start=1):
        place = f"{number} of {len(missing)} pipelines" if len(missing) > 1 else pipeline
        result = _evaluation(session, pipeline, progress, place, localise=True)
        with session.lock:
            if pipeline in session.evaluations:
                session.evaluations = {**session.evaluations, pipeline: result}


def _evaluation(session: Session, pipeline: str, progress: Progress, place: str, localise: bool) -> Any:
    """An Evaluation, or why there is none."""

    def told(what: str, done: int, total: int) -> None:
        progress(f"{place}: {what}", done, total)

    try:
        result: Any = session.bench.evaluate(pipeline, told, localise)
    except Cancelled:
        raise
    except Exception as error:  # a pipeline that fails is said in its row, and the others go on
        result = readable(error)
    told("evaluated", 1, 1)  # the last moment at which it can be cancelled
    return result
