"""Pipelines of ``asmk``, end to end on photographs of a few objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from tests.support.benches import mean_ap_of
from tests.support.things import EMPTY, THINGS, folder_of_things, thing
from workbench.bench.bench import Bench
from workbench.common.progress import silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.query.query import Query

BINARY, FULL = "sift/asmk:200/whole", "sift/asmk-full:200/whole"
PIPELINES = (BINARY, FULL, "sift/asmk:200:2:0.1/whole")
QUERY, LIKE = "coffee/0.png", "coffee/1.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_things(tmp_path_factory.mktemp("asmk"))


@pytest.fixture(scope="module")
def bench(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return wb.open(folder, "folders", cache=tmp_path_factory.mktemp("cache"), size=240)


@pytest.mark.parametrize("pipeline", [*PIPELINES, f"{BINARY}/sv:5"])
def test_images_are_ranked_by_the_words_they_share(bench: Bench, pipeline: str) -> None:
    evaluation = bench.evaluate(pipeline)
    assert evaluation.pipeline == pipeline
    assert evaluation.mean_ap == pytest.approx(mean_ap_of(evaluation, bench.collection))
    with_objects = ~evaluation.per_query["query"].str.startswith("empty")
    assert evaluation.per_query["ap"][with_objects].mean() > 0.6
    for name in THINGS[:2]:
        ranking = bench.search(f"{name}/1.png", pipeline=pipeline, k=None)
        first = bench.search(f"{name}/1.png", pipeline=pipeline, k=4)
        assert set(ranking["image_id"]) == set(bench.collection.images)
        assert ranking["score"].is_monotonic_decreasing and ranking["image_id"][0] == f"{name}/1.png"
        assert first["image_id"].tolist() == ranking["image_id"][:4].tolist()
        if "sv" not in pipeline:
            empty = ranking["image_id"].isin([f"empty/{name}.png" for name in EMPTY])
            assert empty.sum() == 3 and not ranking["score"][empty].any()
            assert 0 < ranking["score"][0] <= 1


def test_more_words_than_keypoints_and_sketches(tmp_path: Path) -> None:
    """Every keypoint is a word by itself: its residual is a rounding error, of which nothing is made."""
    folder = folder_of_things(tmp_path / "few", views=0)
    bench = wb.open(folder, "folders", cache=tmp_path / "cache", size=160)
    for pipeline in ("sift/asmk", "sift/asmk-full"):
        ranking = bench.search(QUERY, pipeline=pipeline, k=None)
        few = "words, not 65536: there are too few descriptors for more"
        assert any(few in warning for warning in ranking.attrs["warnings"])
        assert np.isfinite(ranking["score"]).all() and ranking["score"].max() <= 1
        why = bench.explain(QUERY, QUERY, pipeline=pipeline)
        scores = ranking.set_index("image_id")["score"]
        assert why.score == pytest.approx(scores[QUERY], abs=1e-6)
    sketched = bench.search(Query.sketch(QUERY), pipeline="sift/asmk:64", k=3)
    assert np.isfinite(sketched["score"]).all() and sketched["score"][0] > 0


def test_what_is_noted_of_the_kernel(bench: Bench) -> None:
    binary, full = bench.evaluate("sift/asmk:200:2.5:0.1"), bench.evaluate(FULL)
    words = binary.provenance["kernel"]["words an image"]
    assert binary.provenance["kernel"] == {
        "sums": "binary",
        "alpha": 2.5,
        "tau": 0.1,
        "words of a query's keypoint": 5,
        "words an image": words,
        "bytes a word": 128 / 8 + 4,
    }
    assert binary.costs["bytes"] == pytest.approx(20 * words, rel=1e-3)
    assert full.provenance["kernel"]["bytes a word"] == 128 * 4 + 4
    assert full.costs["bytes"] / binary.costs["bytes"] == pytest.approx(516 / 20)
    assert binary.provenance["vocabulary"]["words"] == 200
    assert binary.provenance["shared_bytes"] == 200 * 128 * 4 + 201 * 8
    assert "verified by" not in binary.provenance
    verified = bench.evaluate(f"{BINARY}/sv:5")
    assert verified.provenance["verified by"] == "sift"
    assert verified.costs["bytes"] > binary.costs["bytes"]  # verification needs the keypoints too


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_score_is_the_sum_over_words_and_pairs_of_keypoints(bench: Bench, pipeline: str) -> None:
    for query, box in ((QUERY, None), (QUERY, (20, 10, 200, 160)), ("astronaut/2.png", None)):
        ranking = bench.search(query, box=box, pipeline=pipeline, k=None)
        for number in (0, 3, 10, len(ranking) - 1):
            image, score = ranking["image_id"][number], ranking["score"][number]
            why = bench.explain(query, image, box=box, pipeline=pipeline)
            assert why.score == pytest.approx(score, abs=1e-6)
            assert why.query_heatmap.sum() == pytest.approx(score, abs=1e-6)
            assert why.image_heatmap.sum() == pytest.approx(score, abs=1e-6)
            assert why.region_pairs["contribution"].sum() == pytest.approx(score, abs=1e-6)
            match = bench.match(query, image, box=box, pipeline=pipeline)
            by_word = why.region_pairs.groupby("word")["contribution"].sum()
            shared = match.words.set_index("word")["contribution"]
            assert shared.sum() == pytest.approx(score, abs=1e-6)
            assert np.allclose(shared[by_word.index], by_word, atol=1e-7)
            assert len(match.words_of[0]) == len(why.query_regions) == len(match.query)


def test_words_of_a_match_are_those_of_its_keypoints(bench: Bench) -> None:
    match = bench.match(QUERY, LIKE, pipeline=BINARY)
    assert [words.shape[1] for words in match.words_of] == [5, 1]
    row = match.words.iloc[0]
    counts = [int((words == row["word"]).sum()) for words in match.words_of]
    assert counts == [row["in_query"], row["in_image"]]
    same = match.table[match.table["word"] >= 0]
    assert len(same)
    for query, image, word in same[["query_keypoint", "image_keypoint", "word"]].itertuples(index=False):
        assert word == match.words_of[1][image, 0] and word in match.words_of[0][query]


@pytest.mark.parametrize("pipeline", [BINARY, FULL, f"{BINARY}/sv:5"])
def test_a_picture_without_keypoints_scores_zero(bench: Bench, pipeline: str) -> None:
    pictures = [Image.new("RGB", size, "white") for size in ((64, 64), (1, 1), (2000, 3))]
    queries: list[str | Image.Image] = ["empty/one colour.png", *pictures]
    for query in queries:
        ranking = bench.search(query, pipeline=pipeline, k=None)
        assert len(ranking) == len(bench.collection.images) and not ranking["score"].any()
    why = bench.explain("empty/tiny.png", QUERY, pipeline=pipeline)
    assert why.score == 0 and not why.query_heatmap.any() and len(why.region_pairs) == 0
    assert len(bench.match("empty/tiny.png", QUERY, pipeline=pipeline).words) == 0


def test_a_picture_from_elsewhere_is_described_as_one_of_the_collection(bench: Bench, folder: Path) -> None:
    by_id, by_file = (bench.search(query, pipeline=BINARY, k=None) for query in (QUERY, str(folder / QUERY)))
    assert by_id["score"].tolist() == by_file["score"].tolist()
    view = thing("coffee").rotate(8)
    assert bench.search(view, pipeline=BINARY, k=1)["image_id"][0].startswith("coffee")


def test_parts_of_a_query_are_scored_by_the_kernel(bench: Bench) -> None:
    alone = bench.search(Query.image(QUERY), pipeline=BINARY, k=None).set_index("image_id")["score"]
    plain = bench.search(QUERY, pipeline=BINARY, k=None).set_index("image_id")["score"]
    assert np.allclose(alone[plain.index], plain, atol=1e-6)
    both = bench.search(f"image:{QUERY} + image:astronaut/1.png", pipeline=BINARY, k=2)
    assert {name.split("/")[0] for name in both["image_id"]} <= {"coffee", "astronaut"}


NO_VECTOR: dict[str, Callable[[Bench], object]] = {
    "also": lambda bench: bench.search(QUERY, also=[LIKE], pipeline=BINARY),
    "tradeoff": lambda bench: bench.tradeoff(["pq:8"], pipeline=BINARY),
    "locate": lambda bench: bench.locate(QUERY, LIKE, pipeline=BINARY),
    "nearest regions": lambda bench: bench.regions.nearest(QUERY, 0, pipeline=BINARY),
    "contributions": lambda bench: bench.studies.contributions(QUERY, LIKE, pipeline=BINARY),
    "confusion": lambda bench: bench.studies.confusion(pipeline=BINARY),
    "cooccurrence": lambda bench: bench.studies.cooccurrence(pipeline=BINARY),
    "duplicates": lambda bench: bench.studies.duplicates(pipeline=BINARY),
    "embedding": lambda bench: bench.studies.embedding(pipeline=BINARY),
    "budget": lambda bench: bench.studies.budget(pipeline=BINARY),
    "classify": lambda bench: bench.classify(QUERY, pipeline=BINARY),
    "evidence": lambda bench: bench.regions.evidence(QUERY, image_id=LIKE, pipeline=BINARY),
}


@pytest.mark.parametrize("name", NO_VECTOR)
def test_what_needs_vectors_says_that_there_are_none(bench: Bench, name: str) -> None:
    with pytest.raises(
        WorkbenchError, match=r"asmk compares keypoints and gives an image no vector"
    ) as caught:
        NO_VECTOR[name](bench)
    assert "valid: sift/bow:4096/whole" in str(caught.value)


NO_MAP: dict[str, Callable[[Bench], object]] = {
    "located": lambda bench: bench.search(QUERY, locate=True, pipeline=BINARY),
    "activations": lambda bench: bench.studies.activations(QUERY, pipeline=BINARY),
}


@pytest.mark.parametrize("name", NO_MAP)
def test_what_needs_maps_says_that_there_are_none(bench: Bench, name: str) -> None:
    with pytest.raises(WorkbenchError, match=r"sift has no feature map"):
        NO_MAP[name](bench)


def test_studies_of_rankings_work(bench: Bench) -> None:
    assert len(bench.studies.scores(BINARY).table) and len(bench.studies.ap_factors(BINARY).table)
    comparison = bench.compare([BINARY, FULL, "sift/bow:200/whole"])
    assert len(comparison.table) == 3
    with pytest.raises(WorkbenchError, match="words cannot be drawn"):
        wb.open(
            bench.collection.root, "folders", cache=bench.options.cache, size=240, distractors="synthetic:9"
        ).search(QUERY, pipeline=BINARY)


def sums(bench: Bench) -> list[Path]:
    return sorted((bench.options.cache / "words").glob("*.asmk"))


def test_sums_are_stored_for_all_kernels_and_repaired(folder: Path, tmp_path: Path) -> None:
    def opened() -> Bench:
        return wb.open(folder, "folders", cache=tmp_path, size=240)

    first = opened()
    ranking = first.search(QUERY, pipeline="sift/asmk:50", k=None)
    (path,) = sums(first)
    written = path.stat().st_mtime_ns
    opened().search(QUERY, pipeline="sift/asmk:50:2:0.2")
    assert path.stat().st_mtime_ns == written and sums(first) == [path]
    intact = path.read_bytes()
    for damaged in (b"", intact[:-30], intact[:300] + bytes([intact[300] ^ 1]) + intact[301:]):
        path.write_bytes(damaged)
        again = opened().search(QUERY, pipeline="sift/asmk:50", k=None)
        assert again["score"].tolist() == ranking["score"].tolist()
        assert any("sums of residuals were damaged" in warning for warning in again.attrs["warnings"])
        assert path.read_bytes() == intact
    assert not any(
        "damaged" in note for note in opened().search(QUERY, pipeline="sift/asmk:50").attrs["warnings"]
    )


def test_equal_files_have_equal_scores_though_only_one_is_verified(tmp_path: Path) -> None:
    folder = folder_of_things(tmp_path / "copies", views=2, empty=False)
    (folder / "coffee" / "copy.png").write_bytes((folder / LIKE).read_bytes())
    bench = wb.open(folder, "folders", cache=tmp_path / "cache", size=240)
    for pipeline in (BINARY, f"{BINARY}/sv:100"):
        scores = bench.search(QUERY, pipeline=pipeline, k=None).set_index("image_id")["score"]
        assert scores["coffee/copy.png"] == scores[LIKE] > 0


def test_sums_that_do_not_fit_into_memory_are_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.local import asmk_index

    monkeypatch.setattr(asmk_index, "MOST_BYTES", 10**6)
    with pytest.raises(WorkbenchError, match=r"sums of residuals of 28 images take up to 0.0 GB; use asmk"):
        bench.engine.searcher(Config.parse("sift/asmk-full:199"), silent)
    bench.engine.searcher(Config.parse("sift/asmk:199"), silent)
