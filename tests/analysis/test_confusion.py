"""Confusion between labels: predictions by hand, and the studies of a collection."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of, with_a_class_of_one
from workbench.analysis.confusion import confusion
from workbench.collections.collection import Collection
from workbench.config.errors import WorkbenchError

ANGLES = {"a1": 0, "a2": 2, "b1": 5, "b2": 40, "b3": 44, "c1": 3, "d1": 90}  # degrees; d1 has no label
LABELS = {"a1": "a", "a2": "a", "b1": "b", "b2": "b", "b3": "b", "c1": "c"}


def described(labels: dict[str, str]) -> Any:
    """Images as unit vectors in the plane, as if they had been described."""
    radians = np.radians(list(ANGLES.values()))
    vectors = torch.from_numpy(np.stack([np.cos(radians), np.sin(radians)], 1)).float()
    collection = Collection("some", Path(), tuple(ANGLES), labels=labels)
    return SimpleNamespace(collection=collection, vectors=vectors, config="x/max/whole")


def test_labels_are_predicted_by_the_nearest_other_images() -> None:
    """c1 is the only image of its label and d1 has none: both are left out, so a2 is the nearest of b1."""
    result = confusion(cast(Any, described(LABELS)))
    table = result.images.set_index("image_id")
    assert table["predicted"].to_dict() == {"a1": "a", "a2": "a", "b1": "a", "b2": "b", "b3": "b"}
    assert table["nearest"].to_dict() == {"a1": "a2", "a2": "a1", "b1": "a2", "b2": "b3", "b3": "b2"}
    assert (result.labels, result.counts.tolist()) == (["a", "b"], [[2, 0], [1, 2]])
    assert result.accuracy == pytest.approx(4 / 5) and result.left_out == 2
    errors = result.errors()
    assert errors.to_numpy().tolist() == [["b", "a", 1, pytest.approx(1 / 3), ["b1"]]]
    assert result.images_of("b", "a") == ["b1"] and result.images_of("a", "b") == []


def test_the_majority_of_several_neighbours_decides_and_the_nearest_breaks_ties() -> None:
    three = confusion(cast(Any, described(LABELS)), k=3).images.set_index("image_id")["predicted"]
    # a1: a2, b1, b2; the nearest two labels are a, b, b.
    assert three.to_dict() == {"a1": "b", "a2": "b", "b1": "a", "b2": "b", "b3": "b"}
    two = confusion(cast(Any, described(LABELS)), k=2).images.set_index("image_id")["predicted"]
    assert two["a1"] == "a"  # a2 and b1: one each, and a2 is nearer
    everything = confusion(cast(Any, described(LABELS)), k=100).images["predicted"]
    assert len(everything) == 5  # as many neighbours as there are


@pytest.mark.parametrize("labels", [{}, {"a1": "a", "a2": "b"}])
def test_a_collection_without_labels_is_refused(labels: dict[str, str]) -> None:
    with pytest.raises(WorkbenchError, match=r"'some' has no label with two images.*labels=\"folders\""):
        confusion(cast(Any, described(labels)))
    with pytest.raises(WorkbenchError, match="k = 0 is not a number of neighbours"):
        confusion(cast(Any, described(LABELS)), k=0)


def test_study_of_a_folder_by_images_and_by_regions(tmp_path: Path) -> None:
    bench = wb.open(with_a_class_of_one(tmp_path / "photos"), "folders", cache=tmp_path / "cache", size=96)
    pipeline = f"{NETWORK}/mean/grid:2x2"
    for regions in (False, True):
        result = bench.studies.confusion(pipeline, regions=regions)
        assert len(result.images) == 10 and result.left_out == 1 and result.kind == "label"
        assert set(result.labels) == {"kind0", "kind1", "kind2"}
        shown = [image for row in result.errors()["examples"] for image in row]
        assert set(result.pictures) == set(shown)
        assert f"Accuracy {100 * result.accuracy:.1f} %" in result._repr_html_()
    classes = bench.classify(bench.collection.images[0], pipeline=pipeline)
    first = result.images[result.images["image_id"] == bench.collection.images[0]]
    assert first["predicted"].item() == classes["label"].iloc[0]


def test_study_without_labels_is_refused(tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "photos", 4), cache=tmp_path / "cache", size=64)
    with pytest.raises(WorkbenchError, match="no label with two images"):
        bench.studies.confusion(f"{NETWORK}/max/whole")
