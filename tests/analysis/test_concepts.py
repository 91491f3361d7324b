"""Concepts of groups of images, by hand on small tables, and of photographs of the package scikit-image."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skimage

from tests.support.benches import opened
from workbench.analysis import concepts
from workbench.analysis.concepts import concept_list, concept_shares
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.text.concept_names import ConceptNames, close, concept_names

# Classes: terrier, hound, cat, car. The first names belong to several of them.
NAMES = ConceptNames(
    ["thing", "animal", "dog", "terrier", "car"],
    np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 1]], np.float32),
)
PROBABILITIES = np.array(
    [[0.6, 0.4, 0.0, 0.0], [0.4, 0.6, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]], np.float32
)
PHOTOS = ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png", "page.png", "motorcycle_left.png")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder, data = tmp_path_factory.mktemp("photos"), Path(skimage.__file__).parent / "data"
    names = [name for name in PHOTOS if (data / name).is_file()]
    for name in names:
        (folder / name).write_bytes((data / name).read_bytes())
    return opened(folder, tmp_path_factory.mktemp("cache"), labels="none", size=256)


def pets(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An engine of four images with the probabilities above."""
    monkeypatch.setattr(concepts, "concept_names", lambda: NAMES)
    collection = SimpleNamespace(name="pets", images=("a", "b", "c", "d"))
    maps = SimpleNamespace(collection=collection)
    return SimpleNamespace(collection=collection, class_probabilities=lambda progress: (maps, PROBABILITIES))


def test_shares_and_bits_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two dogs among four images; shares are smoothed by an image of the mean, dog 0.5 and terrier 0.25."""
    table = concept_shares(pets(monkeypatch), ["b", "a", "a"], 5)
    assert list(table["concept"]) == ["dog", "terrier"]  # animal has the same classes there as dog
    assert table["share"].tolist() == pytest.approx([1, 0.5])
    assert table["elsewhere"].tolist() == pytest.approx([0, 0])
    assert table["bits"].tolist() == pytest.approx([2.5 / 3 * np.log2(5), 1.25 / 3 * np.log2(5)])
    assert table.attrs == {"collection": "pets", "images": 2, "others": 2}
    assert concept_list(table) == "dog 100 % (elsewhere 0 %), terrier 50 % (elsewhere 0 %)"


def test_names_as_frequent_elsewhere_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dog and a car: of the names only "car" has twice its share among the others."""
    assert list(concept_shares(pets(monkeypatch), ["a", "d"], None)["concept"]) == ["car"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "there is no image to name the concepts of; select some"),
        (["a", "x"], "'x' is not an image of 'pets'"),
        (["a", "b", "c", "d"], "these are all 4 images of 'pets'.*select fewer"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(
    images: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WorkbenchError, match=message):
        concept_shares(pets(monkeypatch), images)


def test_farther_hypernyms_follow_from_those_of_other_classes() -> None:
    """Class 1 names only 0 and 1, but 2 and 3 are above 1; 4 follows 1 in one of two chains, so it is not."""
    belongs = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0, 1, 1, 1, 1]], bool)
    close(belongs, [[0, 1, 2, 3], [0, 1], [1, 2, 3, 4], [1, 2, 3]])
    assert belongs.astype(int).tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [0, 1, 1, 1, 1]]


def test_the_shipped_names_are_complete_far_above_a_class() -> None:
    """By the hypernyms of WordNet 3.0 among the 1,000 classes: 118 dogs, 218 mammals, 59 birds."""
    names, belongs = concept_names()
    counts = dict(zip(names, belongs.sum(0).astype(int), strict=True))
    assert counts["dog"] == 118
    assert counts["mammal"] == 218 and counts["bird"] >= 50
    assert len(names) == len(set(names))


def test_photographs_are_named(photos: Bench) -> None:
    cat = photos.studies.concepts(["chelsea.png"], k=3)
    assert {"cat", "domestic cat", "feline"} & set(cat["concept"])
    assert (cat["share"] > cat["elsewhere"]).all() and (cat["bits"].diff()[1:] <= 0).all()
    frame = pd.DataFrame({"image_id": photos.collection.images})
    frame["cluster"] = [1 if image == "chelsea.png" else 2 for image in frame["image_id"]]
    clusters = photos.studies.cluster_concepts(frame, k=3)
    first = clusters[clusters["cluster"] == 1].drop(columns="cluster").reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.DataFrame(first), pd.DataFrame(cat), check_exact=False)
    with pytest.raises(WorkbenchError, match="columns image_id and cluster"):
        photos.studies.cluster_concepts(frame[["image_id"]])
