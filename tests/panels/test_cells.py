"""Pipelines of cells in the panels: choices, local features, words, and the attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.support.pictures import folder_of
from workbench.collections.collection import Query
from workbench.common.progress import silent
from workbench.panels.attention import model as attention
from workbench.panels.local_matches import model as matches
from workbench.panels.pipeline_choices import CHOICES, valid_choices, with_part
from workbench.panels.pipeline_summary import description_of

CELLS = "efficientnet_lite0/asmk:64/whole/scales:3/pcaw:16"


def test_asmk_is_offered_where_it_has_a_meaning_for_the_cells_of_a_map() -> None:
    def offered(pipeline: str, label: str) -> list[str]:
        return [value for _, value in valid_choices(pipeline, label, CHOICES[label])[0]]

    whole = "efficientnet_lite0/max/whole/pcaw:128/scales:3/sv:100"
    assert with_part(whole, "Pooling", "asmk:64") == whole.replace("max", "asmk:64")
    assert "asmk:65536" in offered(whole, "Pooling") and "bow:4096" not in offered(whole, "Pooling")
    assert "asmk:65536" not in offered(whole.replace("whole", "rmac:3"), "Pooling")
    assert offered(CELLS, "Re-ranking") == ["", "sv:100"]
    assert offered(CELLS, "Regions") == ["whole"]
    assert offered(CELLS, "Index") == [""]


def test_the_summary_names_cells() -> None:
    assert description_of(CELLS) == (
        "signs of the sums of residuals to 64 visual words of up to 1,000 strong cells of the map, their "
        "products to the power 3 (ASMK) · at 3 scales · whitened to 16 numbers a cell"
    )


@pytest.mark.parametrize(
    ("features", "matched", "verified"),
    [
        ("", CELLS, f"{CELLS}/sv:20"),
        ("sift", f"{CELLS}/sv:1", f"{CELLS}/sv:20"),
        ("hardnet:mine", f"{CELLS}/sv:1:mine", f"{CELLS}/sv:20:mine"),
    ],
)
def test_local_matches_are_of_cells_or_of_chosen_keypoints(
    features: str, matched: str, verified: str
) -> None:
    assert matches.with_features(CELLS, features) == matched
    assert matches.with_and_without(CELLS, features, 20) == (CELLS, verified)


def test_the_panel_shows_attention_and_matches_of_cells(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", 6, kinds=2)
    bench = wb.open(folder, "folders", cache=tmp_path / "cache", size=128)
    pipeline = "timm:test_resnet@random/asmk:8/whole/scales:2/pcaw:4"
    first, second = "kind0/000.jpg", "kind0/002.jpg"
    request = attention.Request(first, None, second, None, pipeline, "")
    seen = attention.see(bench, request, Query(first, first), silent)
    assert "cells" in attention.kinds(seen) and "contribution" not in attention.kinds(seen)
    heat = attention.heat(seen, "cells", 0)
    assert heat is not None and seen.activations is not None
    np.testing.assert_allclose(heat, np.linalg.norm(seen.activations.maps, axis=0), rtol=1e-5)
    assert attention.regions(seen, "weight") == []
    assert "regions" not in attention.note(seen)
    match = bench.match(first, second, pipeline=pipeline)
    assert "cells of timm:test_resnet" in " ".join(map(str, matches.summary(match, "timm:test_resnet")))
    assert len(matches.word_rows(match)) == len(match.words) > 0
