"""Whitening fitted on one collection and applied to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import workbench as wb
from tests.support.benches import described
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.cli.main import main
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.whitening import Whitening
from workbench.features.cards import trained_path
from workbench.learning import whitening

WHOLE, REGIONS = f"{NETWORK}/mean/whole", f"{NETWORK}/max/rmac:2"


def opened(folder: Path, cache: Path) -> Bench:
    return wb.open(folder, "folders", cache=cache, size=96, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def training_bench(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Bench:
    return opened(folder_of(tmp_path_factory.mktemp("a") / "there", 40, kinds=4), cache)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Bench:
    return opened(folder_of(tmp_path_factory.mktemp("b") / "here", 12, kinds=3), cache)


def fit_named(bench: Bench, pipeline: str, name: str) -> Path:
    return whitening.fit_whitening(bench.collection, bench.options, pipeline, name)


def vectors(bench: Bench, pipeline: str) -> torch.Tensor:
    return described(bench, pipeline).descriptors.vectors


def test_a_named_whitening_is_parsed_with_its_name_last() -> None:
    assert str(Config.parse(f"{WHOLE}/pcaw:064:there")) == f"{WHOLE}/pcaw:64:there"
    assert Config.parse(f"{WHOLE}/pca:64:2-b").whitenings[0].learned == "2-b"
    assert Config.parse(f"{WHOLE}/pca:64").whitenings[0].learned is None
    for wrong in (
        "pcaw:64:There",
        "pcaw:64:128",
        "pcaw:there",
        "pcaw:64:",
        "power:0.5:there",
        "pcaw:0:there",
    ):
        with pytest.raises(WorkbenchError, match=r"is not a|takes 1 argument"):
            Config.parse(f"{WHOLE}/{wrong}")


@pytest.mark.parametrize("pipeline", [WHOLE, REGIONS])
@pytest.mark.parametrize("kind", ["pca", "pcaw"])
def test_a_saved_whitening_equals_one_fitted_on_demand(bench: Bench, pipeline: str, kind: str) -> None:
    fit_named(bench, f"{pipeline}/{kind}:9", f"own-{kind}")
    fitted, loaded = vectors(bench, f"{pipeline}/{kind}:6"), vectors(bench, f"{pipeline}/{kind}:6:own-{kind}")
    assert loaded.shape[1] == 6
    torch.testing.assert_close(loaded, fitted, rtol=0, atol=1e-4)  # the two fits may round differently
    warnings = bench.evaluate(f"{pipeline}/{kind}:6:own-{kind}").warnings
    assert f"{kind} was fitted on the evaluated collection" in warnings


@pytest.mark.parametrize("step", ["pca:6", "pcaw:6:0.5", "pcaw:6:0.9", "pcaw:6"])
def test_a_saved_whitening_serves_every_strength(bench: Bench, step: str) -> None:
    """Fitted at any strength, the file holds full strength."""
    for number, fitted in enumerate(("pcaw:9", "pcaw:9:0.3")):
        fit_named(bench, f"{REGIONS}/{fitted}", f"strong-{number}")
        loaded = vectors(bench, f"{REGIONS}/{step}:strong-{number}")
        torch.testing.assert_close(loaded, vectors(bench, f"{REGIONS}/{step}"), rtol=0, atol=1e-4)
    fit_named(bench, f"{REGIONS}/pca:9", "rotation")
    if step != "pca:6":
        with pytest.raises(WorkbenchError, match="kind"):
            vectors(bench, f"{REGIONS}/{step}:rotation")


def test_a_saved_learned_whitening_records_its_pairs(training_bench: Bench, bench: Bench) -> None:
    fit_named(training_bench, f"{REGIONS}/lw:8", "pairs")
    evaluation = bench.evaluate(f"{REGIONS}/lw:8:pairs")
    (about,) = evaluation.provenance["whitening"]
    assert (about["collection"], about["pairs"]) == ("there", 40 * 9)
    assert "lw was fitted on another collection, 'there' with its ground truth" in evaluation.warnings


def test_the_whitening_of_another_collection_equals_eigenvectors_by_hand(
    training_bench: Bench, bench: Bench
) -> None:
    file = fit_named(training_bench, f"{WHOLE}/pcaw:16", "hand")
    training_vectors = (
        vectors(training_bench, WHOLE)[: len(training_bench.collection.images)].double().numpy()
    )
    bench_vectors = vectors(bench, WHOLE).double().numpy()
    mean = training_vectors.mean(0)
    values, directions = np.linalg.eigh(np.cov(training_vectors.T, bias=True))
    projection = (directions[:, ::-1] / np.sqrt(values[::-1].clip(1e-30)))[:, :5]
    expected = (bench_vectors - mean) @ projection
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    actual = vectors(bench, f"{WHOLE}/pcaw:5:hand").numpy()
    np.testing.assert_allclose(actual @ actual.T, expected @ expected.T, atol=2e-3)  # signs are free
    about = Whitening.load(file).provenance
    assert (about["collection"], about["vectors"], about["kept"]) == ("there", 40, 16)
    evaluation = bench.evaluate(f"{WHOLE}/pcaw:5:hand")
    assert evaluation.provenance["whitening"][0]["kept"] == 5
    assert "pcaw was fitted on another collection, 'there'" in evaluation.warnings


def test_the_parts_of_an_explanation_sum_to_the_score(training_bench: Bench, bench: Bench) -> None:
    fit_named(training_bench, f"{REGIONS}/pcaw:16", "summing")
    pipeline = f"{REGIONS}/pcaw:8:summing"
    query, image = bench.collection.queries[0].id, bench.collection.images[7]
    explanation = bench.explain(query, image, pipeline=pipeline)
    total = explanation.image_heatmap.sum() + explanation.constant
    assert total == pytest.approx(explanation.score, abs=1e-5)


def test_a_refitted_whitening_changes_the_descriptors(training_bench: Bench, bench: Bench) -> None:
    fit_named(training_bench, f"{WHOLE}/pcaw:4", "renewed")
    before = vectors(bench, f"{WHOLE}/pcaw:4:renewed")
    fit_named(bench, f"{WHOLE}/pcaw:4", "renewed")
    after = vectors(bench, f"{WHOLE}/pcaw:4:renewed")
    assert not torch.allclose(before, after, atol=1e-3)
    torch.testing.assert_close(after, vectors(bench, f"{WHOLE}/pcaw:4"), rtol=0, atol=1e-4)


def test_a_whitening_that_does_not_match_the_pipeline_is_refused(
    training_bench: Bench, bench: Bench, cache: Path
) -> None:
    path = fit_named(training_bench, f"{WHOLE}/pcaw:4", "fitted")
    for step, complaint in {
        "pcaw:4:nowhere": f"train whitening COLLECTION {WHOLE}/pcaw:4 --name nowhere",
        "pcaw:5:fitted": "keeps 4 dimensions",
        "lw:4:fitted": "kind 'pcaw', not 'lw'",
        "power:0.5/pcaw:4:fitted": "before 'nothing', not 'power:0.5'",
    }.items():
        with pytest.raises(WorkbenchError) as error:
            bench.evaluate(f"{WHOLE}/{step}")
        assert complaint in str(error.value)
    for pipeline, part in (
        (f"{NETWORK}/max/whole", "pooling 'mean', not 'max'"),
        ("timm:test_vit@random/mean/whole", "network"),
    ):
        with pytest.raises(WorkbenchError, match=part):
            bench.evaluate(f"{pipeline}/pcaw:4:fitted")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(WorkbenchError, match="not a saved whitening"):
        bench.evaluate(f"{WHOLE}/pcaw:4:fitted")
    with pytest.raises(WorkbenchError, match="has no whitening: name it"):
        fit_named(training_bench, WHOLE, "none")
    with pytest.raises(WorkbenchError, match=r"'Fitted' is not a|takes 1 argument"):
        fit_named(training_bench, f"{WHOLE}/pcaw:4", "Fitted")
    assert not trained_path(cache, "Fitted").exists()


def test_a_failed_write_keeps_the_saved_whitening(training_bench: Bench) -> None:
    path = fit_named(training_bench, f"{WHOLE}/pcaw:4", "whole")
    before = path.read_bytes()
    path.with_name("whole.safetensors.part").mkdir()  # a folder at the path of the partial file
    try:
        with pytest.raises(WorkbenchError, match="cannot be written"):
            fit_named(training_bench, f"{WHOLE}/pcaw:6", "whole")
    finally:
        path.with_name("whole.safetensors.part").rmdir()
    assert path.read_bytes() == before


def test_the_command_saves_a_whitening(
    training_bench: Bench, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(Path(training_bench.collection.path(training_bench.collection.images[0])).parents[1])
    common = ("--labels", "folders", "--size", "96", "--precision", "float32", "--cache", str(cache))
    with pytest.raises(SystemExit) as ended:
        main(["train", "whitening", folder, f"{WHOLE}/pcaw:6", "--name", "said", *common])
    assert not ended.value.code
    assert capsys.readouterr().out.endswith("use it as the step pcaw:6:said, or with fewer dimensions\n")
    assert trained_path(cache, "said").is_file()
