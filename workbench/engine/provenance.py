"""The provenance and the warnings of an evaluation."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from workbench.collections.collection import Collection, require_ground_truth
from workbench.collections.truth_files import change_note
from workbench.config.errors import VERSION
from workbench.descriptors.proposals import origin
from workbench.descriptors.whitening import Whitening
from workbench.engine.default_pipeline import FEW_IMAGES, WEAK_STRENGTH
from workbench.engine.description import DescribedCollection
from workbench.engine.searcher import Searcher
from workbench.features.map_source import MapSource
from workbench.local.vocabulary import VisualWords

FEW_CLASSES = 80  # with fewer, the directions of most variance tell them apart
FEW_VECTORS = 3  # vectors per dimension; with fewer, whitening mostly amplifies noise


def provenance(searcher: Searcher, measured_costs: Mapping[str, float]) -> dict[str, Any]:
    """The collection, protocol, settings, trained parts, timings and versions behind an evaluation."""
    described = searcher.described
    protocol = require_ground_truth(described.collection)
    descriptors, source = described.descriptors, described.source
    fitted = [w.provenance for w in (*descriptors.regional, *descriptors.final) if w is not None]
    attention, proposals = descriptors.attention, descriptors.proposals
    runtime = source.runtime if isinstance(source, MapSource) else ""
    compared = searcher.keypoints and (searcher.keypoints.verifying or searcher.keypoints)
    kernel = searcher.index.kernel_arguments
    return {
        "collection": described.collection.name,
        "protocol": protocol.name,
        "ap_variant": protocol.variant,
        "protocol_note": protocol.note,
        "images": len(described.collection.images),
        "queries": len(described.collection.queries),
        "unreadable": len(described.collection.problems),
        "size": source.size if isinstance(source, MapSource) else source.options.size,
        "resize": source.resize,
        "precision": source.precision,
        "device": source.device,
        **({"runtime": runtime} if runtime else {}),
        "weights": source.fingerprint,
        "seed": source.options.seed,
        "dimensions": descriptors.vectors.shape[1],  # 0 without vectors
        "whitening": fitted,
        **({} if attention is None else {"attention": attention.origin}),
        **({} if proposals is None else {"proposals": origin(proposals)}),
        **({} if described.words is None else {"vocabulary": _vocabulary(described)}),
        **({"kernel": kernel} if kernel else {}),
        **({"verified by": compared.source.spec.name} if compared and searcher.rerankers else {}),
        "index": searcher.index.name,
        **({"index server": server} if (server := searcher.index.served_by) else {}),
        "shared_bytes": searcher.index.shared_bytes,
        "distractors": source.options.distractors,
        "seconds": round(described.seconds + sum(searcher.build_seconds.values()), 3),
        "timings": {
            **{f"seconds to make {part}": round(s, 3) for part, s in searcher.build_seconds.items()},
            **{name: round(ms, 3) for name, ms in measured_costs.items() if name.startswith("milliseconds")},
        },
        "versions": {
            "workbench": VERSION,
            "torch": torch.__version__,
            "torchvision": version("torchvision"),
            "timm": version("timm"),
            "python": platform.python_version(),
            **({"openvino": version("openvino")} if runtime.startswith("openvino") else {}),
            **searcher.index.versions,
        },
    }


def _vocabulary(described: DescribedCollection) -> dict[str, Any]:
    assert described.words is not None
    counts = np.diff(described.words.starts)[: len(described.collection.images)]
    return {
        "words": len(described.words.centroids),
        "keypoints an image": round(float(counts.mean()), 1),
        "collection": described.collection.name,
    }


def warnings(described: DescribedCollection) -> list[str]:
    """The warnings about a described collection that are shown with its measures."""
    collection, descriptors = described.collection, described.descriptors
    warnings = [*collection.notes, *described.source.notes]
    if changed := change_note(collection.truth_files):
        warnings.append(changed)
    if descriptors.repaired:
        warnings.append("the stored descriptors were damaged and were computed again")
    if described.words is not None:
        warnings += _vocabulary_warnings(described.words, len(collection.images))
    if described.source.spec.random:
        warnings.append("random weights: this backbone was never trained")
    for whitening in (*descriptors.regional, *descriptors.final):
        if whitening is not None:
            warnings += _whitening_warnings(whitening, collection)
    if without := descriptors.without:
        warnings.append(f"{without} images have no proposed region: the whole map is used for them")
    attention = descriptors.attention
    if attention is not None and attention.origin.get("collection") == collection.name:
        warnings.append("attention was trained on a collection of this name")
    if collection.problems:
        warnings.append(f"{len(collection.problems)} images could not be read and are left out")
    return warnings


def search_warnings(searcher: Searcher) -> list[str]:
    """The warnings about a search: those about the described collection, its index and its re-ranking.

    All results carry them: rankings and explanations in ``warnings``, tables in ``attrs["warnings"]``.
    """
    return [*warnings(searcher.described), *searcher.notes]


def _vocabulary_warnings(words: VisualWords, images: int) -> Iterator[str]:
    yield "the vocabulary was learned on the evaluated collection"
    if words.repaired:
        yield "the stored visual words were damaged and were computed again"
    if (count := len(words.centroids)) < words.requested:
        few = "there are too few descriptors for more"
        yield f"the vocabulary has {count} words, not {words.requested}: {few}"
    if empty := int((np.diff(words.starts)[:images] == 0).sum()):
        yield f"{empty} images have no keypoints: their score is 0, for every query and as a query"


def _whitening_warnings(whitening: Whitening, collection: Collection) -> Iterator[str]:
    provenance, kind = whitening.provenance, whitening.kind
    same = provenance.get("collection", "") == collection.name
    other = provenance.get("collection", "unknown")
    where = "the evaluated collection" if same else f"another collection, {other!r}"
    yield f"{kind} was fitted on {where}" + (" with its ground truth" if kind == "lw" else "")
    wanted, kept = provenance["asked"], provenance["kept"]
    strong = kind == "pcaw" and provenance.get("strength", 1) > WEAK_STRENGTH
    if strong and kept * FEW_VECTORS > provenance.get("vectors", np.inf):
        yield (
            f"{kind} was fitted on {provenance['vectors']} vectors for {kept} dimensions: it amplifies noise"
        )
    if strong and same:
        yield from _few_images(collection, wanted)
    if kept < wanted:
        yield f"{kind} keeps {kept} of {wanted} dimensions: the vectors span no more"


def _few_images(collection: Collection, dimensions: int) -> Iterator[str]:
    """Warn where whitening is fitted to few images or classes: docs/learning.md has the measurements."""
    images, classes = len(collection.images), len(set(collection.labels.values()))
    if images < FEW_IMAGES or 0 < classes < FEW_CLASSES:
        counted = f"{images:,} images" + f" of {classes} classes" * (classes > 0)
        yield (
            f"pcaw was fitted on {counted}: so few can lose far more than they gain by it; compare with "
            f"pcaw:{dimensions}:{WEAK_STRENGTH:g} and with no whitening"
        )
