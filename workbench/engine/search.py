"""Search for a query of any kind: an image, words, a sketch, or several parts."""

from __future__ import annotations

from workbench.common.columns import Columns
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.engine import Engine
from workbench.engine.query_parts import SearchQuery, resolve
from workbench.engine.query_search import SearchOptions, rank_query


def search(
    engine: Engine,
    config: Config,
    query: SearchQuery | None,
    text: str | None,
    box: Box | None,
    progress: Progress,
    options: SearchOptions,
) -> Columns:
    """Rank the database for a query of any kind, as columns: see ``Bench.search``.

    Those of a query of parts have in ``attrs`` its ``text``, and its ``parts`` as text.
    """
    resolved = resolve(engine.collection, query, text, box)
    if resolved.picture is not None:
        columns = rank_query(engine, config, *resolved.picture, progress, options)
    else:
        from workbench.engine.combined_search import rank_combined

        assert resolved.parts is not None
        columns = rank_combined(engine, config, resolved.parts, progress, options)
    if resolved.parts is not None:
        columns.attrs["text"] = str(resolved.parts)
        columns.attrs["parts"] = [str(part) for part, _ in resolved.parts.parts]
    return columns
