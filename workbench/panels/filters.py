"""Which of the ranked images are shown: all of them, or those that a ranking got wrong."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from workbench.collections.collection import Protocol

SHOW = ("all", "errors only", "missed positives", "selection")


def judged(ranking: pd.DataFrame, protocol: Protocol) -> tuple[pd.Series, pd.Series]:
    """Of each ranked image, whether it is an error and whether it is a missed positive.

    With R positives, a perfect ranking has just them in its first R places, once what the protocol's
    headline setting ignores (junk, the query's own image) is removed. Errors are the negatives in those
    places, missed positives the positives below them: as many of the one as of the other, and
    their share of R is what R-precision (Manning, Raghavan and Schütze 2008, section 8.4) lacks to 1.
    """
    good, ignored = protocol.settings[protocol.headline]
    positive = ranking["relevance"].isin(good)
    counts = positive | ~ranking["relevance"].isin([*ignored, "query", "unknown"])
    first = counts.cumsum() <= positive.sum()
    return counts & ~positive & first, positive & ~first


def shown(
    ranking: pd.DataFrame, show: str, protocol: Protocol | None, selection: Collection[str]
) -> pd.DataFrame:
    """The rows of a ranking that a filter of ``SHOW`` lets through."""
    if show == "selection":
        return ranking[ranking["image_id"].isin(set(selection))]
    if show == "all":
        return ranking
    if protocol is None:
        return ranking.head(0)
    errors, missed = judged(ranking, protocol)
    return ranking[errors if show == "errors only" else missed]


def said(ranking: pd.DataFrame, rows: pd.DataFrame, show: str, protocol: Protocol | None) -> str:
    """What is shown, in words."""
    if show == "all":
        return f"{len(rows):,} images ranked"
    if show == "selection":
        return f"{len(rows):,} of {len(ranking):,} images are selected"
    if protocol is None:
        return "no ground truth"
    count = int(ranking["relevance"].isin(protocol.settings[protocol.headline][0]).sum())
    if show == "errors only":
        return f"{len(rows):,} negatives in the first {count:,} places, where its positives should be"
    return f"{len(rows):,} of {count:,} positives stand below the first {count:,} places"
