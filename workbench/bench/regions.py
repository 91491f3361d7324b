"""``bench.regions``: search, classify and measure by single regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from workbench.analysis.proposal_recall import COUNTS, RegionRecall, proposal_recall
from workbench.collections.named_picture import NamedPicture
from workbench.common.arguments import result_count
from workbench.common.geometry import Box
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import ONE_PIPELINE, Config
from workbench.config.errors import WorkbenchError
from workbench.engine import one
from workbench.engine.engine import Engine
from workbench.engine.provenance import warnings
from workbench.engine.queries import (
    QueryLike,
    find_query,
    named_picture,
    query_file,
    query_maps,
    relevance_of,
)
from workbench.explain.one import Evidence, class_voters, evidence, image_voters
from workbench.search.ranking import ranking_table


class RegionAccessor:
    """The methods of a bench that work on regions instead of whole images."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def nearest(
        self,
        image: QueryLike,
        region: int,
        *,
        pipeline: str | Config | None = None,
        box: Box | None = None,
        k: int = 12,
        progress: Progress = notebook_progress,
    ) -> pd.DataFrame:
        """The ``k`` images of the collection with the regions most similar to a region of an image.

        ``region`` is a row of ``studies.activations(image).regions``. Returns a DataFrame of rank, image_id,
        x0, y0, x1, y1 (fractions) and score, without the image that the region is from.
        """
        k = result_count(k) or len(self._engine.collection.images)
        described = self._engine.describe_vectors(self._engine.config(pipeline), progress, image)
        path = query_file(described.collection, image)
        maps = query_maps(described, image, box)[0]
        return self._engine.region_search.nearest(described, maps, region, k, path, progress)

    def rank(
        self,
        query: QueryLike,
        *,
        pipeline: str | Config = ONE_PIPELINE,
        box: Box | None = None,
        k: int | None = 20,
        progress: Progress = notebook_progress,
        online: bool = True,
    ) -> pd.DataFrame:
        """Rank the database by ONE (Xie et al. 2015): by the mean similarity of the query's regions to the
        nearest region of each image.

        The pipeline says how regions are described (``whole`` is one region, ``grid``, ``rmac``,
        ``proposals``) and whether they are stored exactly or as codes (``pq``, ``opq``). Columns as of
        ``bench.search``. ``online=False``: an image of the collection is searched for by its stored regions.
        Raises WorkbenchError if it has none.
        """
        k = result_count(k)
        sets = self._engine.region_sets(Config.parse(pipeline), progress, query)
        ranking = one.rank(sets, one.query_regions(sets, query, box, online))
        relevance = relevance_of(self._engine.collection, query)
        table = ranking_table(ranking, sets.described.collection.images, relevance, k)
        table.attrs["warnings"] = warnings(sets.described)
        entry = find_query(self._engine.collection, query)
        table.attrs["query"] = entry.id if entry else ""
        return table

    def evidence(
        self,
        query: QueryLike,
        *,
        image_id: str | None = None,
        label: str | None = None,
        pipeline: str | Config = ONE_PIPELINE,
        box: Box | None = None,
        progress: Progress = notebook_progress,
    ) -> Evidence:
        """Split, exactly, the score that ``rank`` gives an image or ``bench.classify`` a label."""
        if (image_id is None) == (label is None):
            raise WorkbenchError("evidence is of an image_id or of a label: give one of them")
        sets = self._engine.region_sets(Config.parse(pipeline), progress, query)
        maps = query_maps(sets.described, query, box)[0]
        regions = one.describe_regions(sets.described, maps)
        if label is None:
            voters = image_voters(sets, regions, str(image_id))
        else:
            own = one.query_images(sets, query)
            voters = class_voters(one.compare_classes(sets, regions, sets.classes, own), label)
        votes = evidence(sets, maps, voters)
        collection, image = self._engine.collection, votes.strongest_image()
        return replace(
            votes,
            pipeline=str(sets.config),
            collection=collection.name,
            subject=str(image_id) if label is None else f"the class {label}",
            warnings=tuple(warnings(sets.described)),
            pictures=(
                named_picture(collection, query, box),
                NamedPicture(image, collection.path(image)),
            ),
        )

    def recall(
        self,
        pipeline: str | Config | None = None,
        *,
        counts: Sequence[int] = COUNTS,
        least: float = 0.5,
        progress: Progress = notebook_progress,
    ) -> RegionRecall:
        """Recall of the targets' boxes by the first regions: see ``analysis.proposal_recall``. ``.figure()``
        draws it."""
        return proposal_recall(
            self._engine.describe_vectors(self._engine.config(pipeline, "proposals:20"), progress),
            counts,
            least,
            progress=progress,
        )
