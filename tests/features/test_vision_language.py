"""Vision–language models: their input, maps and vectors as open_clip makes them, weight files and errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from tests.support import vision_language as tiny
from tests.support.pictures import picture
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features import models, vision_language, weights
from workbench.features.backbone_card import FixedInput
from workbench.features.backbones import BackboneSpec
from workbench.features.batches import pixels
from workbench.features.map_source import MapSource
from workbench.features.network import Network
from workbench.text.vision_language import encode_text


@pytest.fixture(scope="module", autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory) -> None:
    tiny.add_models(tmp_path_factory.mktemp("models"))


def load(backbone: str, pooling: str = "mean", folder: Path | None = None) -> Network:
    spec = BackboneSpec.parse(backbone)
    return models.load_network(spec, spec.module(pooling), folder, "cpu", "float32", 0)


def normalised(name: str, photo: Image.Image) -> torch.Tensor:
    """The input of a model as open_clip makes it, without resizing: [1, 3, H, W]."""
    card = vision_language.card(f"clip:{name}")
    values = torch.from_numpy(np.array(photo)).permute(2, 0, 1).float() / 255
    return ((values - torch.tensor(card.mean).view(3, 1, 1)) / torch.tensor(card.std).view(3, 1, 1))[None]


def as_batch(photo: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(photo))[None]


@pytest.mark.parametrize("fit", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(97, 61), (40, 90), (32, 32), (33, 200)])
def test_pictures_are_fitted_as_in_open_clip(fit: Any, interpolation: str, size: tuple[int, int]) -> None:
    photo = picture(0, size)
    transform = open_clip.image_transform(
        32, is_train=False, mean=(0, 0, 0), std=(1, 1, 1), interpolation=interpolation, resize_mode=fit
    )
    expected = (transform(photo) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert np.array_equal(pixels(photo, (32, 32), FixedInput(32, fit), interpolation), expected)


def test_preprocessing_and_cells_are_those_of_the_published_models() -> None:
    clip = BackboneSpec.parse("clip:ViT-B-32:laion2b_s34b_b79k").card()
    assert (clip.stride, clip.code_input, clip.map_input) == (32, FixedInput(224, "shortest"), None)
    assert clip.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))  # of the data of OpenAI
    siglip = BackboneSpec.parse("siglip:ViT-B-16").card()
    assert siglip == BackboneSpec.parse("siglip:ViT-B-16-SigLIP").card()
    assert (siglip.stride, siglip.code_input) == (16, FixedInput(224, "squash"))
    assert siglip.mean == siglip.std == (0.5, 0.5, 0.5)
    assert BackboneSpec.parse("clip:ViT-L-14-CLIPA").card().interpolation == "bilinear"
    # Rotary positions of another network of timm are computed for one size.
    assert BackboneSpec.parse("clip:EVA02-B-16").card().map_input == FixedInput(224, "squash")
    for name, quick in (("ViT-B-32", True), ("ViT-B-32:laion2b_s34b_b79k", False)):
        assert vision_language.quick_gelu(vision_language.model_name(f"clip:{name}")) is quick


@pytest.mark.parametrize("name", tiny.MODELS)
def test_codes_are_the_vectors_of_open_clip(name: str) -> None:
    side = vision_language.card(f"clip:{name}").code_input
    assert side is not None
    photo = picture(0, (side.side, side.side))
    with torch.no_grad():
        expected = tiny.build(name).encode_image(normalised(name, photo))
    code = load(f"clip:{name}@random", "code")(as_batch(photo))
    assert code.shape == (1, 24, 1, 1)
    assert torch.allclose(code.flatten(), expected[0], atol=1e-4)


def test_a_cell_is_projected_as_the_head_projects_it() -> None:
    """Row by row, for an image that is not square, by the weights of each kind of head."""
    photo = picture(0, (32, 32))
    visual = tiny.build("tiny-ViT").visual
    with torch.no_grad():
        tokens = visual.transformer(visual._embeds(normalised("tiny-ViT", photo)))[0, 1:]
        expected = visual.ln_post(tokens) @ visual.proj
    maps = load("clip:tiny-ViT@random")(as_batch(photo))
    assert torch.allclose(maps[0].flatten(1).T, expected, atol=1e-4)

    visual, wide = tiny.build("tiny-RN").visual, picture(0, (96, 64))
    with torch.no_grad():
        features = visual.stem(normalised("tiny-RN", wide))
        for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            features = layer(features)
        pool = visual.attnpool
        cell = features[0, :, 1, 2] @ pool.v_proj.weight.T + pool.v_proj.bias
        cell = cell @ pool.c_proj.weight.T + pool.c_proj.bias
    maps = load("clip:tiny-RN@random")(as_batch(wide))
    assert maps.shape == (1, 24, 2, 3)
    assert torch.allclose(maps[0, :, 1, 2], cell, atol=1e-4)

    visual, wide = tiny.build("tiny-SigLIP").visual, picture(0, (192, 160))
    maps = load("clip:tiny-SigLIP@random")(as_batch(wide))
    grid = wide.width // 16, wide.height // 16
    assert maps.shape == (1, 24, grid[1], grid[0])


def test_the_mean_of_an_average_pooled_map_is_the_vector() -> None:
    photo = picture(0, (160, 160))
    maps = load("clip:tiny-timm-RN@random")(as_batch(photo))
    code = load("clip:tiny-timm-RN@random", "code")(as_batch(photo))
    assert maps.shape[2] > 1 and torch.allclose(maps.mean((2, 3)), code[:, :, 0, 0], atol=1e-4)


def test_a_code_has_the_models_input_and_a_map_the_chosen_size(tmp_path: Path) -> None:
    options = Options(size=96, cache=tmp_path, device="cpu", precision="float32")
    wide = picture(0, (128, 64))
    of_map, of_code = (
        MapSource.of(Config.parse(f"clip:tiny-ViT@random/{pooling}/whole"), options)
        for pooling in ("mean", "code")
    )
    assert of_map.maps_of(wide)[0].shape == (1, 24, 6, 12)
    centre = of_code.maps_of(wide.resize((64, 32)).crop((16, 0, 48, 32)))[0]
    assert torch.allclose(of_code.maps_of(wide.resize((64, 32)))[0], centre)
    assert of_map.store(1).folder != of_code.store(1).folder
    with pytest.raises(WorkbenchError, match="step scales: clip:tiny-ViT takes only images of 32x32 pixels"):
        of_code.maps_of(wide, 3)


def test_weights_of_both_sides_come_from_the_weights_folder(tmp_path: Path) -> None:
    torch.manual_seed(7)
    model = open_clip.create_model("tiny-ViT").eval()
    path = tiny.save(model, tmp_path / "clip-tiny-ViT.safetensors")
    photo = picture(0, (32, 32))
    with torch.no_grad():
        image = model.encode_image(normalised("tiny-ViT", photo))[0]
        text = model.encode_text(open_clip.get_tokenizer("tiny-ViT")(["a red square"]), normalize=True)[0]
    for backbone in ("clip:tiny-ViT", f"file:{path}"):
        assert torch.allclose(load(backbone, "code", tmp_path)(as_batch(photo)).flatten(), image, atol=1e-4)
        assert np.allclose(encode_text(backbone, ["a red square"], tmp_path)[0], text, atol=1e-4)
    assert weights.availability("clip:tiny-ViT", tmp_path) == "ready"
    assert vision_language.models_here(tmp_path) == ["clip:tiny-ViT"]


def test_a_file_belongs_to_the_model_and_the_weights_that_its_name_says() -> None:
    stems = vision_language.file_stems("clip:ViT-B-32")
    assert "clip-ViT-B-32" in stems and "clip-ViT-B-32-openai" in stems
    assert "clip-ViT-B-32" not in vision_language.file_stems("clip:ViT-B-32:laion2b_s34b_b79k")
    names = {
        "clip-ViT-B-32-256.safetensors": "clip:ViT-B-32-256",
        "clip-ViT-B-32-laion2b_s34b_b79k.pt": "clip:ViT-B-32:laion2b_s34b_b79k",
        "siglip-ViT-B-16-SigLIP.safetensors": "siglip:ViT-B-16-SigLIP",
        "clip-ViT-B-32-holiday.safetensors": None,
        "vgg16.pth": None,
    }
    assert {name: vision_language.name_of_file(Path(name)) for name in names} == names


def test_a_file_of_the_image_side_alone_says_that_it_takes_no_texts(tmp_path: Path) -> None:
    model = tiny.build("tiny-ViT")
    for key in [key for key, _ in model.named_children() if key != "visual"]:
        delattr(model, key)
    tiny.save(model, tmp_path / "clip-tiny-ViT.safetensors")
    load("clip:tiny-ViT", folder=tmp_path)
    with pytest.raises(WorkbenchError, match=r"lacks 'transformer.*, which the text encoder of tiny-ViT"):
        encode_text("clip:tiny-ViT", ["a cat"], tmp_path)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("clip:ViT-B-23@random", "open_clip has no model 'ViT-B-23'; similar: .*ViT-B-32"),
        ("siglip:ViT-B-32@random", "open_clip has no SigLIP model 'ViT-B-32'; similar: .*SigLIP"),
        ("clip:ViT-B-32:laion3b@random", "no weights 'laion3b' of ViT-B-32; valid: openai, "),
        ("clip:@random", "open_clip has no model ''"),
        ("clip:tiny-ViT", "open_clip publishes no weights for 'tiny-ViT'; use clip:tiny-ViT@random"),
        ("clip:tiny-ViT@block9@random", "'block9' is not in tiny-ViT; valid: embedding, block1, block2"),
    ],
)
def test_invalid_names_are_reported(backbone: str, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        load(backbone)


def test_missing_weights_are_reported_with_folder_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(settings: object) -> str:
        raise FileNotFoundError("no network")

    monkeypatch.setattr(open_clip, "download_pretrained", offline)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *place: None)
    message = (
        rf"weights 'openai' of 'clip:ViT-B-32' are not here .*{tmp_path} \(weights folder\).*"
        r"workbench fetch clip:ViT-B-32.*clip-ViT-B-32-openai\.safetensors"
    )
    with pytest.raises(WorkbenchError, match=message):
        load("clip:ViT-B-32", folder=tmp_path)


def test_without_open_clip_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    vision_language.model_name.cache_clear()
    vision_language.card.cache_clear()
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(WorkbenchError, match=r'pip install "retrieval-workbench\[clip\]"'):
        load("clip:ViT-B-32@random")
