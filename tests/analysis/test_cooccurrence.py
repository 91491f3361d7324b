"""Co-occurrence in descriptors before and after whitening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.analysis.cooccurrence import correlate
from workbench.config.errors import WorkbenchError


def test_correlations_equal_values_computed_by_hand() -> None:
    rng = np.random.default_rng(0)
    first, second, third = np.linalg.qr(rng.normal(size=(200, 3)))[0].T
    first, second, third = (x - x.mean() for x in (first, second, third))
    # Dimensions 0 and 3 are proportional, 1 and 4 are opposite; 2 is independent of the others.
    before = np.stack([first, second, third, 2 * first, -second], axis=1)
    cooccurrence = correlate(before, np.stack([first, second, third], axis=1), 5)
    order = cooccurrence.dimensions.tolist()
    assert abs(order.index(0) - order.index(3)) == 1 and abs(order.index(1) - order.index(4)) == 1
    position = [order.index(dimension) for dimension in range(5)]
    assert cooccurrence.before[position[0], position[3]] == pytest.approx(1) and cooccurrence.before[
        position[1], position[4]
    ] == pytest.approx(-1)
    r = np.corrcoef(before.T)
    assert cooccurrence.shared[0] == pytest.approx(
        ((r**2).sum() - 5) / 20
    )  # two correlated pairs of ten, and chance
    assert cooccurrence.after == pytest.approx(np.corrcoef([first, second, third]))
    variances = np.sort(np.linalg.eigvalsh(np.cov(before.T)))[::-1]
    assert cooccurrence.spectrum[0] == pytest.approx(variances / variances.sum(), abs=1e-12)


def test_a_constant_dimension_has_zero_correlation() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 4))
    vectors[:, 2] = 0.5
    cooccurrence = correlate(vectors, vectors, 4)
    assert np.isfinite(cooccurrence.before).all()
    assert cooccurrence.before[cooccurrence.dimensions.tolist().index(2)] == pytest.approx(0)


@pytest.mark.parametrize("steps", ["max/rmac:2/pcaw:12", "mean/whole/pcaw:12", "mean/rmac:2/power:0.5/pca:8"])
def test_whitening_reduces_the_correlation_of_dimensions(tmp_path: Path, steps: str) -> None:
    folder = folder_of(tmp_path / "photos", 60, kinds=6)
    bench = wb.open(folder, "folders", cache=tmp_path / "cache", size=96, device="cpu", precision="float32")
    cooccurrence = bench.studies.cooccurrence(f"{NETWORK}/{steps}")
    assert (
        cooccurrence.vectors == (60 if "whole" in steps else cooccurrence.vectors)
        and cooccurrence.vectors >= 60
    )
    assert len(cooccurrence.after) == int(steps[-2:].strip(":"))
    # The normalisation after whitening restores a small part of the correlation.
    assert cooccurrence.shared[1] < cooccurrence.shared[0] / 2


def test_a_pipeline_without_whitening_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 6)
    bench = wb.open(folder, cache=tmp_path / "cache", size=64, device="cpu", precision="float32")
    with pytest.raises(WorkbenchError, match="has no whitening: name it"):
        bench.studies.cooccurrence(f"{NETWORK}/max/whole")
