"""A collection: images named by relative path, queries, ground truth and the evaluation protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import pandas as pd

from workbench.config import WorkbenchError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Protocol:
    """The protocol by which rankings on a collection are evaluated (see ``evaluation.protocols``).

    ``settings`` maps the name of a setting (``easy``, ``medium``, ``hard``, or ``""`` if there is only
    one) to the relevance grades that count as positive and to those that are ignored, that is, removed
    from the ranking before evaluation. Every other image is a negative.
    """

    name: str
    title: str
    variant: Literal["trapezoid", "sum"]
    settings: Mapping[str, tuple[frozenset[str], frozenset[str]]]
    headline: str = ""  # the setting whose mAP is the collection's mAP
    query_in_database: bool = False  # whether the query's own image stays in its ranking
    crop_queries: bool = False
    measure: Literal["mAP", "N-S"] = "mAP"
    note: str = ""


def _setting(positive: str, ignored: str = "") -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(positive.split()), frozenset(ignored.split())


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol(
                "oxford",
                "Oxford5k / Paris6k (Philbin et al. 2007)",
                "trapezoid",
                {"": _setting("good ok", "junk")},
                query_in_database=True,
                crop_queries=True,
                note="positives are good and ok, junk is removed, the query's image stays in the database",
            ),
            Protocol(
                "revisited",
                "Revisited Oxford and Paris (Radenović et al. 2018)",
                "trapezoid",
                {
                    "easy": _setting("easy", "junk hard"),
                    "medium": _setting("easy hard", "junk"),
                    "hard": _setting("hard", "junk easy"),
                },
                headline="medium",
                crop_queries=True,
                note="queries are cropped to their box and are not in the database; "
                "queries without positives are left out of the mean",
            ),
            Protocol(
                "holidays",
                "INRIA Holidays (Jégou et al. 2008)",
                "sum",
                {"": _setting("positive")},
                note="the query is dropped from its own ranking",
            ),
            Protocol(
                "ukbench",
                "UKBench (Nistér and Stewénius 2006)",
                "sum",
                {"": _setting("positive")},
                query_in_database=True,
                measure="N-S",
                note="N-S: mean number of the four views of an object in the top four, the query included",
            ),
            Protocol(
                "labels",
                "Leave one out by label",
                "sum",
                {"": _setting("positive")},
                note="every other image of the query's label is a positive; "
                "the query is dropped from its own ranking",
            ),
        )
    }
)

# The sign of each relevance grade, shown beside its colour.
SIGNS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("easy", "positive", "good", "ok"), "✓"),
        "hard": "✓ʰ",
        "junk": "~",
        "negative": "✗",
        "query": "query",
    }
)


@dataclass(frozen=True)
class Query:
    """A query: its id, its image and, if it is cropped, the box in pixels (x0, y0, x1, y1).

    Pixels are those of the upright image (after EXIF rotation), x to the right and y down.
    """

    id: str
    image: str
    box: Box | None = None


@dataclass(frozen=True)
class Collection:
    """The database images, the queries and, if there is any, their ground truth.

    ``images`` are the ids of the database: paths relative to ``root``, with forward slashes. ``elsewhere``
    maps the first part of an id to another root folder; the images below it are distractors.
    ``relevance`` maps a query id to {image id: grade}, with the grades of the protocol
    (``easy``, ``hard``, ``junk``, ``good``, ``ok``, ``positive``); an image without a grade is a
    negative. ``protocol`` is None without ground truth, and then nothing can be evaluated.
    ``report`` is a table of the unreadable images: ``image`` and ``reason``.
    ``quadrilaterals`` maps (query id, image id) to the four corners, in pixels, of the query's object in
    that image (the query's own image included), if the ground truth has them.
    """

    name: str
    root: Path
    images: tuple[str, ...]
    queries: tuple[Query, ...] = ()
    relevance: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    protocol: Protocol | None = None
    problems: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)
    quadrilaterals: Mapping[tuple[str, str], tuple[tuple[float, float], ...]] = field(
        default_factory=dict, repr=False
    )
    notes: tuple[str, ...] = ()  # shown wherever numbers on this collection are shown
    elsewhere: Mapping[str, Path] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        protocol = self.protocol.title if self.protocol else "no ground truth"
        unread = f", {len(self.problems)} unreadable" if self.problems else ""
        return f"{self.name}: {len(self.images):,} images{unread}, {len(self.queries):,} queries, {protocol}"

    @property
    def report(self) -> pd.DataFrame:
        return pd.DataFrame(list(self.problems), columns=["image", "reason"])

    def path(self, image_id: str) -> Path:
        """The path of an image's file."""
        top, _, rest = image_id.partition("/")
        return self.elsewhere[top] / rest if top in self.elsewhere else self.root / image_id

    def is_distractor(self, image_id: str) -> bool:
        """Whether an image was added to the database from another folder, as a negative for every query."""
        return image_id.partition("/")[0] in self.elsewhere

    def query(self, query_id: str) -> Query:
        """The query of that id. Raises WorkbenchError if there is none."""
        for query in self.queries:
            if query.id == query_id:
                return query
        raise WorkbenchError(f"{query_id!r} is not a query of {self.name!r}")

    def without(self, unreadable: Iterable[tuple[str, str]]) -> Collection:
        """This collection without the ``unreadable`` (image id, reason), which are added to the report."""
        lost = dict(unreadable)
        if not lost:
            return self
        return replace(
            self,
            images=tuple(image for image in self.images if image not in lost),
            queries=tuple(query for query in self.queries if query.image not in lost),
            relevance={
                query: {image: grade for image, grade in grades.items() if image not in lost}
                for query, grades in self.relevance.items()
            },
            problems=tuple({**dict(self.problems), **lost}.items()),
        )
