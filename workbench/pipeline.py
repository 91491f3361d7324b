"""A workbench on one collection: pipelines in, rankings, numbers and explanations out."""

from __future__ import annotations

import io
import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
import torchvision
from PIL import Image

from workbench.collections import images
from workbench.collections.catalog import open_collection
from workbench.collections.collection import Box, Collection, Query
from workbench.config import VERSION, Config, WorkbenchError
from workbench.descriptors.bulk import Described, describe, describe_maps
from workbench.evaluation import protocols
from workbench.evaluation.comparison import Comparison
from workbench.explain import Explanation, explain
from workbench.features.maps import MapSource, Options, Picture
from workbench.localisation import Target, mean_share
from workbench.progress import Progress, silent
from workbench.search import exact

DEFAULT_PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:256"
KEPT = 8  # described pipelines held in memory


@dataclass(frozen=True)
class Evaluation:
    """A pipeline's numbers on a collection, with what made them. Measures are fractions 0…1."""

    pipeline: str
    collection: str
    protocol: str
    mean_ap: float
    metrics: dict[str, float]
    per_query: pd.DataFrame = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)
    warnings: list[str]


@dataclass(frozen=True)
class _Ready:
    """A collection described by one pipeline: rows of the database, then rows of the query pictures."""

    config: Config
    collection: Collection
    source: MapSource
    pictures: tuple[Picture, ...]
    keys: list[list[str]]
    described: Described
    seconds: float

    @property
    def database(self) -> torch.Tensor:
        return self.described.vectors[: len(self.collection.images)]

    def maps(self, row: int) -> list[torch.Tensor]:
        """The stored maps [1, C, H, W] of a row, a scale each."""
        return [next(self.source.batches([names[row]], scale))[1] for scale, names in enumerate(self.keys)]


