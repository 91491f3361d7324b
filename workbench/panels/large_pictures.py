"""The pictures of a session in the lightbox: file, labels, place in the ranking, and heat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from workbench.collections.collection import Query
from workbench.collections.images import header
from workbench.collections.thumbnails import render
from workbench.collections.uploads import display_name
from workbench.collections.video.moment import video_of
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.panels.combined_query import join_region
from workbench.panels.formatting import with_sign
from workbench.panels.moment_captions import moment_place
from workbench.panels.ranking_depth import absence
from workbench.panels.session import Session
from workbench.panels.widgets.lightbox import LARGEST, About, Heat, Lightbox, reference
from workbench.query.query import Query as CombinedQuery

WHOLE = (0.0, 0.0, 1.0, 1.0)
_WIDE = 4  # the aspect ratio above which a picture is read larger, so that its short side stays sharp


class Picture(NamedTuple):
    """An image, the name by which it was shown, and its box in pixels or fractions (None: whole)."""

    name: str
    image: str
    box: Box | None


class LargePictures:
    """Answers the lightbox of one cell about the session's pictures."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.widget = Lightbox(self.picture, self.heat, self.refine)
        session.observe(session.guard(lambda _: self.widget.renew()), "ranking")

    def resolve(self, name: str) -> Picture:
        """The image and the box of a reference. Raises WorkbenchError if no image has that name."""
        collection, queries = self.session.bench.collection, self.session.queries
        box: Box | None = None
        if name not in collection.members and name not in queries:
            name, box = _parsed(name)
        query = queries.get(name)
        # The id of a query may be that of an image, too; the box of the query is then not meant.
        image = name if query is None or name in self.session.images else query.image
        if image not in collection.members and not Path(image).is_absolute():
            shown = display_name(name)
            if reason := dict(collection.problems).get(image):  # since it was shown
                raise WorkbenchError(f"{shown!r} cannot be shown: {reason}.")
            raise WorkbenchError(f"{shown!r} is not an image of {collection.name!r}")
        return Picture(name, image, box or (query.box if query is not None and image != name else None))

    def picture(self, name: str, side: int) -> tuple[About, bytes]:
        """What is known of a picture, and its JPEG. Raises WorkbenchError if it cannot be read."""
        shown = self.resolve(name)
        collection = self.session.bench.collection
        path = collection.path(shown.image)
        about: About = {
            "name": display_name(shown.name if shown.image == shown.name else shown.image),
            "path": str(path.absolute()),
            "facts": self._facts(shown),
            "beside": self._beside(shown),
            "refines": shown.image in self.session.images,
        }
        try:
            size = header(path)
            width, height = size.width, size.height
            stretch = max(1.0, max(width / height, height / width) / _WIDE)
            jpeg = render(path, min(LARGEST, round(side * stretch)))
        except WorkbenchError as error:
            return {**about, "error": f"{about['name']!r} cannot be shown: {error}."}, b""
        about["size"] = [width, height]
        about["box"] = None if shown.box is None else _shares(shown.box, width, height)
        return about, jpeg

    def heat(self, name: str, progress: Progress) -> Heat:
        """The heat of a result and of its query, as of their score; of other pictures, their activations."""
        shown, session = self.resolve(name), self.session
        query, box, pipeline = self._ranked()
        listed = shown.image in session.images
        expression = session.ranked.expression if session.ranked is not None else ""
        if expression and listed:
            combined = CombinedQuery.parse(expression)
            why = session.bench.explain(combined, shown.image, pipeline=pipeline, progress=progress)
            heat = why.heatmap if hasattr(why, "heatmap") else why.image_heatmap
            return Heat(heat, None, True, "a cell takes away · adds")
        if query is not None and listed and not _is_query(shown, query):
            why = session.bench.explain(query.id, shown.image, pipeline=pipeline, box=box, progress=progress)
            return Heat(why.image_heatmap, why.query_heatmap, True, "a cell takes away · adds")
        size = header(session.bench.collection.path(shown.image))
        shares = WHOLE if shown.box is None else _shares(shown.box, size.width, size.height)
        activations = session.bench.studies.activations(
            shown.image,
            pipeline=pipeline,
            box=None if shown.box is None else _pixels(shares, size.width, size.height),
            progress=progress,
        )
        return Heat(activations.heat("norm"), None, False, "norm of the activations", shares)

    def refine(self, name: str, sign: int, box: list[float]) -> None:
        """Search for more or less like a region of a picture, a box in fractions of it."""
        self.session.guard(lambda _: join_region(self.session, self.resolve(name).image, sign, box))(None)

    def _ranked(self) -> tuple[Query | None, Box | None, str]:
        """The picture, box and pipeline of the ranking on screen; a combined query has no picture."""
        session, ranked = self.session, self.session.ranked
        if ranked is None or ranked.expression:
            return None, None, session.pipeline if ranked is None else ranked.pipeline
        return session.query_named(ranked.query), ranked.box, ranked.pipeline

    def _beside(self, shown: Picture) -> str:
        """The reference of the query; empty where the picture is the query."""
        query, box, _ = self._ranked()
        if query is None or _is_query(shown, query):
            return ""
        return reference(query.image, box or query.box)

    def _facts(self, shown: Picture) -> list[dict[str, str]]:
        """The time of a moment; rank, score and relevance in the ranking on screen, and the label."""
        session, ranking = self.session, self.session.ranking
        query, _, _ = self._ranked()
        facts: list[dict[str, str]] = []
        if video_of(shown.image):
            facts.append({"text": moment_place(shown.image, session.shots), "kind": "moment"})
        if query is not None and _is_query(shown, query):
            facts.append({"text": "the query", "kind": "rank"})
        elif shown.name != shown.image:
            facts.append({"text": f"query {display_name(shown.name)}", "kind": "rank"})
        if ranking is not None and shown.image in session.images:
            row = ranking[ranking["image_id"] == shown.image]
            if len(row):
                relevance = str(row["relevance"].iloc[0])
                facts.append({"text": f"rank {row['rank'].iloc[0]}", "kind": "rank"})
                facts.append({"text": f"score {row['score'].iloc[0]:.3f}", "kind": "score"})
                if relevance not in ("", "query"):
                    facts.append({"text": with_sign(relevance), "kind": relevance})
            elif not any(fact["kind"] == "rank" for fact in facts):
                facts.append({"text": absence(ranking), "kind": "rank"})
        if label := session.bench.collection.labels.get(shown.image, ""):
            facts.append({"text": f"label {printable(label)}", "kind": "label"})
        return facts


def _is_query(shown: Picture, query: Query) -> bool:
    return shown.image == query.image


def _parsed(name: str) -> tuple[str, Box | None]:
    """The image and the box of a reference that is not a name."""
    try:
        image, box = json.loads(name)
    except (ValueError, TypeError):
        return name, None
    if not isinstance(image, str):
        return name, None
    if not isinstance(box, list) or len(box) != 4:  # such as the number of a keypoint
        return image, None
    x0, y0, x1, y1 = map(float, box)
    return image, (x0, y0, x1, y1)


def _shares(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    """A box in fractions of a picture, clipped to it."""
    scale = (1, 1) if max(box) <= 1 else (width, height)
    x0, y0, x1, y1 = (min(max(edge / scale[i % 2], 0.0), 1.0) for i, edge in enumerate(box))
    return x0, y0, x1, y1


def _pixels(shares: tuple[float, float, float, float], width: int, height: int) -> Box:
    x0, y0, x1, y1 = shares
    return x0 * width, y0 * height, x1 * width, y1 * height
