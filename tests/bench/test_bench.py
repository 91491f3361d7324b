"""Pipelines end to end on small real collections: search, evaluation and runs of the network."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import workbench as wb
from tests.support.benches import mean_ap_of, opened
from tests.support.extraction import NETWORK, source
from workbench.bench.bench import Bench
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.engine.description_cache import DescriptionCache
from workbench.features.network import Network

COUNT, KINDS = 24, 4
STEPS = ["pca:8", "pcaw:8", "lw:8", "power", "norm/pcaw:8"]


@pytest.fixture(scope="module")
def bench(bench24: Bench) -> Bench:
    return bench24


@pytest.fixture(scope="module")
def folder(bench: Bench) -> Path:
    """Six photos of each of four kinds, in three shapes."""
    return bench.collection.root


@pytest.fixture(scope="module")
def cache(bench: Bench) -> Path:
    return bench.options.cache


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch size of each call of the real network."""
    sizes: list[int] = []
    original = Network.__call__

    def counting(self: Network, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        return original(self, images)

    monkeypatch.setattr(Network, "__call__", counting)
    return sizes


def scores(table: pd.DataFrame) -> dict[str, float]:
    return dict(zip(table["image_id"], table["score"], strict=True))


def assert_same_scores(actual: pd.DataFrame, expected: pd.DataFrame) -> None:
    actual_scores, expected_scores = scores(actual), scores(expected)
    assert actual_scores.keys() == expected_scores.keys()
    assert max(abs(actual_scores[image] - expected_scores[image]) for image in actual_scores) < 2e-3


def test_the_network_runs_once_for_each_image(folder: Path, tmp_path: Path, calls: list[int]) -> None:
    first = opened(folder, tmp_path)
    first.evaluate(f"{NETWORK}/max/rmac:3/pcaw:8")
    assert sum(calls) == COUNT
    calls.clear()
    for pipeline in ("max/rmac:3/pca:4", "mean/whole", "gem:3/grid:2x2/norm", "crow/whole/lw:8/power"):
        first.evaluate(f"{NETWORK}/{pipeline}")
        opened(folder, tmp_path).evaluate(f"{NETWORK}/{pipeline}")  # also in another session
    first.search("kind0/000.jpg", pipeline=f"{NETWORK}/mean/rmac:2")
    first.explain("kind0/000.jpg", "kind0/004.jpg", pipeline=f"{NETWORK}/mean/rmac:2")
    assert calls == []
    first.evaluate(f"{NETWORK}/mean/whole/scales:2")  # the second scale is new
    assert sum(calls) == COUNT


POOLINGS, REGIONS = ("max", "mean", "gem:3", "crow"), ("whole", "rmac:3", "rmac+:3", "grid:3x3")
PRODUCT = itertools.product(POOLINGS, REGIONS, ("", "/centre", "/norm"))


@pytest.mark.parametrize(
    "pipeline",
    [f"{pooling}/{regions}{weighting}" for pooling, regions, weighting in PRODUCT]
    + [f"max/rmac:2/{step}" for step in STEPS]
    + [f"max/rmac:2/{step}" for step in ("scales:3", "pcaw:8/power/scales:2")],
)
def test_every_combination_of_parts_evaluates_and_searches(bench: Bench, pipeline: str) -> None:
    evaluation = bench.evaluate(f"{NETWORK}/{pipeline}")
    assert evaluation.mean_ap == pytest.approx(mean_ap_of(evaluation, bench.collection))
    assert len(evaluation.per_query) == COUNT
    table = bench.search("kind1/001.jpg", pipeline=f"{NETWORK}/{pipeline}", k=None)
    assert sorted(table["image_id"]) == sorted(bench.collection.images)
    assert table["score"].between(-1 - 1e-5, 1 + 1e-5).all() and table["score"].is_monotonic_decreasing
    assert table["image_id"][0] == "kind1/001.jpg" and table["score"][0] == pytest.approx(1, abs=1e-5)


def test_codes_of_the_global_pool_equal_mean_pooling(bench: Bench) -> None:
    pipeline = f"{NETWORK.replace('@', '@global_pool@')}/code/whole"
    assert bench.evaluate(pipeline).provenance["dimensions"] == 96
    # The global pool of this network is the mean of its last map.
    assert_same_scores(
        bench.search("kind0/000.jpg", pipeline=pipeline, k=None),
        bench.search("kind0/000.jpg", pipeline=f"{NETWORK}/mean/whole", k=None),
    )


def test_scores_are_inner_products_of_pooled_maps(bench: Bench, tmp_path: Path) -> None:
    """MAC by hand: the inner product of channel maxima, normalised to unit length."""
    table = bench.search("kind0/000.jpg", pipeline=f"{NETWORK}/max/whole", k=None)
    maps_of = source(tmp_path).maps_of

    def mac(image: str) -> np.ndarray:
        (maps,) = maps_of(Image.open(bench.collection.path(image)))
        values = maps[0].numpy().max(axis=(1, 2))
        return values / np.linalg.norm(values)

    query = mac("kind0/000.jpg")
    for image, score in scores(table).items():
        assert score == pytest.approx(float(query @ mac(image)), abs=2e-3)


@pytest.mark.parametrize("parts", ["max/rmac:3/pcaw:8", "gem:3/whole", "mean/whole/scales:2"])
def test_a_query_by_id_path_image_or_full_box_gives_the_same_ranking(bench: Bench, parts: str) -> None:
    pipeline, image = f"{NETWORK}/{parts}", bench.collection.images[5]
    by_id = bench.search(image, pipeline=pipeline, k=None)
    path = bench.collection.path(image)
    for other in (path, str(path), Image.open(path)):
        assert_same_scores(bench.search(other, pipeline=pipeline, k=None), by_id)
    width, height = Image.open(path).size
    assert_same_scores(bench.search(image, box=(0, 0, width, height), pipeline=pipeline, k=None), by_id)


def test_a_box_crops_the_query(bench: Bench, tmp_path: Path) -> None:
    pipeline, box = f"{NETWORK}/max/whole", (10.4, 20.2, 74.4, 84.6)
    image = bench.collection.images[0]
    cut = Image.open(bench.collection.path(image)).crop((10, 20, 75, 85))
    cropped = bench.search(image, box=box, pipeline=pipeline, k=None)
    assert_same_scores(cropped, bench.search(cut, pipeline=pipeline, k=None))
    assert abs(scores(cropped)[image] - 1) > 2e-3
    moved = (10.4 + 32, *box[1:])
    assert (
        abs(scores(bench.search(image, box=moved, pipeline=pipeline, k=None))[image] - scores(cropped)[image])
        > 1e-4
    )
    with pytest.raises(wb.WorkbenchError, match="box 500,500,600,600 holds no pixel"):
        bench.search(image, box=(500, 500, 600, 600), pipeline=pipeline)


def test_a_query_box_in_a_table_equals_the_same_box_given_to_search(
    folder: Path, cache: Path, tmp_path: Path
) -> None:
    """The stored map of a query's crop equals the map of the same crop passed to search."""
    table = tmp_path / "labels.csv"
    rows = [
        f"{folder / f'kind{n % KINDS}' / f'{n:03}.jpg'},kind{n % KINDS},database,,,," for n in range(1, COUNT)
    ]
    rows.append(f"{folder / 'kind0' / '000.jpg'},kind0,query,31.7,8.2,111.9,88.3")
    table.write_text("\n".join(["path,label,split,x0,y0,x1,y1", *rows]), encoding="utf-8")
    bench = opened(table, cache, "none")
    (query,) = bench.collection.queries
    evaluation = bench.evaluate(f"{NETWORK}/max/whole")
    assert evaluation.metrics["mAP"] == pytest.approx(mean_ap_of(evaluation, bench.collection))
    by_id = bench.search(query.id, pipeline=f"{NETWORK}/max/whole", k=None)
    assert query.image not in set(by_id["image_id"])
    assert_same_scores(
        bench.search(folder / "kind0" / "000.jpg", box=query.box, pipeline=f"{NETWORK}/max/whole", k=None),
        by_id,
    )


def test_the_labels_protocol_excludes_the_query_from_its_ap(bench: Bench) -> None:
    """The AP is the mean of the precision at each positive, without the query itself."""
    evaluation = bench.evaluate(f"{NETWORK}/gem:3/whole")
    for query, ap in zip(evaluation.per_query["query"], evaluation.per_query["ap"], strict=True):
        table = bench.search(query, pipeline=f"{NETWORK}/gem:3/whole", k=None)
        assert table["relevance"][table["image_id"] == query].tolist() == ["query"]
        rest = [
            r == "positive" for r, i in zip(table["relevance"], table["image_id"], strict=True) if i != query
        ]
        ranks = np.flatnonzero(rest)
        assert len(ranks) == COUNT // KINDS - 1
        assert ap == pytest.approx(float(np.mean((np.arange(len(ranks)) + 1) / (ranks + 1))))
    assert evaluation.mean_ap == pytest.approx(evaluation.per_query["ap"].mean())


def test_an_evaluation_is_reproducible_in_this_and_another_process(folder: Path, cache: Path) -> None:
    pipeline = f"{NETWORK}/max/rmac:3/pcaw:8"
    first, second = (opened(folder, cache).evaluate(pipeline) for _ in range(2))
    assert first.metrics == second.metrics and first.per_query.equals(second.per_query)
    code = (
        "import sys, workbench as wb; bench = wb.open(sys.argv[1], 'folders', cache=sys.argv[2], size=128, "
        "device='cpu', precision='float32'); print(repr(bench.evaluate(sys.argv[3]).mean_ap))"
    )
    command = [sys.executable, "-c", code, str(folder), str(cache), pipeline]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(process.stdout) == first.mean_ap


def test_an_evaluation_reports_warnings_and_provenance(bench: Bench) -> None:
    warnings = bench.evaluate(f"{NETWORK}/mean/whole/lw:8").warnings
    assert any("random weights" in warning for warning in warnings)
    assert any(
        "lw was fitted on the evaluated collection with its ground truth" in warning for warning in warnings
    )
    few = bench.evaluate(f"{NETWORK}/mean/whole/pcaw:256")
    assert few.provenance["dimensions"] < COUNT
    assert any(
        f"keeps {few.provenance['dimensions']} of 256 dimensions" in warning for warning in few.warnings
    )
    assert few.provenance["protocol"] == "labels" and few.provenance["ap_variant"] == "sum"


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (f"{NETWORK}/max/proposals:20", "none come with this backbone; train them"),
        (f"{NETWORK}/max/rmac:3/attention", "none comes with this backbone; train one"),
        (f"{NETWORK}/max/whole/attention", "valid with it: rmac"),
        (
            f"{NETWORK}/max/rmac:3/ivf:64,pq:4",
            "64 centroids need as many vectors, and there are 24; use ivf:5",
        ),
        (
            f"{NETWORK}/max/rmac:3/pcaw:9/pq:4",
            "9 dimensions do not divide into 4 equal parts; valid: 1, 3, 9",
        ),
        (f"{NETWORK}/max/whole/nojunk", "there is none; valid after it: aqe"),
        (f"{NETWORK}/max", "is incomplete: it is written backbone/pooling/regions"),
        ("resnet18@random/rmac:3/max", "pooling 'rmac:3' is not known; valid: max, mean"),
        ("resnet18@random/max/pcaw:8/rmac:3", "regions 'pcaw:8' is not known; valid: whole, rmac"),
        (f"{NETWORK}/max/whole/pca:8/pcaw:8", "keep one whitening"),
        (f"{NETWORK}/code/whole", "has no default layer.*@LAYER"),
        (f"{NETWORK.replace('@', '@layer1@')}/code/whole", "takes a layer that gives vectors"),
        (f"{NETWORK.replace('@', '@global_pool@')}/max/whole", "gives vectors.*use the pooling 'code'"),
    ],
)
def test_an_invalid_pipeline_is_refused_with_a_message(bench: Bench, pipeline: str, message: str) -> None:
    for call in (bench.evaluate, lambda text: bench.search("kind0/000.jpg", pipeline=text)):
        with pytest.raises(wb.WorkbenchError, match=message):
            call(pipeline)


