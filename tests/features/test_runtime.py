"""Networks in OpenVINO: the maps of PyTorch, stores of their own, and PyTorch where it is not possible."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.extraction import NETWORK, pictures, source
from tests.support.pictures import folder_of, picture
from workbench.common.packages import installed
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features import batches, device, models, openvino_network, runtime
from workbench.features.backbones import BackboneSpec
from workbench.features.map_source import MapSource
from workbench.features.network import Network
from workbench.features.openvino_graph import convert
from workbench.features.photographs import photographs
from workbench.features.rounding import round_convolutions, round_kernels

needs_openvino = pytest.mark.skipif(not installed("openvino"), reason="OpenVINO is not installed")


def source_by(cache: Path, wanted: str, backbone: str = NETWORK) -> MapSource:
    torch_source = source(cache, backbone)
    return MapSource(torch_source.spec, "max", replace(torch_source.options, runtime=wanted))


@needs_openvino
def test_openvino_gives_the_maps_of_pytorch_in_a_store_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_RUNS", 1)  # its speed does not matter here
    photos = pictures(folder_of(tmp_path / "photos", 5, ((128, 96), (97, 120), (75, 128))))
    usual, other = source_by(tmp_path, "torch"), source_by(tmp_path, "openvino")
    stored = []
    for maps in (usual, other):
        keys, unreadable = maps.extract(photos)
        assert not unreadable
        found = {
            place: m for places, ms in maps.batches(keys[0], 0) for place, m in zip(places, ms, strict=True)
        }
        stored.append([found[place].float() for place in range(len(photos))])
    for first, second, photo in zip(*stored, photos, strict=True):
        torch.testing.assert_close(second, first, rtol=1e-2, atol=1e-2)
        torch.testing.assert_close(other.maps_of(photo)[0][0], second)
    assert usual.store(1).folder != other.store(1).folder
    assert usual.runtime.startswith("torch 2") and other.runtime.startswith("openvino 20")
    assert not other.notes


@needs_openvino
def test_a_graph_of_one_shape_gives_the_maps_of_the_graph_for_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_network, "MANY", 3)
    spec = BackboneSpec.parse(NETWORK)
    plain = models.load_network(spec, spec.module("max"), None, "cpu", "float32", 0)
    network = openvino_network.OpenVINONetwork(plain, None, "float32")
    drawn = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (1, *shape, 3), generator=drawn).byte() for shape in ((96, 64), (75, 96))]
    before = [network(image) for image in images]
    network.prepare([(64, 96)] * 3 + [(96, 75)] * 2)  # the second has too few images
    for image, maps in zip(images, before, strict=True):
        torch.testing.assert_close(network(image), maps, rtol=0, atol=0)
    pair = torch.cat([images[0], images[0]])
    torch.testing.assert_close(network(pair)[1:], before[0])
    network.prepare([])
    torch.testing.assert_close(network(images[0]), before[0], rtol=0, atol=0)


@needs_openvino
@pytest.mark.parametrize(("first", "then"), [("torch", "auto"), ("openvino", "auto"), ("torch", "openvino")])
def test_pictures_keep_the_runtime_of_their_stored_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, then: str
) -> None:
    better = runtime.Comparison("", 1.0, 2.0 if first == "torch" else 0.5)  # the other is faster
    monkeypatch.setattr(runtime, "_remembered", lambda file: better)
    photos = pictures(folder_of(tmp_path / "photos", 3, ((96, 96),)))
    source_by(tmp_path, first).extract(photos[:2])
    again = source_by(tmp_path, then)
    again.extract(photos)
    assert again.runtime.split()[0] == (first if then == "auto" else then)


@pytest.mark.parametrize(
    ("pictures", "by_torch", "by_openvino", "chosen"),
    [
        (10, 10, 0, False),
        (10, 0, 10, True),
        (10, 0, 0, False),  # a remembered comparison does not decide for few pictures
        (10, 4, 0, False),
        (10, 10, 10, False),
        (2000, 0, 0, True),
        (2000, 900, 0, True),
        (2000, 1000, 0, False),
        (2000, 2000, 2000, True),
    ],
)
def test_stored_maps_decide_before_a_comparison(
    monkeypatch: pytest.MonkeyPatch, pictures: int, by_torch: int, by_openvino: int, chosen: bool
) -> None:
    monkeypatch.setattr(runtime, "installed", lambda module: True)
    monkeypatch.setattr(runtime, "version", lambda name: "1")
    monkeypatch.setattr(runtime, "_remembered", lambda file: runtime.Comparison("", 1.0, 2.0))

    def stored(openvino: bool) -> int:
        return by_openvino if openvino else by_torch

    choice = runtime.choose(Options(), ["net"], "cpu", "bfloat16", None, pictures, stored, _no_network)
    assert choice.openvino == chosen


def _no_network(precision: str) -> Network:
    raise AssertionError("the network is not needed")


@needs_openvino
def test_few_pictures_are_not_worth_a_comparison(tmp_path: Path) -> None:
    few = source_by(tmp_path, "auto")
    few.extract(pictures(folder_of(tmp_path / "photos", 2, ((96, 96),))))
    assert few.runtime.startswith("torch") and not (tmp_path / "runtimes").exists()


@needs_openvino
def test_a_network_that_cannot_be_converted_runs_in_pytorch_with_a_note(tmp_path: Path) -> None:
    transformer = source_by(tmp_path, "openvino", "timm:test_vit@random")
    transformer.extract(pictures(folder_of(tmp_path / "photos", 1, ((96, 96),))))
    assert transformer.runtime.startswith("torch")
    assert "computes with the size of its image" in transformer.notes[0]


def test_openvino_that_is_missing_is_named_with_its_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed
    with pytest.raises(WorkbenchError, match=r"package openvino is not installed; run .*\[openvino\]"):
        source_by(tmp_path, "openvino").network()
    assert source_by(tmp_path, "auto").runtime.startswith("torch")


def test_a_runtime_that_is_not_known_is_an_error() -> None:
    with pytest.raises(WorkbenchError, match="runtime 'onnx' is not known; valid: auto, torch, openvino"):
        Options(runtime="onnx")


def test_a_runtime_is_chosen_if_it_is_near_to_float32_and_faster() -> None:
    assert runtime.Comparison("", 0.9996, 1.2).is_better
    assert not runtime.Comparison("", 0.9994, 1.2).is_better
    assert not runtime.Comparison("", 0.9996, 1.0).is_better
    assert not runtime.Comparison("it cannot be converted").is_better


def test_rounding_keeps_the_sum_of_a_kernel() -> None:
    layer = torch.nn.Conv2d(4, 6, 3)
    before = layer.weight.detach().clone()
    round_kernels(layer)
    assert torch.equal(layer.weight, layer.weight.to(torch.bfloat16).float())
    assert (layer.weight - before).abs().max() <= before.abs().max() * 2**-7
    change = (layer.weight - before).sum((2, 3)).abs()
    nearest = (before.to(torch.bfloat16).float() - before).sum((2, 3)).abs()
    assert change.mean() < nearest.mean() / 4


class Separable(torch.nn.Module):
    """A convolution, a depthwise one of differences, and a pointwise one, on maps of 0 to 6."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pointwise, self.limit = torch.nn.Conv2d(8, 16, 1), torch.nn.ReLU6()
        drawn = torch.Generator().manual_seed(0)
        for layer in (self.stem, self.depthwise, self.pointwise):
            layer.weight.data = torch.randn(layer.weight.shape, generator=drawn) / layer.weight[0].numel()
            # bfloat16 rounds these.
            layer.bias = torch.nn.Parameter(
                torch.full((layer.out_channels,), 10 / 3 if layer is self.stem else 1 / 3)
            )
        self.depthwise.weight.data *= 30
        self.depthwise.weight.data -= self.depthwise.weight.data.mean((2, 3), keepdim=True)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.pointwise(self.limit(self.depthwise(self.limit(self.stem(images)))))
        return maps


