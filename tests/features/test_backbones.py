"""The embedded classifier, real trunks, layers by name, and weights that are not right."""

from __future__ import annotations

import copy
import os
import urllib.request
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.transforms.functional import normalize

from tests.support.pictures import picture
from workbench.config.errors import WorkbenchError
from workbench.features import models
from workbench.features.backbones import BACKBONES, IMAGENET_MEAN, IMAGENET_STD, BackboneCard, BackboneSpec
from workbench.features.network import Network, run

TRUNKS = {  # → channels, pixels a cell of the default map
    "alexnet": (256, 16),
    "vgg16": (512, 16),
    "mobilenet_v2": (1280, 32),
}


def load(backbone: str, folder: Path | None = None, pooling: str = "max") -> Network:
    spec = BackboneSpec.parse(backbone)
    return models.load_network(spec, spec.module(pooling), folder, "cpu", "float32", 0)


@lru_cache(maxsize=1)
def built(name: str) -> Any:
    """A whole backbone of random weights, built once for several layers."""
    return models.load_backbone(BackboneSpec.parse(f"{name}@random"), None, None, 0)


def as_batch(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image))[None]


def plain(image: Image.Image) -> torch.Tensor:
    """The usual preprocessing, written out another way."""
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return normalize(values, list(IMAGENET_MEAN), list(IMAGENET_STD))[None]


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("chelsea.png", set(range(281, 286))),  # tabby, tiger, Persian, Siamese, Egyptian cat
        ("coffee.png", {504, 967, 968}),  # coffee mug, espresso, cup
    ],
)
def test_the_embedded_classifier_knows_photographs(name: str, classes: set[int]) -> None:
    import skimage

    network = load("efficientnet_lite0@logits", pooling="code")
    photo = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB").resize((320, 224))
    logits = network(as_batch(photo))
    assert logits.shape == (1, 1000, 1, 1)
    assert int(logits.flatten().argmax()) in classes


@pytest.mark.parametrize("backbone", TRUNKS)
def test_real_trunks_equal_torchvision(backbone: str, shared: Path) -> None:
    channels, stride = TRUNKS[backbone]
    photo = picture(0, (256, 192))
    maps = load(backbone, shared / "weights")(as_batch(photo))
    with torch.device("meta"):  # no random weights are drawn
        model = torchvision.models.get_model(backbone, weights=None).eval()
    state = load_file(shared / "weights" / f"{backbone}-features.safetensors")
    model.load_state_dict({k: v.float() for k, v in state.items()}, strict=False, assign=True)
    trunk = (
        model.features if backbone == "mobilenet_v2" else model.features[:-1]
    )  # without the last max pooling
    with torch.no_grad():
        expected = trunk(plain(photo))
    assert maps.shape == expected.shape
    assert maps.shape[1] == channels
    assert all(
        abs(side / stride - cells) <= 1 for side, cells in zip((192, 256), maps.shape[2:], strict=True)
    )
    assert float((maps - expected).abs().max()) <= 1e-4 * float(expected.abs().max())
    assert float(maps.std()) > 0


@pytest.mark.parametrize(
    ("backbone", "channels", "cells"),
    [
        ("vgg16@conv4_3@random", 512, (12, 16)),  # stride 8
        ("vgg16@conv5_3@random", 512, (6, 8)),
        ("alexnet@conv1@random", 64, (23, 31)),  # 11x11 cells, stride 4, padding 2
        ("resnet18@random", 512, (3, 4)),
        ("resnet18@layer3@random", 256, (6, 8)),
        ("timm:mobilenetv3_small_100@bn1.act@random", 16, (48, 64)),
    ],
)
def test_layers_by_name(backbone: str, channels: int, cells: tuple[int, int]) -> None:
    spec = BackboneSpec.parse(backbone)
    model = copy.deepcopy(built(backbone.split("@")[0]))
    network = Network(model, spec.card(), spec.module("max"), "cpu", "float32")
    assert network(as_batch(picture(0, (128, 96)))).shape == (1, channels, *cells)


def test_fully_connected_codes() -> None:
    image = as_batch(picture(0, (224, 192)))
    network = load("alexnet@fc6@random", pooling="code")
    codes = network(image)
    assert codes.shape == (1, 4096, 1, 1)
    assert torch.equal(codes, load("alexnet@random", pooling="code")(image))  # the layer that code takes


def test_tokens_go_back_to_their_grid() -> None:
    """Row by row, the class token dropped, on an image that is not square."""
    photo = picture(0, (128, 96))
    network = load("timm:vit_tiny_patch16_224@random")
    model: Any = network.model
    with torch.no_grad():
        tokens = model.forward_features(plain_half(photo))
    assert tokens.shape == (1, 1 + 6 * 8, 192)
    maps = network(as_batch(photo))
    assert maps.shape == (1, 192, 6, 8)
    for row, column in ((0, 0), (0, 7), (2, 5), (5, 0)):
        assert torch.allclose(maps[0, :, row, column], tokens[0, 1 + 8 * row + column], atol=1e-4)
    patches = load("timm:vit_tiny_patch16_224@patch_embed@random")(as_batch(photo))
    assert patches.shape == (1, 192, 6, 8)  # this module orders its axes otherwise


