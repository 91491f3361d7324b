"""Parts of subtitles that several figures have: what was measured on, and how many queries."""

from __future__ import annotations

from workbench.figures.style import text


def query_count(count: int) -> str:
    """The number of queries for a subtitle."""
    return f"n = {count:,} {'query' if count == 1 else 'queries'}"


def collection_part(collection: str, setting: str) -> str:
    """The collection and the setting of its protocol, if it has several."""
    return ", ".join(filter(None, [text(collection), setting]))
