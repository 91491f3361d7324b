"""What indexes answer about themselves, by their steps."""

import numpy as np
import pytest

from workbench.config.steps import parse_index
from workbench.search.faiss_index import CANDIDATES, build
from workbench.search.ranking import Index

SIZE = 300


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(SIZE, 8)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def traits(index: Index) -> dict[str, object]:
    names = ("graph", "cell_count", "probes", "centroids", "selects_ties", "own_memory", "served_by")
    answers = {name: getattr(index, name) for name in names}
    return {name: answer for name, answer in answers.items() if answer}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("exact", {}),
        ("ivf:16:4", {"cell_count": 16, "probes": 4, "selects_ties": True, "own_memory": True}),
        ("hnsw:8", {"graph": True, "probes": 16, "selects_ties": True, "own_memory": True}),
        ("pq:4", {"centroids": 256, "selects_ties": True, "own_memory": True}),
        ("lsh:16", {"own_memory": True}),
        ("ivf:16:4,lsh:16", {"cell_count": 16, "probes": 4, "own_memory": True}),
    ],
)
def test_index_answers_by_its_steps(steps: str, expected: dict[str, object], vectors: np.ndarray) -> None:
    index = build(parse_index(steps), vectors)
    assert traits(index) == expected
    assert (index.exhaustive is index) == (steps == "exact")
    assert index.versions == {} and index.note == ""
    if index.cell_count:
        probing = index.probing(7)
        assert (probing.probes, probing.name) == (7, steps.replace(":4", ":7", 1))
        assert index.probes == 4


def test_reach_is_the_most_that_a_search_returns(vectors: np.ndarray) -> None:
    assert build((), vectors).reach == SIZE
    assert build(parse_index("hnsw:8"), vectors).reach == min(SIZE, CANDIDATES)
    index = build(parse_index("ivf:16:4"), vectors)
    longest = max(len(ranking.rows) for ranking in index.search(vectors))
    assert longest <= index.reach < SIZE


def test_only_codes_score_a_row_by_its_code(vectors: np.ndarray) -> None:
    assert build((), vectors).score(vectors[0], 1) is None
    assert build(parse_index("lsh:16"), vectors).score(vectors[0], 1) is None
    score = build(parse_index("ivf:16:1"), vectors).score(vectors[0], 1)  # in whichever cell it is
    assert score == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-6)
