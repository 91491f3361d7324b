"""The file and the page of a pipeline, written from a collection."""

from __future__ import annotations

import hashlib
import lzma
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from tests.support.benches import opened
from workbench.bench.bench import Bench
from workbench.cli.main import main
from workbench.config.errors import WorkbenchError
from workbench.engine.queries import query_vector
from workbench.export import page
from workbench.export.encoder import Encoder, entry
from workbench.export.export import Export, export

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

PIPELINE = "efficientnet_lite0/max/rmac:3/pcaw:16/itq:16"


@pytest.fixture(scope="module")
def written(bench24: Bench, tmp_path_factory: pytest.TempPathFactory) -> Export:
    out = tmp_path_factory.mktemp("export") / "encoder.onnx"
    return export(bench24.engine, bench24.engine.config(PIPELINE), out)


def test_the_file_gives_the_descriptor_and_code_of_the_pipeline(bench24: Bench, written: Export) -> None:
    assert written.cosine >= 0.9999 and written.bytes == written.path.stat().st_size
    encoder, described = Encoder.load(written.path), bench24.engine.describe(bench24.engine.config(PIPELINE))
    image = bench24.collection.images[0]
    descriptor, code = encoder(bench24.collection.path(image))
    assert float(descriptor @ query_vector(described, image)[0].numpy()) > 0.999  # stored in bfloat16
    assert code is not None and code.shape == (2,)
    assert encoder.about["pipeline"] == PIPELINE and encoder.about["code"] == "itq:16"


def test_weights_in_fewer_bits_make_the_file_smaller(bench24: Bench, written: Export, tmp_path: Path) -> None:
    config = bench24.engine.config(PIPELINE)
    sizes = [written.bytes]
    for precision, least in (("fp16", 0.9999), ("int8", 0.9)):
        smaller = export(bench24.engine, config, tmp_path / f"{precision}.onnx", precision)
        assert smaller.cosine > least
        sizes.append(smaller.bytes)
    assert sizes[1] < 0.55 * sizes[0] and sizes[2] < 0.3 * sizes[0]


def test_photographs_of_the_check_suit_a_small_size(bench24: Bench, tmp_path: Path) -> None:
    bench = opened(bench24.collection.root, tmp_path, size=64)
    exported = export(bench.engine, bench.engine.config("efficientnet_lite0/max/whole"), tmp_path / "x.onnx")
    assert exported.cosine >= 0.9999


@pytest.mark.parametrize(
    ("pipeline", "part"),
    [
        ("sift/bow:64/whole", "backbone sift"),
        ("efficientnet_lite0/max/proposals:20", "regions proposals:20"),
        ("efficientnet_lite0/max/rmac:3/sv:10", "re-ranking sv:10"),
        ("efficientnet_lite0/max/rmac:3/ivf:4,pq:16", "index ivf:4,pq:16"),
    ],
)
def test_a_part_that_no_graph_contains_is_named(
    bench24: Bench, tmp_path: Path, pipeline: str, part: str
) -> None:
    with pytest.raises(WorkbenchError, match=re.escape(f"{part} cannot be exported")):
        export(bench24.engine, wb.Config.parse(pipeline), tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(written: Export, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="does not exist"):
        Encoder.load(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(WorkbenchError, match="not a model that ONNX Runtime reads"):
        Encoder.load(tmp_path / "text.onnx")
    model = onnx.load(written.path)
    for entries, reason in (({}, "was exported"), (entry({"format": 99}), "has format 99")):
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, entries)
        onnx.save(model, tmp_path / "other.onnx")
        with pytest.raises(WorkbenchError, match=reason):
            Encoder.load(tmp_path / "other.onnx")


def test_the_page_makes_no_request_and_shows_names_as_text(tmp_path: Path, bench24: Bench) -> None:
    name = "<img src=x onerror=alert(1)>-- <!-- .png"
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(9):
        noise = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(folder / (name if not number else f"{number}.png"))
    bench = wb.open(folder, cache=tmp_path / "cache")
    out = tmp_path / "page.html"
    page.write_page(bench.engine, bench.engine.config("efficientnet_lite0/max/whole/lsh:16"), out)
    text = out.read_text("utf-8")
    assert "default-src 'none'" in text and "connect-src" not in text
    assert "<img" not in text and "<!--" not in text and "https:" not in text.split('id="runtime"')[0]
    with pytest.raises(WorkbenchError, match="no binary code"):
        page.write_page(bench.engine, bench.engine.config("efficientnet_lite0/max/whole"), out)


def test_the_runtime_is_that_of_the_package() -> None:
    static = Path(page.__file__).with_name("static")
    packed = lzma.decompress((static / "ort-wasm-simd-threaded.wasm.xz").read_bytes())
    plain = (static / "ort.wasm.bundle.min.mjs").read_bytes()
    documented = (static / "README.md").read_text("utf-8")
    assert all(hashlib.sha256(content).hexdigest() in documented for content in (packed, plain))


def test_the_command_needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", PIPELINE])
    assert "name a file with --out or --page" in capsys.readouterr().err
