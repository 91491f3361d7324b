"""What may be asked of a collection: names, files and pictures, as queries, maps, vectors and relevance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from PIL import Image, ImageOps

from workbench.collections import images
from workbench.collections.collection import Box, Collection, Query
from workbench.config import WorkbenchError
from workbench.described import Keypoints, Ready, mapped
from workbench.descriptors.bulk import describe_maps
from workbench.descriptors.describe import Parts, finished
from workbench.features.maps import Picture
from workbench.local.features import Features, LocalSource

Asked = str | Path | Image.Image  # a query's name, an image's name, a file, a decoded image


def named(collection: Collection, asked: Asked) -> Query | None:
    """The query of that name, or an image of that name as a query; None for anything else."""
    if isinstance(asked, Image.Image):
        return None
    name = str(asked)
    for query in collection.queries:
        if query.id == name:
            return query
    return Query(name, name) if name in collection.images else None


def required(collection: Collection, asked: Asked) -> Query | None:
    """As ``named``. Raises WorkbenchError where it is no file either."""
    query = named(collection, asked)
    if query is None and not isinstance(asked, Image.Image) and not Path(asked).expanduser().is_file():
        raise WorkbenchError(
            f"query {str(asked)!r} is neither a query nor an image of {collection.name!r}, nor a file"
        )
    return query


def file_of(collection: Collection, asked: Asked) -> Path | None:
    """The file of what is asked; None for a decoded image."""
    if isinstance(asked, Image.Image):
        return None
    query = named(collection, asked)
    return collection.path(query.image) if query else Path(asked).expanduser()


def picture(collection: Collection, asked: Asked, box: Box | None = None) -> Image.Image:
    """What the network sees of it, as RGB: upright, and cropped to ``box`` or to the query's own."""
    if isinstance(asked, Image.Image):
        upright = images.rgb(ImageOps.exif_transpose(asked))  # as its file would be read
        return upright if box is None else images.crop_to(upright, box)
    query, path = named(collection, asked), file_of(collection, asked)
    assert path is not None
    try:
        return images.load(path, box or (query.box if query else None))
    except WorkbenchError as error:
        raise WorkbenchError(f"image {str(asked)!r}: {error}") from None


def maps(ready: Ready, asked: Asked, box: Box | None = None) -> list[torch.Tensor]:
    """Its maps [1, C, H, W], a scale each: stored ones of the collection, or made now."""
    row = _row(ready, asked, box)
    if row is not None:
        return ready.maps(row)
    return mapped(ready.source).maps_of(picture(ready.collection, asked, box), ready.config.scales)


def features(ready: Ready, keypoints: Keypoints, asked: Asked, box: Box | None = None) -> Features:
    """Its local features: stored ones of the collection, or made now."""
    row = _row(ready, asked, box)
    return keypoints.of(row) if row is not None else local(keypoints.source, ready.collection, asked, box)


def local(source: LocalSource, collection: Collection, asked: Asked, box: Box | None = None) -> Features:
    """Its local features, where the collection need not be described: stored ones, or made now."""
    query, path = required(collection, asked), file_of(collection, asked)
    if path is not None:
        own = box or (query.box if query else None)
        stored = source.features(Picture(path, own)) if path.is_file() else None
        if stored is not None:
            return stored
    return source.features_of(picture(collection, asked, box))


def vector(ready: Ready, asked: Asked, box: Box | None = None) -> torch.Tensor:
    """Its descriptor [1, D]."""
    row = _row(ready, asked, box)
    if row is not None:
        return ready.described.vectors[row : row + 1]
    with torch.no_grad():
        if ready.words is not None:
            assert isinstance(ready.source, LocalSource)
            found = ready.source.features_of(picture(ready.collection, asked, box))
            counted = torch.from_numpy(ready.words.vector(ready.words.named(found)))
            parts = finished(Parts(counted[None, None]), ready.config, ready.described.final)
        else:
            parts, _ = describe_maps(maps(ready, asked, box), ready.config, ready.described)
        return parts.total.sum(1)


def _row(ready: Ready, asked: Asked, box: Box | None) -> int | None:
    query = required(ready.collection, asked)
    return ready.row(query) if box is None else None


def relevance(collection: Collection, asked: Asked) -> Callable[[str], str]:
    """What is known of an image: its grade, ``negative``, ``query`` for itself, or ``unknown``.

    A query that is cropped otherwise still asks for what its name asks for.
    """
    query = named(collection, asked)
    grades: Mapping[str, str] = collection.relevance.get(query.id, {}) if query else {}
    judged = query is not None and query.id in collection.relevance

    def of(image: str) -> str:
        if query is not None and image == query.image and image not in grades:
            return "query"
        return grades.get(image, "negative" if judged else "unknown")

    return of
