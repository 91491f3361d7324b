"""Confusion between labels: each image is given a label by the images nearest to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.collections.answers import labelled
from workbench.collections.collection import Collection
from workbench.collections.named_picture import NamedPicture
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.engine import one
from workbench.engine.description import DescribedCollection
from workbench.engine.image_regions import RegionSets, image_classes
from workbench.search.knn import nearest

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

EXAMPLES = 3  # images of a confusion
PICTURED = 6  # confusions whose examples are shown


@dataclass(frozen=True, repr=False)
class Confusion(Drawable):
    """The label of each image and the label predicted from the other images (leave one out).

    ``images`` has columns image_id, label, predicted and nearest, the image that decided: the nearest one
    with the predicted label. ``rule`` says how labels are predicted, ``kind`` what they are, and
    ``left_out`` is the number of images without a label or alone with it, which are in no count.
    """

    images: Table
    rule: str
    kind: str
    pipeline: str
    collection: str
    left_out: int = 0
    warnings: tuple[str, ...] = ()
    pictures: Mapping[str, NamedPicture] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        accuracy = f"{100 * self.accuracy:.1f} % of {len(self.images):,} images, {len(self.labels):,} labels"
        lines = [f"Confusion: {accuracy}, {self.pipeline}, by {self.rule}"]
        for error in self.errors().head(5).itertuples():
            lines.append(f"  {printable(error.label)} as {printable(error.predicted)}: {error.images}")
        return "\n".join(lines)

    @cached_property
    def labels(self) -> list[str]:
        """The labels, sorted; numbers in their order."""
        names = set(self.images["label"]) | set(self.images["predicted"])
        return sorted(names, key=lambda name: (len(name), name) if name.isdigit() else (0, name))

    @cached_property
    def counts(self) -> np.ndarray:
        """The number of images of each label (row) by the predicted label (column): int [n, n]."""
        rows, columns = (self.images[side].map(self._number) for side in ("label", "predicted"))
        counts = np.zeros((len(self.labels), len(self.labels)), np.int64)
        np.add.at(counts, (rows.to_numpy(int), columns.to_numpy(int)), 1)
        return counts

    @property
    def accuracy(self) -> float:
        """The share of images whose label is predicted, 0…1."""
        return float((self.images["label"] == self.images["predicted"]).mean())

    @cached_property
    def _number(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.labels)}

    def images_of(self, label: str, predicted: str) -> list[str]:
        """The images of a label for which another (or the same) is predicted."""
        chosen = (self.images["label"] == label) & (self.images["predicted"] == predicted)
        return list(self.images["image_id"][chosen])

    def errors(self) -> Table:
        """The confusions, the most frequent first: label, predicted, images (how many), share of the label's
        images (0…1), and examples, up to three image ids."""
        wrong = self.images[self.images["label"] != self.images["predicted"]]
        totals = Counter(self.images["label"])
        rows = [
            (label, predicted, len(ids), len(ids) / totals[label], list(ids[:EXAMPLES]))
            for (label, predicted), ids in wrong.groupby(["label", "predicted"], sort=True)["image_id"]
        ]
        table = Table(rows, columns=["label", "predicted", "images", "share", "examples"])
        return table.sort_values("images", ascending=False, kind="stable", ignore_index=True)

    def figure(self) -> Figure:
        """The counts as a heatmap; of many labels those with the most errors, and the others summed."""
        return draw("confusion", self)


def confusion(described: DescribedCollection, k: int = 1, progress: Progress = silent) -> Confusion:
    """Predict the label of each image as the most frequent among its ``k`` nearest other images.

    Nearest by the cosine of descriptors; of equally frequent labels, that of the nearest image. Raises
    WorkbenchError if there is no label with two images, or ``k`` is below 1.
    """
    if k < 1:
        raise WorkbenchError(f"k = {k} is not a number of neighbours; it must be at least 1")
    labels, rows = _labelled(described.collection)
    ids = described.collection.images
    vectors = np.ascontiguousarray(described.vectors[rows].numpy())
    neighbours, _ = nearest(vectors, min(k, len(rows) - 1) + 1, progress)
    known = [ids[row] for row in rows]
    table = []
    for image, others in zip(known, neighbours[:, 1:], strict=True):
        names = [labels[known[other]] for other in others]
        predicted = max(dict.fromkeys(names), key=names.count)  # the first of equally frequent ones
        table.append((image, labels[image], predicted, known[others[names.index(predicted)]]))
    rule = "the nearest image" if k == 1 else f"the majority of the {k} nearest images"
    return _result(described, table, rule)


def confusion_by_regions(region_sets: RegionSets, progress: Progress = silent) -> Confusion:
    """Predict the label of each image by ONE: that with the nearest regions (Xie et al. 2015).

    The regions of an image are those stored, and it has no vote itself. Raises as ``confusion``.
    """
    described = region_sets.described
    labels, rows = _labelled(described.collection)
    known = {described.collection.images[row]: labels[described.collection.images[row]] for row in rows}
    table = list(_by_regions(region_sets, known, progress))
    return _result(described, table, "the class with the nearest regions")


def _by_regions(
    region_sets: RegionSets, labels: Mapping[str, str], progress: Progress
) -> Iterator[tuple[str, str, str, str]]:
    ids = region_sets.described.collection.images
    classes = image_classes(ids, labels)
    for done, (image, label) in enumerate(labels.items()):
        progress("classifying", done, len(labels))
        compared = one.compare_classes(region_sets, region_sets.stored(image), classes, [image])
        number = int(compared.nearest.distances.mean(0).argmin())
        voted = np.searchsorted(region_sets.sets.starts, compared.nearest.rows[:, number], "right") - 1
        yield image, label, compared.names[number], ids[int(np.bincount(voted).argmax())]


def _labelled(collection: Collection) -> tuple[Mapping[str, str], list[int]]:
    """The labels of images, and the rows of the images whose label another image has too."""
    _, labels = labelled(collection)
    counts = pd.Series([labels[image] for image in collection.images if labels.get(image)]).value_counts()
    rows = [
        row for row, image in enumerate(collection.images) if labels.get(image) and counts[labels[image]] > 1
    ]
    if not rows:
        raise WorkbenchError(
            f"{collection.name!r} has no label with two images, so no labels can be confused: open a folder "
            'with labels="folders", or a CSV of labels'
        )
    return labels, rows


def _result(described: DescribedCollection, table: list[tuple[str, str, str, str]], rule: str) -> Confusion:
    collection = described.collection
    images = Table(table, columns=["image_id", "label", "predicted", "nearest"])
    kind = labelled(collection)[0].lower()
    left_out = len(collection.images) - len(images)
    return Confusion(images, rule, kind, str(described.config), collection.name, left_out)
