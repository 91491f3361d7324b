"""The embedded classifier, pretrained trunks, layers by name, and invalid weights."""

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
from workbench.features import models, weights
from workbench.features.backbones import BACKBONES, IMAGENET_MEAN, IMAGENET_STD, BackboneCard, BackboneSpec
from workbench.features.network import Network, run

TRUNKS = {  # → channels, stride of the default map in pixels
    "alexnet": (256, 16),
    "vgg16": (512, 16),
    "mobilenet_v2": (1280, 32),
}


def load(backbone: str, folder: Path | None = None, pooling: str = "max") -> Network:
    spec = BackboneSpec.parse(backbone)
    return models.load_network(spec, spec.module(pooling), folder, "cpu", "float32", 0)


@lru_cache(maxsize=1)
def built(name: str) -> Any:
    """A complete backbone with random weights, cached for several layers."""
    return models.load_backbone(BackboneSpec.parse(f"{name}@random"), None, None, 0)


def as_batch(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image))[None]


def plain(image: Image.Image) -> torch.Tensor:
    """The usual preprocessing by ImageNet mean and deviation, [1, 3, H, W]."""
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return normalize(values, list(IMAGENET_MEAN), list(IMAGENET_STD))[None]


def test_table_names_the_weights_that_the_libraries_publish() -> None:
    for card in BACKBONES.values():
        assert card.weights == weights.weights_name(card)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("chelsea.png", set(range(281, 286))),  # tabby, tiger, Persian, Siamese, Egyptian cat
        ("coffee.png", {504, 967, 968}),  # coffee mug, espresso, cup
    ],
)
def test_the_embedded_classifier_recognises_photographs(name: str, classes: set[int]) -> None:
    import skimage

    network = load("efficientnet_lite0@logits", pooling="code")
    photo = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB").resize((320, 224))
    logits = network(as_batch(photo))
    assert logits.shape == (1, 1000, 1, 1)
    assert int(logits.flatten().argmax()) in classes


@pytest.mark.parametrize("backbone", TRUNKS)
def test_pretrained_trunks_equal_torchvision(backbone: str, shared: Path) -> None:
    channels, stride = TRUNKS[backbone]
    photo = picture(0, (256, 192))
    maps = load(backbone, shared / "weights")(as_batch(photo))
    with torch.device("meta"):  # avoids initialising random weights
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
        abs(side / stride - cell_count) <= 1
        for side, cell_count in zip((192, 256), maps.shape[2:], strict=True)
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
def test_layers_by_name_have_the_expected_shape(backbone: str, channels: int, cells: tuple[int, int]) -> None:
    spec = BackboneSpec.parse(backbone)
    model = copy.deepcopy(built(backbone.split("@")[0]))
    network = Network(model, spec.card(), spec.module("max"), "cpu", "float32")
    assert network(as_batch(picture(0, (128, 96)))).shape == (1, channels, *cells)


def test_fully_connected_layers_give_codes() -> None:
    image = as_batch(picture(0, (224, 192)))
    network = load("alexnet@fc6@random", pooling="code")
    codes = network(image)
    assert codes.shape == (1, 4096, 1, 1)
    assert torch.equal(
        codes, load("alexnet@random", pooling="code")(image)
    )  # the default layer of code pooling


def test_tokens_of_transformers_are_arranged_as_a_grid() -> None:
    """In row-major order without the class token, for an image that is not square."""
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
    assert patches.shape == (1, 192, 6, 8)  # this module has another order of axes


def plain_half(image: Image.Image) -> torch.Tensor:
    """The preprocessing of timm's older vision transformers, to [-1, 1]."""
    return (torch.from_numpy(np.array(image)).permute(2, 0, 1).float()[None] / 255 - 0.5) / 0.5


class OutOfOrder(torch.nn.Module):
    """A module whose batch normalisation is defined after the convolution and applied before it."""

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
def test_folding_batch_norm_keeps_the_output(
    build: Callable[[], torch.nn.Module], layer: str, folds: bool
) -> None:
    torch.manual_seed(0)
    model = build()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # statistics as of a trained network
            state = module.state_dict()
            for name in ("weight", "running_var"):
                state[name].uniform_(0.5, 1.5)
            for name in ("bias", "running_mean"):
                state[name].normal_(std=0.3)
    card = BackboneCard("a model", "torchvision", "model", 32, layer)
    network = Network(copy.deepcopy(model), card, layer, "cpu", "float32")
    has_batch_norm = any(isinstance(module, torch.nn.BatchNorm2d) for module in network.model.modules())
    assert has_batch_norm is not folds
    photo = picture(0)
    with torch.no_grad():
        expected = run(model.eval(), network.layer, plain(photo))
    assert torch.allclose(
        network(as_batch(photo)), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
    )


def test_random_weights_are_reproducible_and_keep_the_generator_state() -> None:
    torch.manual_seed(5)
    first = load("resnet18@random")
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))
    image = as_batch(picture(0))
    assert torch.equal(first(image), load("resnet18@random")(image))


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("vgg16@conv9_9@random", "'conv9_9'.*not in vgg16.*conv5_3"),
        ("vgg61", "'vgg61' is not known.*vgg16"),
        ("vgg16@conv4_3@conv5_3", "write one layer"),
        ("timm:vgg61", "timm has no model 'vgg61'"),
        ("file:/nowhere/vgg16.pth", "'/nowhere/vgg16.pth' is missing"),
        ("timm:vit_tiny_patch16_224@attn_pool@random", "'attn_pool' is not in"),
    ],
)
def test_invalid_names_are_reported(backbone: str, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        load(backbone)


def test_a_backbone_of_fixed_input_size_refuses_other_sizes() -> None:
    with pytest.raises(WorkbenchError, match=r"mixer_s32_224 cannot take images of 128x96 pixels.*--size"):
        load("timm:mixer_s32_224@random")(as_batch(picture(0)))


def test_missing_weights_are_reported_with_folders_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # a closed port
    monkeypatch.setattr(urllib.request, "_opener", None)  # it caches the proxies for later tests
    with pytest.raises(WorkbenchError) as caught:
        load("resnet50", tmp_path)
    message = str(caught.value)
    assert "'resnet50'" in message and str(tmp_path) in message and str(tmp_path / "torch") in message
    assert "workbench fetch resnet50" in message and "--weights" in message and "\n" not in message


class Harmful:
    """An object whose unpickling creates a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


def test_invalid_weight_files_are_refused(tmp_path: Path) -> None:
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


def test_a_trunk_without_classifier_has_no_fc6(tmp_path: Path) -> None:
    state = torchvision.models.alexnet(weights=None).features.state_dict()
    save_file({f"features.{k}": v for k, v in state.items()}, tmp_path / "alexnet-trunk.safetensors")
    assert load("alexnet", tmp_path)(as_batch(picture(0))).shape[1] == 256
    with pytest.raises(WorkbenchError, match=r"alexnet-trunk.*lacks 'classifier\.1.*classifier\.2.*@LAYER"):
        load("alexnet@fc6", tmp_path, pooling="code")


def test_every_default_layer_exists() -> None:
    for name in BACKBONES:
        if name not in ("vgg16", "resnet101", "resnet50"):  # slow to build, and like the smaller variants
            assert load(f"{name}@random").layer == BACKBONES[name].layer
