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


def test_by_hand() -> None:
    rng = np.random.default_rng(0)
    one, two, three = np.linalg.qr(rng.normal(size=(200, 3)))[0].T
    one, two, three = (x - x.mean() for x in (one, two, three))
    # The first and fourth go together, the second and fifth against each other; the third is alone.
    before = np.stack([one, two, three, 2 * one, -two], axis=1)
    found = correlate(before, np.stack([one, two, three], axis=1), 5)
    order = found.dimensions.tolist()
    assert abs(order.index(0) - order.index(3)) == 1 and abs(order.index(1) - order.index(4)) == 1
    at = [order.index(dimension) for dimension in range(5)]
    assert found.before[at[0], at[3]] == pytest.approx(1) and found.before[at[1], at[4]] == pytest.approx(-1)
    r = np.corrcoef(before.T)
    assert found.shared[0] == pytest.approx(((r**2).sum() - 5) / 20)  # two pairs of ten, and chance
    assert found.after == pytest.approx(np.corrcoef([one, two, three]))
    variances = np.sort(np.linalg.eigvalsh(np.cov(before.T)))[::-1]
    assert found.spectrum[0] == pytest.approx(variances / variances.sum(), abs=1e-12)


def test_a_number_that_never_changes_correlates_with_none() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 4))
    vectors[:, 2] = 0.5
    found = correlate(vectors, vectors, 4)
    assert np.isfinite(found.before).all()
    assert found.before[found.dimensions.tolist().index(2)] == pytest.approx(0)


@pytest.mark.parametrize("steps", ["max/rmac:2/pcaw:12", "mean/whole/pcaw:12", "mean/rmac:2/power:0.5/pca:8"])
def test_principal_directions_do_not_correlate(tmp_path: Path, steps: str) -> None:
    folder = folder_of(tmp_path / "photos", 60, kinds=6)
    bench = wb.open(folder, "folders", cache=tmp_path / "cache", size=96, device="cpu", precision="float32")
    found = bench.studies.cooccurrence(f"{NETWORK}/{steps}")
    assert found.vectors == (60 if "whole" in steps else found.vectors) and found.vectors >= 60
    assert len(found.after) == int(steps[-2:].strip(":"))
    # The normalisation after whitening brings a little of it back.
    assert found.shared[1] < found.shared[0] / 2


def test_without_whitening_there_is_nothing_to_see(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 6)
    bench = wb.open(folder, cache=tmp_path / "cache", size=64, device="cpu", precision="float32")
    with pytest.raises(WorkbenchError, match="has no whitening: name it"):
        bench.studies.cooccurrence(f"{NETWORK}/max/whole")