def test_the_posters_collection_is_evaluated_and_searched(posters_cache: Path, calls: list[int]) -> None:
    """The embedded collection: queries are cropped, and not in the database."""
    bench = wb.open("posters", cache=posters_cache)
    first = bench.evaluate("efficientnet_lite0/max/rmac:3/pcaw:128", localise=False)
    calls.clear()
    second = bench.evaluate("efficientnet_lite0/mean/whole/centre/pcaw:128", localise=False)
    assert calls == []
    assert first.protocol == "revisited" and len(first.per_query) == 60
    assert first.mean_ap == first.metrics["mAP_medium"] != second.mean_ap
    assert all(0.2 < evaluation.metrics["mAP_hard"] < 0.8 for evaluation in (first, second))
    assert any("semi-synthetic" in said for said in first.warnings)
    query = bench.collection.queries[0]
    assert query.image not in bench.collection.images
    pipeline = "efficientnet_lite0/mean/whole"
    assert_same_scores(
        bench.search(bench.collection.path(query.image), box=query.box, pipeline=pipeline, k=None),
        bench.search(query.id, pipeline=pipeline, k=None),
    )


def test_descriptions_are_cached_up_to_a_memory_limit(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = opened(folder, cache)
    descriptions = DescriptionCache(bench.collection, bench.options)
    configs = [Config.parse(f"{NETWORK}/gem:{power}/whole") for power in range(1, 5)]
    first = descriptions.describe(configs[0], silent)
    assert descriptions.describe(configs[0], silent) is first
    monkeypatch.setattr("workbench.engine.description_cache.MAX_BYTES", 2 * first.descriptors.vectors.nbytes)
    _, second, third, fourth = (descriptions.describe(config, silent) for config in configs)
    # The last two are cached. A description that is requested again becomes the most recent.
    assert descriptions.describe(configs[2], silent) is third
    assert descriptions.describe(configs[3], silent) is fourth
    assert descriptions.describe(configs[0], silent) is not first
    assert descriptions.describe(configs[1], silent) is not second
    monkeypatch.setattr("workbench.engine.description_cache.MAX_BYTES", 1)
    newest = descriptions.describe(configs[2], silent)
    assert descriptions.describe(configs[2], silent) is newest  # at least one is cached
    assert descriptions.describe(configs[3], silent) is not fourth
