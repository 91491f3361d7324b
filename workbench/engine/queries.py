"""Resolve a query (id, file or image) to picture, maps, descriptor and relevance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image, ImageOps

from workbench.collections import images
from workbench.collections.collection import Collection, Query
from workbench.collections.lookup import image_at
from workbench.collections.named_picture import NamedPicture
from workbench.collections.uploads import display_name
from workbench.common.geometry import Box, valid_box
from workbench.common.paths import shortened, user_path
from workbench.config.errors import WorkbenchError
from workbench.descriptors.aggregation import Parts, apply_final_steps
from workbench.descriptors.description import describe_maps
from workbench.engine.description import DescribedCollection, require_maps, require_vectors
from workbench.engine.keypoints import Keypoints
from workbench.features.map_source import Picture
from workbench.local.features import FeatureSource, LocalFeatures
from workbench.local.local_source import LocalSource

QueryLike = str | Path | Image.Image  # the id of a query or of an image, a file, or a decoded image


def find_query(collection: Collection, query: QueryLike) -> Query | None:
    """The query with this id, or the image with this id or path as a query; None for anything else."""
    if isinstance(query, Image.Image):
        return None
    name = str(query)
    if name in collection.queries_by_id:
        return collection.queries_by_id[name]
    image = image_at(collection, name)
    if image is None:
        return None
    named = collection.queries_by_id.get(image)
    if named is not None and named.image == image:
        return named
    if image not in collection.rows:
        return collection.queries_by_image[image][0]
    return Query(image, image)


def require_query(collection: Collection, query: QueryLike) -> Query | None:
    """As ``find_query``. Raises WorkbenchError if the query is no id, no file and no image."""
    entry = find_query(collection, query)
    if entry is None and not isinstance(query, Image.Image) and not images.exists(user_path(query, "query")):
        raise WorkbenchError(
            f"query {shortened(str(query))!r} is neither a query nor an image of {collection.name!r}, "
            "nor a file"
        )
    return entry


def query_file(collection: Collection, query: QueryLike) -> Path | None:
    """The file of a query; None for a decoded image."""
    if isinstance(query, Image.Image):
        return None
    entry = find_query(collection, query)
    return collection.path(entry.image) if entry else user_path(query, "query")


def query_picture(collection: Collection, query: QueryLike, box: Box | None = None) -> Image.Image:
    """The RGB image that the network gets: upright, and cropped to ``box`` or else to the query's own box."""
    if isinstance(query, Image.Image):
        upright = images.rgb(ImageOps.exif_transpose(query))  # as its file would be read
        return upright if box is None else images.crop_to(upright, valid_box(box))
    picture = query_input(collection, query, box)
    assert isinstance(picture, Picture)
    with _naming(query):
        return images.load(picture.path, picture.box)


def query_input(collection: Collection, query: QueryLike, box: Box | None = None) -> Picture | Image.Image:
    """The file of a query with its crop (``box``, or else the query's own), or the query's decoded image.

    A file is decoded as the files of the collection are, so that an equal file gets equal maps.
    """
    if isinstance(query, Image.Image):
        return query_picture(collection, query, box)
    entry, path = find_query(collection, query), query_file(collection, query)
    assert path is not None
    return Picture(path, valid_box(box) if box is not None else entry.box if entry else None)


def named_picture(collection: Collection, query: QueryLike, box: Box | None = None) -> NamedPicture:
    """The picture of a query as a result shows it: with the query's name, and its crop."""
    name = "image" if isinstance(query, Image.Image) else display_name(str(query))
    picture = query_input(collection, query, box)
    if isinstance(picture, Image.Image):
        return NamedPicture(name, picture)
    return NamedPicture(name, picture.path, picture.box)


@contextmanager
def _naming(query: QueryLike) -> Iterator[None]:
    """Add the name of the query to the message of an error."""
    try:
        yield
    except WorkbenchError as error:
        raise WorkbenchError(f"image {str(query)!r}: {error}") from None


def query_maps(
    described: DescribedCollection, query: QueryLike, box: Box | None = None
) -> list[torch.Tensor]:
    """The maps [1, C, H, W] of a query, one for each scale: stored or computed now."""
    row = _row(described, query, box)
    if row is not None:
        return described.maps(row)
    with _naming(query):
        picture = query_input(described.collection, query, box)
        return require_maps(described.source).maps_of(picture, described.config.scales)


def query_features(
    described: DescribedCollection, keypoints: Keypoints, query: QueryLike, box: Box | None = None
) -> LocalFeatures:
    """The local features of a query: stored features of the collection, or computed now."""
    row = _row(described, query, box)
    if row is not None:
        return keypoints.of(row)
    return keypoints.computed(lambda source: query_local_features(source, described.collection, query, box))


def query_local_features(
    source: FeatureSource, collection: Collection, query: QueryLike, box: Box | None = None
) -> LocalFeatures:
    """The local features of a query, stored or computed now, for a collection that need not be described."""
    require_query(collection, query)
    picture = query_input(collection, query, box)
    with _naming(query):
        stored = source.features(picture) if isinstance(picture, Picture) else None
        return stored or source.features_of(picture)


def query_vector(described: DescribedCollection, query: QueryLike, box: Box | None = None) -> torch.Tensor:
    """The descriptor [1, D] of a query. Raises WorkbenchError for a pipeline that has none."""
    require_vectors(described.config)
    row = _row(described, query, box)
    if row is not None:
        return described.vectors[row : row + 1]
    with torch.no_grad():
        if described.words is not None:
            assert isinstance(described.source, LocalSource)
            keypoints = query_local_features(described.source, described.collection, query, box)
            bag = torch.from_numpy(described.words.vector(described.words.assign(keypoints)))
            parts = apply_final_steps(Parts(bag[None, None]), described.config, described.descriptors.final)
        else:
            parts, _ = describe_maps(
                query_maps(described, query, box), described.config, described.descriptors
            )
        return parts.total.sum(1)


def _row(described: DescribedCollection, query: QueryLike, box: Box | None) -> int | None:
    entry = require_query(described.collection, query)
    return described.row(entry) if box is None else None


def relevance_of(collection: Collection, query: QueryLike) -> Callable[[str], str]:
    """A function from image id to relevance: the grade, ``negative``, ``query`` for the query's own image, or
    ``unknown``. A query keeps its ground truth if it is cropped to another box.
    """
    entry = find_query(collection, query)
    grades: Mapping[str, str] = collection.relevance.get(entry.id, {}) if entry else {}
    has_truth = entry is not None and entry.id in collection.relevance

    def grade_of(image: str) -> str:
        if entry is not None and image == entry.image and image not in grades:
            return "query"
        return grades.get(image, "negative" if has_truth else "unknown")

    return grade_of