def separable() -> Network:
    network = object.__new__(Network)
    network.model, network.layer, network.name = Separable().eval().requires_grad_(False), None, "separable"
    network.mean, network.scale = torch.full((3,), 127.0), torch.full((3,), 1 / 128)
    return network


def test_rounding_keeps_the_means_of_outputs() -> None:
    model = Separable().requires_grad_(False)
    images = torch.randn(2, 3, 24, 32, generator=torch.Generator().manual_seed(1))
    exact = model.forward_features(images).mean((0, 2, 3))
    simple = Separable().requires_grad_(False)
    for parameter in simple.parameters():
        parameter.data = parameter.data.bfloat16().float()
    nearest = simple.forward_features(images).mean((0, 2, 3))
    round_convolutions(model, lambda: model.forward_features(images))
    assert all(torch.equal(p, p.bfloat16().float()) for p in model.parameters())
    rounded = model.forward_features(images).mean((0, 2, 3))
    assert (rounded - exact).abs().mean() < (nearest - exact).abs().mean() / 5


@needs_openvino
def test_the_centred_input_of_a_depthwise_convolution_changes_no_cell() -> None:
    import openvino

    network, model, picture = separable(), Separable(), torch.from_numpy(photographs(48)[0])[None]
    graph = convert(network, None, half=True)
    assert any(node.get_type_name() == "Pad" for node in graph.get_ordered_ops())
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    maps = compiled([picture.numpy()])[0]
    images = ((picture.float() - network.mean) * network.scale).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = model.forward_features(images).permute(0, 2, 3, 1)
    # Weights are rounded; padded by another number, the cells of the border differ by 0.3 and more.
    torch.testing.assert_close(torch.from_numpy(np.array(maps)).float(), expected, rtol=0, atol=0.05)


@needs_openvino
@pytest.mark.skipif(
    device.choose_precision("auto", "cpu") != "bfloat16", reason="the processor has no bfloat16"
)
def test_maps_of_the_embedded_network_in_bfloat16_are_near_to_those_of_float32() -> None:
    spec = BackboneSpec.parse("efficientnet_lite0")
    exact = models.load_network(spec, spec.module("max"), None, "cpu", "float32", 0)
    network = openvino_network.OpenVINONetwork(exact, None, "bfloat16")
    # The photographs are not those by which its means are kept.
    images = [torch.from_numpy(np.array(photo.resize((512, 384))))[None] for photo in held_out()]
    pairs = [(network(image).flatten().double(), exact(image).flatten().double()) for image in images]
    cosines = [float(torch.nn.functional.cosine_similarity(a, b, dim=0)) for a, b in pairs]
    assert np.mean(cosines) > 0.9993


def held_out() -> list[Image.Image]:
    from sklearn.datasets import load_sample_images

    return [Image.fromarray(image) for image in load_sample_images().images]


@pytest.mark.parametrize("size", [(120, 77), (64, 63), (300, 200)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pictures_are_resized_as_by_pillow(size: tuple[int, int], interpolation: str) -> None:
    original = picture(3, (240, 170))
    resized = batches.pixels(original, size, interpolation=interpolation)
    expected = np.asarray(original.resize(size, Image.Resampling[interpolation.upper()], reducing_gap=2.0))
    difference = np.abs(resized.astype(int) - expected)
    assert resized.shape == expected.shape and difference.max() <= 2 and difference.mean() < 0.05
