"""The default pipeline of a collection: the one of least loss where nothing is known of its photos."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.collections.collection import Collection
from workbench.config.config import DEFAULT_PIPELINE

FEW_IMAGES = 200  # with fewer, whitening fitted to them lowers the mAP more often than it raises it
WEAK_STRENGTH = 0.25  # of whitening fitted to photos of unknown variety


@dataclass(frozen=True)
class DefaultPipeline:
    """A pipeline, the reason for it in one line, and the pipeline to try in its place."""

    pipeline: str
    reason: str
    alternative: str


def default_pipeline(collection: Collection) -> DefaultPipeline:
    """The default pipeline of a collection.

    The embedded collection and the benchmarks have full whitening, as published. Whitening fitted to few
    images, or to images of few classes, mostly divides by the variance that tells the classes apart, and the
    classes of a folder are not known. The rule is that of least loss over folders of 8 to 1,620 photos of 2
    to 81 classes (``benchmarks/strength.py``; the table is in docs/learning.md).
    """
    pooled = DEFAULT_PIPELINE.rpartition("/")[0]
    count = len(collection.images)
    if collection.protocol is not None and collection.protocol.name != "labels":
        reason = f"Whitened at full strength, as is usual on {collection.name}."
        return DefaultPipeline(DEFAULT_PIPELINE, reason, pooled)
    weak = f"{pooled}/pcaw:256:{WEAK_STRENGTH:g}"
    if count < FEW_IMAGES:
        return DefaultPipeline(
            pooled, f"Not whitened: {count:,} images are too few to fit a whitening to.", weak
        )
    reason = (
        f"Whitened at strength {WEAK_STRENGTH:g}: more could harm, as the variety of the images is unknown."
    )
    return DefaultPipeline(weak, reason, pooled)
