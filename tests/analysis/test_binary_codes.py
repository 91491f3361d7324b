"""The study of binary codes, against a count bit by bit and the law of random hyperplanes."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analysis.binary_codes import BinaryCodeStudy, binary_code_study
from workbench.common.progress import silent
from workbench.config.errors import WorkbenchError
from workbench.config.steps import parse_index
from workbench.search import faiss_index


def unit(count: int, seed: int, dimensions: int = 32) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def study(name: str, database: np.ndarray, queries: np.ndarray) -> BinaryCodeStudy:
    index = faiss_index.build(parse_index(name), database, 0, silent)
    return binary_code_study(index, database, queries)


@pytest.mark.parametrize("name", ["lsh:64", "sh:64", "itq:32"])
def test_numbers_agree_with_a_count_bit_by_bit(name: str) -> None:
    database, queries = unit(300, 1), unit(4, 2)
    index = faiss_index.build(parse_index(name), database, 0, silent)
    measured = binary_code_study(index, database, queries)
    bits = np.unpackbits(index.encode(database), axis=1).astype(int)  # type: ignore[attr-defined]
    query_bits = np.unpackbits(index.encode(queries), axis=1).astype(int)  # type: ignore[attr-defined]
    rarer = [min(column.mean(), 1 - column.mean()) for column in bits.T]
    assert measured.bits == bits.shape[1] and measured.images == 300
    assert measured.rarer_side == pytest.approx(np.mean(rarer))
    by_cosine: dict[float, list[int]] = {}
    for code, query in zip(query_bits, queries, strict=True):
        for row, vector in zip(bits, database, strict=True):
            by_cosine.setdefault(round(float(vector @ query) / 0.1) * 0.1 + 0.0, []).append(
                int((row != code).sum())
            )
    assert measured.angles["cosine"].tolist() == pytest.approx(sorted(by_cosine))
    for cosine, pairs, differing, deviation in measured.angles[
        ["cosine", "pairs", "differing", "deviation"]
    ].itertuples(index=False):
        counts = next(values for key, values in by_cosine.items() if abs(key - cosine) < 1e-9)
        assert (pairs, differing) == (len(counts), pytest.approx(np.mean(counts)))
        assert deviation == pytest.approx(np.std(counts))


def test_random_hyperplanes_differ_in_proportion_to_the_angle() -> None:
    database = unit(400, 3)
    queries = database[:2]  # of themselves, so that cosines of 1 are among the pairs
    angles = study("lsh:1024", database, queries).angles
    assert angles["cosine"].max() == pytest.approx(1.0)
    assert angles["differing"].iloc[-1] < 40 and angles["expected"].iloc[-1] < 40
    # The number of bits is binomial: its standard deviation is at most √1024 / 2 = 16.
    assert (abs(angles["differing"] - angles["expected"]) < 4 * 16).all()


def test_an_index_without_codes_is_named() -> None:
    with pytest.raises(WorkbenchError, match="'exact' has no binary codes"):
        study("exact", unit(10, 4), unit(1, 5))