def plain_half(image: Image.Image) -> torch.Tensor:
    """Timm's older vision transformers: to -1…1."""
    return (torch.from_numpy(np.array(image)).permute(2, 0, 1).float()[None] / 255 - 0.5) / 0.5


class OutOfOrder(torch.nn.Module):
    """Its normalisation is defined after the convolution and runs before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 3)
        self.bn = torch.nn.BatchNorm2d(3)
        self.end = torch.nn.ReLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.end(self.conv(self.bn(images)))


@pytest.mark.parametrize(
    ("build", "layer", "folds"),
    [(torchvision.models.resnet18, "layer4", True), (OutOfOrder, "end", False)],
)
def test_folding_batch_norm_changes_nothing(
    build: Callable[[], torch.nn.Module], layer: str, folds: bool
) -> None:
    torch.manual_seed(0)
    model = build()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as if it were trained
            state = module.state_dict()
            for name in ("weight", "running_var"):
                state[name].uniform_(0.5, 1.5)
            for name in ("bias", "running_mean"):
                state[name].normal_(std=0.3)
    card = BackboneCard("a model", "torchvision", "model", 32, layer)
    network = Network(copy.deepcopy(model), card, layer, "cpu", "float32")
    left = any(isinstance(module, torch.nn.BatchNorm2d) for module in network.model.modules())
    assert left is not folds
    photo = picture(0)
    with torch.no_grad():
        expected = run(model.eval(), network.layer, plain(photo))
    assert torch.allclose(
        network(as_batch(photo)), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
    )


def test_random_weights_are_the_same_each_time_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    first = load("resnet18@random")
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))
    image = as_batch(picture(0))
    assert torch.equal(first(image), load("resnet18@random")(image))


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        ("vgg16@conv9_9@random", "'conv9_9'.*not in vgg16.*conv5_3"),
        ("vgg61", "'vgg61' is not known.*vgg16"),
        ("vgg16@conv4_3@conv5_3", "write one layer"),
        ("timm:vgg61", "timm has no model 'vgg61'"),
        ("file:/nowhere/vgg16.pth", "'/nowhere/vgg16.pth' is missing"),
        ("timm:vit_tiny_patch16_224@attn_pool@random", "'attn_pool' is not in"),
    ],
)
def test_wrong_names(backbone: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        load(backbone)


def test_one_size_of_image() -> None:
    with pytest.raises(WorkbenchError, match=r"mixer_s32_224 cannot take images of 128x96 pixels.*--size"):
        load("timm:mixer_s32_224@random")(as_batch(picture(0)))


def test_missing_weights_say_where_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setattr(urllib.request, "_opener", None)  # it would keep these for all tests to come
    with pytest.raises(WorkbenchError) as caught:
        load("resnet50", tmp_path)
    said = str(caught.value)
    assert "'resnet50'" in said and str(tmp_path) in said and str(tmp_path / "torch") in said
    assert "workbench fetch resnet50" in said and "--weights" in said and "\n" not in said


class Harmful:
    """Unpickled freely, it would run a command."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


def test_weight_files_that_are_not_right(tmp_path: Path) -> None:
    whole = tmp_path / "alexnet.safetensors"
    save_file({"features.0.weight": torch.zeros(64, 3, 11, 11)}, whole)
    truncated = tmp_path / "vgg16-cut.safetensors"
    truncated.write_bytes(whole.read_bytes()[:-100])
    harmful = tmp_path / "alexnet-harmful.pth"
    torch.save({"features.0.weight": Harmful(tmp_path / "ran")}, harmful)
    nameless = tmp_path / "mine.safetensors"
    save_file({"features.0.weight": torch.zeros(1)}, nameless)
    other = tmp_path / "vgg16-other.safetensors"
    save_file({"features.0.weight": torch.zeros(64, 3, 11, 11)}, other)

    def refusal(path: Path) -> str:
        with pytest.raises(WorkbenchError) as caught:
            load(f"file:{path}")
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
        return str(caught.value)

    assert "lacks 'features.0.bias'" in refusal(whole)
    assert "fetch it again" in refusal(truncated)
    assert "refused" in refusal(harmful)
    assert not (tmp_path / "ran").exists()
    assert "does not name its backbone" in refusal(nameless)
    assert "does not fit vgg16" in refusal(other)


def test_a_trunk_has_no_fc6(tmp_path: Path) -> None:
    state = torchvision.models.alexnet(weights=None).features.state_dict()
    save_file({f"features.{k}": v for k, v in state.items()}, tmp_path / "alexnet-trunk.safetensors")
    assert load("alexnet", tmp_path)(as_batch(picture(0))).shape[1] == 256
    with pytest.raises(WorkbenchError, match=r"alexnet-trunk.*lacks 'classifier\.1.*classifier\.2.*@LAYER"):
        load("alexnet@fc6", tmp_path, pooling="code")


def test_every_default_layer_exists() -> None:
    for name in BACKBONES:
        if name not in ("vgg16", "resnet101", "resnet50"):  # like their smaller kin, and slow to build
            assert load(f"{name}@random").layer == BACKBONES[name].layer
