"""A collection: images named by relative path, queries, ground truth and the evaluation protocol."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.collections.images import known_note
from workbench.collections.protocols import Protocol
from workbench.collections.same_label import SameLabel
from workbench.collections.truth_files import TruthFile
from workbench.collections.video.moment import video_of
from workbench.collections.video.truth import VideoTruth
from workbench.collections.watched_files import WatchedFiles
from workbench.common.geometry import Box
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable

if TYPE_CHECKING:
    from workbench.common.tables import Table


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
    ``report`` is a table of the unreadable images, and of those read with an assumption about their values:
    ``image`` and ``reason``.
    ``quadrilaterals`` maps (query id, image id) to the four corners, in pixels, of the query's object in
    that image (the query's own image included), if the ground truth has them.
    ``target_facts`` maps the same pairs to what else the ground truth knows of the object there: ``visible``
    (share of its area), ``size`` (share of the picture) and ``tilt`` (degrees).
    ``unjudged`` maps queries that cannot be judged, and are not in ``queries``, to the reason;
    ``unread_positives`` a query to the number of its positives that cannot be read. ``truth_files`` are the
    files of the ground truth, as they were when they were read.
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
    target_facts: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()  # shown wherever numbers on this collection are shown
    elsewhere: Mapping[str, Path] = field(default_factory=dict, repr=False)
    unjudged: Mapping[str, str] = field(default_factory=dict, repr=False)
    unread_positives: Mapping[str, int] = field(default_factory=dict, repr=False)
    truth_files: tuple[TruthFile, ...] = field(default=(), repr=False)
    video_truth: VideoTruth | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        protocol = self.protocol.title if self.protocol else "no ground truth"
        unread = f", {len(self.problems)} unreadable" if self.problems else ""
        name = printable(self.name)
        return f"{name}: {len(self.images):,} images{unread}, {len(self.queries):,} queries, {protocol}"

    @property
    def report(self) -> Table:
        from workbench.common.tables import Table

        read = ((image, known_note(self.path(image))) for image in self.images)
        assumed = [(image, f"read with an assumption: {note}") for image, note in read if note]
        return Table([*self.problems, *assumed], columns=["image", "reason"])

    @cached_property
    def members(self) -> Mapping[str, None]:
        """The ids of the database and of the queries' images, in order."""
        return dict.fromkeys([*self.images, *(query.image for query in self.queries)])

    @cached_property
    def videos(self) -> Mapping[str, tuple[str, ...]]:
        """The name of each video of the database → the ids of its moments, in the order of ``images``."""
        videos: dict[str, list[str]] = {}
        for image in self.images:
            if video := video_of(image):
                videos.setdefault(video, []).append(image)
        return {video: tuple(moments) for video, moments in videos.items()}

    @cached_property
    def files(self) -> Mapping[tuple[int, int], str]:
        """(device, inode) → id of the images, as they were when this was first read."""
        files: dict[tuple[int, int], str] = {}
        for image in self.members:
            with contextlib.suppress(OSError, ValueError):
                status = os.stat(self.path(image))
                files.setdefault((status.st_dev, status.st_ino), image)
        return files

    def file_state(self) -> bytes:
        """A value that changes when the file of an image, or of the video of a moment, does."""
        return self._watched.state()

    @cached_property
    def _watched(self) -> WatchedFiles:
        names = (video_of(image) or image for image in self.members)
        if self.elsewhere:
            return WatchedFiles(str(self.path(name)) for name in names)
        root = str(self.root)  # to make a Path of each of 20,000 names takes a tenth of a second
        return WatchedFiles(os.path.join(root, name) for name in names)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each image of the database: its position in ``images``."""
        return {image: row for row, image in enumerate(self.images)}

    @cached_property
    def queries_by_id(self) -> Mapping[str, Query]:
        """The query of each id."""
        return {query.id: query for query in reversed(self.queries)}

    @cached_property
    def queries_by_image(self) -> Mapping[str, tuple[Query, ...]]:
        """The queries of each image, in order."""
        queries: dict[str, list[Query]] = {}
        for query in self.queries:
            queries.setdefault(query.image, []).append(query)
        return {image: tuple(those) for image, those in queries.items()}

    def path(self, image_id: str) -> Path:
        """The path of an image's file."""
        top, _, rest = image_id.partition("/")
        return self.elsewhere[top] / rest if top in self.elsewhere else self.root / image_id

    def is_distractor(self, image_id: str) -> bool:
        """Whether an image was added to the database from another folder, as a negative for every query."""
        return image_id.partition("/")[0] in self.elsewhere

    def query(self, query_id: str) -> Query:
        """The query of that id. Raises WorkbenchError if there is none."""
        query = self.queries_by_id.get(query_id)
        if query is None:
            raise WorkbenchError(f"{query_id!r} is not a query of {self.name!r}")
        return query

    def label_table(self, queries: Iterable[str] | None = None, grades: Iterable[str] | None = None) -> Table:
        """A table ``path,label,split`` of the images of these queries, each labelled with its query's id.

        It opens as a collection of its own (``workbench.open``), for example to train on some queries and
        test on others: the query's image is only a query, its images of ``grades`` (default: all but junk)
        are the database. Images that are relevant to several queries of this collection are left out.
        Raises WorkbenchError if a query is not known.
        """
        from workbench.common.tables import Table

        chosen = [query.id for query in self.queries] if queries is None else list(queries)
        wanted = None if grades is None else set(grades)
        counts = Counter(
            image for marks in self.relevance.values() for image, grade in marks.items() if grade != "junk"
        )
        rows = []
        for name in chosen:
            rows.append((str(self.path(self.query(name).image)), name, "query"))
            rows += [
                (str(self.path(image)), name, "database")
                for image, grade in self.relevance.get(name, {}).items()
                if counts[image] == 1 and (grade in wanted if wanted is not None else grade != "junk")
            ]
        return Table(rows, columns=["path", "label", "split"])

    def without(self, unreadable: Iterable[tuple[str, str]]) -> Collection:
        """This collection without the ``unreadable`` (image id, reason), which are added to the report."""
        lost = dict(unreadable)
        if not lost:
            return self
        before, relevance = self.unread_positives, self.relevance
        if isinstance(relevance, SameLabel):  # written out, a label of n images would have n² entries
            unread, relevance = relevance.lost(lost), relevance.without(lost)
        else:
            unread = {
                query: sum(image in lost and grade != "junk" for image, grade in grades.items())
                for query, grades in relevance.items()
            }
            relevance = {
                query: {image: grade for image, grade in grades.items() if image not in lost}
                for query, grades in relevance.items()
            }
        return replace(
            self,
            images=tuple(image for image in self.images if image not in lost),
            relevance=relevance,
            problems=tuple({**dict(self.problems), **lost}.items()),
            unread_positives={
                **before,
                **{query: before.get(query, 0) + count for query, count in unread.items() if count},
            },
        ).without_queries(
            {
                query.id: f"its image cannot be read: {lost[query.image]}"
                for query in self.queries
                if query.image in lost
            }
        )

    def without_queries(self, reasons: Mapping[str, str]) -> Collection:
        """This collection without the queries that are named, which are unjudged for the given reasons."""
        if not reasons:
            return self
        return replace(
            self,
            queries=tuple(query for query in self.queries if query.id not in reasons),
            unjudged={**self.unjudged, **reasons},
        )


def require_ground_truth(collection: Collection) -> Protocol:
    """The collection's protocol. Raises WorkbenchError if the collection has no ground truth."""
    if collection.protocol is not None and collection.unjudged and not collection.queries:
        first, reason = next(iter(collection.unjudged.items()))
        raise WorkbenchError(
            f"none of the {len(collection.unjudged)} queries of {collection.name!r} can be judged, so there "
            f"is no mAP; the first, {first!r}: {reason}"
        )
    if collection.protocol is None or not collection.queries:
        raise WorkbenchError(
            f"{collection.name!r} has no ground truth, so there is no mAP: open it with labels='folders' "
            "(--labels folders) where subfolders are labels, or give a labels.csv"
        )
    return collection.protocol
