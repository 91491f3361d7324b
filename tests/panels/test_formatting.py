"""Durations that are estimated before the work starts: rounded up, in seconds, minutes or hours."""

from __future__ import annotations

import pytest

from workbench.analysis.map_method import MapMethod
from workbench.learning.attention.train import AttentionSettings
from workbench.learning.finetuning.train import FinetuningSettings
from workbench.panels.embedding_map.estimate import duration
from workbench.panels.formatting import about
from workbench.panels.training.estimate import training_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.3, "1 s"), (2.4, "5 s"), (7.8, "10 s"), (50, "1 min"), (61, "2 min"), (840, "15 min"), (7300, "2 h")],
)
def test_duration_is_rounded_up(seconds: float, text: str) -> None:
    assert about(seconds) == f"about {text}"


def test_estimates_are_those_that_were_measured() -> None:
    assert duration(MapMethod("pca"), 10_000) == "about 1 s"  # 0.03 s, and 1.1 s for the clusters
    assert duration(MapMethod("umap"), 630) == "about 10 s"  # 7.7 s
    assert duration(MapMethod("tsne"), 630) == "about 10 s"  # 8.9 s
    assert duration(MapMethod("tsne", 3), 2000) == "about 30 s"  # 10.4 s, and 6 s to start
    # docs/learning.md: about five minutes each.
    assert training_time("attention", AttentionSettings(), 1000) == "about 5 min"
    assert training_time("backbone", FinetuningSettings(), 810) == "about 5 min"
