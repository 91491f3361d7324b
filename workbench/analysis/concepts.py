"""The concepts that tell some images of a collection from the others.

A concept is a name of WordNet: of a class of the embedded classifier, or of one of its hypernyms. Its share
among some images is the mean over them of the probability of all classes that have this name. Names are
ranked by the weighted log-likelihood ratio (Nigam, McCallum, Thrun and Mitchell, Machine Learning 2000):

    share · log2(share / elsewhere), in bits

which is large for names that are both frequent there and rare elsewhere. Both shares are smoothed by one
image of the collection's mean, so that a few images say nothing about a name that is rare everywhere. Names
with less than twice the share elsewhere are left out, and those of which most is another name's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.common.paths import shortened
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.engine.engine import Engine
from workbench.text.concept_names import concept_names

LEAST_RATIO = 2  # of the shares of a name there and elsewhere
MOST_SHARED = 0.5  # of the probability of two names that are both listed
COLUMNS = ["concept", "share", "elsewhere", "bits"]


class ConceptShares(Table):
    """A table of concept, share, elsewhere (shares from 0 to 1) and bits, the best concept first.

    ``attrs`` has the ``collection`` and the numbers of ``images`` and of ``others``.
    """

    @property
    def _constructor(self) -> Callable[..., ConceptShares]:
        return ConceptShares


def concept_shares(
    engine: Engine, images: Sequence[str], k: int | None = 5, progress: Progress = silent
) -> ConceptShares:
    """The ``k`` concepts that tell ``images`` from the rest of the collection: see ``ConceptShares``.

    Raises WorkbenchError if there are none, if one is not of the collection, or no other image is left.
    """
    (table,) = group_concepts(engine, {"": images}, k, progress).values()
    return table


def cluster_concepts(
    engine: Engine, frame: pd.DataFrame, k: int | None = 3, progress: Progress = silent
) -> ConceptShares:
    """``concept_shares`` of each cluster of a table of image_id and cluster, in one table of all clusters.

    Raises WorkbenchError if there is only one cluster.
    """
    if not {"image_id", "cluster"} <= set(frame.columns):
        raise WorkbenchError("concepts of clusters need a table with the columns image_id and cluster")
    members = {cluster: list(rows["image_id"]) for cluster, rows in frame.groupby("cluster")}
    tables = group_concepts(engine, members, k, progress)
    parts = [table.assign(cluster=cluster) for cluster, table in tables.items()]
    joined = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["cluster", *COLUMNS])
    result = ConceptShares(joined[["cluster", *COLUMNS]])
    result.attrs = {"collection": engine.collection.name, "images": len(frame)}
    return result


def group_concepts(
    engine: Engine, groups: Mapping[Any, Sequence[str]], k: int | None = 5, progress: Progress = silent
) -> dict[Any, ConceptShares]:
    """``concept_shares`` of several groups of images, by the name of the group."""
    rows = {image: row for row, image in enumerate(engine.collection.images)}
    chosen = {name: _rows(images, rows, engine.collection.name) for name, images in groups.items()}
    maps, probabilities = engine.class_probabilities(progress)
    if list(maps.collection.images) != list(rows):  # some turned out to be unreadable
        rows = {image: row for row, image in enumerate(maps.collection.images)}
        chosen = {
            name: _rows([image for image in images if image in rows], rows, maps.collection.name)
            for name, images in groups.items()
        }
    return {
        name: _shares(probabilities, members, k, maps.collection.name) for name, members in chosen.items()
    }


def _rows(images: Sequence[str], rows: Mapping[str, int], collection: str) -> list[int]:
    for image in images:
        if image not in rows:
            raise WorkbenchError(f"{shortened(str(image))!r} is not an image of {collection!r}")
    members = sorted({rows[image] for image in images})
    if not members:
        raise WorkbenchError("there is no image to name the concepts of; select some")
    if len(members) == len(rows):
        raise WorkbenchError(
            f"these are all {len(rows):,} images of {collection!r}, and concepts are those that are rarer in "
            "the other images; select fewer"
        )
    return members


def _shares(probabilities: np.ndarray, members: list[int], k: int | None, collection: str) -> ConceptShares:
    inside = np.zeros(len(probabilities), bool)
    inside[members] = True
    classes = np.stack([probabilities[inside].mean(0), probabilities[~inside].mean(0)]).astype(float)
    counts = np.array([[inside.sum()], [(~inside).sum()]])
    everywhere = (counts * classes).sum(0) / len(probabilities)
    names, belongs = concept_names()
    share, elsewhere = classes @ belongs
    mean = everywhere @ belongs
    smooth = [(n * p + mean) / (n + 1) for n, p in zip(counts[:, 0], (share, elsewhere), strict=True)]
    ratio = smooth[0] / np.maximum(smooth[1], 1e-12)
    bits = smooth[0] * np.log2(np.maximum(ratio, 1e-12))
    listed = _different(np.where(ratio >= LEAST_RATIO, bits, 0.0), classes[0], belongs, k)
    table = ConceptShares(
        {
            "concept": [names[name] for name in listed],
            "share": share[listed],
            "elsewhere": elsewhere[listed],
            "bits": bits[listed],
        },
        columns=COLUMNS,
    )
    table.attrs = {
        "collection": collection,
        "images": int(counts[0, 0]),
        "others": int(counts[1, 0]),
    }
    return table


def _different(bits: np.ndarray, classes: np.ndarray, belongs: np.ndarray, k: int | None) -> list[int]:
    """The names with the most bits, above zero, of which no two share most of their probability.

    The share of two names is that of the classes of both in the classes of either: "dog" leaves out "canine".
    """
    listed: list[int] = []
    for name in np.argsort(-bits, kind="stable"):
        if (k is not None and len(listed) >= k) or bits[name] <= 0:
            break
        both = classes @ (belongs[:, [name]] * belongs[:, listed])
        either = classes @ np.maximum(belongs[:, [name]], belongs[:, listed])
        if not listed or (both <= MOST_SHARED * either).all():
            listed.append(int(name))
    return listed


def concept_list(table: pd.DataFrame, most: int = 3) -> str:
    """The first concepts in words: "dog 85 % (elsewhere 5 %), …"."""
    first = table.head(most)
    shares = 100 * first[["share", "elsewhere"]].to_numpy(float)
    return ", ".join(
        f"{concept} {share:.0f} % (elsewhere {elsewhere:.0f} %)"
        for concept, (share, elsewhere) in zip(first["concept"], shares, strict=True)
    )