class Workbench:
    """Everything on one collection. Safe to use from several threads.

    ``collection`` is read anew after work that found images it cannot read: they move to its report.
    """

    def __init__(self, collection: Collection, options: Options) -> None:
        self.collection = collection
        self.options = options
        self._sources: dict[tuple[str, str], MapSource] = {}
        self._ready: dict[str, _Ready] = {}
        self._evaluations: dict[str, Evaluation] = {}
        self._lock = threading.RLock()
        self._thumbnail = lru_cache(maxsize=4096)(self._make_thumbnail)

    def evaluate(self, pipeline: str | Config = DEFAULT_PIPELINE, progress: Progress = silent) -> Evaluation:
        """Judge a pipeline by the collection's protocol. Raises WorkbenchError where it has none."""
        config = Config.parse(pipeline)
        with self._lock:
            if str(config) in self._evaluations:
                return self._evaluations[str(config)]
            self._require_ground_truth()
            ready = self._describe(config, progress)
            collection = ready.collection
            assert collection.protocol is not None
            row_of = {image: row for row, image in enumerate(collection.images)}
            scores = exact.scores(ready.described.vectors[self._query_rows(ready)], ready.database)
            truth = {
                query.id: {
                    **{row_of[i]: grade for i, grade in collection.relevance[query.id].items()},
                    **({"self": row_of[query.image]} if query.image in row_of else {}),
                }
                for query in collection.queries
            }
            judged = protocols.evaluate(exact.rank(scores), list(truth.values()), collection.protocol)
            per_query = judged.per_query.assign(query=list(truth))
            metrics = dict(judged.metrics)
            if collection.quadrilaterals:
                metrics.update(self._localisation(ready, progress))
            evaluation = Evaluation(
                str(config),
                collection.name,
                collection.protocol.name,
                judged.mean_ap,
                metrics,
                per_query,
                self._provenance(ready),
                self._warnings(ready),
            )
            self._evaluations[str(config)] = evaluation
            return evaluation

    def search(
        self,
        query: str | Path | Image.Image,
        box: Box | None = None,
        pipeline: str | Config = DEFAULT_PIPELINE,
        k: int | None = 20,
        progress: Progress = silent,
    ) -> pd.DataFrame:
        """Rank the database for a query: its id, an image's id, a file, or a decoded image.

        ``box`` (x0, y0, x1, y1 in pixels of the upright image) crops it. Returns a DataFrame of the
        first ``k`` (None: all) with rank from 1, image_id, score and relevance.
        """
        if k is not None and k < 1:
            raise WorkbenchError(f"k is {k}; it is the number of results, from 1")
        config = Config.parse(pipeline)
        known = self._require_query(query)
        with self._lock:
            ready = self._describe(config, progress)
            vector = self._vector(ready, query, box)
            scores = exact.scores(vector, ready.database)[0]
            order = exact.rank(scores[None])[0][:k]
        ids = ready.collection.images
        relevance = self._relevance(ready.collection, known if box is None else None)
        return pd.DataFrame(
            {
                "rank": np.arange(1, len(order) + 1),
                "image_id": [ids[row] for row in order],
                "score": scores[order].astype(float),
                "relevance": [relevance(ids[row]) for row in order],
            }
        )

    def explain(
        self,
        query: str | Path | Image.Image,
        image_id: str,
        pipeline: str | Config = DEFAULT_PIPELINE,
        box: Box | None = None,
        progress: Progress = silent,
    ) -> Explanation:
        """Take the score of an image for a query apart, exactly, into cells and pairs of regions."""
        config = Config.parse(pipeline)
        self._require_query(query)
        with self._lock:
            ready = self._describe(config, progress)
            if image_id not in ready.collection.images:
                raise WorkbenchError(f"{image_id!r} is not an image of {ready.collection.name!r}")
            row = self._row(ready, query, box)
            maps = ready.maps(row) if row is not None else self._maps(ready, query, box)
            return explain(maps, ready.maps(ready.collection.images.index(image_id)), config, ready.described)

    def compare(self, pipelines: Sequence[str | Config], progress: Progress = silent) -> Comparison:
        """Evaluate pipelines and pair their queries: table, differences, intervals and p-values."""
        return Comparison([self.evaluate(pipeline, progress) for pipeline in pipelines])

    def picture(self, query: str | Path | Image.Image, box: Box | None = None) -> Image.Image:
        """What the network sees of a query or an image, as RGB: upright, and cropped to its box."""
        if isinstance(query, Image.Image):
            return images.crop_to(query.convert("RGB"), box) if box is not None else query.convert("RGB")
        known = self._known_query(str(query))
        path = self.collection.path(known.image) if known else Path(query).expanduser()
        try:
            return images.load(path, box or (known.box if known else None))
        except WorkbenchError as error:
            raise WorkbenchError(f"image {str(query)!r}: {error}") from None

    def thumbnail(self, image_id: str, side: int = 160, box: Box | None = None) -> bytes:
        """A JPEG of an image of the collection, its longest side ``side`` pixels, cropped to ``box``."""
        return self._thumbnail(image_id, side, box)

    def query_panel(self) -> Any:
        """Configuration, query and ranked results with the pipeline's mAP, as widgets."""
        from workbench.panels import query_panel

        return query_panel(self)

    def show(self) -> Any:
        """The whole workbench as widgets."""
        from workbench.panels import show

        return show(self)

    # -- from names to rows and vectors ---------------------------------------------------------

    def _require_ground_truth(self) -> None:
        if self.collection.protocol is None or not self.collection.queries:
            raise WorkbenchError(
                f"{self.collection.name!r} has no ground truth, so there is no mAP: open it with "
                "labels='folders' (--labels folders) where subfolders are labels, or give a labels.csv"
            )

    def _known_query(self, name: str) -> Query | None:
        queries = {query.id: query for query in self.collection.queries}
        if name in queries:
            return queries[name]
        return Query(name, name) if name in set(self.collection.images) else None

    def _require_query(self, query: str | Path | Image.Image) -> Query | None:
        """The query of the collection that is meant, None for a picture of one's own; before any work."""
        if isinstance(query, Image.Image):
            return None
        known = self._known_query(str(query))
        if known is None and not Path(query).expanduser().is_file():
            raise WorkbenchError(
                f"query {str(query)!r} is neither a query nor an image of {self.collection.name!r}, "
                "nor a file"
            )
        return known

    def _row(self, ready: _Ready, query: str | Path | Image.Image, box: Box | None) -> int | None:
        """The row of a described picture that is this query, or None where it is another."""
        known = None if isinstance(query, Image.Image) or box is not None else self._known_query(str(query))
        if known is None:
            return None
        picture = Picture(self.collection.path(known.image), known.box)
        return ready.pictures.index(picture)

    def _query_rows(self, ready: _Ready) -> list[int]:
        row_of = {picture: row for row, picture in enumerate(ready.pictures)}
        return [row_of[Picture(ready.collection.path(q.image), q.box)] for q in ready.collection.queries]

    def _maps(self, ready: _Ready, query: str | Path | Image.Image, box: Box | None) -> list[torch.Tensor]:
        return ready.source.maps_of(self.picture(query, box), ready.config.scales)

    def _vector(self, ready: _Ready, query: str | Path | Image.Image, box: Box | None) -> torch.Tensor:
        row = self._row(ready, query, box)
        if row is not None:
            return ready.described.vectors[row : row + 1]
        with torch.no_grad():
            parts, _ = describe_maps(self._maps(ready, query, box), ready.config, ready.described)
            return parts.total.sum(1)

    def _relevance(self, collection: Collection, query: Query | None) -> Any:
        """What is known of an image: its grade, ``negative``, ``query`` for itself, or ``unknown``."""
        grades: Mapping[str, str] = collection.relevance.get(query.id, {}) if query else {}
        judged = query is not None and query.id in collection.relevance

        def relevance(image: str) -> str:
            if query is not None and image == query.image and image not in grades:
                return "query"
            return grades.get(image, "negative" if judged else "unknown")

        return relevance

    # -- describing -----------------------------------------------------------------------------

    def _describe(self, config: Config, progress: Progress) -> _Ready:
        config.require_available()
        name = str(config)
        with self._lock:
            if name in self._ready and self._fresh(self._ready[name]):
                self._ready[name] = self._ready.pop(name)  # the newest last
                return self._ready[name]
            started = time.perf_counter()
            place = config.backbone, "code" if config.pooling.name == "code" else "map"
            if place not in self._sources:
                self._sources[place] = MapSource.of(config, self.options)
            source = self._sources[place]
            collection, pictures, keys = self._extract(source, config.scales, progress)
            described = describe(
                source,
                keys,
                config,
                range(len(collection.images)),
                self._pairs(collection, pictures) if any(s.name == "lw" for s in config.steps) else None,
                {"collection": collection.name},
                self.options.seed,
                progress,
            )
            seconds = time.perf_counter() - started
            self._ready[name] = _Ready(config, collection, source, pictures, keys, described, seconds)
            self._evaluations.pop(name, None)
            while len(self._ready) > KEPT:
                self._ready.pop(next(iter(self._ready)))
            return self._ready[name]

    def _extract(
        self, source: MapSource, scales: int, progress: Progress
    ) -> tuple[Collection, tuple[Picture, ...], list[list[str]]]:
        """Extract the collection's pictures; what is unreadable goes to its report, the rest goes on."""
        while True:
            collection = self.collection
            pictures = list(dict.fromkeys(Picture(collection.path(i)) for i in collection.images))
            queries = (Picture(collection.path(q.image), q.box) for q in collection.queries)
            pictures = list(dict.fromkeys([*pictures, *queries]))
            if not collection.images:
                raise WorkbenchError(
                    f"{collection.name!r} has no image that can be read; "
                    f"its report names {len(collection.problems)}"
                )
            keys, lost = source.extract(pictures, scales, progress)
            if not lost:
                return collection, tuple(pictures), keys
            reasons = [
                (pictures[row].path.relative_to(collection.root).as_posix(), reason)
                for row, reason in lost.items()
            ]
            self.collection = collection.without(reasons)

    def _fresh(self, ready: _Ready) -> bool:
        """Whether the files are those that were described: a changed or vanished one is noticed."""
        if ready.collection is not self.collection:
            return False
        for picture, key in zip(ready.pictures, ready.keys[0], strict=True):
            try:
                if not key.startswith(ready.source.header(picture.path).fingerprint):
                    return False
            except WorkbenchError:
                return False
        return True

    def _pairs(self, collection: Collection, pictures: Sequence[Picture]) -> np.ndarray:
        """Rows of matching pictures, from the ground truth: each query with each of its positives."""
        row_of = {picture: row for row, picture in enumerate(pictures)}
        images_at = {image: row for row, image in enumerate(collection.images)}
        pairs = [
            (row_of[Picture(collection.path(query.image), query.box)], images_at[image])
            for query in collection.queries
            for image, grade in collection.relevance[query.id].items()
            if grade != "junk"
        ]
        return np.array([(a, b) for a, b in pairs if a != b], np.int64).reshape(-1, 2)

    def _localisation(self, ready: _Ready, progress: Progress) -> dict[str, float]:
        """Over each query and its positives: the share of the score's positive heat on the target.

        ``localisation`` is of the heat in the image found, ``localisation_query`` of that in the
        query; ``…_even`` is what heat spread evenly over the picture would have there.
        """
        collection, vectors = ready.collection, ready.described.vectors
        row_of = {image: row for row, image in enumerate(collection.images)}
        pairs = [
            (query, query_row, image)
            for query, query_row in zip(collection.queries, self._query_rows(ready), strict=True)
            for image, grade in collection.relevance[query.id].items()
            if grade != "junk" and (query.id, image) in collection.quadrilaterals
        ]

        def seen(query: Query, image: str, box: Box | None) -> Target:
            header = ready.source.header(collection.path(image))
            return Target(
                collection.quadrilaterals[query.id, image], box or (0, 0, header.width, header.height)
            )

        def sides(query_side: bool) -> Iterator[tuple[Target, list[torch.Tensor], torch.Tensor]]:
            for done, (query, query_row, image) in enumerate(pairs):
                progress("locating", done + query_side * len(pairs), 2 * len(pairs))
                if query_side:
                    yield seen(query, query.image, query.box), ready.maps(query_row), vectors[row_of[image]]
                else:
                    yield seen(query, image, None), ready.maps(row_of[image]), vectors[query_row]

        found, found_even = mean_share(sides(False), ready.config, ready.described)
        asked, asked_even = mean_share(sides(True), ready.config, ready.described)
        return {
            "localisation": found,
            "localisation_even": found_even,
            "localisation_query": asked,
            "localisation_query_even": asked_even,
        }

    # -- what is said beside a number -----------------------------------------------------------

    def _provenance(self, ready: _Ready) -> dict[str, Any]:
        protocol = ready.collection.protocol
        assert protocol is not None
        fitted = [w.provenance for w in (*ready.described.regional, *ready.described.final) if w is not None]
        return {
            "collection": ready.collection.name,
            "protocol": protocol.name,
            "ap_variant": protocol.variant,
            "protocol_note": protocol.note,
            "images": len(ready.collection.images),
            "queries": len(ready.collection.queries),
            "unreadable": len(ready.collection.problems),
            "size": self.options.size,
            "precision": ready.source.precision,
            "device": ready.source.device,
            "weights": ready.source.fingerprint,
            "seed": self.options.seed,
            "dimensions": ready.described.vectors.shape[1],
            "whitening": fitted,
            "seconds": round(ready.seconds, 3),
            "versions": {
                "workbench": VERSION,
                "torch": torch.__version__,
                "torchvision": torchvision.__version__,
                "timm": timm.__version__,
                "python": platform.python_version(),
            },
        }

    def _warnings(self, ready: _Ready) -> list[str]:
        said = [*ready.collection.notes]
        if ready.source.spec.random:
            said.append("random weights: this backbone was never trained")
        for whitening in (*ready.described.regional, *ready.described.final):
            if whitening is None:
                continue
            with_truth = " with its ground truth" if whitening.kind == "lw" else ""
            said.append(f"{whitening.kind} was fitted on the evaluated collection{with_truth}")
            asked, kept = whitening.provenance["asked"], whitening.provenance["kept"]
            if kept < asked:
                said.append(f"{whitening.kind} keeps {kept} of {asked} dimensions: the vectors have no more")
        if ready.collection.problems:
            said.append(f"{len(ready.collection.problems)} images could not be read and are left out")
        return said

    def _make_thumbnail(self, image_id: str, side: int, box: Box | None) -> bytes:
        try:
            picture = images.load(self.collection.path(image_id), box, at_least=(2 * side, 2 * side))
        except WorkbenchError as error:
            raise WorkbenchError(f"image {image_id!r}: {error}") from None
        picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=85)
        return data.getvalue()


def default_cache() -> Path:
    """``data/`` of a checkout, or else the user's cache folder; WORKBENCH_CACHE moves it."""
    import platformdirs

    if os.environ.get("WORKBENCH_CACHE"):
        return Path(os.environ["WORKBENCH_CACHE"]).expanduser()
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    return Path(platformdirs.user_cache_dir("retrieval-workbench"))


def open_workbench(
    name: str | Path, labels: str = "none", progress: Progress = silent, **options: Any
) -> Workbench:
    """Open a collection by name, folder or CSV. ``options`` are the fields of Options."""
    unknown = set(options) - set(Options.__dataclass_fields__)
    if unknown:
        raise WorkbenchError(
            f"option {sorted(unknown)[0]!r} is not known; valid: {', '.join(Options.__dataclass_fields__)}"
        )
    cache = Path(options.get("cache") or default_cache()).expanduser()
    weights = options.get("weights")
    chosen = replace(Options(**options), cache=cache, weights=Path(weights).expanduser() if weights else None)
    return Workbench(open_collection(name, labels, cache, progress), chosen)
