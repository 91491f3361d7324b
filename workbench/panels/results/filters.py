"""The filters of the ranked images: all, errors, missed positives, or the selection."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from workbench.collections.protocols import Protocol
from workbench.panels.ranking_depth import NOT_REACHED

SHOW = ("all", "errors only", "missed positives", "selection")


def with_unreached(ranking: pd.DataFrame, grades: Mapping[str, str]) -> pd.DataFrame:
    """The ranking followed by the graded images that are not in it, with rank 0."""
    reached = set(ranking["image_id"])
    missing = [image for image in grades if image not in reached]
    if not missing:
        return ranking
    rows = {"rank": 0, "image_id": missing, "score": float("nan")}
    rows["relevance"] = [grades[image] for image in missing]
    behind = pd.DataFrame({**dict.fromkeys(ranking.columns, 0), **rows})[list(ranking.columns)]
    return pd.concat([ranking, behind], ignore_index=True)


def errors_and_missed(ranking: pd.DataFrame, protocol: Protocol) -> tuple[pd.Series, pd.Series]:
    """For each ranked image, whether it is an error and whether it is a missed positive.

    With R positives, a perfect ranking has exactly these in its first R places, once the images that the
    protocol's headline setting ignores (junk, the query's own image) are removed. Errors are the negatives
    in those places, missed positives the positives below them. There are as many errors as missed positives,
    and their share of R is 1 − R-precision (Manning, Raghavan and Schütze 2008, section 8.4).
    Positives that are not in the ranking (rank 0) are missed.
    """
    good, ignored = protocol.settings[protocol.headline]
    positive = ranking["relevance"].isin(good)
    counts = positive | ~ranking["relevance"].isin([*ignored, "query", "unknown"])
    first = (counts.cumsum() <= positive.sum()) & (ranking["rank"] > 0)
    return counts & ~positive & first, positive & ~first


def shown(
    ranking: pd.DataFrame, show: str, protocol: Protocol | None, selection: Collection[str]
) -> pd.DataFrame:
    """The rows of a (completed) ranking that a filter of ``SHOW`` lets through."""
    if show == "selection":
        return ranking[ranking["image_id"].isin(set(selection)) & (ranking["rank"] > 0)]
    if show == "all":
        return ranking[ranking["rank"] > 0]
    if protocol is None:
        return ranking.head(0)
    errors, missed = errors_and_missed(ranking, protocol)
    return ranking[errors if show == "errors only" else missed]


def summary(
    ranking: pd.DataFrame,
    rows: pd.DataFrame,
    show: str,
    protocol: Protocol | None,
    images: int,
    absent: str = NOT_REACHED,
) -> str:
    """The number of images of a (completed) ranking that are shown; ``images`` is the collection's size, and
    ``absent`` says why an image is not in the ranking."""
    reached = int((ranking["rank"] > 0).sum())
    if show == "all":
        if reached >= images:
            return f"{reached:,} images ranked"
        if absent != NOT_REACHED:
            return f"the first {reached:,} of {images:,} ranked images"
        return f"{reached:,} of {images:,} images reached by the index"
    if show == "selection":
        of_all = f"the first {reached:,}" if absent != NOT_REACHED else f"{reached:,}"
        return f"{len(rows):,} of {of_all} images are selected"
    if protocol is None:
        return "no ground truth"
    count = int(ranking["relevance"].isin(protocol.settings[protocol.headline][0]).sum())
    if show == "errors only":
        return f"{len(rows):,} negatives in the first {count:,} places, where its positives should be"
    unreached = int((rows["rank"] == 0).sum())
    more = f"; {unreached:,} of them {absent}" if unreached else ""
    return f"{len(rows):,} of {count:,} positives are below the first {count:,} places{more}"
