"""How many queries the measures are of: those that were judged, and why the others were not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from workbench.collections.collection import Collection

_NAMED, _REASONS = 3, 4  # queries named for a reason, and reasons given


def judged_queries(collection: Collection, per_query: pd.DataFrame) -> dict[str, Any]:
    """The entries of a provenance on the queries that the means are over.

    ``judged``: their number; ``judged_settings``: that of each setting, if the protocol has several;
    ``unjudged``: the other queries of the ground truth, each with the reason. ``per_query`` as of
    ``evaluation.protocols.Scores``, with the collection's ids.
    """
    unjudged = dict(collection.unjudged)
    for query in per_query["query"][per_query["ap"].isna()]:
        unread = collection.unread_positives.get(query, 0)
        unjudged[query] = (
            f"none of its {unread} positives can be read" if unread else "it has no positive in the database"
        )
    settings = [name for name in per_query if str(name).startswith("ap_")]
    counts = {str(name).removeprefix("ap_"): int(per_query[name].notna().sum()) for name in settings}
    return {
        "judged": int(per_query["ap"].notna().sum()),
        **({"judged_settings": counts} if counts else {}),
        "unjudged": unjudged,
    }


def judged_text(provenance: Mapping[str, Any]) -> str:
    """``58 of 60 queries``, and the settings that have other numbers; empty for a run of an older version."""
    if "judged" not in provenance:
        return ""
    judged = provenance["judged"]
    settings = provenance.get("judged_settings", {})
    others = ", ".join(f"{name} {count:,}" for name, count in settings.items() if count != judged)
    total = judged + len(provenance["unjudged"])
    return f"{judged:,} of {total:,} queries" + (f" ({others})" if others else "")


def queries_text(provenance: Mapping[str, Any]) -> str:
    """``60 queries, 58 judged``; without the second number for a run of an older version."""
    if "judged" not in provenance:
        return f"{provenance['queries']:,} queries"
    judged, others = provenance["judged"], len(provenance["unjudged"])
    return f"{judged + others:,} queries, {f'{judged:,}' if others else 'all'} judged"


def judged_notes(collection: Collection, provenance: Mapping[str, Any]) -> list[str]:
    """A sentence on the queries that were not judged, and one on positives that cannot be read."""
    notes, unjudged = [], provenance["unjudged"]
    if unjudged:
        by_reason: dict[str, list[str]] = {}
        for query, reason in unjudged.items():
            by_reason.setdefault(reason, []).append(query)
        parts = []
        for reason, queries in [*by_reason.items()][:_REASONS]:
            names = ", ".join(repr(query) for query in queries[:_NAMED])
            more = f" and {len(queries) - _NAMED:,} more" if len(queries) > _NAMED else ""
            parts.append(f"{names}{more} ({reason})")
        if len(by_reason) > _REASONS:
            parts.append(f"{sum(map(len, [*by_reason.values()][_REASONS:])):,} more for other reasons")
        total = provenance["judged"] + len(unjudged)
        notes.append(f"{len(unjudged):,} of {total:,} queries are not judged: {'; '.join(parts)}")
    fewer = [query for query in collection.unread_positives if query not in unjudged]
    if fewer:
        positives = sum(collection.unread_positives[query] for query in fewer)
        notes.append(
            f"{len(fewer):,} queries are judged without positives that cannot be read "
            f"({positives:,} in all; see the report)"
        )
    return notes
