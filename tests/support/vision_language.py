"""Small vision–language models: their settings for open_clip, weight files, and a pair trained on shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from workbench.features.batches import pixels
from workbench.features.vision_language import card

TEXT = {"context_length": 16, "width": 32, "heads": 2, "layers": 1}
TRANSFORMER = {"image_size": 32, "patch_size": 8, "width": 32, "head_width": 16, "layers": 2}
RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "head_width": 16, "patch_size": None}


def timm(name: str, **settings: Any) -> dict[str, Any]:
    return {"image_size": 160, "timm_model_name": name, "timm_proj": "linear", **settings}


MODELS = {
    "tiny-ViT": TRANSFORMER,
    "tiny-ViT-average": {**TRANSFORMER, "pool_type": "avg", "final_ln_after_pool": True},
    "tiny-RN": RESNET,
    "tiny-timm-RN": timm("test_resnet", timm_pool="avg"),
    "tiny-timm-ViT": timm("test_vit", timm_pool="token"),
    "tiny-SigLIP": timm("test_vit3", timm_pool="map"),
}


def add_models(folder: Path) -> None:
    """Make the models known to open_clip, as ``clip:tiny-ViT`` and so on."""
    for name, vision in MODELS.items():
        settings = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": TEXT}
        (folder / f"{name}.json").write_text(json.dumps(settings))
    open_clip.add_model_config(folder)


def build(name: str) -> Any:
    torch.manual_seed(0)
    return open_clip.create_model(name).eval()


def save(model: Any, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    return path


COLOURS = {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (50, 80, 220), "yellow": (230, 210, 50)}
SHAPES = ("circle", "square", "stripe")
CAPTIONS = [f"a {colour} {shape}" for colour in COLOURS for shape in SHAPES]


def shape_picture(caption: str, rng: np.random.Generator) -> Image.Image:
    """A coloured shape of random size and place on a grey ground, 32 x 32 pixels."""
    _, colour, shape = caption.split()
    image = Image.new("RGB", (32, 32), (128, 128, 128))
    side, draw = int(rng.integers(18, 24)), ImageDraw.Draw(image)
    x, y = (int(v) for v in rng.integers(0, 32 - side, 2))
    box = (x, y, x + side, y + side)
    if shape == "stripe":
        box = (0, y + side // 3, 31, y + 2 * side // 3)
    (draw.ellipse if shape == "circle" else draw.rectangle)(box, fill=COLOURS[colour])
    return image


def train(name: str, steps: int = 80, batch: int = 48) -> Any:
    """Train a model on captions of shapes by the loss of CLIP (Radford et al., ICML 2021, figure 3)."""
    model, rng = build(name).train(), np.random.default_rng(0)
    tokens = open_clip.get_tokenizer(name)(CAPTIONS)
    about = card(f"clip:{name}")
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (about.mean, about.std))
    model.token_embedding.requires_grad_(False)  # random vectors tell words apart, too
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, 2e-3, weight_decay=0.0)
    for _ in range(steps):
        chosen = rng.integers(0, len(CAPTIONS), batch)
        pictures = np.stack([pixels(shape_picture(CAPTIONS[n], rng), (32, 32)) for n in chosen])
        images = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255 - mean) / deviation
        vectors, texts, scale = model(images, tokens)
        loss = torch.nn.functional.cross_entropy(scale * vectors @ texts.T, torch.from_numpy(chosen))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()
