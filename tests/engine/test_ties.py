"""mAP does not depend on the names of images with equal scores, in any pipeline; its note gives bounds."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.benches import opened
from tests.support.extraction import NETWORK
from tests.support.pictures import picture
from workbench.bench.bench import Bench
from workbench.evaluation.precision import average_precision

STEPS = [
    *("exact", "pq:4", "hnsw:4", "ivf:2:2", "ivf:2:2,pq:4", "imi:1:4", "lsh:16", "sh:16"),
    *("aqe:2", "dba:2", "diffusion:3", "kreciprocal:3:2:0.3", "pq:4/aqe:2"),
]


def a_folder(root: Path, names: list[str], pictures: list[Image.Image]) -> Path:
    for name, image in zip(names, pictures, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / f"{name}.png")
    return root


@pytest.fixture(scope="module")
def identical(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Eight copies of one picture in two classes."""
    root = tmp_path_factory.mktemp("identical")
    names = [f"{'ab'[i // 4]}/{i}" for i in range(8)]
    return opened(a_folder(root / "photos", names, [picture(1)] * 8), root / "cache")


@pytest.mark.parametrize("steps", STEPS)
def test_identical_images_have_the_map_of_chance_and_its_bounds(identical: Bench, steps: str) -> None:
    # Three positives among the seven others.
    evaluation = identical.evaluate(f"{NETWORK}/mean/whole/{steps}")
    orders = {tuple(np.flatnonzero(order)) for order in permutations([1, 1, 1, 0, 0, 0, 0])}
    values = [average_precision(list(ranks), 3, "sum") for ranks in orders]
    assert evaluation.mean_ap == pytest.approx(np.mean(values))
    assert evaluation.metrics["mAP_pessimistic"] == pytest.approx(min(values))
    assert evaluation.metrics["mAP_optimistic"] == pytest.approx(1)
    (note,) = [warning for warning in evaluation.warnings if "same score" in warning]
    assert note.startswith("8 of 8 queries")
    assert note.endswith(f"{100 * min(values):.1f} or 100.0 %")


def test_images_without_keypoints_tie_whatever_their_folder_is_called(tmp_path: Path) -> None:
    # Six images, three of one colour in one class: a bag of words scores them 0 with every image.
    rng = np.random.default_rng(0)
    textured = [
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).resize((240, 240)) for _ in range(3)
    ]
    plain = [Image.new("RGB", (240, 240), (90 * i, 40, 90)) for i in range(3)]
    measured = []
    for empty in ("a", "z"):
        names = [*(f"m/{i}" for i in range(3)), *(f"{empty}/{i}" for i in range(3))]
        bench = opened(a_folder(tmp_path / empty, names, textured + plain), tmp_path / "cache", size=256)
        measured.append(bench.evaluate("sift/bow:64/whole"))
    first, second = measured
    assert first.mean_ap == pytest.approx(second.mean_ap, abs=1e-12)
    by_class = first.per_query.groupby(first.per_query["query"].str[0])["ap"].mean()
    # Two positives among five results of one score.
    chance = np.mean([average_precision([i, j], 2, "sum") for i in range(5) for j in range(i)])
    assert by_class["a"] == pytest.approx(chance)
    assert any("3 images have no keypoints" in warning for warning in first.warnings)
    assert any("queries have positives with the same score" in warning for warning in first.warnings)


def test_a_collection_without_ties_has_no_note_and_no_bounds(bench48: Bench) -> None:
    evaluation = bench48.evaluate(f"{NETWORK}/mean/whole/pcaw:16")
    assert not any("same score" in warning for warning in evaluation.warnings)
    assert "mAP_optimistic" not in evaluation.metrics
