"""The ways of querying, measured on photos."""

from __future__ import annotations

import pytest

from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError

PIPELINE = "efficientnet_lite0/max/whole"


def test_each_way_has_its_bytes_and_the_map_of_its_rankings(bench24: Bench) -> None:
    budget = bench24.studies.budget(PIPELINE, codes=["lsh:64", "pq:7"], jpegs=[(64, 90), (64, 10)])
    table = budget.table.set_index("detail")
    exact = bench24.evaluate(PIPELINE, localise=False)
    assert table.loc["fp32", "mean_ap"] == pytest.approx(exact.mean_ap, abs=1e-6)
    assert list(table.loc[["fp32", "fp16", "int8"], "bytes_up"]) == [4 * 1280, 2 * 1280, 1280 + 4]
    best, worst = table.loc[["64 px, q 90", "64 px, q 10"], "bytes_up"]
    assert worst < best
    sent, held = (row for _, row in table.loc[["lsh:64"]].iterrows())
    coded = bench24.evaluate(f"{PIPELINE}/lsh:64", localise=False)
    assert sent["mean_ap"] == held["mean_ap"] == pytest.approx(coded.mean_ap, abs=1e-6)
    assert sent["bytes_up"] == 8 and held["bytes_up"] == 0
    assert held["phone_1000000"] - held["phone_10000"] == 8 * 990_000
    assert 5e6 < sent["phone_10000"] < 9e6  # 3.4 million weights in half precision
    assert "7 equal parts" in budget.left_out["pq:7"]


def test_a_step_that_is_no_code_is_named(bench24: Bench) -> None:
    with pytest.raises(WorkbenchError, match="'hnsw:32' is no code that a phone can send"):
        bench24.studies.budget(PIPELINE, codes=["hnsw:32"])
