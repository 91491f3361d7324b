"""Search for a query of any kind: an image, words, a sketch, or several parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.common.columns import Columns
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.engine import Engine
from workbench.engine.queries import QueryLike
from workbench.engine.query_parts import SearchQuery, resolve
from workbench.engine.query_search import rank_query

if TYPE_CHECKING:
    from workbench.search.relevance_feedback import Feedback


def search(
    engine: Engine,
    config: Config,
    query: SearchQuery | None,
    text: str | None,
    box: Box | None,
    k: int | None,
    progress: Progress,
    also: Sequence[QueryLike] = (),
    feedback: Feedback | None = None,
    locate: bool = False,
    judge: bool = True,
) -> Columns:
    """Rank the database for a query of any kind, as columns: see ``Bench.search``.

    Those of a query of parts have in ``attrs`` its ``text``, and its ``parts`` as text. ``judge``: also
    compute the AP.
    """
    resolved = resolve(engine.collection, query, text, box)
    if resolved.picture is not None:
        columns = rank_query(engine, config, *resolved.picture, k, progress, also, feedback, locate, judge)
    else:
        from workbench.engine.combined_search import rank_combined

        assert resolved.parts is not None
        columns = rank_combined(engine, config, resolved.parts, k, progress, also, feedback, locate, judge)
    if resolved.parts is not None:
        columns.attrs["text"] = str(resolved.parts)
        columns.attrs["parts"] = [str(part) for part, _ in resolved.parts.parts]
    return columns
